/** The forecast as a filled fan: a primitive of lightweight-charts, drawn below the candles. */

const OPACITIES = [0.13, 0.16, 0.22];
const DOTS = [1.5, 3.5];

/** Draws what `buildFan` returns; attach it to the candle series. */
export class Fan {
  #chart = null;
  #series = null;
  #redraw = () => {};
  #fan = null;
  #colours = null;
  #views = [{ zOrder: () => "bottom", renderer: () => this.#renderer }];
  #renderer = { draw: (target) => target.useMediaCoordinateSpace((scope) => this.#draw(scope)) };
  #labels = [];

  attached({ chart, series, requestUpdate }) {
    this.#chart = chart;
    this.#series = series;
    this.#redraw = requestUpdate;
  }

  detached() {
    this.#chart = null;
    this.#series = null;
    this.#redraw = () => {};
  }

  /** Show another fan (null: none) in these colours. */
  show(fan, colours) {
    this.#fan = fan;
    this.#colours = colours;
    this.#labels = fan === null ? [] : this.#edges(fan).map((price) => this.#label(price));
    this.#redraw();
  }

  paneViews() {
    return this.#views;
  }

  priceAxisViews() {
    return this.#labels;
  }

  /** Keep the widest band inside the price scale. */
  autoscaleInfo() {
    if (this.#fan === null) return null;
    const { bands, naive } = this.#fan;
    const edges = [bands[0].low, bands[0].high, naive?.low ?? [], naive?.high ?? []].flat();
    return { priceRange: { minValue: Math.min(...edges), maxValue: Math.max(...edges) } };
  }

  #edges({ bands }) {
    return [bands[1].low.at(-1), bands[1].high.at(-1)];
  }

  // The ends of the 80 % band stand on the price axis: the headline's two numbers.
  #label(price) {
    const coordinate = () => this.#series?.priceToCoordinate(price) ?? -1;
    return {
      coordinate,
      text: () => this.#series?.priceFormatter().format(price) ?? "",
      textColor: () => this.#colours.onAccent,
      backColor: () => this.#colours.accent,
    };
  }

  #draw({ context, mediaSize }) {
    if (this.#fan === null || this.#chart === null) return;
    const scale = this.#chart.timeScale();
    const xs = this.#fan.times.map((ms) => scale.timeToCoordinate(ms / 1000));
    // A forecast older than the klines shown begins left of the chart.
    const first = xs.findIndex((x) => x !== null);
    if (first === -1) return;
    const line = (values) =>
      values.slice(first).map((value, index) => [xs[first + index], this.#series.priceToCoordinate(value)]);
    context.save();
    this.#drawCutoff(context, xs[first], mediaSize.height);
    this.#drawBands(context, line);
    this.#drawLines(context, line);
    context.restore();
  }

  #drawCutoff(context, x, height) {
    context.strokeStyle = this.#colours.muted;
    context.lineWidth = 1;
    context.setLineDash([2, 4]);
    stroke(context, [[x, 0], [x, height]]);
  }

  #drawBands(context, line) {
    context.fillStyle = this.#colours.accent;
    this.#fan.bands.forEach(({ low, high }, index) => {
      context.globalAlpha = OPACITIES[index];
      context.beginPath();
      for (const [x, y] of [...line(high), ...line(low).reverse()]) context.lineTo(x, y);
      context.closePath();
      context.fill();
    });
    context.globalAlpha = 1;
  }

  #drawLines(context, line) {
    const { naive, median, lastClose } = this.#fan;
    context.setLineDash(DOTS);
    context.lineCap = "round";
    context.lineWidth = 1.5;
    context.strokeStyle = this.#colours.muted;
    stroke(context, line(median.map(() => lastClose)));
    if (naive !== null) {
      stroke(context, line(naive.low));
      stroke(context, line(naive.high));
    }
    context.setLineDash([]);
    context.lineWidth = 1;
    context.strokeStyle = this.#colours.ink;
    stroke(context, line(median));
  }
}

function stroke(context, points) {
  context.beginPath();
  for (const [x, y] of points) context.lineTo(x, y);
  context.stroke();
}

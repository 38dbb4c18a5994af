/** The picture: candles, volume and the fan, by TradingView's lightweight-charts. */

import {
  CandlestickSeries,
  ColorType,
  CrosshairMode,
  HistogramSeries,
  createChart,
} from "../vendor/lightweight-charts.mjs";
import { Fan } from "./fan.js";
import { decimal, utc } from "./format.js";
import { typicalMs, DAY_MS } from "./interval.js";
import { buildCandles } from "./series.js";

const QUIET = { priceLineVisible: false, lastValueVisible: false };

/** Return a chart inside `container`; `onHover` gets the open time under the pointer, or null. */
export function createMarketChart(container, onHover) {
  const chart = createChart(container, chartOptions());
  const candles = chart.addSeries(CandlestickSeries, { priceLineVisible: false });
  const volume = chart.addSeries(HistogramSeries, { ...QUIET, priceScaleId: "volume" });
  chart.priceScale("volume").applyOptions({ scaleMargins: { top: 0.84, bottom: 0 } });
  const fan = new Fan();
  candles.attachPrimitive(fan);
  chart.subscribeCrosshairMove(({ time }) => onHover(time === undefined ? null : time * 1000));
  new ResizeObserver(() => fit()).observe(container);

  let colours = null;
  let shown = null;
  let slots = 0;

  // fitContent() would leave out the fan: it ends at the last kline.
  function fit() {
    if (slots > 0) chart.timeScale().setVisibleLogicalRange({ from: -0.5, to: slots - 0.25 });
  }

  function paint() {
    colours = readColours();
    chart.applyOptions(chartColours(colours));
    candles.applyOptions(candleColours(colours));
    if (shown !== null) show(shown);
  }

  /** Show klines (may be empty), a fan (or null) and their scale. */
  function show(picture) {
    shown = picture;
    const { klines, fanShape, digits, interval } = picture;
    candles.applyOptions({ priceFormat: priceFormat(digits) });
    chart.timeScale().applyOptions({ timeVisible: typicalMs(interval) < DAY_MS });
    const rows = buildCandles(klines, fanShape?.times ?? []);
    slots = rows.length;
    candles.setData(rows);
    volume.setData(klines.map((kline) => volumeBar(kline, colours)));
    fan.show(fanShape, colours);
    fit();
  }

  paint();
  return { show, paint };
}

function chartOptions() {
  return {
    autoSize: true,
    // The licence's notice and link stand in the page's footer; the logo needs an inline
    // style element, which the page's content security policy refuses.
    layout: { attributionLogo: false },
    // The page is the zoom: fifty klines and the fan always fit, and scrolling scrolls the page.
    handleScroll: false,
    handleScale: false,
    crosshair: { mode: CrosshairMode.Normal },
    rightPriceScale: { borderVisible: false, scaleMargins: { top: 0.06, bottom: 0.2 } },
    timeScale: { borderVisible: false, minBarSpacing: 1 },
    localization: { locale: "en-GB", timeFormatter: (seconds) => utc(seconds * 1000) },
  };
}

const priceFormat = (digits) => ({
  type: "custom",
  minMove: 10 ** -digits,
  formatter: (price) => decimal(price, digits),
});

const volumeBar = (kline, colours) => ({
  time: kline.openMs / 1000,
  value: Number(kline.volume),
  color: `${Number(kline.close) >= Number(kline.open) ? colours.up : colours.down}66`,
});

// Canvas knows no custom properties: the tokens are read from an element that wears them.
function readColours() {
  const wearer = document.documentElement.appendChild(document.createElement("span"));
  const worn = getComputedStyle(wearer);
  const colour = (name) => {
    wearer.style.color = `var(--${name})`;
    return hex(worn.color);
  };
  const colours = {
    ink: colour("ink"),
    muted: colour("muted"),
    surface: colour("surface"),
    accent: colour("accent"),
    onAccent: colour("on-accent"),
    up: colour("up"),
    down: colour("down"),
    font: worn.getPropertyValue("--font").trim(),
    fontSize: Math.round(Number.parseFloat(worn.fontSize) * 0.75),
  };
  wearer.remove();
  return colours;
}

/** Return `rgb(42, 111, 219)` as `#2a6fdb`: an opacity can be written behind it. */
function hex(rgb) {
  const parts = rgb.match(/\d+/g).map((part) => Number(part).toString(16).padStart(2, "0"));
  return `#${parts.join("")}`;
}

const chartColours = (colours) => ({
  layout: {
    background: { type: ColorType.Solid, color: colours.surface },
    textColor: colours.muted,
    fontFamily: colours.font,
    fontSize: colours.fontSize,
  },
  // Drawn over the fan too, so it must let it through.
  grid: {
    vertLines: { color: `${colours.muted}26` },
    horzLines: { color: `${colours.muted}26` },
  },
  crosshair: {
    vertLine: { color: colours.muted, labelBackgroundColor: colours.ink },
    horzLine: { color: colours.muted, labelBackgroundColor: colours.ink },
  },
});

const candleColours = ({ up, down }) => ({
  upColor: up,
  borderUpColor: up,
  wickUpColor: up,
  downColor: down,
  borderDownColor: down,
  wickDownColor: down,
});

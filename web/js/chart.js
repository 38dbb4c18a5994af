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

// Canvas knows no custom properties: the tokens are read from the stylesheet, as #rrggbb.
function readColours() {
  const style = getComputedStyle(document.documentElement);
  const token = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    ink: token("ink"),
    muted: token("muted"),
    surface: token("surface"),
    accent: token("accent"),
    onAccent: token("on-accent"),
    up: token("up"),
    down: token("down"),
    font: token("font"),
    fontSize: Math.round(Number.parseFloat(style.fontSize) * 0.75),
  };
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

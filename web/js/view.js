/** What a state means for the page: its phase, and what stands where. Pure. */

import { readClock } from "./clock.js";
import { change, decimal, decimalsOf, exact, local, utc } from "./format.js";
import { demoBanner, freshness, warnings } from "./freshness.js";
import { addSteps, spanInWords, typicalMs } from "./interval.js";
import { buildFan, fanSteps, parseKline } from "./series.js";
import { cardFor } from "./sentences.js";

/** Return "loading", "error", "empty", "busy" (another series is on its way) or "ready". */
export function phaseOf({ route, data, failure, isUnfilled }) {
  const isWanted = data !== null && data.symbol === route.symbol && data.interval === route.interval;
  if (!isWanted && failure !== null) return "error";
  if (isUnfilled) return "empty";
  if (data === null) return "loading";
  if (!isWanted) return "busy";
  return data.klines.length === 0 ? "empty" : "ready";
}

/** Return the panel's words for a phase that shows no picture, or null. */
export function panelOf(phase, { route, failure }) {
  const series = `${route.symbol} ${route.interval}`;
  if (phase === "error") {
    const { message, hint, status, requestId } = failure;
    const isRefused = status >= 400 && status < 500;
    const title = isRefused ? `${series} can't be shown` : message;
    const detail = isRefused ? `${message} ${hint}`.trim() : hint;
    return { title, detail, id: requestId === "" ? null : `request id ${requestId}`, canRetry: true };
  }
  if (phase !== "empty") return null;
  const title = route.symbol === null ? "No symbols yet" : `No klines of ${series} yet`;
  const detail =
    "The populator fetches them from the exchange; this page fills by itself as they arrive.";
  return { title, detail, id: null, canRetry: false };
}

/** Return everything that follows from the klines and the forecast of a series. */
export function seriesView(data, horizon, quote) {
  const klines = data.klines.map(parseKline);
  const digits = decimalsOf(klines.flatMap(({ open, high, low, close }) => [open, high, low, close]));
  const { forecast, naive, cards } = data;
  const reach = forecast === null ? 0 : Math.min(horizon, forecast.steps.length);
  return {
    ...data,
    quote,
    klines,
    digits,
    horizon: reach,
    card: forecast === null ? null : cardFor(cards, forecast, reach),
    steps: forecast === null ? [] : fanSteps(forecast, reach),
    fan: forecast === null ? null : buildFan(forecast, naive, reach),
    cutoffCloseMs:
      forecast === null ? null : addSteps(forecast.cutoff_ms, forecast.interval, 1) - 1,
  };
}

/** Return the headline where there is no forecast yet: what the klines alone say. */
export function klineSentence({ symbol, interval, klines, digits }) {
  const last = klines.at(-1);
  const before = klines.at(-25) ?? klines[0];
  // By time: a kline may be missing between the two.
  const steps = Math.round((last.openMs - before.openMs) / typicalMs(interval));
  const start = `${symbol}: last close ${exact(last.close, digits)}`;
  if (steps === 0) return `${start}.`;
  const moved = Number(last.close) / Number(before.close) - 1;
  return `${start}, ${change(moved)} in ${spanInWords(interval, steps)}.`;
}

/** Return the line above the chart for the kline or step that opens at `openMs`. */
export function readingOf(view, openMs) {
  const kline = view.klines.find((candidate) => candidate.openMs === openMs);
  const step = view.steps.find((candidate) => candidate.openMs === openMs);
  if (kline !== undefined) return klineReading(kline, view.digits);
  return step === undefined ? null : stepReading(step, view);
}

function bothClocks(ms) {
  const here = local(ms);
  return here === null ? utc(ms) : `${utc(ms)} (${here})`;
}

function klineReading(kline, digits) {
  const price = (text) => exact(text, digits);
  const { openMs, open, high, low, close, volume } = kline;
  return {
    when: bothClocks(openMs),
    values: [["O", price(open)], ["H", price(high)], ["L", price(low)], ["C", price(close)], ["Vol", exact(volume)]],
  };
}

function stepReading({ step, target_ms: targetMs, quantiles }, { interval, digits }) {
  const price = (level) => decimal(quantiles[level], digits);
  const band = (low, high) => `${price(low)} to ${price(high)}`;
  return {
    when: `${spanInWords(interval, step)} ahead, until ${bothClocks(targetMs + 1)}`,
    values: [["80 %", band("0.1", "0.9")], ["50 %", band("0.25", "0.75")], ["95 %", band("0.025", "0.975")], ["median", price("0.5")]],
  };
}

/** Return what the header says at the machine's monotonic `atMs`: clock, dot, banner, warnings. */
export function headerView(state, atMs) {
  const { status, clock, data, route } = state;
  const nowMs = clock === null ? null : readClock(clock, atMs);
  const lastCloseMs = data === null || data.klines.length === 0 ? null : data.klines.at(-1)[6];
  const dot =
    nowMs === null
      ? { level: "none", text: "connecting" }
      : freshness(lastCloseMs, data?.interval ?? route.interval ?? "1h", nowMs);
  const banner = demoBanner(status);
  const demoEnded = status?.demo_ended ?? false;
  const forecast = data?.forecast ?? null;
  // Where the error fills the page, saying it twice helps nobody.
  const failure = phaseOf(state) === "error" ? null : state.failure;
  const said = warnings({ failure, dot, lastCloseMs, forecast, demoEnded });
  return { nowMs, dot, banner, demoEnded, warnings: said };
}


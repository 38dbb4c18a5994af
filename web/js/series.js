/** Klines and forecasts as the chart and the tables want them. Pure. */

import { addSteps } from "./interval.js";

/** Binance's row of a kline by name; numbers stay the text Binance wrote. */
export function parseKline(row) {
  const [openMs, open, high, low, close, volume, closeMs, quoteVolume, trades] = row;
  return { openMs, open, high, low, close, volume, closeMs, quoteVolume, trades };
}

/** Return the forecast's steps 1..horizon with the open time of each step's kline. */
export function fanSteps(forecast, horizon) {
  return forecast.steps.slice(0, horizon).map((step) => ({
    ...step,
    openMs: addSteps(forecast.cutoff_ms, forecast.interval, step.step),
  }));
}

// The outer edges first: each narrower band is drawn over the wider one.
const BANDS = [
  ["0.025", "0.975"],
  ["0.1", "0.9"],
  ["0.25", "0.75"],
];

/**
 * Return what the fan draws, from the last close at the cutoff on: `bands` of
 * `{low, high}` from the widest, `median`, `naive` (the random walk's 80 % band, or
 * null) and `lastClose`; all arrays run along `times` (open times, ms).
 */
export function buildFan(forecast, naive, horizon) {
  const steps = fanSteps(forecast, horizon);
  const along = (ofSteps, level) => [
    forecast.last_close,
    ...ofSteps.map((step) => step.quantiles[level]),
  ];
  const isApart = naive !== null && naive.cutoff_ms === forecast.cutoff_ms && naive.model !== forecast.model;
  const naiveSteps = isApart ? fanSteps(naive, horizon) : [];
  return {
    times: [forecast.cutoff_ms, ...steps.map((step) => step.openMs)],
    bands: BANDS.map(([low, high]) => ({ low: along(steps, low), high: along(steps, high) })),
    median: along(steps, "0.5"),
    naive: isApart ? { low: along(naiveSteps, "0.1"), high: along(naiveSteps, "0.9") } : null,
    lastClose: forecast.last_close,
  };
}

/** Return the chart's rows: every kline, and an empty slot for each time that only the fan has. */
export function buildCandles(klines, fanTimes) {
  const seconds = new Map(fanTimes.map((ms) => [ms / 1000, { time: ms / 1000 }]));
  for (const kline of klines) {
    const time = kline.openMs / 1000;
    const [open, high, low, close] = [kline.open, kline.high, kline.low, kline.close].map(Number);
    seconds.set(time, { time, open, high, low, close });
  }
  return [...seconds.values()].sort((a, b) => a.time - b.time);
}

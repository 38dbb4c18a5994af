/** How fresh the data are, and what has to be said about it. Pure. */

import { clockTime, day, duration, utc } from "./format.js";
import { typicalMs } from "./interval.js";

// A forecast's state is that of the moment it was made.
const FORECAST_STATES = {
  stale: "The forecast is stale: the newest kline was missing when it was made.",
  expired: "The forecast has expired: all its steps lay in the past when it was made.",
  fallback: "The forecast's ranges are provisional: the history is too short to measure them.",
};

/** Return `{level, text}` for the dot: live under 2 intervals behind, late under 5, else stale. */
export function freshness(lastCloseMs, interval, nowMs) {
  if (lastCloseMs === null) return { level: "none", text: "no data" };
  const lagMs = Math.max(0, nowMs - lastCloseMs);
  const intervals = lagMs / typicalMs(interval);
  const level = intervals < 2 ? "live" : intervals < 5 ? "late" : "stale";
  return { level, text: `${level}, newest kline closed ${duration(lagMs)} ago` };
}

/** Return the demo's banner, null where the exchange is the real one. */
export function demoBanner(status) {
  if (status === null || !status.demo) return null;
  if (status.demo_ended) {
    return (
      `DEMO ended: the recorded klines stop at ${day(status.now_ms)} ${clockTime(status.now_ms)} UTC.` +
      " To see it again: sh setup.sh reset, then sh setup.sh --demo"
    );
  }
  const year = new Date(status.now_ms).getUTCFullYear();
  // The rate is measured, a little off now and then: 59.4 and 60.7 are both 60.
  const rate = status.rate < 20 ? Math.round(status.rate) : 5 * Math.round(status.rate / 5);
  const speed = rate === 1 ? "at their own speed" : `${rate} times as fast`;
  return `DEMO: recorded klines of ${year} replayed ${speed}`;
}

/** Return the sentences that warn of old data or a broken connection, most urgent first. */
export function warnings({ failure, dot, lastCloseMs, forecast, demoEnded }) {
  const said = [];
  if (failure !== null) {
    const shown = lastCloseMs === null ? "" : ` Shown is what was here before: data to ${utc(lastCloseMs + 1)}.`;
    said.push(`${failure.message}${shown} Trying again every few seconds.`);
  }
  // At the end of the recorded data everything grows old, and the banner says why.
  if (demoEnded) return said;
  if (dot.level === "stale") {
    said.push(
      `The data are stale: the newest kline closed at ${utc(lastCloseMs + 1)}.` +
        " The populator may be down or catching up; this page keeps asking.",
    );
  }
  const state = FORECAST_STATES[forecast?.state];
  if (state !== undefined) said.push(state);
  return said;
}

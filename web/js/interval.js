/** Binance's sixteen intervals: their lengths, their grid, and how people say them. */

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;

const UNIT_MS = { s: SECOND_MS, m: MINUTE_MS, h: HOUR_MS, d: DAY_MS, w: 7 * DAY_MS, M: 30 * DAY_MS };

function split(interval) {
  return [Number.parseInt(interval, 10), interval.at(-1)];
}

/** Return the interval's length in ms; for the calendar month a typical one. */
export function typicalMs(interval) {
  const [count, unit] = split(interval);
  return count * UNIT_MS[unit];
}

/** Return the open time `count` klines after the one that opens at `openMs`. */
export function addSteps(openMs, interval, count) {
  const [size, unit] = split(interval);
  if (unit !== "M") return openMs + count * typicalMs(interval);
  const open = new Date(openMs);
  return Date.UTC(open.getUTCFullYear(), open.getUTCMonth() + count * size, 1);
}

/** Return how long `steps` klines last, in words: "24 h", "2 h 30 min", "5 days". */
export function spanInWords(interval, steps) {
  const [size, unit] = split(interval);
  const count = size * steps;
  if (unit === "s") return parts(count, "s", "min");
  if (unit === "m") return parts(count, "min", "h");
  if (unit === "h") return `${count} h`;
  const word = { d: "day", w: "week", M: "month" }[unit];
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

function parts(count, small, large) {
  if (count < 60) return `${count} ${small}`;
  const rest = count % 60;
  return `${Math.floor(count / 60)} ${large}${rest === 0 ? "" : ` ${rest} ${small}`}`;
}

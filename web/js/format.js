/** Numbers and times as people read them: true minus, no-break units, UTC unless said. */

import { DAY_MS } from "./interval.js";

const NBSP = "\u00a0";
const MINUS = "\u2212";
const WEEKDAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

const pad = (number) => String(number).padStart(2, "0");

/** Return a number with `digits` decimals and grouped thousands. */
export function decimal(number, digits) {
  const text = Math.abs(number).toLocaleString("en-US", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  const isZero = Number(text.replaceAll(",", "")) === 0;
  return number < 0 && !isZero ? MINUS + text : text;
}

/** Return an integer with grouped thousands. */
export const integer = (number) => decimal(number, 0);

/** Return a fraction in percent: 0.506 is "50.6 %". */
export const percent = (fraction, digits = 1) => decimal(fraction * 100, digits) + NBSP + "%";

/** Return a fraction as a signed change in percent: 0.031 is "+3.1 %"; small ones get two decimals. */
export function change(fraction) {
  const text = percent(fraction, Math.abs(fraction) < 0.00995 ? 2 : 1);
  return fraction > 0 && /[1-9]/.test(text) ? `+${text}` : text;
}

/** Return Binance's decimal text grouped; no digit is lost, zeros stay up to `least` decimals. */
export function exact(text, least = 0) {
  const [whole, fraction = ""] = text.split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  const kept = fraction.replace(/0+$/, "").padEnd(least, "0");
  return kept === "" ? grouped : `${grouped}.${kept}`;
}

/** Return how many decimals a symbol's prices use, seen from their decimal texts. */
export function decimalsOf(texts) {
  const used = texts.map((text) => (text.split(".")[1] ?? "").replace(/0+$/, "").length);
  return Math.min(8, Math.max(2, ...used));
}

/** Return a p-value as tests are reported: "p < 0.01", "p = 0.34". */
export function pValue(p) {
  if (p < 0.001) return `p${NBSP}<${NBSP}0.001`;
  if (p < 0.01) return `p${NBSP}<${NBSP}0.01`;
  return p > 0.99 ? `p${NBSP}>${NBSP}0.99` : `p${NBSP}=${NBSP}${p.toFixed(2)}`;
}

/** Return a length of time in words: "34 s", "12 min", "3 h 12 min", "5 days". */
export function duration(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} days`;
}

/** Return the time of day in UTC: "14:00". */
export function clockTime(ms) {
  const moment = new Date(ms);
  return `${pad(moment.getUTCHours())}:${pad(moment.getUTCMinutes())}`;
}

/** Return the time of day in UTC with seconds: "14:00:03". */
export const clockSeconds = (ms) => `${clockTime(ms)}:${pad(new Date(ms).getUTCSeconds())}`;

/** Return the day in UTC: "18 Jun 2024". */
export function day(ms) {
  const moment = new Date(ms);
  return `${moment.getUTCDate()} ${MONTHS[moment.getUTCMonth()]} ${moment.getUTCFullYear()}`;
}

/** Return day and time in UTC: "Tue 18 Jun 2024 14:00 UTC". */
export const utc = (ms) => `${WEEKDAYS[new Date(ms).getUTCDay()]} ${day(ms)} ${clockTime(ms)} UTC`;

/** Return a time near `nowMs` briefly: "Wed 14:00 UTC", further away "7 Aug 2024 00:00 UTC". */
export function soon(ms, nowMs) {
  if (Math.abs(ms - nowMs) >= 6 * DAY_MS) return `${day(ms)} ${clockTime(ms)} UTC`;
  return `${WEEKDAYS[new Date(ms).getUTCDay()]} ${clockTime(ms)} UTC`;
}

/** Return the moment on the reader's own clock: "16:00 CEST", or null where that is UTC. */
export function local(ms) {
  const moment = new Date(ms);
  if (moment.getTimezoneOffset() === 0) return null;
  const time = `${pad(moment.getHours())}:${pad(moment.getMinutes())}`;
  const zone = new Intl.DateTimeFormat("en-GB", { timeZoneName: "short" })
    .formatToParts(moment)
    .find((part) => part.type === "timeZoneName").value;
  const sameDay = moment.getDate() === moment.getUTCDate();
  return `${sameDay ? "" : `${WEEKDAYS[moment.getDay()]} `}${time} ${zone}`;
}

/** Return a time as tables and machines want it: "2024-06-18 14:00:00". */
export const iso = (ms) => new Date(ms).toISOString().slice(0, 19).replace("T", " ");

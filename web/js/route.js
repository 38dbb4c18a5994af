/** The address of a view: `#/market/BTCUSDT/1h?h=24`. */

export const MAX_HORIZON = 50;
export const DEFAULT_HORIZON = 24;

/** Return `{symbol, interval, horizon}` of a location hash; parts that are missing are null. */
export function parseRoute(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [view, symbol = "", interval = ""] = path.split("/").map(decode);
  const known = view === "market";
  return {
    symbol: known && symbol !== "" ? symbol.toUpperCase() : null,
    interval: known && interval !== "" ? interval : null,
    horizon: parseHorizon(new URLSearchParams(query).get("h")),
  };
}

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a stray % is part of what was typed
  }
}

function parseHorizon(text) {
  if (text === null || !/^\d+$/.test(text)) return DEFAULT_HORIZON;
  return clampHorizon(Number(text));
}

/** Return the nearest horizon that forecasts reach. */
export const clampHorizon = (steps) => Math.min(MAX_HORIZON, Math.max(1, steps));

/** Return the location hash of a view. */
export const buildRoute = ({ symbol, interval, horizon }) =>
  `#/market/${encodeURIComponent(symbol)}/${encodeURIComponent(interval)}?h=${horizon}`;

/** Return the route with its missing parts filled from what is stored; null where nothing is. */
export function completeRoute(route, symbols) {
  const symbol = route.symbol ?? (symbols.find((s) => s.series.length > 0) ?? symbols[0])?.symbol;
  if (symbol === undefined) return null;
  const intervals = intervalsOf(symbols, symbol);
  const interval = route.interval ?? (intervals.includes("1h") ? "1h" : (intervals[0] ?? "1h"));
  return { ...route, symbol, interval };
}

/** Return the intervals that are stored of a symbol. */
export const intervalsOf = (symbols, symbol) =>
  (symbols.find((s) => s.symbol === symbol)?.series ?? []).map((series) => series.interval);

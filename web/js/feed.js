/** Keeping the state fed: what to ask the API for, and how often. */

import { ApiError } from "./api.js";
import { clockFrom } from "./clock.js";
import { typicalMs } from "./interval.js";
import { completeRoute } from "./route.js";

const KLINES_SHOWN = 50;
const SYMBOLS_PERIOD_MS = 60_000;
const FASTEST_MS = 2_000;
const SLOWEST_MS = 10_000;
const POLLS_PER_KLINE = 20;
// One object, so that "none" twice is no change.
const NO_CARDS = Object.freeze([]);

/** Return how long to wait between two looks: shorter for short klines and a fast demo. */
export function pollPeriodMs({ route, clock, failure, data }) {
  if (failure !== null || data === null || data.forecast === null) return FASTEST_MS * 1.5;
  const rate = clock.rate > 0 ? clock.rate : 1;
  const wanted = typicalMs(route.interval) / rate / POLLS_PER_KLINE;
  return Math.min(SLOWEST_MS, Math.max(FASTEST_MS, wanted));
}

/** Return a function that asks for everything once and puts it into the state. */
export function createFeed(api, state) {
  let symbolsAtMs = -Infinity;

  async function refreshSymbols() {
    const { symbols, data } = state.get();
    const isEmpty = symbols === null || data === null || data.klines.length === 0;
    if (!isEmpty && performance.now() - symbolsAtMs < SYMBOLS_PERIOD_MS) return;
    state.set({ symbols: (await api.read("v1/symbols")).symbols });
    symbolsAtMs = performance.now();
  }

  async function refreshStatus() {
    const status = await api.read("v1/status");
    state.set({ status, clock: clockFrom(status, performance.now()), nowMs: status.now_ms });
  }

  async function refresh() {
    try {
      await all([refreshStatus(), refreshSymbols()]);
      const { route, symbols } = state.get();
      const complete = completeRoute(route, symbols);
      if (complete === null) {
        state.set({ data: null, failure: null, isUnfilled: true });
        return;
      }
      requireKnown(complete.symbol, symbols);
      const data = await readSeries(api, complete, state.get().data);
      takeIn(state, complete, data);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      state.set({ failure: error });
    }
  }

  return refresh;
}

function requireKnown(symbol, symbols) {
  if (symbols.some((known) => known.symbol === symbol)) return;
  throw new ApiError({
    status: 404,
    detail: `${symbol} is not known here.`,
    hint: "Choose a symbol above, or add this one to KLINECAST_SYMBOLS to follow it.",
  });
}

async function readSeries(api, { symbol, interval }, before) {
  const query = new URLSearchParams({ symbol, interval });
  const [forecasts, naives, klines] = await all([
    api.find(`v1/forecasts?${query}`),
    api.find(`v1/forecasts?${query}&model=random_walk`),
    api.read(`api/v3/klines?${query}&limit=${KLINES_SHOWN}`),
  ]);
  const forecast = forecasts?.forecasts[0] ?? null;
  const naive = naives?.forecasts[0] ?? null;
  const cards = await readCards(api, query, forecast, before);
  return { symbol, interval, klines, forecast, naive, cards };
}

// Of several errors the first in order is told, not the quickest: the same cause, the same words.
async function all(promises) {
  const settled = await Promise.allSettled(promises);
  const failed = settled.find(({ status }) => status === "rejected");
  if (failed !== undefined) throw failed.reason;
  return settled.map(({ value }) => value);
}

// Score cards change only when a model was trained: not asked for at every look.
async function readCards(api, query, forecast, before) {
  if (forecast === null) return NO_CARDS;
  const isSame = before?.forecast?.version === forecast.version && before.symbol === forecast.symbol;
  if (isSame && before.interval === forecast.interval && before.cards.length > 0) return before.cards;
  return (await api.find(`v1/scores?${query}&model=${forecast.model}`))?.scores ?? NO_CARDS;
}

function takeIn(state, route, data) {
  const { route: now, data: before } = state.get();
  const wanted = { ...route, horizon: now.horizon };
  const hasMoved =
    (now.symbol ?? data.symbol) !== data.symbol || (now.interval ?? data.interval) !== data.interval;
  if (hasMoved) return; // the reader chose another series meanwhile; the next look is on its way
  const isSame = before !== null && Object.keys(data).every((key) => before[key] === data[key]);
  state.set({ route: wanted, data: isSame ? before : data, failure: null, isUnfilled: false });
}

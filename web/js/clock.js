/** The exchange's clock, carried on in the browser between two answers of the API. */

/** Return a clock that said `nowMs` when the machine's monotonic clock said `atMs`. */
export const clockFrom = (status, atMs) => ({ nowMs: status.now_ms, rate: status.rate, atMs });

/** Return the exchange's time, UTC epoch ms, at the machine's `atMs`. */
export const readClock = (clock, atMs) => clock.nowMs + (atMs - clock.atMs) * clock.rate;

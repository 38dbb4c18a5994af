/** The header: pickers, the freshness dot, the exchange's clock, and what must be said first. */

import { byId, element, say } from "./elements.js";
import { clockSeconds, day } from "./format.js";
import { fillPickers } from "./pickers.js";
import { intervalsOf } from "./route.js";

/** Draw what `headerView` returned; only what changed is touched. */
export function drawHeader({ nowMs, dot, banner, demoEnded, warnings }) {
  byId("freshness").dataset.level = dot.level;
  say(byId("freshness-text"), dot.text);
  const clock = byId("clock");
  say(clock, nowMs === null ? "" : `${day(nowMs)} ${clockSeconds(nowMs)} UTC`);
  if (nowMs !== null) clock.dateTime = new Date(nowMs).toISOString();
  say(byId("demo"), banner);
  byId("demo").dataset.ended = String(demoEnded);
  drawWarnings(byId("warnings"), warnings);
}

function drawWarnings(list, warnings) {
  list.hidden = warnings.length === 0;
  const shown = [...list.children].map((item) => item.textContent);
  if (shown.join("\n") === warnings.join("\n")) return;
  list.replaceChildren(...warnings.map((text) => element("li", { textContent: text })));
}

/** Fill the pickers from the state; `go` is called with the series the reader chose. */
export function installPickers(state, go) {
  const pickers = { symbol: byId("symbol"), interval: byId("interval") };
  state.watch(
    (s) => [s.symbols, s.route.symbol, s.route.interval],
    (symbols) => {
      if (symbols !== null) fillPickers(pickers, symbols, state.get().route);
    },
  );
  pickers.symbol.addEventListener("change", () => {
    const symbol = pickers.symbol.value;
    const intervals = intervalsOf(state.get().symbols, symbol);
    const { interval } = state.get().route;
    go({ symbol, interval: intervals.includes(interval) ? interval : (intervals[0] ?? interval) });
  });
  pickers.interval.addEventListener("change", () => go({ interval: pickers.interval.value }));
  state.watch(
    (s) => [s.status?.version],
    (version) => say(byId("version"), version === undefined ? null : `Klinecast ${version}`),
  );
}

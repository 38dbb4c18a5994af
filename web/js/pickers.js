/** The symbol and interval pickers: native selects, so every keyboard and phone knows them. */

import { element } from "./elements.js";
import { intervalsOf } from "./route.js";

/** Fill the pickers and mark what is chosen; a choice that is not stored stays choosable. */
export function fillPickers({ symbol, interval }, symbols, route) {
  fill(symbol, symbols.map((known) => known.symbol), route.symbol);
  fill(interval, intervalsOf(symbols, route.symbol), route.interval);
}

function fill(select, values, chosen) {
  const wanted = chosen === null || values.includes(chosen) ? values : [...values, chosen];
  const present = [...select.options].map((option) => option.value);
  if (wanted.join() !== present.join()) {
    select.replaceChildren(...wanted.map((value) => element("option", { value, textContent: value })));
  }
  select.disabled = wanted.length === 0;
  if (chosen !== null) select.value = chosen;
}

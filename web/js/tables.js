/** The chart's twin: the same klines and steps as tables, with every digit. */

import { element } from "./elements.js";
import { decimal, iso } from "./format.js";

const KLINE_COLUMNS = ["Open time (UTC)", "Open", "High", "Low", "Close", "Volume", "Trades"];
const LEVELS = ["0.025", "0.1", "0.25", "0.5", "0.75", "0.9", "0.975"];
const STEP_COLUMNS = ["Step", "Until (UTC)", ...LEVELS.map((level) => `${decimal(level * 100, 1)} %`)];

/** Return the tables of a series: the forecast's steps, then its klines, newest first. */
export function buildTables({ symbol, interval, klines, steps, digits }) {
  const stepRows = steps.map(({ step, target_ms: targetMs, quantiles }) => [
    step,
    iso(targetMs + 1),
    ...LEVELS.map((level) => decimal(quantiles[level], digits)),
  ]);
  const klineRows = klines
    .toReversed()
    .map((k) => [iso(k.openMs), k.open, k.high, k.low, k.close, k.volume, k.trades]);
  const tables = [table("klines", `Klines of ${symbol} ${interval}, newest first`, KLINE_COLUMNS, klineRows)];
  if (steps.length === 0) return tables;
  const caption = `Forecast of ${symbol} ${interval}: quantiles of the price`;
  return [table("steps", caption, STEP_COLUMNS, stepRows), ...tables];
}

function table(id, caption, columns, rows) {
  const head = element("tr", {}, columns.map((name) => element("th", { scope: "col", textContent: name })));
  const body = rows.map((row) => element("tr", {}, row.map(cell)));
  const node = element("table", { id: `${id}-table` }, [
    element("caption", { textContent: caption }),
    element("thead", {}, [head]),
    element("tbody", {}, body),
  ]);
  // A table wider than a phone scrolls in its own frame, by keyboard too.
  const frame = element("div", { className: "table-frame", tabIndex: 0 }, [node]);
  frame.setAttribute("role", "region");
  frame.setAttribute("aria-label", caption);
  return frame;
}

function cell(value, index) {
  if (index > 0) return element("td", { textContent: value });
  return element("th", { scope: "row", textContent: value });
}

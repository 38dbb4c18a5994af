/** The Market view: the headline, the horizon, the picture and the facts below it. */

import { createMarketChart } from "./chart.js";
import { byId, element, say } from "./elements.js";
import { exact } from "./format.js";
import { clampHorizon } from "./route.js";
import {
  directionSentence,
  horizonSentence,
  lastSkilledStep,
  modelName,
  priceSentence,
  provenance,
  rangeSentence,
  skillSentence,
} from "./sentences.js";
import { spanInWords } from "./interval.js";
import { buildTables } from "./tables.js";
import { klineSentence, panelOf, phaseOf, readingOf, seriesView } from "./view.js";

const PILLS = { skill: "skill", none: "no skill", unknown: "not measured" };
const NO_FORECAST =
  "No forecast yet: training runs, or has not begun. The first one needs about a minute; it appears here by itself.";

/** Draw the view from the state, now and whenever it changes; return `repaint` for new colours. */
export function installMarket(state, { retry, setHorizon }) {
  let view = null;
  let hovered = null;
  const read = () => drawReading(view, hovered);
  const chart = createMarketChart(byId("chart"), (openMs) => {
    hovered = openMs;
    read();
  });

  state.watch(
    (s) => [phaseOf(s), s.route, s.failure, s.data],
    (phase, route, failure) => drawPhase(phase, panelOf(phase, { route, failure })),
  );
  state.watch(
    (s) => [s.data, s.route.horizon, s.asTable, quoteOf(s)],
    (data, horizon, asTable, quote) => {
      view = data === null || data.klines.length === 0 ? null : seriesView(data, horizon, quote);
      if (view === null) return;
      drawWords(view);
      drawHorizon(view);
      drawPicture(chart, view, asTable);
      read();
    },
  );
  state.watch(
    (s) => [s.data, s.route.horizon, s.nowMs],
    (data, horizon, nowMs) => drawFacts(view, nowMs),
  );
  byId("retry").addEventListener("click", retry);
  byId("as-table").addEventListener("click", () => state.set({ asTable: !state.get().asTable }));
  byId("horizon").addEventListener("input", (event) => setHorizon(clampHorizon(event.target.valueAsNumber)));
  return { repaint: chart.paint };
}

const quoteOf = ({ symbols, data }) =>
  symbols?.find((known) => known.symbol === data?.symbol)?.quote_asset ?? "";

function drawPhase(phase, panel) {
  const main = byId("market");
  main.dataset.phase = phase;
  main.setAttribute("aria-busy", String(phase === "loading" || phase === "busy"));
  byId("panel").hidden = panel === null;
  if (panel === null) return;
  byId("panel").setAttribute("role", phase === "error" ? "alert" : "status");
  say(byId("panel-title"), panel.title);
  say(byId("panel-detail"), panel.detail);
  say(byId("panel-id"), panel.id);
  byId("retry").hidden = !panel.canRetry;
}

function drawWords(view) {
  const { forecast, card, horizon, digits, quote, symbol, interval, klines } = view;
  const model = forecast === null ? "no forecast yet" : `champion ${modelName(forecast.model)}`;
  say(byId("eyebrow"), `${symbol} ${interval}, last close ${exact(klines.at(-1).close, digits)} ${quote}, ${model}`);
  const skill = forecast === null ? null : skillSentence(card, horizon);
  say(byId("headline"), forecast === null ? klineSentence(view) : rangeSentence(forecast, horizon));
  say(byId("prices"), forecast === null ? null : priceSentence(forecast, horizon, digits, quote));
  say(byId("direction"), forecast === null ? null : directionSentence(forecast, card, horizon));
  say(byId("skill-text"), skill?.text ?? null);
  say(byId("skill-pill"), skill === null ? null : PILLS[skill.kind]);
  byId("skill").hidden = skill === null;
  say(byId("waiting"), forecast === null ? NO_FORECAST : null);
  byId("skill-pill").dataset.kind = skill?.kind ?? "unknown";
  document.title = `${byId("headline").textContent} Klinecast`;
}

function drawHorizon({ forecast, cards, horizon, interval }) {
  byId("horizon-box").hidden = forecast === null;
  if (forecast === null) return;
  const slider = byId("horizon");
  const text = horizonSentence(forecast, horizon);
  slider.max = String(forecast.steps.length);
  slider.value = String(horizon);
  slider.setAttribute("aria-valuetext", text);
  say(byId("horizon-text"), text);
  const last = lastSkilledStep(cards, forecast);
  slider.style.setProperty("--skilled", String((last ?? 0) / forecast.steps.length));
  say(byId("horizon-hint"), skillHint(last, forecast.steps.length, interval));
}

function skillHint(last, reach, interval) {
  if (last === reach) return null;
  if (last === null) return "Hatched: how good this model's ranges are was not measured yet.";
  if (last === 0) return "Hatched: at no horizon are the ranges proven sharper than a random walk's.";
  return `Hatched: beyond ${spanInWords(interval, last)} the ranges are not proven sharper than a random walk's.`;
}

function drawPicture(chart, view, asTable) {
  byId("as-table").setAttribute("aria-pressed", String(asTable));
  byId("as-table").textContent = asTable ? "Show as chart" : "Show as table";
  byId("stage").hidden = asTable;
  byId("tables").hidden = !asTable;
  byId("key").hidden = asTable;
  byId("key").classList.toggle("without-fan", view.fan === null);
  const hasNaive = view.fan !== null && view.fan.naive !== null;
  say(byId("key-naive"), hasNaive ? "last close and the random walk's 80 %" : "last close");
  if (asTable) byId("tables").replaceChildren(...buildTables(view));
  else {
    const { klines, fan, digits, interval } = view;
    chart.show({ klines, fanShape: fan, digits, interval });
  }
}

function drawReading(view, hovered) {
  if (view === null) return;
  const reading = readingOf(view, hovered ?? view.klines.at(-1).openMs);
  if (reading === null) return;
  const values = reading.values.map(([name, value]) =>
    element("span", {}, [element("b", { textContent: name }), ` ${value}`]),
  );
  byId("reading-when").textContent = reading.when;
  byId("reading-values").replaceChildren(...values);
}

function drawFacts(view, nowMs) {
  const forecast = view?.forecast ?? null;
  for (const id of ["signal", "provenance", "links"]) byId(id).hidden = forecast === null;
  if (forecast === null) return;
  say(byId("signal-action"), `Signal: ${forecast.signal.action}.`);
  say(byId("signal-reason"), forecast.signal.reason);
  const facts = provenance(forecast, view.card, nowMs, view.cutoffCloseMs);
  byId("provenance").replaceChildren(...facts.map((fact) => element("li", { textContent: fact })));
  const query = new URLSearchParams({ symbol: view.symbol, interval: view.interval });
  byId("link-klines").href = `v1/klines?${query}&limit=1000`;
  byId("link-forecast").href = `v1/forecasts?${query}`;
  byId("link-scores").href = `v1/scores?${query}`;
}

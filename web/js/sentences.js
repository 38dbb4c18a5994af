/** What the page says: forecasts, scores and the state of things as sentences. Pure. */

import { change, clockSeconds, decimal, duration, integer, percent, pValue, soon } from "./format.js";
import { spanInWords } from "./interval.js";

const MODELS = {
  random_walk: "random walk with HAR volatility",
  ridge: "ridge regression",
  xgboost: "XGBoost",
  mlp: "neural network",
};

/** Return a model's name as people say it. */
export const modelName = (model) => MODELS[model] ?? model;

/** Return the card that speaks for a horizon: the forecast's artefact, replayed, nearest step. */
export function cardFor(cards, forecast, horizon) {
  const ofModel = cards.filter((card) => card.model === forecast.model);
  const ofVersion = ofModel.filter((card) => card.version === forecast.version);
  const own = ofVersion.length > 0 ? ofVersion : ofModel;
  const replays = own.filter((card) => card.kind === "replay");
  const candidates = replays.length > 0 ? replays : own;
  const distance = (card) => Math.abs(card.step - horizon);
  return candidates.reduce(
    (best, card) => (best === null || distance(card) < distance(best) ? card : best),
    null,
  );
}

/** Return the headline: what range the price will be in, in percent of the last close. */
export function rangeSentence(forecast, horizon) {
  const { quantiles } = forecast.steps[horizon - 1];
  const [low, high] = [quantiles["0.1"], quantiles["0.9"]].map((q) => q / forecast.last_close - 1);
  const span = spanInWords(forecast.interval, horizon);
  return `${forecast.symbol}, next ${span}: 80\u00a0% range ${change(low)} to ${change(high)}.`;
}

/** Return the same range in prices, with the median. */
export function priceSentence(forecast, horizon, digits, quote) {
  const { quantiles } = forecast.steps[horizon - 1];
  const [low, median, high] = ["0.1", "0.5", "0.9"].map((q) => decimal(quantiles[q], digits));
  return `${low} to ${high} ${quote}, median ${median}.`;
}

/** Return whether the direction can be told, with the numbers behind it. */
export function directionSentence(forecast, card, horizon) {
  const verdict = card?.direction_verdict ?? forecast.direction_verdict;
  if (card === null) return verdict === "skill" ? "Direction: skill." : "Direction: coin flip.";
  // A median at the last close, as the random walk's, never calls a side.
  if (card.direction_high - card.direction_low >= 1) return "Direction: coin flip (this model takes no side).";
  const right = percent(card.direction_accuracy);
  const between = `${percent(card.direction_low)} to ${percent(card.direction_high)}`;
  const numbers = `${right} right, 95 % interval ${between}, n\u00a0=\u00a0${integer(card.n_eff)}`;
  if (verdict !== "skill") return `Direction: coin flip (${numbers}).`;
  const { point } = forecast.steps[horizon - 1];
  const lean = point >= forecast.last_close ? "up" : "down";
  return `Direction: ${lean} (${numbers}; the more frequent one ${percent(card.direction_majority)}).`;
}

/** Return `{kind, text}`: whether the ranges beat the naive forecast, with the test behind it. */
export function skillSentence(card, horizon) {
  if (card === null) {
    return { kind: "unknown", text: "Skill not measured yet: no evaluation of this model is stored." };
  }
  const sharper = card.skill_ewma >= 0 ? "sharper" : "less sharp";
  const amount = percent(Math.abs(card.skill_ewma));
  const compared = `${amount} ${sharper} than a random walk with EWMA volatility`;
  const where = card.step === horizon ? "" : `at ${spanInWords(card.interval, card.step)}, `;
  const test = `(${where}n\u00a0=\u00a0${integer(card.n)}, ${pValue(card.p_ewma)})`;
  return card.verdict === "skill"
    ? { kind: "skill", text: `Ranges ${compared} ${test}.` }
    : { kind: "none", text: `No skill over naive: ranges ${compared} ${test}.` };
}

/** Return where skill ends: the last measured step with skill, null where none was measured. */
export function lastSkilledStep(cards, forecast) {
  const steps = forecast.steps.map((_, index) => index + 1);
  const measured = new Set(steps.map((step) => cardFor(cards, forecast, step)));
  if (measured.has(null)) return null;
  const isProven = (card) => card.verdict === "skill";
  if ([...measured].every(isProven)) return forecast.steps.length;
  return Math.max(0, ...[...measured].filter(isProven).map((card) => card.step));
}

/** Return how well the 80 % bands held, null where nobody counted. */
export function coverageSentence(card) {
  if (card === null) return null;
  return `80 % ranges held ${percent(card.coverage_80)} of ${integer(card.n)} times`;
}

/** Return what a step's real time is: "24 h, until Wed 14:00 UTC". */
export function horizonSentence(forecast, horizon) {
  const { target_ms: targetMs } = forecast.steps[horizon - 1];
  // target_ms is a kline's last millisecond: people say the round time after it.
  const until = soon(targetMs + 1, forecast.made_at_ms);
  return `${spanInWords(forecast.interval, horizon)}, until ${until}`;
}

/** Return the facts of a forecast's making, each a short phrase. */
export function provenance(forecast, card, nowMs, cutoffCloseMs) {
  const verdicts = [
    forecast.verdict === "skill" ? "ranges: skill" : "ranges: no skill",
    forecast.point_verdict === "skill" ? "median: skill" : "median: no skill",
    forecast.direction_verdict === "skill" ? "direction: skill" : "direction: coin flip",
  ];
  return [
    `Forecast made ${clockSeconds(forecast.made_at_ms)} from data to ${clockSeconds(cutoffCloseMs)} UTC`,
    `age ${duration(nowMs - forecast.made_at_ms)}`,
    `state ${forecast.state}`,
    ...verdicts,
    coverageSentence(card),
  ].filter((fact) => fact !== null);
}

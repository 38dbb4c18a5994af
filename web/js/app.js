/** The page's entry: the state, the address, the header, and the looks at the API. */

import { createApi } from "./api.js";
import { byId } from "./elements.js";
import { createFeed, pollPeriodMs } from "./feed.js";
import { drawHeader, installPickers } from "./header.js";
import { installKeys } from "./keys.js";
import { installMarket } from "./market.js";
import { createPoll } from "./poll.js";
import { buildRoute, clampHorizon, parseRoute } from "./route.js";
import { createState } from "./state.js";
import { installTheme } from "./theme.js";
import { headerView } from "./view.js";

const TICK_MS = 1000;

const state = createState({
  route: parseRoute(location.hash),
  symbols: null,
  status: null,
  clock: null,
  nowMs: null,
  data: null,
  failure: null,
  isUnfilled: false,
  asTable: false,
});
const poll = createPoll(createFeed(createApi(), state), () => pollPeriodMs(state.get()));

/** Go to another series: a step of the browser's history. */
function go(patch) {
  const route = { ...state.get().route, ...patch };
  history.pushState(null, "", buildRoute(route));
  state.set({ route, failure: null });
  poll.run();
}

/** Look further or less far ahead: the address follows, the history does not grow. */
function setHorizon(horizon) {
  state.set({ route: { ...state.get().route, horizon } });
}

function followAddress() {
  const before = state.get().route;
  const route = parseRoute(location.hash);
  state.set({ route, failure: null });
  if (route.symbol !== before.symbol || route.interval !== before.interval) poll.run();
}

state.watch(
  (s) => [s.route],
  (route) => {
    if (route.symbol === null || route.interval === null) return;
    const address = buildRoute(route);
    if (location.hash !== address) history.replaceState(history.state, "", address);
  },
);
state.watch((s) => [headerView(s, performance.now())], drawHeader);
installPickers(state, go);
const market = installMarket(state, { retry: poll.run, setHorizon });
installTheme(byId("theme"), market.repaint);
installKeys({
  moveHorizon: (steps) => setHorizon(clampHorizon(state.get().route.horizon + steps)),
  focusSymbol: () => byId("symbol").focus(),
});
addEventListener("popstate", followAddress);
setInterval(() => state.set({ nowMs: headerView(state.get(), performance.now()).nowMs }), TICK_MS);
poll.run();

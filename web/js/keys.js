/** The keyboard: arrows move the horizon, `/` goes to the symbol picker. */

/** What uses the arrows itself; a table's frame scrolls by them. */
const OWN_ARROWS = "input, select, textarea, .table-frame";

export function installKeys({ moveHorizon, focusSymbol }) {
  const actions = {
    ArrowLeft: () => moveHorizon(-1),
    ArrowRight: () => moveHorizon(1),
    "/": focusSymbol,
  };
  addEventListener("keydown", (event) => {
    const action = actions[event.key];
    const isTaken = event.key !== "/" && event.target.matches?.(OWN_ARROWS);
    if (action === undefined || isTaken || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    action();
  });
}

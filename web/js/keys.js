/** The keyboard: arrows move the horizon, `/` goes to the symbol picker. */

const OWN_ARROWS = new Set(["INPUT", "SELECT", "TEXTAREA"]);

export function installKeys({ moveHorizon, focusSymbol }) {
  const actions = {
    ArrowLeft: () => moveHorizon(-1),
    ArrowRight: () => moveHorizon(1),
    "/": focusSymbol,
  };
  addEventListener("keydown", (event) => {
    const action = actions[event.key];
    const isTyping = OWN_ARROWS.has(event.target.tagName) && event.key !== "/";
    if (action === undefined || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    action();
  });
}

/** Finding, making and filling elements; never from markup, so nothing can be injected. */

/** Return the page's element of that id. */
export const byId = (id) => document.getElementById(id);

/** Return a new element with properties and children (nodes or texts). */
export function element(name, properties = {}, children = []) {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  return node;
}

/** Set a text, or hide the element where it is null. */
export function say(node, text) {
  node.hidden = text === null;
  if (text !== null && node.textContent !== text) node.textContent = text;
}

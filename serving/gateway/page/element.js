/**
 * Make an element; texts are always text, never HTML.
 * @param {string} tag
 * @param {Object<string, *>} [attributes] those with a value of false or null are left out
 * @param {...(Node|string)} children
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null) continue;
    made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

/** Return the page's element with an id. */
export const byId = (id) => document.getElementById(id);

/** Let a screen reader say something once it has said what it is saying. */
export function announce(text) {
  byId("announcer").textContent = text;
}

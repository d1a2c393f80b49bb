// What is drawn is text: nothing that came from the node is ever read as markup.

/** An element with attributes and children; a string among them is text, and an attribute of null or false is left out. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  attach(element, attributes);
  element.append(...children);
  return element;
}

export function makeSvg(tag, attributes = {}) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  attach(element, attributes);
  return element;
}

export const byId = (id) => document.getElementById(id);

/** Writes only what has changed, so that selections and screen readers are left in peace. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/**
 * Makes the children of a parent those of these items, in their order, keeping the element of a key that was there before: a focus in it stays.
 * `create(item)` gives an element, `update(element, item)` fills it.
 */
export function reconcile(parent, items, keyOf, create, update) {
  const before = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  const focused = parent.contains(document.activeElement) ? document.activeElement : null;
  items.forEach((item, index) => {
    const key = keyOf(item);
    let element = before.get(key);
    if (element) {
      before.delete(key);
    } else {
      element = create(item);
      element.dataset.key = key;
    }
    update(element, item);
    if (parent.children[index] !== element) parent.insertBefore(element, parent.children[index] ?? null);
  });
  before.forEach((element) => element.remove());
  // Moving an element takes the focus from it.
  if (focused && focused !== document.activeElement && parent.contains(focused)) focused.focus({ preventScroll: true });
}

function attach(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) element.setAttribute(name, value);
  }
}

/**
 * Elements made from code: texts only ever become text nodes, so nothing in a prompt, label or token can become markup.
 */

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element with attributes, listeners and children.
 *
 * `class`, `aria-*`, `data-*` … are attributes; `onclick` … are listeners; `style` is an object of CSS properties (set
 * from code, which a strict Content-Security-Policy allows); null, undefined and false leave an attribute out.
 */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function s(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") { for (const [key, x] of Object.entries(value)) element.style.setProperty(key, x); }
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

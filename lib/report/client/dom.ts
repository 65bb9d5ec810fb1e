/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * Elements made from code: texts only ever become text nodes, so nothing in a prompt, label or token can become markup.
 */

const SVG = "http://www.w3.org/2000/svg";

/** What an element has in it; null, undefined and false are nothing. */
export type Child = Node | string | null | undefined | false | readonly Child[];

type Listeners = { readonly [K in keyof HTMLElementEventMap as `on${K}`]?: (event: HTMLElementEventMap[K]) => unknown };

type Value = string | boolean | null | undefined;

/** Attributes that are used here by their names, ARIA's and data; null, undefined and false leave one out. */
type Plain =
  & { readonly [name: `aria-${string}` | `data-${string}`]: Value }
  & {
    readonly [
      name in
        | "accept"
        | "autocomplete"
        | "class"
        | "disabled"
        | "download"
        | "for"
        | "hidden"
        | "href"
        | "id"
        | "inputmode"
        | "list"
        | "max"
        | "min"
        | "multiple"
        | "name"
        | "placeholder"
        | "preserveAspectRatio"
        | "referrerpolicy"
        | "rel"
        | "role"
        | "rows"
        | "sandbox"
        | "scope"
        | "spellcheck"
        | "src"
        | "step"
        | "tabindex"
        | "target"
        | "title"
        | "type"
        | "value"
        | "viewBox"
        | "width"
        | "height"
        | "x"
        | "y"
    ]?: Value;
  };

/** Attributes, listeners `onclick` …, and CSS properties, set from code, which a strict Content-Security-Policy allows. */
export type Attributes = Plain & Listeners & { readonly style?: Readonly<Record<string, string>> };

/** An element with attributes, listeners and children. */
export function h<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function s<Tag extends keyof SVGElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: Child[]
): SVGElementTagNameMap[Tag] {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill<E extends HTMLElement | SVGElement>(element: E, attributes: Attributes, children: readonly Child[]): E {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value as EventListener);
    else if (typeof value === "object") {
      for (const [key, x] of Object.entries(value)) element.style.setProperty(key, x);
    } else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...nodesOf(children));
  return element;
}

function nodesOf(child: Child): (Node | string)[] {
  if (child === null || child === undefined || child === false) return [];
  return isList(child) ? child.flatMap(nodesOf) : [child];
}

function isList(child: Node | string | readonly Child[]): child is readonly Child[] {
  return Array.isArray(child);
}

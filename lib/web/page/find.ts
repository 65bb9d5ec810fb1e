/// <reference lib="dom" />
/// <reference lib="dom.iterable" />

/**
 * An element of index.html.
 *
 * @throws {Error} if there is none, or one of another kind: the page's script and its HTML do not fit
 */
export function find<E extends HTMLElement = HTMLElement>(id: string, kind?: new () => E): E {
  const found = document.getElementById(id);
  if (found === null || (kind !== undefined && !(found instanceof kind))) throw new Error(`There is no ${id} here`);
  return found as E;
}

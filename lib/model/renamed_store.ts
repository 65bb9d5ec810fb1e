/**
 * Tensors under the names that a family uses, whatever prefix their file puts before them.
 *
 * @module
 */
import type { TensorStore } from "../weights/tensors.ts";

/**
 * A view of a store in which names need no prefix. Names that exist as they are, such as `lm_head.weight`, stay.
 *
 * @param prefixes the candidates; the first under which `probe` exists is taken
 */
export function renamedStore(store: TensorStore, prefixes: readonly string[], probe: string): TensorStore {
  const prefix = prefixes.find((p) => store.tensors.has(p + probe)) ?? "";
  if (prefix === "") return store;
  const tensors = new Map(store.tensors);
  for (const [name, info] of store.tensors) {
    if (name.startsWith(prefix)) tensors.set(name.slice(prefix.length), info);
  }
  const full = (name: string): string => store.tensors.has(prefix + name) ? prefix + name : name;
  return {
    source: store.source,
    tensors,
    readMany: (names, into) => store.readMany(names.map(full), into),
    read: (name, into) => store.read(full(name), into),
    readRowRange: (name, start, end, into) => store.readRowRange(full(name), start, end, into),
    readColumnRange: (name, start, end, into) => store.readColumnRange(full(name), start, end, into),
    readRows: (name, rows, into) => store.readRows(full(name), rows, into),
  };
}

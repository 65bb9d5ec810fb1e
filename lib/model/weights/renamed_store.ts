/**
 * Tensors under the names that a family uses, whatever prefix their file puts before them.
 *
 * @module
 */
import type { Architecture } from "../../../models/family.ts";
import type { TensorStore } from "../../weights/tensors/tensors.ts";

/**
 * A view of a store in which names need no prefix: the first of the family's under which the final norm exists. Names
 * that exist as they are, such as `lm_head.weight`, stay. Where embedding and unembedding are one tensor and the file
 * has it only as the unembedding, it stands for both.
 */
export function renamedStore(store: TensorStore, architecture: Architecture): TensorStore {
  const { weightPrefixes, embedding: { tokens }, unembedding } = architecture;
  const [probe] = Object.values(architecture.finalWeights());
  const prefix = weightPrefixes.find((p) => store.tensors.has(p + probe.name)) ?? "";
  const stored = new Map([...store.tensors.keys()].map((name) => [name, name]));
  for (const name of store.tensors.keys()) {
    if (name.startsWith(prefix)) stored.set(name.slice(prefix.length), name);
  }
  const head = unembedding.find(({ name }) => stored.has(name));
  const isTied = unembedding.some(({ name }) => name === tokens.name);
  if (isTied && head && !stored.has(tokens.name)) stored.set(tokens.name, stored.get(head.name)!);
  const full = (name: string): string => stored.get(name) ?? name;
  return {
    source: store.source,
    tensors: new Map([...stored].map(([name, full]) => [name, store.tensors.get(full)!])),
    readMany: (names, into) => store.readMany(names.map(full), into),
    read: (name, into) => store.read(full(name), into),
    readRowRange: (name, start, end, into) => store.readRowRange(full(name), start, end, into),
    readColumnRange: (name, start, end, into) => store.readColumnRange(full(name), start, end, into),
    readRows: (name, rows, into) => store.readRows(full(name), rows, into),
  };
}

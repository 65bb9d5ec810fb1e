/**
 * A model's weight files, chosen as transformers chooses them, under the names of its family.
 *
 * @module
 */
import { NotFound } from "../../platform/errors.ts";
import { quote } from "../../quote.ts";
import type { FileSource } from "../../weights/files/file_source.ts";
import { isPlainName } from "../../weights/files/places.ts";
import { FLOAT_BYTES, isFloatDtype } from "../../weights/tensors/floats.ts";
import { openSafetensors, type SafetensorsOptions, type TensorStore } from "../../weights/tensors/tensors.ts";
import type { Architecture, WeightRef } from "../../../models/family.ts";

/**
 * Opens them: headers are read and checked, no numbers yet. Tensors that are not used are named: like transformers, which
 * names them too, it does without them.
 *
 * @param name the model's, for messages
 * @throws {Deno.errors.NotFound} if there are none in a form that is read
 * @throws {TypeError | SyntaxError} if a file is malformed, or a tensor is missing or of the wrong shape
 */
export async function openWeights(
  source: FileSource,
  architecture: Architecture,
  config: Readonly<Record<string, unknown>>,
  name: string,
): Promise<{ readonly store: TensorStore; readonly unused: readonly string[] }> {
  const files = await openFiles(source, config);
  const store = renamedStore(files, architecture);
  const used = checkWeights(architecture, store, name);
  return { store, unused: [...files.tensors.keys()].filter((tensor) => !used.has(tensor)) };
}

type Torch = typeof import("../../weights/formats/torch_weights.ts");

/** What torch saved is read where there are no safetensors, as by transformers. */
async function openFiles(source: FileSource, config: Readonly<Record<string, unknown>>): Promise<TensorStore> {
  const named = filesNamedBy(config);
  const present = async (name: string): Promise<boolean> => await source.size(name) !== undefined;
  if (named !== undefined) return await openSafetensors(source, named);
  if (await present("model.safetensors")) return await openSafetensors(source, { file: "model.safetensors" });
  const index = "model.safetensors.index.json";
  if (await present(index)) return await openSafetensors(source, { index });
  for (const torch of ["pytorch_model.bin", "pytorch_model.bin.index.json"]) {
    if (!await present(torch)) continue;
    const { openTorchWeights } = await import(
      new URL("../../weights/formats/torch_weights.ts", import.meta.url).href
    ) as Torch;
    return await openTorchWeights(source, torch);
  }
  throw new NotFound(
    `${source.location} has no weights that are read: model.safetensors or pytorch_model.bin, or the shards of either`,
  );
}

/** transformers' `transformers_weights` in `config.json` names the file. */
function filesNamedBy(
  { transformers_weights: named }: Readonly<Record<string, unknown>>,
): SafetensorsOptions | undefined {
  if (named === undefined || named === null) return undefined;
  if (typeof named === "string" && isPlainName(named)) {
    if (named.endsWith(".safetensors.index.json")) return { index: named };
    if (named.endsWith(".safetensors")) return { file: named };
  }
  throw new TypeError(
    `config.json: "transformers_weights" is ${quote(named)}, not a safetensors file or its index`,
  );
}

/**
 * Every tensor that a pass will read must be there, in the shape that the configuration gives it.
 *
 * @returns their names in the files
 */
function checkWeights(architecture: Architecture, store: TensorStore, name: string): ReadonlySet<string> {
  const used = new Set<string>();
  for (const ref of neededWeights(architecture, store)) {
    const tensor = store.tensors.get(ref.name);
    if (!tensor) throw new TypeError(`${name} has no tensor "${ref.name}"`);
    const { shape, dtype } = tensor;
    used.add(tensor.name);
    if (!isFloatDtype(dtype)) {
      const known = Object.keys(FLOAT_BYTES).join(", ");
      throw new TypeError(`${name}: "${ref.name}" is of type ${dtype}, and only ${known} are read`);
    }
    if (shape.join() !== ref.shape.join()) {
      throw new TypeError(`${name}: "${ref.name}" has shape ${quote(shape)}, config.json says ${quote(ref.shape)}`);
    }
  }
  return used;
}

/** A layer at a time: the first that the files lack ends the search, however many the configuration claims. */
function* neededWeights(architecture: Architecture, store: TensorStore): Generator<WeightRef> {
  const { embedding, unembedding, config } = architecture;
  yield embedding.tokens;
  if (embedding.positions) yield embedding.positions;
  for (let layer = 0; layer < config.nLayers; layer++) yield* Object.values(architecture.blockWeights(layer));
  yield* Object.values(architecture.finalWeights());
  yield unembedding.find((ref) => store.tensors.has(ref.name)) ?? unembedding[0];
}

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
    place: (name) => store.place(full(name)),
    readMany: (names, into) => store.readMany(names.map(full), into),
    read: (name, into) => store.read(full(name), into),
    readRowRange: (name, start, end, into) => store.readRowRange(full(name), start, end, into),
    readColumnRange: (name, start, end, into) => store.readColumnRange(full(name), start, end, into),
    readRows: (name, rows, into) => store.readRows(full(name), rows, into),
  };
}

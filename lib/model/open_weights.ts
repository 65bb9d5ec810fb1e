/**
 * A model's weight files, chosen as transformers chooses them, under the names of its family.
 *
 * @module
 */
import type { Architecture, WeightRef } from "../../models/family.ts";
import type { FileSource } from "../weights/source.ts";
import { openSafetensors, type SafetensorsOptions, type TensorStore } from "../weights/tensors.ts";
import { renamedStore } from "./renamed_store.ts";

/**
 * Opens them: headers are read and checked, no numbers yet.
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
): Promise<TensorStore> {
  const store = renamedStore(await openSafetensors(source, filesNamedBy(config)), architecture);
  checkWeights(architecture, store, name);
  return store;
}

/** transformers' `transformers_weights` in `config.json` names the file. */
function filesNamedBy({ transformers_weights: named }: Readonly<Record<string, unknown>>): SafetensorsOptions {
  if (named === undefined || named === null) return {};
  if (typeof named === "string" && named.endsWith(".safetensors.index.json")) return { index: named };
  if (typeof named === "string" && named.endsWith(".safetensors")) return { file: named };
  throw new TypeError(
    `config.json: "transformers_weights" is ${
      JSON.stringify(named).slice(0, 100)
    }, not a safetensors file or its index`,
  );
}

/** Every tensor that a pass will read must be there, in the shape that the configuration gives it. */
function checkWeights(architecture: Architecture, store: TensorStore, name: string): void {
  const { embedding, unembedding, config } = architecture;
  const found = unembedding.find((ref) => store.tensors.has(ref.name)) ?? unembedding[0];
  const layers = Array.from({ length: config.nLayers }, (_, layer) => Object.values(architecture.blockWeights(layer)));
  const refs: WeightRef[] = [
    embedding.tokens,
    ...(embedding.positions ? [embedding.positions] : []),
    ...layers.flat(),
    ...Object.values(architecture.finalWeights()),
    found,
  ];
  for (const ref of refs) {
    const shape = store.tensors.get(ref.name)?.shape;
    if (!shape) throw new TypeError(`${name} has no tensor "${ref.name}"`);
    if (shape.join() !== ref.shape.join()) {
      throw new TypeError(
        `${name}: "${ref.name}" has shape [${shape.join(", ")}], config.json says [${ref.shape.join(", ")}]`,
      );
    }
  }
}

/**
 * The file formats of SAEs that can be opened.
 *
 * @module
 */
import { circuitTracer } from "./circuit_tracer.ts";
import { crossLayer, gemmaScope2CrossLayer } from "./cross_layer.ts";
import { dictionaryLearning } from "./dictionary_learning.ts";
import type { SaeFiles } from "./files.ts";
import type { FoundSae, LoadSaeOptions, SaeFormat } from "./format.ts";
import { gemmaScope } from "./gemma_scope.ts";
import { gemmaScope2 } from "./gemma_scope_2.ts";
import { llamaScope, llamaScopeR1 } from "./llama_scope.ts";
import { saeLens } from "./sae_lens.ts";
import { sparsify } from "./sparsify.ts";
import { temporal } from "./temporal.ts";
import { deepseekR1, goodfire, hookZ, qwenScope } from "./torch_files.ts";

export { SaeFiles } from "./files.ts";
export type { FoundSae, LoadSaeOptions, SaeFormat } from "./format.ts";

/** Formats in the order in which they are tried. */
export const FORMATS: readonly SaeFormat[] = [
  saeLens,
  gemmaScope,
  gemmaScope2CrossLayer,
  gemmaScope2,
  llamaScope,
  llamaScopeR1,
  dictionaryLearning,
  sparsify,
  hookZ,
  qwenScope,
  goodfire,
  deepseekR1,
  crossLayer,
  circuitTracer,
  temporal,
];

/**
 * Opens an SAE of whatever format; of a cross-layer transcoder, every layer.
 *
 * @throws {Deno.errors.NotFound} if it is of none that is known
 */
export async function openSaes(files: SaeFiles, options: LoadSaeOptions): Promise<readonly FoundSae[]> {
  for (const format of FORMATS) {
    const found = await format.open(files, options);
    if (found) return [found].flat();
  }
  throw await unknown(files);
}

async function unknown(files: SaeFiles): Promise<Error> {
  if (files.named !== undefined) {
    const names = [...(await files.tensors(files.named)).keys()].slice(0, 20).join(", ") || "none at all";
    return new RangeError(`${files.location} has the tensors of no SAE format that is known: ${names}`);
  }
  return new Deno.errors.NotFound(
    `${files.location} has no cfg.json with sae_weights.safetensors, nor the files of another SAE format: ` +
      "is it the directory of an SAE? A single file (.npz, .safetensors, .pt) is given by its own path",
  );
}

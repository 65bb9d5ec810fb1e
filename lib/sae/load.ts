/**
 * Opening an SAE.
 *
 * @module
 */
import { bundledUrl, findBundledSae } from "../bundled.ts";
import { isRecord, parseJsonObject } from "../weights/json.ts";
import { type FileSource, openSource } from "../weights/source.ts";
import { openSafetensors, type TensorStore } from "../weights/tensors.ts";
import { readSaeConfig, type SaeOverrides } from "./config.ts";
import { type Sae, TensorSae } from "./sae.ts";

/**
 * Opens an SAE by bundled name, or from a directory or URL with SAELens's `cfg.json` and `sae_weights.safetensors`.
 *
 * @throws {RangeError} if its architecture or a setting is not supported
 * @throws {TypeError | SyntaxError} if a file is malformed or a tensor is missing or of the wrong shape
 *
 * @example A bundled SAE
 * ```ts
 * import { loadSae } from "./load.ts";
 *
 * await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
 * console.assert(sae.hookOut === "blocks.3.hook_resid_pre");
 * ```
 */
export async function loadSae(source: string | URL, options: SaeOverrides = {}): Promise<Sae> {
  const name = String(source);
  const bundled = source instanceof URL ? undefined : findBundledSae(name);
  const files = openSource(bundled ? bundledUrl(bundled.directory) : source);
  try {
    if (await files.size("cfg.json") === undefined) {
      throw new Deno.errors.NotFound(`${name} has no cfg.json: is it the directory of an SAE?`);
    }
    const config = readSaeConfig(parse(await files.readText("cfg.json", 2 ** 22)), options);
    const store = await openSafetensors(files, { file: "sae_weights.safetensors" });
    await checkScalingFactor(store);
    return new TensorSae(config, store, name, () => readLabels(files));
  } catch (error) {
    await files.close();
    throw error;
  }
}

/** Files from before SAELens 6 may have a factor for each activation, which today's SAELens takes only if all are 1. */
async function checkScalingFactor(store: TensorStore): Promise<void> {
  if (!store.tensors.has("scaling_factor")) return;
  const factors = await store.read("scaling_factor");
  if (factors.some((x) => x !== 1)) {
    throw new RangeError("Its activations have been rescaled in finetuning (scaling_factor is not 1): not supported");
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new SyntaxError("cfg.json is not JSON");
  }
}

/** `labels.json` beside the weights: what each feature stands for, where somebody has written it down. */
async function readLabels(files: FileSource): Promise<ReadonlyMap<number, string>> {
  if (await files.size("labels.json") === undefined) return new Map();
  const { features } = parseJsonObject(await files.readText("labels.json"), "labels.json");
  if (!isRecord(features)) throw new SyntaxError('Cannot read labels.json: its "features" is no object');
  return new Map(
    Object.entries(features).flatMap(([feature, entry]): [number, string][] =>
      isRecord(entry) && typeof entry.label === "string" ? [[Number(feature), entry.label]] : []
    ),
  );
}

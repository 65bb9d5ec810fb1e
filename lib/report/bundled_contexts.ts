/**
 * Where the features of the bundled SAEs are active: what `models/bundled/make/contexts.py` wrote.
 *
 * @module
 */
import { bundledUrl, findBundledModel, findBundledSae } from "../bundled.ts";
import type { Model } from "../model/model.ts";
import type { Sae } from "../sae/sae.ts";
import { openSource } from "../weights/files/source.ts";

/** One feature as the file has it. */
export interface FeatureActivity {
  /** The share of tokens at which it is active at all. */
  readonly density: number;
  /** Its largest activation. */
  readonly largest: number;
  /** Counts in equal parts from 0 to `largest`. */
  readonly histogram: readonly number[];
  /** Token ids, activations in hundredths of `largest` (the last zeros are missing), the largest activation here. */
  readonly contexts: readonly (readonly [ids: readonly number[], levels: readonly number[], activation: number])[];
}

/** By feature, as text. */
export type Activities = Readonly<Record<string, FeatureActivity>>;

const FILE = "contexts.json.gz";

const loaded = new Map<string, Promise<Activities>>();

/** What is known of an SAE's features: nothing, unless it and the model are bundled. */
export function bundledActivities(model: Model, sae: Sae): Promise<Activities> {
  const bundled = findBundledModel(model.name) && findBundledSae(sae.source);
  if (!bundled) return Promise.resolve({});
  const { directory } = bundled;
  const reading = loaded.get(directory) ?? readActivities(directory);
  loaded.set(directory, reading);
  reading.catch(() => loaded.delete(directory));
  return reading;
}

async function readActivities(directory: string): Promise<Activities> {
  await using files = openSource(bundledUrl(directory));
  const size = await files.size(FILE);
  if (size === undefined) return {};
  const bytes = new Uint8Array(await files.read(FILE, 0, size));
  const text = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const { features } = await new Response(text).json() as { features: Activities };
  return features;
}

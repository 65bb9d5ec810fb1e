import { Chain } from "../../lib/model/stages/chain.ts";
import { renamedStore } from "../../lib/model/weights/open_weights.ts";
import { Unembedding } from "../../lib/model/stages/unembedding.ts";
import { createRuntime, type RuntimeOptions } from "../../lib/runtime/runtime.ts";
import { openSource } from "../../lib/weights/files/source.ts";
import { openSafetensors } from "../../lib/weights/tensors/tensors.ts";
import type { Architecture } from "../../models/family.ts";
import { openArchitecture } from "../../models/mod.ts";

/** Where the tiny models and what is expected of them lie. */
export const DATA = new URL("../data/", import.meta.url);

/** The tiny models. */
export const MODELS: readonly string[] = [...Deno.readDirSync(new URL("models/", DATA))].map(({ name }) => name).sort();

/** A model's `config.json` as an object. */
export function readConfig(model: string): Record<string, unknown> {
  return JSON.parse(Deno.readTextFileSync(new URL(`models/${model}/config.json`, DATA)));
}

/** A tiny model, or one with its weights and other settings. */
export interface Opened extends AsyncDisposable {
  readonly architecture: Architecture;
  readonly chain: Chain;
  readonly unembedding: Unembedding;
}

/** Opens a tiny model, with some settings of its `config.json` changed. */
export async function open(
  model: string,
  changes: Readonly<Record<string, unknown>> = {},
  options: RuntimeOptions = {},
): Promise<Opened> {
  const architecture = await openArchitecture({ ...readConfig(model), ...changes });
  const runtime = await createRuntime({ threads: 1, ...options });
  const source = openSource(new URL(`models/${model}/`, DATA));
  const files = await openSafetensors(source);
  const store = renamedStore(files, architecture);
  const { config, unembedding, logitSoftCap: cap } = architecture;
  const { name } = unembedding.find((ref) => store.tensors.has(ref.name))!;
  return {
    architecture,
    chain: new Chain(architecture, store, runtime),
    unembedding: new Unembedding(config, store, runtime, name, cap === undefined, cap),
    async [Symbol.asyncDispose]() {
      await runtime.dispose();
      await source.close();
    },
  };
}

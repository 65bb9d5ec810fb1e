/**
 * The model families that can be run. Each is imported only when a model of it is opened.
 *
 * @module
 */
import type { ModelFamily } from "./family.ts";

/** By the `model_type` of `config.json`. */
export const FAMILIES: Readonly<Record<string, () => Promise<ModelFamily>>> = {
  gpt2: async () => (await import("./gpt2.ts")).gpt2,
};

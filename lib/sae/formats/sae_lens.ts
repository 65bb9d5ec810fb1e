import { openSafetensors, type TensorStore } from "../../weights/tensors/tensors.ts";
import { readWholeConfig } from "../read_config.ts";
import type { SaeFormat } from "./format.ts";

const WEIGHTS = "sae_weights.safetensors";

/** SAELens, version 6 and before: `cfg.json` and `sae_weights.safetensors`. */
export const saeLens: SaeFormat = {
  name: "SAELens",
  harmless: /^scaling_factor$/, // all 1, see below
  async open(files, { k: _, ...options }) {
    if (files.named !== undefined && files.named !== WEIGHTS) return undefined;
    const json = await files.json("cfg.json");
    if (!json || !await files.has(WEIGHTS)) return undefined;
    const { config, unread } = readWholeConfig(json, options);
    const store = await openSafetensors(files.source, { file: WEIGHTS });
    await checkScalingFactor(store);
    return { config, store, unused: unread };
  },
};

/** Files from before SAELens 6 may have a factor for each activation, which today's SAELens takes only if all are 1. */
async function checkScalingFactor(store: TensorStore): Promise<void> {
  if (!store.tensors.has("scaling_factor")) return;
  const factors = await store.read("scaling_factor");
  if (factors.some((x) => x !== 1)) {
    throw new RangeError("Its activations have been rescaled in finetuning (scaling_factor is not 1): not supported");
  }
}

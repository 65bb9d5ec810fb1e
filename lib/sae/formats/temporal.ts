import type { SaeFormat } from "./format.ts";

/** Temporal SAEs: `conf.yaml` and `latest_ckpt.safetensors`. */
export const temporal: SaeFormat = {
  name: "temporal SAE",
  async open(files) {
    if (files.named !== undefined && files.named !== "latest_ckpt.safetensors") return undefined;
    if (!await files.has("conf.yaml") || !await files.has("latest_ckpt.safetensors")) return undefined;
    throw new RangeError(
      `${files.location} is a temporal SAE: not supported, its activations at a position depend on other positions`,
    );
  },
};

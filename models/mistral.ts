/**
 * Mistral (Jiang et al. 2023): Llama's block, in the first version with attention to a sliding window only.
 *
 * @module
 */
import { optionalSize } from "./config.ts";
import { decoder, readDecoderConfig } from "./decoder.ts";
import type { Architecture, ModelFamily } from "./family.ts";
import { readLayerTypes } from "./layer_types.ts";
import { llamaBlock } from "./llama.ts";
import { readRotary } from "./rotary.ts";

/** Mistral. */
export const mistral: ModelFamily = {
  open(json): Architecture {
    const config = readDecoderConfig(json, { nKeyValueHeads: 8 });
    const rotary = readRotary(json, { dHead: config.dHead });
    const window = optionalSize(json, "sliding_window", 4096);
    // transformers gives all layers the window, whatever the list says: a list that says otherwise is another model's.
    const type = window === undefined ? "full_attention" : "sliding_attention";
    if (readLayerTypes(json, config.nLayers, () => type).some((t) => t !== type)) {
      throw new RangeError(
        `config.json: layers other than ${type} are not supported for "mistral" with this sliding_window`,
      );
    }
    return decoder(json, {
      family: "mistral",
      config,
      masks: { "mask:window": window === undefined ? {} : { window } },
      rotary: { rotary },
      block: (_layer, options) => llamaBlock(config, rotary, "mask:window", options),
    });
  },
};

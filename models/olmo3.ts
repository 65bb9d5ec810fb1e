/**
 * OLMo 3 (OLMo Team 2025): OLMo 2's block, with a sliding window in three of four layers; only the fourth's rotary
 * positions are stretched.
 *
 * @module
 */
import { only, optionalSize } from "./config.ts";
import { decoder, readDecoderConfig } from "./decoder.ts";
import type { Architecture, ModelFamily, RotarySpec } from "./family.ts";
import { type LayerType, maskName, masksOf, readLayerTypes } from "./layer_types.ts";
import { olmo2Block, OLMO_DEFAULTS } from "./olmo2.ts";
import { readRotariesByType, rotariesOf, rotaryName } from "./rotary.ts";

/** OLMo 3. */
export const olmo3: ModelFamily = {
  open(json): Architecture {
    only(json, "attention_bias", false);
    const config = readDecoderConfig(json, OLMO_DEFAULTS);
    const types = readLayerTypes(
      json,
      config.nLayers,
      (layer) => (layer + 1) % 4 === 0 ? "full_attention" : "sliding_attention",
    );
    const defaults = { dHead: config.dHead, base: 5e5 };
    const rotary = readRotariesByType(json, { full_attention: defaults, sliding_attention: defaults });
    return decoder(json, {
      family: "olmo3",
      config,
      foldsLn: false,
      masks: masksOf(types, optionalSize(json, "sliding_window", 4096)),
      rotary: rotariesOf(types, rotary),
      blockKind: (layer) => types[layer],
      block: (layer, options) => olmo2Block(config, positions(types[layer], rotary), options),
    });
  },
};

function positions(type: LayerType, rotary: Readonly<Record<LayerType, RotarySpec>>): Parameters<typeof olmo2Block>[1] {
  return { maskName: maskName(type), rotaryName: rotaryName(type), rotary: rotary[type] };
}

/**
 * Gemma (Gemma Team 2024): Llama's block with norms that multiply by 1 + w, embeddings multiplied by √d_model, and heads
 * whose width is a setting of its own.
 *
 * @module
 */
import { add, type Value } from "../lib/graph/mod.ts";
import { only } from "./config.ts";
import { decoder, readDecoderConfig } from "./decoder.ts";
import type { Architecture, ModelFamily } from "./family.ts";
import { llamaBlock } from "./llama.ts";
import { readRotary } from "./rotary.ts";

/** The 7b model's, which transformers takes where a file leaves one out. */
const DEFAULTS = { nHeads: 16, nKeyValueHeads: 16, dHead: 256, dVocab: 256_000, nCtx: 8192, act: "gelu_pytorch_tanh" };

/** Gemma 1. */
export const gemma: ModelFamily = {
  open(json): Architecture {
    only(json, "attention_bias", false);
    only(json, "use_bidirectional_attention", false);
    // As transformers reads it: the first files say gelu, and mean its approximation.
    const legacy = json.hidden_act === "gelu" ? { ...json, hidden_act: "gelu_pytorch_tanh" } : json;
    const config = readDecoderConfig(legacy, DEFAULTS);
    const rotary = readRotary(json, { dHead: config.dHead });
    const normWeight = (w: Value): Value => add(1, w);
    return decoder(json, {
      family: "gemma",
      config,
      tied: true,
      embeddingScale: Math.sqrt(config.dModel),
      normWeight,
      masks: { "mask:causal": {} },
      rotary: { rotary },
      block: (_layer, options) => llamaBlock(config, rotary, "mask:causal", options, normWeight),
    });
  },
};

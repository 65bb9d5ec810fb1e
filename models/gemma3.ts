/**
 * Gemma 3 (Gemma Team 2025), the text model, alone or within a multimodal one: Gemma 2's block with a norm of every head's
 * queries and keys in place of soft caps, and slower rotary positions in the few layers without a sliding window.
 *
 * @module
 */
import { add, type Value } from "../lib/graph/mod.ts";
import { only, optionalPositive, optionalSize, positive, section, size } from "./config.ts";
import { decoder, decoderBlock, readDecoderConfig } from "./decoder.ts";
import type { Architecture, BlockOptions, ModelConfig, ModelFamily, RotarySpec, StageGraph } from "./family.ts";
import { type LayerType, maskName, masksOf, readLayerTypes } from "./layer_types.ts";
import {
  attention,
  blockInput,
  branch,
  gatedMlp,
  joinHeads,
  linear,
  maskInput,
  type Norm,
  rmsNorm,
  rotaryInput,
  rotate,
  splitHeads,
  weight,
} from "./parts.ts";
import { readRotariesByType, rotariesOf, rotaryName } from "./rotary.ts";

interface Gemma3Config extends ModelConfig {
  readonly rotary: Readonly<Record<LayerType, RotarySpec>>;
  /** Scores are divided by its square root. */
  readonly queryPreAttnScalar: number;
  readonly scoreSoftCap?: number;
}

/** x + ln1_post(attn(ln1(x))), then + ln2_post(mlp(ln2(·))). */
function block(config: Gemma3Config, type: LayerType, { processing, selectRows }: BlockOptions): StageGraph {
  const { dModel: d, nHeads, nKeyValueHeads, dHead, dMlp, eps, actFn } = config;
  const { residPre, query, queries } = blockInput(d, selectRows);
  const norm = (x: Value, name: string): Norm => rmsNorm(x, add(1, weight(name, [x.shape.at(-1) as number])), eps);

  // Attention: q is [batch, query, head, d_head], k and v [batch, position, kv_head, d_head].
  const ln1 = norm(residPre, "input_layernorm.weight");
  const wQ = weight("self_attn.q_proj.weight", [nHeads * dHead, d]);
  const wK = weight("self_attn.k_proj.weight", [nKeyValueHeads * dHead, d]);
  const wV = weight("self_attn.v_proj.weight", [nKeyValueHeads * dHead, d]);
  const wO = weight("self_attn.o_proj.weight", [d, nHeads * dHead]);
  const q = splitHeads(linear(queries(ln1.output), wQ), nHeads);
  const k = splitHeads(linear(ln1.output, wK), nKeyValueHeads);
  const v = splitHeads(linear(ln1.output, wV), nKeyValueHeads);
  const qNorm = norm(q, "self_attn.q_norm.weight");
  const kNorm = norm(k, "self_attn.k_norm.weight");
  const { cos, sin } = rotaryInput(rotaryName(type), config.rotary[type].dim);
  const rotQ = rotate(qNorm.output, { cos: queries(cos), sin: queries(sin) });
  const rotK = rotate(kNorm.output, { cos, sin });
  const scoring = { scale: 1 / Math.sqrt(config.queryPreAttnScalar), softCap: config.scoreSoftCap };
  const attn = attention(rotQ, rotK, v, maskInput(maskName(type), query), scoring);
  const ln1Post = norm(linear(joinHeads(attn.z), wO), "post_attention_layernorm.weight");
  const attnOut = ln1Post.output;
  const residMid = add(queries(residPre), attnOut);

  // MLP
  const mlpIn = branch(residMid);
  const ln2 = norm(mlpIn, "pre_feedforward_layernorm.weight");
  const mlp = gatedMlp(ln2.output, dMlp, actFn);
  const ln2Post = norm(mlp.output, "post_feedforward_layernorm.weight");
  const mlpOut = ln2Post.output;
  const residPost = add(residMid, mlpOut);

  const attended = { q, k, v, qNorm, kNorm, rotQ, rotK, attn, ln1Post, attnOut };
  const values = { residPre, ln1, ...attended, residMid, mlpIn, ln2, mlp, ln2Post, mlpOut, residPost };
  return decoderBlock(values, processing);
}

type Json = Readonly<Record<string, unknown>>;

/** The hub's multimodal files leave out what is as in the 4b model. */
const DEFAULTS = {
  nHeads: 8,
  nKeyValueHeads: 4,
  dHead: 256,
  dVocab: 262_208,
  nCtx: 131_072,
  actKey: "hidden_activation",
  act: "gelu_pytorch_tanh",
};

/** Gemma 3. */
export const gemma3: ModelFamily = {
  open(outer): Architecture {
    const text = section(outer, "text_config");
    const json: Json = text ? { tie_word_embeddings: outer.tie_word_embeddings, ...text } : outer;
    only(json, "attention_bias", false);
    only(json, "use_bidirectional_attention", false);
    const sizes = readDecoderConfig(json, DEFAULTS);
    const config: Gemma3Config = {
      ...sizes,
      rotary: readRotariesByType(json, {
        full_attention: { dHead: sizes.dHead, base: 1e6 },
        sliding_attention: { dHead: sizes.dHead, base: 1e4, baseKey: "rope_local_base_freq" },
      }),
      queryPreAttnScalar: positive(json, "query_pre_attn_scalar", 256),
      scoreSoftCap: optionalPositive(json, "attn_logit_softcapping"),
    };
    const every = size(json, ["sliding_window_pattern", "_sliding_window_pattern"], 6);
    const types = readLayerTypes(
      json,
      config.nLayers,
      (layer) => (layer + 1) % every === 0 ? "full_attention" : "sliding_attention",
    );
    return decoder(json, {
      family: "gemma3",
      config,
      tied: true,
      // The text model's own prefix, and the two that multimodal files have had.
      weightPrefixes: ["", "model.", "language_model.model.", "model.language_model."],
      headNames: ["language_model.lm_head.weight"],
      embeddingScale: Math.sqrt(config.dModel),
      normWeight: (w) => add(1, w),
      logitSoftCap: optionalPositive(json, "final_logit_softcapping"),
      masks: masksOf(types, optionalSize(json, "sliding_window", 4096)),
      rotary: rotariesOf(types, config.rotary),
      blockKind: (layer) => types[layer],
      block: (layer, options) => block(config, types[layer], options),
    });
  },
};

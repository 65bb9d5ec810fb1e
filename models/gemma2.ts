/**
 * Gemma 2 (Gemma Team 2024): norms before and after attention and MLP, layers with a sliding window and layers without by
 * turns, scores and logits softly capped, norms that multiply by 1 + w.
 *
 * @module
 */
import { add, type Value } from "../lib/graph/mod.ts";
import { only, optionalPositive, optionalSize, positive } from "./config.ts";
import { decoder, decoderBlock, readDecoderConfig } from "./decoder.ts";
import type { Architecture, BlockOptions, ModelConfig, ModelFamily, RotarySpec, StageGraph } from "./family.ts";
import { maskName, masksOf, readLayerTypes } from "./layer_types.ts";
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
import { readRotary } from "./rotary.ts";

interface Gemma2Config extends ModelConfig {
  readonly rotary: RotarySpec;
  /** Scores are divided by its square root. */
  readonly queryPreAttnScalar: number;
  readonly scoreSoftCap?: number;
}

/** x + ln1_post(attn(ln1(x))), then + ln2_post(mlp(ln2(·))). */
function block(config: Gemma2Config, mask: string, { processing, selectRows }: BlockOptions): StageGraph {
  const { dModel: d, nHeads, nKeyValueHeads, dHead, dMlp, eps, actFn } = config;
  const { residPre, query, queries } = blockInput(d, selectRows);
  const norm = (x: Value, name: string): Norm => rmsNorm(x, add(1, weight(name, [d])), eps);

  // Attention: q is [batch, query, head, d_head], k and v [batch, position, kv_head, d_head].
  const ln1 = norm(residPre, "input_layernorm.weight");
  const wQ = weight("self_attn.q_proj.weight", [nHeads * dHead, d]);
  const wK = weight("self_attn.k_proj.weight", [nKeyValueHeads * dHead, d]);
  const wV = weight("self_attn.v_proj.weight", [nKeyValueHeads * dHead, d]);
  const wO = weight("self_attn.o_proj.weight", [d, nHeads * dHead]);
  const q = splitHeads(linear(queries(ln1.output), wQ), nHeads);
  const k = splitHeads(linear(ln1.output, wK), nKeyValueHeads);
  const v = splitHeads(linear(ln1.output, wV), nKeyValueHeads);
  const { cos, sin } = rotaryInput("rotary", config.rotary.dim);
  const rotQ = rotate(q, { cos: queries(cos), sin: queries(sin) });
  const rotK = rotate(k, { cos, sin });
  const scoring = { scale: 1 / Math.sqrt(config.queryPreAttnScalar), softCap: config.scoreSoftCap };
  const attn = attention(rotQ, rotK, v, maskInput(mask, query), scoring);
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

  const attended = { q, k, v, rotQ, rotK, attn, ln1Post, attnOut };
  const values = { residPre, ln1, ...attended, residMid, mlpIn, ln2, mlp, ln2Post, mlpOut, residPost };
  return decoderBlock(values, processing);
}

/** Gemma 2. */
export const gemma2: ModelFamily = {
  open(json): Architecture {
    only(json, "attention_bias", false);
    only(json, "use_bidirectional_attention", false);
    const sizes = readDecoderConfig(json, { dHead: 256, actKey: "hidden_activation", act: "gelu_pytorch_tanh" });
    const config: Gemma2Config = {
      ...sizes,
      rotary: readRotary(json, { dHead: sizes.dHead }),
      queryPreAttnScalar: positive(json, "query_pre_attn_scalar", 256),
      scoreSoftCap: optionalPositive(json, "attn_logit_softcapping", 50),
    };
    const types = readLayerTypes(
      json,
      config.nLayers,
      (layer) => layer % 2 === 0 ? "sliding_attention" : "full_attention",
    );
    return decoder(json, {
      family: "gemma2",
      config,
      tied: true,
      embeddingScale: Math.sqrt(config.dModel),
      normWeight: (w) => add(1, w),
      logitSoftCap: optionalPositive(json, "final_logit_softcapping", 30),
      masks: masksOf(types, optionalSize(json, "sliding_window", 4096)),
      rotary: { rotary: config.rotary },
      blockKind: (layer) => types[layer],
      block: (layer, options) => block(config, maskName(types[layer]), options),
    });
  },
};

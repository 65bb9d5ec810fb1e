/**
 * Qwen 3 (Yang et al. 2025): Llama's block with a norm of every head's queries and keys before they are rotated.
 *
 * @module
 */
import { add } from "../lib/graph/mod.ts";
import { only } from "./config.ts";
import { decoder, decoderBlock, readDecoderConfig } from "./decoder.ts";
import type { Architecture, BlockOptions, ModelConfig, ModelFamily, RotarySpec, StageGraph } from "./family.ts";
import { maskName, masksOf, readQwenLayerTypes } from "./layer_types.ts";
import {
  attention,
  blockInput,
  branch,
  gatedMlp,
  joinHeads,
  linear,
  maskInput,
  rmsNorm,
  rotaryInput,
  rotate,
  splitHeads,
  weight,
} from "./parts.ts";
import { readRotary } from "./rotary.ts";

interface Qwen3Config extends ModelConfig {
  readonly rotary: RotarySpec;
}

/** x + attn(ln1(x)), then + mlp(ln2(·)). */
function block(config: Qwen3Config, mask: string, { processing, selectRows }: BlockOptions): StageGraph {
  const { dModel: d, nHeads, nKeyValueHeads, dHead, dMlp, eps, actFn } = config;
  const { residPre, query, queries } = blockInput(d, selectRows);

  // Attention: q is [batch, query, head, d_head], k and v [batch, position, kv_head, d_head].
  const ln1 = rmsNorm(residPre, weight("input_layernorm.weight", [d]), eps);
  const wQ = weight("self_attn.q_proj.weight", [nHeads * dHead, d]);
  const wK = weight("self_attn.k_proj.weight", [nKeyValueHeads * dHead, d]);
  const wV = weight("self_attn.v_proj.weight", [nKeyValueHeads * dHead, d]);
  const wO = weight("self_attn.o_proj.weight", [d, nHeads * dHead]);
  const q = splitHeads(linear(queries(ln1.output), wQ), nHeads);
  const k = splitHeads(linear(ln1.output, wK), nKeyValueHeads);
  const v = splitHeads(linear(ln1.output, wV), nKeyValueHeads);
  const qNorm = rmsNorm(q, weight("self_attn.q_norm.weight", [dHead]), eps);
  const kNorm = rmsNorm(k, weight("self_attn.k_norm.weight", [dHead]), eps);
  const { cos, sin } = rotaryInput("rotary", config.rotary.dim);
  const rotQ = rotate(qNorm.output, { cos: queries(cos), sin: queries(sin) });
  const rotK = rotate(kNorm.output, { cos, sin });
  const attn = attention(rotQ, rotK, v, maskInput(mask, query), { scale: 1 / Math.sqrt(dHead) });
  const attnOut = linear(joinHeads(attn.z), wO);
  const residMid = add(queries(residPre), attnOut);

  // MLP
  const mlpIn = branch(residMid);
  const ln2 = rmsNorm(mlpIn, weight("post_attention_layernorm.weight", [d]), eps);
  const mlp = gatedMlp(ln2.output, dMlp, actFn);
  const mlpOut = mlp.output;
  const residPost = add(residMid, mlpOut);

  const projected = { q, k, v, qNorm, kNorm, rotQ, rotK };
  const values = { residPre, ln1, ...projected, attn, attnOut, residMid, mlpIn, ln2, mlp, mlpOut, residPost };
  return decoderBlock(values, processing);
}

/** Qwen 3. */
export const qwen3: ModelFamily = {
  open(json): Architecture {
    only(json, "attention_bias", false);
    const sizes = readDecoderConfig(json, { dHead: 128 });
    const config = { ...sizes, rotary: readRotary(json, { dHead: sizes.dHead }) };
    const { types, window } = readQwenLayerTypes(json, config.nLayers);
    return decoder(json, {
      family: "qwen3",
      config,
      defaultPrependBos: false,
      masks: masksOf(types, window),
      rotary: { rotary: config.rotary },
      blockKind: (layer) => types[layer],
      block: (layer, options) => block(config, maskName(types[layer]), options),
    });
  },
};

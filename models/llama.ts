/**
 * Llama (Touvron et al. 2023; Llama 3: Dubey et al. 2024): RMSNorm before attention and before a gated MLP, rotary
 * positions, from Llama 2 on keys and values shared by groups of heads. No biases.
 *
 * @module
 */
import { add, type Value } from "../lib/graph/mod.ts";
import { only } from "./config.ts";
import { decoder, decoderBlock, readDecoderConfig } from "./decoder.ts";
import type { Architecture, BlockOptions, ModelConfig, ModelFamily, RotarySpec, StageGraph } from "./family.ts";
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

/**
 * x + attn(ln1(x)), then + mlp(ln2(·)).
 *
 * @param maskName the graph input of the attention's mask
 * @param normWeight what norms multiply by, from their weight
 */
export function llamaBlock(
  config: ModelConfig,
  rotary: RotarySpec,
  maskName: string,
  { processing, selectRows }: BlockOptions,
  normWeight: (w: Value) => Value = (w) => w,
): StageGraph {
  const { dModel: d, nHeads, nKeyValueHeads, dHead, dMlp, eps, actFn } = config;
  const { residPre, query, queries } = blockInput(d, selectRows);

  // Attention: q is [batch, query, head, d_head], k and v [batch, position, kv_head, d_head].
  const ln1 = rmsNorm(residPre, normWeight(weight("input_layernorm.weight", [d])), eps);
  const wQ = weight("self_attn.q_proj.weight", [nHeads * dHead, d]);
  const wK = weight("self_attn.k_proj.weight", [nKeyValueHeads * dHead, d]);
  const wV = weight("self_attn.v_proj.weight", [nKeyValueHeads * dHead, d]);
  const wO = weight("self_attn.o_proj.weight", [d, nHeads * dHead]);
  const q = splitHeads(linear(queries(ln1.output), wQ), nHeads);
  const k = splitHeads(linear(ln1.output, wK), nKeyValueHeads);
  const v = splitHeads(linear(ln1.output, wV), nKeyValueHeads);
  const { cos, sin } = rotaryInput("rotary", rotary.dim);
  const rotQ = rotate(q, { cos: queries(cos), sin: queries(sin) });
  const rotK = rotate(k, { cos, sin });
  const mask = maskInput(maskName, query);
  const attn = attention(rotQ, rotK, v, mask, { scale: 1 / Math.sqrt(dHead) });
  const attnOut = linear(joinHeads(attn.z), wO);
  const residMid = add(queries(residPre), attnOut);

  // MLP
  const mlpIn = branch(residMid);
  const ln2 = rmsNorm(mlpIn, normWeight(weight("post_attention_layernorm.weight", [d])), eps);
  const mlp = gatedMlp(ln2.output, dMlp, actFn);
  const mlpOut = mlp.output;
  const residPost = add(residMid, mlpOut);

  const values = { residPre, ln1, q, k, v, rotQ, rotK, attn, attnOut, residMid, mlpIn, ln2, mlp, mlpOut, residPost };
  return decoderBlock(values, processing);
}

/** Llama. */
export const llama: ModelFamily = {
  open(json): Architecture {
    only(json, "attention_bias", false);
    only(json, "mlp_bias", false);
    const config = readDecoderConfig(json);
    const rotary = readRotary(json, { dHead: config.dHead });
    return decoder(json, {
      family: "llama",
      config,
      masks: { "mask:causal": {} },
      rotary: { rotary },
      block: (_layer, options) => llamaBlock(config, rotary, "mask:causal", options),
    });
  },
};

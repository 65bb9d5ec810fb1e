/**
 * Qwen 1.5, 2 and 2.5 (Yang et al. 2024): Llama's block with biases on queries, keys and values.
 *
 * @module
 */
import { add } from "../lib/graph/mod.ts";
import { decoder, decoderBlock, readDecoderConfig } from "./decoder.ts";
import type { Architecture, BlockOptions, ModelConfig, ModelFamily, RotarySpec, StageGraph } from "./family.ts";
import { maskName, masksOf, readQwenLayerTypes } from "./layer_types.ts";
import {
  addValueBias,
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

interface Qwen2Config extends ModelConfig {
  readonly rotary: RotarySpec;
}

/** x + attn(ln1(x)), then + mlp(ln2(·)). */
function block(config: Qwen2Config, mask: string, { processing, selectRows }: BlockOptions): StageGraph {
  const { dModel: d, nHeads, nKeyValueHeads, dHead, dMlp, eps, actFn } = config;
  const { residPre, query, queries } = blockInput(d, selectRows);

  // Attention: q is [batch, query, head, d_head], k and v [batch, position, kv_head, d_head].
  const ln1 = rmsNorm(residPre, weight("input_layernorm.weight", [d]), eps);
  const wQ = weight("self_attn.q_proj.weight", [nHeads * dHead, d]);
  const wK = weight("self_attn.k_proj.weight", [nKeyValueHeads * dHead, d]);
  const wV = weight("self_attn.v_proj.weight", [nKeyValueHeads * dHead, d]);
  const wO = weight("self_attn.o_proj.weight", [d, nHeads * dHead]);
  const bQ = weight("self_attn.q_proj.bias", [nHeads * dHead]);
  const bK = weight("self_attn.k_proj.bias", [nKeyValueHeads * dHead]);
  const bV = weight("self_attn.v_proj.bias", [nKeyValueHeads * dHead]);
  const q = splitHeads(linear(queries(ln1.output), wQ, bQ), nHeads);
  const k = splitHeads(linear(ln1.output, wK, bK), nKeyValueHeads);
  const foldBias = processing.foldValueBiases;
  const v = splitHeads(foldBias ? linear(ln1.output, wV) : linear(ln1.output, wV, bV), nKeyValueHeads);
  const { cos, sin } = rotaryInput("rotary", config.rotary.dim);
  const rotQ = rotate(q, { cos: queries(cos), sin: queries(sin) });
  const rotK = rotate(k, { cos, sin });
  const attn = attention(rotQ, rotK, v, maskInput(mask, query), { scale: 1 / Math.sqrt(dHead) });
  const z = foldBias ? addValueBias(attn.z, bV, nKeyValueHeads) : attn.z;
  const attnOut = linear(joinHeads(z), wO);
  const residMid = add(queries(residPre), attnOut);

  // MLP
  const mlpIn = branch(residMid);
  const ln2 = rmsNorm(mlpIn, weight("post_attention_layernorm.weight", [d]), eps);
  const mlp = gatedMlp(ln2.output, dMlp, actFn);
  const mlpOut = mlp.output;
  const residPost = add(residMid, mlpOut);

  const values = { residPre, ln1, q, k, v, rotQ, rotK, attn, attnOut, residMid, mlpIn, ln2, mlp, mlpOut, residPost };
  return decoderBlock(values, processing);
}

/** Qwen 2. */
export const qwen2: ModelFamily = {
  open(json): Architecture {
    const sizes = readDecoderConfig(json);
    const config = { ...sizes, rotary: readRotary(json, { dHead: sizes.dHead }) };
    const { types, window } = readQwenLayerTypes(json, config.nLayers);
    return decoder(json, {
      family: "qwen2",
      config,
      defaultPrependBos: false,
      masks: masksOf(types, window),
      rotary: { rotary: config.rotary },
      blockKind: (layer) => types[layer],
      block: (layer, options) => block(config, maskName(types[layer]), options),
    });
  },
};

/**
 * Phi-3, 3.5 and 4 (Abdin et al. 2024): Llama's block with queries, keys and values in one matrix and the MLP's gate and
 * its input in another, a sliding window in all layers or none, and rotary positions stretched by a factor each.
 *
 * @module
 */
import { add, slice, type Value } from "../lib/graph/mod.ts";
import { optionalSize } from "./config.ts";
import { decoder, decoderBlock, readDecoderConfig } from "./decoder.ts";
import type { Architecture, BlockOptions, ModelConfig, ModelFamily, RotarySpec, StageGraph } from "./family.ts";
import {
  attention,
  blockInput,
  branch,
  gated,
  type GatedMlp,
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

/** Numbers `[start, end)` of the last axis, one part after another of these widths. */
function parts(x: Value, widths: readonly number[]): Value[] {
  const starts = widths.map((_, i) => widths.slice(0, i).reduce((sum, width) => sum + width, 0));
  return widths.map((width, i) => slice(x, -1, starts[i], starts[i] + width));
}

/** A gated MLP whose first two matrices are one. */
function fusedMlp(x: Value, { dModel: d, dMlp, actFn }: ModelConfig): GatedMlp {
  const [pre, preLinear] = parts(linear(x, weight("mlp.gate_up_proj.weight", [2 * dMlp, d])), [dMlp, dMlp]);
  return gated(pre, preLinear, d, actFn);
}

/** x + attn(ln1(x)), then + mlp(ln2(·)). */
function block(
  config: ModelConfig,
  rotary: RotarySpec,
  { processing, selectRows }: BlockOptions,
): StageGraph {
  const { dModel: d, nHeads, nKeyValueHeads, dHead, eps } = config;
  const { residPre, query, queries } = blockInput(d, selectRows);

  // Attention: q is [batch, query, head, d_head], k and v [batch, position, kv_head, d_head].
  const ln1 = rmsNorm(residPre, weight("input_layernorm.weight", [d]), eps);
  const widths = [nHeads, nKeyValueHeads, nKeyValueHeads].map((heads) => heads * dHead);
  const wQkv = weight("self_attn.qkv_proj.weight", [widths[0] + widths[1] + widths[2], d]);
  const wO = weight("self_attn.o_proj.weight", [d, nHeads * dHead]);
  const [allQ, allK, allV] = parts(linear(ln1.output, wQkv), widths);
  const q = splitHeads(queries(allQ), nHeads);
  const k = splitHeads(allK, nKeyValueHeads);
  const v = splitHeads(allV, nKeyValueHeads);
  const { cos, sin } = rotaryInput("rotary", rotary.dim);
  const rotQ = rotate(q, { cos: queries(cos), sin: queries(sin) });
  const rotK = rotate(k, { cos, sin });
  const attn = attention(rotQ, rotK, v, maskInput("mask:window", query), { scale: 1 / Math.sqrt(dHead) });
  const attnOut = linear(joinHeads(attn.z), wO);
  const residMid = add(queries(residPre), attnOut);

  // MLP
  const mlpIn = branch(residMid);
  const ln2 = rmsNorm(mlpIn, weight("post_attention_layernorm.weight", [d]), eps);
  const mlp = fusedMlp(ln2.output, config);
  const mlpOut = mlp.output;
  const residPost = add(residMid, mlpOut);

  const values = { residPre, ln1, q, k, v, rotQ, rotK, attn, attnOut, residMid, mlpIn, ln2, mlp, mlpOut, residPost };
  return decoderBlock(values, processing);
}

/** Phi-3, 3.5 and 4. */
export const phi3: ModelFamily = {
  open(json): Architecture {
    const config = readDecoderConfig(json, { eps: 1e-5, dVocab: 32_064, nCtx: 4096 });
    const rotary = readRotary(json, { dHead: config.dHead, aliases: { su: "longrope", yarn: "longrope" } });
    const window = optionalSize(json, "sliding_window");
    return decoder(json, {
      family: "phi3",
      config,
      masks: { "mask:window": window === undefined ? {} : { window } },
      rotary: { rotary },
      block: (_layer, options) => block(config, rotary, options),
    });
  },
};

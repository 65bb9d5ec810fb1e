/**
 * Mistral (Jiang et al. 2023): Llama's block, in the first version with attention to a sliding window only.
 *
 * @module
 */
import { add } from "../lib/graph/mod.ts";
import { optionalSize } from "./config.ts";
import { decoder, decoderBlock, readDecoderConfig } from "./decoder.ts";
import type { Architecture, BlockOptions, ModelConfig, ModelFamily, RotarySpec, StageGraph } from "./family.ts";
import { readLayerTypes } from "./layer_types.ts";
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

/** x + attn(ln1(x)), then + mlp(ln2(·)). */
function block(config: ModelConfig, rotary: RotarySpec, { processing, selectRows }: BlockOptions): StageGraph {
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
  const { cos, sin } = rotaryInput("rotary", rotary.dim);
  const rotQ = rotate(q, { cos: queries(cos), sin: queries(sin) });
  const rotK = rotate(k, { cos, sin });
  const window = maskInput("mask:window", query);
  const attn = attention(rotQ, rotK, v, window, { scale: 1 / Math.sqrt(dHead) });
  const attnOut = linear(joinHeads(attn.z), wO);
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

/** Mistral. */
export const mistral: ModelFamily = {
  modelTypes: ["mistral"],
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
      block: (_layer, options) => block(config, rotary, options),
    });
  },
};

/**
 * OLMo 2 (OLMo Team 2024): norms after attention and MLP and none before, and one norm over the queries of all heads, one
 * over the keys.
 *
 * @module
 */
import { add, type Value } from "../lib/graph/mod.ts";
import { only } from "./config.ts";
import { decoder, decoderBlock, type DecoderDefaults, readDecoderConfig } from "./decoder.ts";
import type { Architecture, BlockOptions, ModelConfig, ModelFamily, RotarySpec, StageGraph } from "./family.ts";
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

/** What transformers takes where a file leaves one out. */
export const OLMO_DEFAULTS: DecoderDefaults = { eps: 1e-5 };

/** The graph inputs of a layer's mask and of its rotary positions. */
export interface OlmoPositions {
  readonly maskName: string;
  readonly rotaryName: string;
  readonly rotary: RotarySpec;
}

/** x + ln1(attn(x)), then + ln2(mlp(·)). */
export function olmo2Block(
  config: ModelConfig,
  { maskName, rotaryName, rotary }: OlmoPositions,
  { processing, selectRows }: BlockOptions,
): StageGraph {
  const { dModel: d, nHeads, nKeyValueHeads, dHead, dMlp, eps, actFn } = config;
  const { residPre, query, queries } = blockInput(d, selectRows);
  const norm = (x: Value, name: string): Norm => rmsNorm(x, weight(name, [x.shape.at(-1) as number]), eps);

  // Attention: q is [batch, query, head, d_head], k and v [batch, position, kv_head, d_head].
  const wQ = weight("self_attn.q_proj.weight", [nHeads * dHead, d]);
  const wK = weight("self_attn.k_proj.weight", [nKeyValueHeads * dHead, d]);
  const wV = weight("self_attn.v_proj.weight", [nKeyValueHeads * dHead, d]);
  const wO = weight("self_attn.o_proj.weight", [d, nHeads * dHead]);
  const q = splitHeads(linear(queries(residPre), wQ), nHeads);
  const k = splitHeads(linear(residPre, wK), nKeyValueHeads);
  const v = splitHeads(linear(residPre, wV), nKeyValueHeads);
  const qNorm = norm(joinHeads(q), "self_attn.q_norm.weight");
  const kNorm = norm(joinHeads(k), "self_attn.k_norm.weight");
  const { cos, sin } = rotaryInput(rotaryName, rotary.dim);
  const rotQ = rotate(splitHeads(qNorm.output, nHeads), { cos: queries(cos), sin: queries(sin) });
  const rotK = rotate(splitHeads(kNorm.output, nKeyValueHeads), { cos, sin });
  const attn = attention(rotQ, rotK, v, maskInput(maskName, query), { scale: 1 / Math.sqrt(dHead) });
  const ln1Post = norm(linear(joinHeads(attn.z), wO), "post_attention_layernorm.weight");
  const attnOut = ln1Post.output;
  const residMid = add(queries(residPre), attnOut);

  // MLP
  const mlpIn = branch(residMid);
  const mlp = gatedMlp(mlpIn, dMlp, actFn);
  const ln2Post = norm(mlp.output, "post_feedforward_layernorm.weight");
  const mlpOut = ln2Post.output;
  const residPost = add(residMid, mlpOut);

  const attended = { q, k, v, qNorm, kNorm, rotQ, rotK, attn, ln1Post, attnOut };
  return decoderBlock({ residPre, ...attended, residMid, mlpIn, mlp, ln2Post, mlpOut, residPost }, processing);
}

/** OLMo 2. */
export const olmo2: ModelFamily = {
  open(json): Architecture {
    only(json, "attention_bias", false);
    const config = readDecoderConfig(json, OLMO_DEFAULTS);
    const rotary = readRotary(json, { dHead: config.dHead });
    const positions = { maskName: "mask:causal", rotaryName: "rotary", rotary };
    return decoder(json, {
      family: "olmo2",
      config,
      foldsLn: false,
      masks: { "mask:causal": {} },
      rotary: { rotary },
      block: (_layer, options) => olmo2Block(config, positions, options),
    });
  },
};

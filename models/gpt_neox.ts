/**
 * GPT-NeoX (Black et al. 2022) and Pythia (Biderman et al. 2023): LayerNorm, rotary positions in a part of every head,
 * attention and MLP side by side, or one after the other without `use_parallel_residual`.
 *
 * @module
 */
import { activation, add, input, reshape, slice, swapLast, type Value } from "../lib/graph/mod.ts";
import { activationName, flag, headSize, layerCount, only, positive, size } from "./config.ts";
import {
  type Architecture,
  type BlockOptions,
  type ModelConfig,
  type ModelFamily,
  NO_PROCESSING,
  type Processing,
  type RotarySpec,
  type StageGraph,
} from "./family.ts";
import {
  addValueBias,
  attention,
  blockInput,
  branch,
  centred,
  joinHeads,
  layerNorm,
  linear,
  maskInput,
  normHooks,
  projectNorm,
  rotaryInput,
  rotate,
  splitHeads,
  unembeddingOf,
  weight,
  weightsOf,
} from "./parts.ts";
import { readRotary } from "./rotary.ts";

interface GptNeoxConfig extends ModelConfig {
  readonly rotary: RotarySpec;
  readonly parallel: boolean;
}

/** x + attn(ln1(x)) + mlp(ln2(x)), or x + attn(ln1(x)), then + mlp(ln2(·)). */
function block(config: GptNeoxConfig, { processing, selectRows }: BlockOptions): StageGraph {
  const { dModel: d, nHeads, dHead, dMlp, eps, parallel } = config;
  const { foldLn, foldValueBiases } = processing;
  const { residPre, query, queries } = blockInput(d, selectRows);
  const write = (x: Value): Value => processing.centerWritingWeights ? centred(x) : x;

  // Attention: one projection, whose rows are q, k and v of the first head, of the second …
  const bias1 = weight("input_layernorm.bias", [d]);
  const ln1 = layerNorm(residPre, weight("input_layernorm.weight", [d]), bias1, eps, foldLn);
  const wQKV = swapLast(weight("attention.query_key_value.weight", [3 * d, d]));
  const projected = projectNorm(ln1, bias1, foldLn, wQKV, weight("attention.query_key_value.bias", [3 * d]));
  const third = (x: Value, i: number): Value => slice(x, -1, i * dHead, (i + 1) * dHead);
  const products = splitHeads(projected.product, nHeads); // [batch, position, head, 3 · d_head]
  const biases = reshape(projected.bias!, [nHeads, 3 * dHead]);
  const [bQ, bK, bV] = [0, 1, 2].map((i) => third(biases, i));
  const q = add(splitHeads(queries(joinHeads(third(products, 0))), nHeads), bQ);
  const k = add(third(products, 1), bK);
  const v = foldValueBiases ? third(products, 2) : add(third(products, 2), bV);
  const { cos, sin } = rotaryInput("rotary", config.rotary.dim);
  const rotQ = rotate(q, { cos: queries(cos), sin: queries(sin) });
  const rotK = rotate(k, { cos, sin });
  const mask = maskInput("mask:causal", query);
  const { scores, pattern, z } = attention(rotQ, rotK, v, mask, { scale: 1 / Math.sqrt(dHead) });
  const zBiased = foldValueBiases ? addValueBias(z, bV, nHeads) : z;
  const wO = weight("attention.dense.weight", [d, d]);
  const attnOut = write(linear(joinHeads(zBiased), wO, weight("attention.dense.bias", [d])));
  const residMid = add(queries(residPre), attnOut);

  // MLP
  const mlpIn = branch(parallel ? queries(residPre) : residMid);
  const [w2, b2] = [weight("post_attention_layernorm.weight", [d]), weight("post_attention_layernorm.bias", [d])];
  const ln2 = layerNorm(mlpIn, w2, b2, eps, foldLn);
  const wIn = weight("mlp.dense_h_to_4h.weight", [dMlp, d]);
  const wOut = weight("mlp.dense_4h_to_h.weight", [d, dMlp]);
  const pre = linear(ln2.output, wIn, weight("mlp.dense_h_to_4h.bias", [dMlp]));
  const post = activation(pre, config.actFn);
  const mlpOut = write(linear(post, wOut, weight("mlp.dense_4h_to_h.bias", [d])));
  const residPost = add(residMid, mlpOut);

  return {
    input: residPre,
    output: residPost,
    hooks: {
      "hook_resid_pre": residPre,
      ...normHooks("ln1", ln1),
      "attn.hook_q": q,
      "attn.hook_k": k,
      "attn.hook_v": v,
      "attn.hook_rot_q": rotQ,
      "attn.hook_rot_k": rotK,
      "attn.hook_attn_scores": scores,
      "attn.hook_pattern": pattern,
      "attn.hook_z": z,
      "hook_attn_out": attnOut,
      ...(parallel ? {} : { "hook_resid_mid": residMid }),
      "hook_mlp_in": mlpIn,
      ...normHooks("ln2", ln2),
      "mlp.hook_in": foldLn ? ln2.normalized : ln2.output,
      "mlp.hook_pre": pre,
      "mlp.hook_post": post,
      "hook_mlp_out": mlpOut,
      "hook_resid_post": residPost,
    },
  };
}

function embed({ dModel }: ModelConfig, { centerWritingWeights }: Processing): ReturnType<Architecture["embed"]> {
  const tokens = input("tokens", ["batch", "position", dModel]);
  const embedded = centerWritingWeights ? centred(tokens) : tokens;
  return { output: embedded, hooks: { "hook_embed": embedded } };
}

function final({ dModel, eps }: ModelConfig, { foldLn }: Processing): StageGraph {
  const resid = input("resid", ["batch", "position", dModel]);
  const [w, b] = [weight("final_layer_norm.weight", [dModel]), weight("final_layer_norm.bias", [dModel])];
  const norm = layerNorm(resid, w, b, eps, foldLn);
  return { input: resid, output: norm.output, hooks: normHooks("ln_final", norm) };
}

function readConfig(json: Readonly<Record<string, unknown>>): GptNeoxConfig {
  only(json, "attention_bias", true);
  const dModel = size(json, ["hidden_size"]);
  const nHeads = size(json, ["num_attention_heads"]);
  const dHead = headSize(dModel, nHeads);
  return {
    nLayers: layerCount(json, ["num_hidden_layers"]),
    dModel,
    nHeads,
    nKeyValueHeads: nHeads,
    dHead,
    dMlp: size(json, ["intermediate_size"]),
    dVocab: size(json, ["vocab_size"]),
    nCtx: size(json, ["max_position_embeddings"]),
    eps: positive(json, "layer_norm_eps", 1e-5),
    actFn: activationName(json, "hidden_act", "gelu"),
    rotary: readRotary(json, { dHead, baseKey: "rotary_emb_base", fractionKey: "rotary_pct", fraction: 0.25 }),
    parallel: flag(json, "use_parallel_residual", true),
  };
}

/** GPT-NeoX. */
export const gptNeox: ModelFamily = {
  open(json): Architecture {
    const config = readConfig(json);
    const tokens = { name: "embed_in.weight", shape: [config.dVocab, config.dModel] };
    return {
      family: "gpt_neox",
      config,
      defaultPrependBos: false,
      defaultProcessing: { foldLn: true, centerWritingWeights: true, centerUnembed: true, foldValueBiases: true },
      weightPrefixes: ["", "gpt_neox."],
      masks: { "mask:causal": {} },
      rotary: { rotary: config.rotary },
      embedding: { tokens },
      unembedding: unembeddingOf(tokens, flag(json, "tie_word_embeddings", false), ["embed_out.weight"]),
      embed: (processing) => embed(config, processing),
      blockKind: () => "block",
      block: (_layer, options) => block(config, options),
      blockWeights: (layer) =>
        weightsOf(block(config, { processing: NO_PROCESSING, selectRows: false }).output, `layers.${layer}.`),
      final: (processing) => final(config, processing),
      finalWeights: () => weightsOf(final(config, NO_PROCESSING).output, ""),
    };
  },
};

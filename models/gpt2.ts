/**
 * GPT-2 (Radford et al. 2019): learned positions, LayerNorm before attention and before the MLP, tied unembedding.
 * Also what shares its code in transformers, e.g. with `scale_attn_by_inverse_layer_idx`.
 *
 * @module
 */
import { activation, add, type Dim, input, matMul, reshape, slice, type Value } from "../lib/graph/mod.ts";
import { activationName, flag, positive, size } from "./config.ts";
import type {
  Architecture,
  BlockOptions,
  ModelConfig,
  ModelFamily,
  Processing,
  StageGraph,
  WeightRef,
} from "./family.ts";
import { attention, centred, layerNorm, maskInput } from "./parts.ts";

interface Gpt2Config extends ModelConfig {
  readonly scaleAttnWeights: boolean;
  readonly scaleAttnByInverseLayerIdx: boolean;
}

function readConfig(json: Readonly<Record<string, unknown>>): Gpt2Config {
  const dModel = size(json, ["n_embd", "hidden_size"]);
  const nHeads = size(json, ["n_head", "num_attention_heads"]);
  if (dModel % nHeads !== 0) throw new RangeError(`config.json: ${nHeads} heads do not divide d_model ${dModel}`);
  return {
    nLayers: size(json, ["n_layer", "num_hidden_layers"]),
    dModel,
    nHeads,
    nKeyValueHeads: nHeads,
    dHead: dModel / nHeads,
    dMlp: size(json, ["n_inner"], 4 * dModel),
    dVocab: size(json, ["vocab_size"]),
    nCtx: size(json, ["n_positions", "n_ctx"]),
    eps: positive(json, "layer_norm_epsilon", 1e-5),
    actFn: activationName(json, "activation_function", "gelu_new"),
    scaleAttnWeights: flag(json, "scale_attn_weights", true),
    scaleAttnByInverseLayerIdx: flag(json, "scale_attn_by_inverse_layer_idx", false),
  };
}

const weight = (name: string, shape: readonly number[]): Value => input(name, shape);

/** x + attn(ln1(x)), then + mlp(ln2(·)). */
function block(config: Gpt2Config, layer: number, { processing, selectRows }: BlockOptions): StageGraph {
  const { dModel: d, nHeads, dHead, dMlp, eps } = config;
  const query: Dim = selectRows ? "row" : "position";
  const write = (x: Value): Value => processing.centerWritingWeights ? centred(x) : x;

  const residPre = input("resid", ["batch", "position", d]);
  const rows = input("rows", ["batch", "row", "position"]);
  const queries = (x: Value): Value => selectRows ? matMul(rows, x) : x;

  // Attention: q, k, v are thirds of one projection. Folding moves ln1's bias through it, so that hook_v lacks that too.
  const bias1 = weight("ln_1.bias", [d]);
  const ln1 = layerNorm(residPre, weight("ln_1.weight", [d]), bias1, eps, processing.foldLn);
  const wQKV = weight("attn.c_attn.weight", [d, 3 * d]);
  const b = weight("attn.c_attn.bias", [3 * d]);
  const bQKV = processing.foldLn ? add(b, reshape(matMul(reshape(bias1, [1, d]), wQKV), [3 * d])) : b;
  const heads = (x: Value, at: Dim): Value => reshape(x, ["batch", at, nHeads, dHead]);
  const third = (i: number): (x: Value) => Value => (x) => slice(x, -1, i * d, (i + 1) * d);
  const projected = matMul(processing.foldLn ? ln1.scaled : ln1.output, wQKV);
  const q = heads(queries(add(third(0)(projected), third(0)(bQKV))), query);
  const k = heads(add(third(1)(projected), third(1)(bQKV)), "position");
  const bV = third(2)(bQKV);
  const v = heads(processing.foldValueBiases ? third(2)(projected) : add(third(2)(projected), bV), "position");
  const { scores, pattern, z } = attention(q, k, v, maskInput("mask:causal", query), attentionScale(config, layer));
  const zFlat = reshape(z, ["batch", query, d]);
  const zBiased = processing.foldValueBiases ? add(zFlat, bV) : zFlat; // patterns sum to 1
  const attnOut = write(
    add(matMul(zBiased, weight("attn.c_proj.weight", [d, d])), weight("attn.c_proj.bias", [d])),
  );
  const residMid = add(queries(residPre), attnOut);

  // MLP
  const ln2 = layerNorm(residMid, weight("ln_2.weight", [d]), weight("ln_2.bias", [d]), eps, processing.foldLn);
  const pre = add(matMul(ln2.output, weight("mlp.c_fc.weight", [d, dMlp])), weight("mlp.c_fc.bias", [dMlp]));
  const post = activation(pre, config.actFn);
  const mlpOut = write(add(matMul(post, weight("mlp.c_proj.weight", [dMlp, d])), weight("mlp.c_proj.bias", [d])));
  const residPost = add(residMid, mlpOut);

  return {
    input: residPre,
    output: residPost,
    hooks: {
      "hook_resid_pre": residPre,
      "ln1.hook_scale": ln1.scale,
      "ln1.hook_normalized": ln1.normalized,
      "attn.hook_q": q,
      "attn.hook_k": k,
      "attn.hook_v": v,
      "attn.hook_attn_scores": scores,
      "attn.hook_pattern": pattern,
      "attn.hook_z": z,
      "hook_attn_out": attnOut,
      "hook_resid_mid": residMid,
      "hook_mlp_in": residMid,
      "ln2.hook_scale": ln2.scale,
      "ln2.hook_normalized": ln2.normalized,
      "mlp.hook_in": processing.foldLn ? ln2.normalized : ln2.output,
      "mlp.hook_pre": pre,
      "mlp.hook_post": post,
      "hook_mlp_out": mlpOut,
      "hook_resid_post": residPost,
    },
  };
}

function attentionScale(config: Gpt2Config, layer: number): number {
  const scale = config.scaleAttnWeights ? 1 / Math.sqrt(config.dHead) : 1;
  return config.scaleAttnByInverseLayerIdx ? scale / (layer + 1) : scale;
}

function blockWeights({ dModel: d, dMlp }: Gpt2Config, layer: number): Record<string, WeightRef> {
  const shapes: Record<string, number[]> = {
    "ln_1.weight": [d],
    "ln_1.bias": [d],
    "attn.c_attn.weight": [d, 3 * d],
    "attn.c_attn.bias": [3 * d],
    "attn.c_proj.weight": [d, d],
    "attn.c_proj.bias": [d],
    "ln_2.weight": [d],
    "ln_2.bias": [d],
    "mlp.c_fc.weight": [d, dMlp],
    "mlp.c_fc.bias": [dMlp],
    "mlp.c_proj.weight": [dMlp, d],
    "mlp.c_proj.bias": [d],
  };
  return Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [name, { name: `h.${layer}.${name}`, shape }]),
  );
}

function embed({ dModel }: Gpt2Config, processing: Processing): Omit<StageGraph, "input"> {
  const write = (x: Value): Value => processing.centerWritingWeights ? centred(x) : x;
  const embedded = write(input("tokens", ["batch", "position", dModel]));
  const positions = write(input("positions", ["batch", "position", dModel]));
  return { output: add(embedded, positions), hooks: { "hook_embed": embedded, "hook_pos_embed": positions } };
}

function final({ dModel, eps }: Gpt2Config, { foldLn }: Processing): StageGraph {
  const resid = input("resid", ["batch", "position", dModel]);
  const norm = layerNorm(resid, weight("ln_f.weight", [dModel]), weight("ln_f.bias", [dModel]), eps, foldLn);
  return {
    input: resid,
    output: norm.output,
    hooks: { "ln_final.hook_scale": norm.scale, "ln_final.hook_normalized": norm.normalized },
  };
}

/** GPT-2. */
export const gpt2: ModelFamily = {
  modelTypes: ["gpt2"],
  open(json): Architecture {
    const config = readConfig(json);
    const { dModel, dVocab, nCtx } = config;
    return {
      family: "gpt2",
      config,
      defaultPrependBos: true,
      defaultProcessing: { foldLn: true, centerWritingWeights: true, centerUnembed: true, foldValueBiases: true },
      weightPrefixes: ["", "transformer."],
      masks: { "mask:causal": {} },
      embedding: {
        tokens: { name: "wte.weight", shape: [dVocab, dModel] },
        positions: { name: "wpe.weight", shape: [nCtx, dModel] },
      },
      unembedding: flag(json, "tie_word_embeddings", true)
        ? [{ name: "wte.weight", shape: [dVocab, dModel] }]
        : [{ name: "lm_head.weight", shape: [dVocab, dModel] }],
      embed: (processing) => embed(config, processing),
      blockKind: (layer) => config.scaleAttnByInverseLayerIdx ? `block ${layer}` : "block",
      block: (layer, options) => block(config, layer, options),
      blockWeights: (layer) => blockWeights(config, layer),
      final: (processing) => final(config, processing),
      finalWeights: () => ({
        "ln_f.weight": { name: "ln_f.weight", shape: [dModel] },
        "ln_f.bias": { name: "ln_f.bias", shape: [dModel] },
      }),
    };
  },
};

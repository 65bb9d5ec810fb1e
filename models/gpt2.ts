/**
 * GPT-2 (Radford et al. 2019): learned positions, LayerNorm before attention and before the MLP, tied unembedding.
 * Also what shares its code in transformers, e.g. with `scale_attn_by_inverse_layer_idx`.
 *
 * @module
 */
import { activation, add, input, matMul, slice, type Value } from "../lib/graph/mod.ts";
import { activationName, flag, headSize, layerCount, positive, size } from "./config.ts";
import {
  type Architecture,
  type BlockOptions,
  type ModelConfig,
  type ModelFamily,
  NO_PROCESSING,
  type Processing,
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
  maskInput,
  normHooks,
  projectNorm,
  splitHeads,
  unembeddingOf,
  weight,
  weightsOf,
} from "./parts.ts";

interface Gpt2Config extends ModelConfig {
  readonly scaleAttnWeights: boolean;
  readonly scaleAttnByInverseLayerIdx: boolean;
}

function readConfig(json: Readonly<Record<string, unknown>>): Gpt2Config {
  const dModel = size(json, ["n_embd", "hidden_size"]);
  const nHeads = size(json, ["n_head", "num_attention_heads"]);
  return {
    nLayers: layerCount(json, ["n_layer", "num_hidden_layers"]),
    dModel,
    nHeads,
    nKeyValueHeads: nHeads,
    dHead: headSize(dModel, nHeads),
    dMlp: size(json, ["n_inner"], 4 * dModel),
    dVocab: size(json, ["vocab_size"]),
    nCtx: size(json, ["n_positions", "n_ctx"]),
    eps: positive(json, "layer_norm_epsilon", 1e-5),
    actFn: activationName(json, "activation_function", "gelu_new"),
    scaleAttnWeights: flag(json, "scale_attn_weights", true),
    scaleAttnByInverseLayerIdx: flag(json, "scale_attn_by_inverse_layer_idx", false),
  };
}

/** x + attn(ln1(x)), then + mlp(ln2(·)). */
function block(config: Gpt2Config, layer: number, { processing, selectRows }: BlockOptions): StageGraph {
  const { dModel: d, nHeads, dMlp, eps } = config;
  const { foldLn, foldValueBiases } = processing;
  const { residPre, query, queries } = blockInput(d, selectRows);
  const write = (x: Value): Value => processing.centerWritingWeights ? centred(x) : x;

  // Attention: q, k, v are thirds of one projection. Folding moves ln1's bias through it, so that hook_v lacks that too.
  const bias1 = weight("ln_1.bias", [d]);
  const ln1 = layerNorm(residPre, weight("ln_1.weight", [d]), bias1, eps, foldLn);
  const wQKV = weight("attn.c_attn.weight", [d, 3 * d]);
  const { product, bias } = projectNorm(ln1, bias1, foldLn, wQKV, weight("attn.c_attn.bias", [3 * d]));
  const third = (x: Value, i: number): Value => slice(x, -1, i * d, (i + 1) * d);
  const [bQ, bK, bV] = [0, 1, 2].map((i) => third(bias!, i));
  const q = splitHeads(add(queries(third(product, 0)), bQ), nHeads);
  const k = splitHeads(add(third(product, 1), bK), nHeads);
  const v = splitHeads(foldValueBiases ? third(product, 2) : add(third(product, 2), bV), nHeads);
  const scale = attentionScale(config, layer);
  const { scores, pattern, z } = attention(q, k, v, maskInput("mask:causal", query), { scale });
  const zBiased = foldValueBiases ? addValueBias(z, bV, nHeads) : z; // patterns sum to 1
  const wO = weight("attn.c_proj.weight", [d, d]);
  const attnOut = write(add(matMul(joinHeads(zBiased), wO), weight("attn.c_proj.bias", [d])));
  const residMid = add(queries(residPre), attnOut);

  // MLP
  const mlpIn = branch(residMid);
  const ln2 = layerNorm(mlpIn, weight("ln_2.weight", [d]), weight("ln_2.bias", [d]), eps, foldLn);
  const pre = add(matMul(ln2.output, weight("mlp.c_fc.weight", [d, dMlp])), weight("mlp.c_fc.bias", [dMlp]));
  const post = activation(pre, config.actFn);
  const mlpOut = write(add(matMul(post, weight("mlp.c_proj.weight", [dMlp, d])), weight("mlp.c_proj.bias", [d])));
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
      "attn.hook_attn_scores": scores,
      "attn.hook_pattern": pattern,
      "attn.hook_z": z,
      "hook_attn_out": attnOut,
      "hook_resid_mid": residMid,
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

function attentionScale(config: Gpt2Config, layer: number): number {
  const scale = config.scaleAttnWeights ? 1 / Math.sqrt(config.dHead) : 1;
  return config.scaleAttnByInverseLayerIdx ? scale / (layer + 1) : scale;
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
  return { input: resid, output: norm.output, hooks: normHooks("ln_final", norm) };
}

/** GPT-2. */
export const gpt2: ModelFamily = {
  open(json): Architecture {
    const config = readConfig(json);
    const { dModel, dVocab, nCtx } = config;
    const tokens = { name: "wte.weight", shape: [dVocab, dModel] };
    return {
      family: "gpt2",
      config,
      defaultPrependBos: true,
      defaultProcessing: { foldLn: true, centerWritingWeights: true, centerUnembed: true, foldValueBiases: true },
      weightPrefixes: ["", "transformer."],
      masks: { "mask:causal": {} },
      rotary: {},
      embedding: {
        tokens,
        positions: { name: "wpe.weight", shape: [nCtx, dModel] },
      },
      unembedding: unembeddingOf(tokens, flag(json, "tie_word_embeddings", true)),
      embed: (processing) => embed(config, processing),
      blockKind: (layer) => config.scaleAttnByInverseLayerIdx ? `block ${layer}` : "block",
      block: (layer, options) => block(config, layer, options),
      blockWeights: (layer) =>
        weightsOf(block(config, layer, { processing: NO_PROCESSING, selectRows: false }).output, `h.${layer}.`),
      final: (processing) => final(config, processing),
      finalWeights: () => weightsOf(final(config, NO_PROCESSING).output, ""),
    };
  },
};

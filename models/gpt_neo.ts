/**
 * GPT-Neo (Black et al. 2021), TinyStories among others: GPT-2's block, by turns with a sliding window, no biases on
 * queries, keys and values, and scores that are not divided by √d_head.
 *
 * @module
 */
import { activation, add, input, quote, swapLast, type Value } from "../lib/graph/mod.ts";
import { activationName, flag, headSize, layerCount, optionalSize, positive, size } from "./config.ts";
import {
  type Architecture,
  type BlockOptions,
  type ModelConfig,
  type ModelFamily,
  NO_PROCESSING,
  type Processing,
  type StageGraph,
} from "./family.ts";
import { type LayerType, maskName, masksOf } from "./layer_types.ts";
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
  splitHeads,
  unembeddingOf,
  weight,
  weightsOf,
} from "./parts.ts";

/** x + attn(ln1(x)), then + mlp(ln2(·)). */
function block(config: ModelConfig, type: LayerType, { processing, selectRows }: BlockOptions): StageGraph {
  const { dModel: d, nHeads, dMlp, eps } = config;
  const { foldLn, foldValueBiases } = processing;
  const { residPre, query, queries } = blockInput(d, selectRows);
  const write = (x: Value): Value => processing.centerWritingWeights ? centred(x) : x;

  // Attention: the only biases are those that folding moves here from ln1.
  const bias1 = weight("ln_1.bias", [d]);
  const ln1 = layerNorm(residPre, weight("ln_1.weight", [d]), bias1, eps, foldLn);
  const [projectedQ, projectedK, projectedV] = ["q", "k", "v"].map((name) => {
    const w = weight(`attn.attention.${name}_proj.weight`, [d, d]);
    return projectNorm(ln1, bias1, foldLn, swapLast(w));
  });
  const biased = (x: Value, bias?: Value): Value => splitHeads(bias ? add(x, bias) : x, nHeads);
  const q = biased(queries(projectedQ.product), projectedQ.bias);
  const k = biased(projectedK.product, projectedK.bias);
  const bV = projectedV.bias;
  const v = biased(projectedV.product, foldValueBiases ? undefined : bV);
  const { scores, pattern, z } = attention(q, k, v, maskInput(maskName(type), query), { scale: 1 });
  const zBiased = foldValueBiases && bV ? addValueBias(z, bV, nHeads) : z;
  const wO = weight("attn.attention.out_proj.weight", [d, d]);
  const attnOut = write(linear(joinHeads(zBiased), wO, weight("attn.attention.out_proj.bias", [d])));
  const residMid = add(queries(residPre), attnOut);

  // MLP
  const mlpIn = branch(residMid);
  const ln2 = layerNorm(mlpIn, weight("ln_2.weight", [d]), weight("ln_2.bias", [d]), eps, foldLn);
  const pre = linear(ln2.output, weight("mlp.c_fc.weight", [dMlp, d]), weight("mlp.c_fc.bias", [dMlp]));
  const post = activation(pre, config.actFn);
  const mlpOut = write(linear(post, weight("mlp.c_proj.weight", [d, dMlp]), weight("mlp.c_proj.bias", [d])));
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

function embed({ dModel }: ModelConfig, { centerWritingWeights }: Processing): ReturnType<Architecture["embed"]> {
  const write = (x: Value): Value => centerWritingWeights ? centred(x) : x;
  const embedded = write(input("tokens", ["batch", "position", dModel]));
  const positions = write(input("positions", ["batch", "position", dModel]));
  return { output: add(embedded, positions), hooks: { "hook_embed": embedded, "hook_pos_embed": positions } };
}

function final({ dModel, eps }: ModelConfig, { foldLn }: Processing): StageGraph {
  const resid = input("resid", ["batch", "position", dModel]);
  const norm = layerNorm(resid, weight("ln_f.weight", [dModel]), weight("ln_f.bias", [dModel]), eps, foldLn);
  return { input: resid, output: norm.output, hooks: normHooks("ln_final", norm) };
}

type Json = Readonly<Record<string, unknown>>;

function readConfig(json: Json): ModelConfig {
  const dModel = size(json, ["hidden_size"]);
  const nHeads = size(json, ["num_heads", "num_attention_heads"]);
  return {
    nLayers: layerCount(json, ["num_layers", "num_hidden_layers"]),
    dModel,
    nHeads,
    nKeyValueHeads: nHeads,
    dHead: headSize(dModel, nHeads),
    dMlp: size(json, ["intermediate_size"], 4 * dModel),
    dVocab: size(json, ["vocab_size"]),
    nCtx: size(json, ["max_position_embeddings"]),
    eps: positive(json, "layer_norm_epsilon", 1e-5),
    actFn: activationName(json, "activation_function", "gelu_new"),
  };
}

/**
 * `attention_layers`, a name per layer, else `attention_types`, a list of [names, how often they are repeated]: global
 * layers see all, local ones a window.
 */
function readAttentionTypes(json: Json, nLayers: number): LayerType[] {
  const wrong = (): TypeError =>
    new TypeError(`config.json: "attention_layers" or "attention_types" does not give ${nLayers} layers a type each`);
  const groups = json.attention_layers
    ? [[json.attention_layers, 1]]
    : json.attention_types ?? [[["global", "local"], 12]];
  if (!Array.isArray(groups)) throw wrong();
  const types: LayerType[] = [];
  for (const group of groups) {
    if (!Array.isArray(group) || !Array.isArray(group[0]) || !Number.isInteger(group[1])) throw wrong();
    const [names, times] = group as [unknown[], number];
    if (names.length === 0 || types.length + times * names.length > nLayers) throw wrong();
    const repeated = names.map(layerType);
    for (let i = 0; i < times; i++) types.push(...repeated);
  }
  if (types.length !== nLayers) throw wrong();
  return types;
}

function layerType(name: unknown): LayerType {
  if (name === "global") return "full_attention";
  if (name === "local") return "sliding_attention";
  throw new RangeError(
    `config.json: attention of type ${quote(name)} is not supported; supported are global, local`,
  );
}

/** GPT-Neo. */
export const gptNeo: ModelFamily = {
  open(json): Architecture {
    const config = readConfig(json);
    const { dModel, dVocab, nCtx } = config;
    const types = readAttentionTypes(json, config.nLayers);
    const tokens = { name: "wte.weight", shape: [dVocab, dModel] };
    return {
      family: "gpt_neo",
      config,
      defaultPrependBos: true,
      defaultProcessing: { foldLn: true, centerWritingWeights: true, centerUnembed: true, foldValueBiases: true },
      weightPrefixes: ["", "transformer."],
      masks: masksOf(types, optionalSize(json, "window_size", 256)),
      rotary: {},
      embedding: { tokens, positions: { name: "wpe.weight", shape: [nCtx, dModel] } },
      unembedding: unembeddingOf(tokens, flag(json, "tie_word_embeddings", true)),
      embed: (processing) => embed(config, processing),
      blockKind: (layer) => types[layer],
      block: (layer, options) => block(config, types[layer], options),
      blockWeights: (layer) =>
        weightsOf(block(config, types[layer], { processing: NO_PROCESSING, selectRows: false }).output, `h.${layer}.`),
      final: (processing) => final(config, processing),
      finalWeights: () => weightsOf(final(config, NO_PROCESSING).output, ""),
    };
  },
};

/**
 * What the families that transformers writes in Llama's layout have in common: the keys of `config.json`, the names of
 * tensors, the embedding and the final norm. Each family's file has the rest, its block.
 *
 * @module
 */
import { input, mul, type Value } from "../lib/graph/mod.ts";
import { activationName, flag, headSize, layerCount, optionalSize, positive, size } from "./config.ts";
import {
  type Architecture,
  type BlockOptions,
  type ModelConfig,
  NO_PROCESSING,
  type Processing,
  type StageGraph,
} from "./family.ts";
import {
  type Attention,
  type GatedMlp,
  type Norm,
  normHooks,
  rmsNorm,
  unembeddingOf,
  weight,
  weightsOf,
} from "./parts.ts";

type Json = Readonly<Record<string, unknown>>;

/** What a family's configuration means where a key is absent. */
export type DecoderDefaults = Partial<Omit<ModelConfig, "actFn">> & { readonly actKey?: string; readonly act?: string };

/** Reads the sizes. */
export function readDecoderConfig(json: Json, defaults: DecoderDefaults = {}): ModelConfig {
  const dModel = size(json, ["hidden_size"], defaults.dModel);
  const nHeads = size(json, ["num_attention_heads"], defaults.nHeads);
  const sharing = json.num_key_value_heads === null ? nHeads : defaults.nKeyValueHeads; // null: a head each
  const nKeyValueHeads = size(json, ["num_key_value_heads"], sharing ?? nHeads);
  if (nHeads % nKeyValueHeads !== 0) {
    throw new RangeError(`config.json: ${nKeyValueHeads} key and value heads do not divide ${nHeads} heads`);
  }
  return {
    nLayers: layerCount(json, ["num_hidden_layers"], defaults.nLayers),
    dModel,
    nHeads,
    nKeyValueHeads,
    dHead: optionalSize(json, "head_dim", defaults.dHead) ?? headSize(dModel, nHeads),
    dMlp: size(json, ["intermediate_size"], defaults.dMlp),
    dVocab: size(json, ["vocab_size"], defaults.dVocab),
    nCtx: size(json, ["max_position_embeddings"], defaults.nCtx),
    eps: positive(json, "rms_norm_eps", defaults.eps ?? 1e-6),
    actFn: activationName(json, defaults.actKey ?? "hidden_act", defaults.act ?? "silu"),
  };
}

/** What a family adds. */
export interface Decoder extends Pick<Architecture, "family" | "config" | "masks" | "rotary" | "logitSoftCap"> {
  readonly defaultPrependBos?: boolean;
  readonly weightPrefixes?: readonly string[];
  /** Other names of `lm_head.weight`. */
  readonly headNames?: readonly string[];
  /** Whether TransformerLens folds norms into what follows; default: it does. */
  readonly foldsLn?: boolean;
  /** Where the configuration does not say whether embedding and unembedding are one tensor. */
  readonly tied?: boolean;
  /** Embeddings are multiplied by this. */
  readonly embeddingScale?: number;
  /** What the final norm multiplies by, from its weight. Default: the weight. */
  normWeight?(w: Value): Value;
  /** Default: one kind. */
  blockKind?(layer: number): string;
  block(layer: number, options: BlockOptions): StageGraph;
}

/** A whole model from a family's block. */
export function decoder(json: Json, parts: Decoder): Architecture {
  const { config, logitSoftCap, block } = parts;
  const { dModel, dVocab } = config;
  const tokens = { name: "embed_tokens.weight", shape: [dVocab, dModel] };
  const tied = flag(json, "tie_word_embeddings", parts.tied ?? false);
  return {
    family: parts.family,
    config,
    defaultPrependBos: parts.defaultPrependBos ?? true,
    defaultProcessing: {
      foldLn: parts.foldsLn ?? true,
      centerWritingWeights: false, // RMSNorm sees the mean
      centerUnembed: logitSoftCap === undefined,
      foldValueBiases: true,
    },
    weightPrefixes: parts.weightPrefixes ?? ["", "model."],
    masks: parts.masks,
    rotary: parts.rotary,
    embedding: { tokens },
    unembedding: unembeddingOf(tokens, tied, parts.headNames),
    logitSoftCap,
    embed: () => embed(dModel, parts.embeddingScale),
    blockKind: parts.blockKind ?? (() => "block"),
    block,
    blockWeights: (layer) =>
      weightsOf(block(layer, { processing: NO_PROCESSING, selectRows: false }).output, `layers.${layer}.`),
    final: () => final(config, parts.normWeight),
    finalWeights: () => weightsOf(final(config).output, ""),
  };
}

function embed(dModel: number, scale?: number): ReturnType<Architecture["embed"]> {
  const tokens = input("tokens", ["batch", "position", dModel]);
  const embedded = scale === undefined ? tokens : mul(tokens, scale);
  return { output: embedded, hooks: { "hook_embed": embedded } };
}

function final({ dModel, eps }: ModelConfig, normWeight = (w: Value): Value => w): StageGraph {
  const resid = input("resid", ["batch", "position", dModel]);
  const norm = rmsNorm(resid, normWeight(weight("norm.weight", [dModel])), eps);
  return { input: resid, output: norm.output, hooks: normHooks("ln_final", norm) };
}

/** A block's values by the names of the equations. */
export interface DecoderBlock {
  /** `[batch, position, d_model]` */
  readonly residPre: Value;
  /** Absent where attention reads the stream itself. */
  readonly ln1?: Norm;
  /** Before their norms and their rotation. */
  readonly q: Value;
  readonly k: Value;
  readonly v: Value;
  readonly qNorm?: Norm;
  readonly kNorm?: Norm;
  readonly rotQ: Value;
  readonly rotK: Value;
  readonly attn: Attention;
  readonly ln1Post?: Norm;
  /** What is added to the stream: after the norm that follows, if one does. */
  readonly attnOut: Value;
  readonly residMid: Value;
  /** What the second norm reads: the stream as a value of its own. */
  readonly mlpIn: Value;
  readonly ln2?: Norm;
  readonly mlp: GatedMlp;
  readonly ln2Post?: Norm;
  readonly mlpOut: Value;
  readonly residPost: Value;
}

/**
 * The stage with TransformerLens's hook names, in the order of the computation. Norms after attention and MLP are `ln1_post`
 * and `ln2_post`; where there are none before, `ln1` and `ln2`.
 */
export function decoderBlock(block: DecoderBlock, { foldLn }: Processing): StageGraph {
  const { ln1, ln2, attn, mlp } = block;
  const norm = (name: string, values: Norm | undefined): Record<string, Value> => values ? normHooks(name, values) : {};
  const hooks: Record<string, Value> = {
    "hook_resid_pre": block.residPre,
    ...norm("ln1", ln1),
    "attn.hook_q": block.q,
    "attn.hook_k": block.k,
    "attn.hook_v": block.v,
    ...norm("attn.q_norm", block.qNorm),
    ...norm("attn.k_norm", block.kNorm),
    "attn.hook_rot_q": block.rotQ,
    "attn.hook_rot_k": block.rotK,
    "attn.hook_attn_scores": attn.scores,
    "attn.hook_pattern": attn.pattern,
    "attn.hook_z": attn.z,
    ...norm(ln1 ? "ln1_post" : "ln1", block.ln1Post),
    "hook_attn_out": block.attnOut,
    "hook_resid_mid": block.residMid,
    "hook_mlp_in": block.mlpIn,
    ...norm("ln2", ln2),
    "mlp.hook_in": ln2 === undefined ? block.mlpIn : foldLn ? ln2.normalized : ln2.output, // folding takes the norm's weight into the MLP
    "mlp.hook_pre": mlp.pre,
    "mlp.hook_pre_linear": mlp.preLinear,
    "mlp.hook_post": mlp.post,
    ...norm(ln2 ? "ln2_post" : "ln2", block.ln2Post),
    "hook_mlp_out": block.mlpOut,
    "hook_resid_post": block.residPost,
  };
  return { input: block.residPre, output: block.residPost, hooks };
}

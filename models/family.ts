/**
 * What a model family tells about itself: its configuration, its weights by name, and its stages as graphs.
 *
 * @module
 */
import type { ActivationName, Value } from "../lib/graph/mod.ts";

/** The flags of TransformerLens's weight processing, done here by the block's own ops. */
export interface Processing {
  /** Norm weights belong to the layers after the norm: `mlp.hook_in` is before them. */
  readonly foldLn: boolean;
  /** What is written to the residual stream has the mean over d_model removed. */
  readonly centerWritingWeights: boolean;
  /** Logits have their mean over the vocabulary removed. */
  readonly centerUnembed: boolean;
  /** `hook_v` and `hook_z` lack the value bias, which is added after. */
  readonly foldValueBiases: boolean;
}

/** No processing: the model as its authors wrote it. */
export const NO_PROCESSING: Processing = {
  foldLn: false,
  centerWritingWeights: false,
  centerUnembed: false,
  foldValueBiases: false,
};

/** Sizes and constants under TransformerLens's names. */
export interface ModelConfig {
  /** Blocks. */
  readonly nLayers: number;
  /** Width of the residual stream. */
  readonly dModel: number;
  /** Attention heads. */
  readonly nHeads: number;
  /** Heads of keys and values; fewer than heads with grouped queries. */
  readonly nKeyValueHeads: number;
  /** Width of a head. */
  readonly dHead: number;
  /** Width of the MLP's hidden layer. */
  readonly dMlp: number;
  /** Size of the vocabulary. */
  readonly dVocab: number;
  /** The most positions of a prompt. */
  readonly nCtx: number;
  /** The norms' ε. */
  readonly eps: number;
  /** The MLP's activation function. */
  readonly actFn: ActivationName;
}

/** A tensor of the model's files with the shape that it must have. */
export interface WeightRef {
  /** The tensor's name, without prefix. */
  readonly name: string;
  /** What the configuration makes it. */
  readonly shape: readonly number[];
}

/** A stage of the chain: what it reads, what it hands on, and its hook values by their name within the stage. */
export interface StageGraph {
  /** The residual stream `[batch, position, d_model]` as it comes in: the graph input `resid`. */
  readonly input: Value;
  /** The residual stream as it goes on. */
  readonly output: Value;
  /** By the hook's name within the stage. */
  readonly hooks: Readonly<Record<string, Value>>;
}

/** How a block's graph is asked for. */
export interface BlockOptions {
  /** In which form. */
  readonly processing: Processing;
  /** Queries and MLP only at some rows: the graph gets an input `rows` `[batch, row, position]` that selects them. */
  readonly selectRows: boolean;
}

/** Additive attention masks by the name of the graph input that takes them. */
export interface MaskSpec {
  /** How many positions back a query sees, itself included; undefined: all. */
  readonly window?: number;
}

/** How the frequencies of rotary positions are stretched for contexts longer than those of the pretraining. */
export type RotaryScaling =
  /** Every frequency is divided by the factor. */
  | { readonly type: "linear"; readonly factor: number }
  /** Llama 3.1: long waves are stretched, short ones stay, and those between are mixed. */
  | {
    readonly type: "llama3";
    readonly factor: number;
    readonly lowFreqFactor: number;
    readonly highFreqFactor: number;
    readonly originalContext: number;
  }
  /**
   * YaRN (Peng et al. 2023): dimensions that turn more than `betaFast` times within the first context stay, those that turn
   * less than `betaSlow` times are stretched, and those between are mixed.
   */
  | {
    readonly type: "yarn";
    readonly factor: number;
    readonly betaFast: number;
    readonly betaSlow: number;
    readonly originalContext: number;
    /** Whether the range between is widened to whole dimensions. */
    readonly truncate: boolean;
    /** cos and sin are multiplied by it. */
    readonly attentionFactor: number;
  }
  /** LongRoPE (Ding et al. 2024): every frequency is divided by a factor of its own, others beyond the first context. */
  | {
    readonly type: "longrope";
    readonly shortFactors: readonly number[];
    readonly longFactors: readonly number[];
    readonly originalContext: number;
    readonly attentionFactor: number;
  };

/**
 * Tables of rotary positions by name: the graph inputs `<name>:cos` and `<name>:sin`, `[batch, position, dim]`, take
 * cos and sin of position · base^(−2i/dim), the dim/2 frequencies twice over.
 */
export interface RotarySpec {
  /** θ: the longest wavelength is about 2π · base. */
  readonly base: number;
  /** How many of a head's dimensions are rotated. */
  readonly dim: number;
  /** How frequencies are stretched for longer contexts. */
  readonly scaling?: RotaryScaling;
}

/** A model of a family, with its configuration read. */
export interface Architecture {
  /** The family's name. */
  readonly family: string;
  /** Sizes and constants. */
  readonly config: ModelConfig;
  /** TransformerLens's default for prompts of this family. */
  readonly defaultPrependBos: boolean;
  /** TransformerLens's `from_pretrained` defaults. */
  readonly defaultProcessing: Processing;
  /** Prefixes that files put before tensor names, in the order in which they are tried. */
  readonly weightPrefixes: readonly string[];
  /** Masks that the blocks take, by the name of their graph input. */
  readonly masks: Readonly<Record<string, MaskSpec>>;
  /** Tables of rotary positions that the blocks take; empty where positions are embedded. */
  readonly rotary: Readonly<Record<string, RotarySpec>>;
  /** Rows of these are what the embedding stage reads. */
  readonly embedding: { readonly tokens: WeightRef; readonly positions?: WeightRef };
  /**
   * Rows of the unembedding, `[d_vocab, d_model]`: the first of these tensors that exists. Where it is tied to the
   * embedding, that is the last of them: as in transformers, a head that the file has is used.
   */
  readonly unembedding: readonly WeightRef[];
  /** Logits x become cap · tanh(x / cap), and their mean over the vocabulary stays. */
  readonly logitSoftCap?: number;
  /** From the graph inputs `tokens` and `positions`, embedding rows `[batch, position, d_model]`, to the stream. */
  embed(processing: Processing): Omit<StageGraph, "input">;
  /** Layers with the same kind share one graph. */
  blockKind(layer: number): string;
  /** A block as a graph. */
  block(layer: number, options: BlockOptions): StageGraph;
  /** A block's weights by the name of its graph input. */
  blockWeights(layer: number): Readonly<Record<string, WeightRef>>;
  /** The final norm. */
  final(processing: Processing): StageGraph;
  /** The final norm's weights by the name of their graph input. */
  finalWeights(): Readonly<Record<string, WeightRef>>;
}

/** A family of models; `mod.ts` says which `model_type`s it reads. */
export interface ModelFamily {
  /**
   * Reads a Hugging Face `config.json`.
   *
   * @throws {TypeError | RangeError} if a setting is missing, of the wrong kind, or not supported
   */
  open(config: Readonly<Record<string, unknown>>): Architecture;
}

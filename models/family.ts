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
  readonly nLayers: number;
  readonly dModel: number;
  readonly nHeads: number;
  readonly nKeyValueHeads: number;
  readonly dHead: number;
  readonly dMlp: number;
  readonly dVocab: number;
  readonly nCtx: number;
  readonly eps: number;
  readonly actFn: ActivationName;
}

/** A tensor of the model's files with the shape that it must have. */
export interface WeightRef {
  readonly name: string;
  readonly shape: readonly number[];
}

/** A stage of the chain: what it reads, what it hands on, and its hook values by their name within the stage. */
export interface StageGraph {
  /** The residual stream `[batch, position, d_model]` as it comes in: the graph input `resid`. */
  readonly input: Value;
  readonly output: Value;
  readonly hooks: Readonly<Record<string, Value>>;
}

/** How a block's graph is asked for. */
export interface BlockOptions {
  readonly processing: Processing;
  /** Queries and MLP only at some rows: the graph gets an input `rows` `[batch, row, position]` that selects them. */
  readonly selectRows: boolean;
}

/** Additive attention masks by the name of the graph input that takes them. */
export interface MaskSpec {
  /** How many positions back a query sees, itself included; undefined: all. */
  readonly window?: number;
}

/** A model of a family, with its configuration read. */
export interface Architecture {
  readonly family: string;
  readonly config: ModelConfig;
  /** TransformerLens's default for prompts of this family. */
  readonly defaultPrependBos: boolean;
  /** TransformerLens's `from_pretrained` defaults. */
  readonly defaultProcessing: Processing;
  /** Prefixes that files put before tensor names, in the order in which they are tried. */
  readonly weightPrefixes: readonly string[];
  readonly masks: Readonly<Record<string, MaskSpec>>;
  readonly embedding: { readonly tokens: WeightRef; readonly positions?: WeightRef };
  /** Rows of the unembedding, `[d_vocab, d_model]`: the first of these tensors that exists. */
  readonly unembedding: readonly WeightRef[];
  /** From the graph inputs `tokens` and `positions`, embedding rows `[batch, position, d_model]`, to the stream. */
  embed(processing: Processing): Omit<StageGraph, "input">;
  /** Layers with the same kind share one graph. */
  blockKind(layer: number): string;
  block(layer: number, options: BlockOptions): StageGraph;
  /** A block's weights by the name of its graph input. */
  blockWeights(layer: number): Readonly<Record<string, WeightRef>>;
  /** The final norm. */
  final(processing: Processing): StageGraph;
  finalWeights(): Readonly<Record<string, WeightRef>>;
}

/** A family: the `model_type`s that it reads, and how. */
export interface ModelFamily {
  readonly modelTypes: readonly string[];
  /**
   * Reads a Hugging Face `config.json`.
   *
   * @throws {TypeError | RangeError} if a setting is missing, of the wrong kind, or not supported
   */
  open(config: Readonly<Record<string, unknown>>): Architecture;
}

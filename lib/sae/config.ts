/**
 * What an SAE is: its settings, whatever file they came from.
 *
 * @module
 */
import type { ListedSettings } from "../registry/entry.ts";
import { type Json, type SettingsReader, settingsReader } from "../settings.ts";

/** Reads settings of a `cfg.json`. */
export const CFG: SettingsReader = settingsReader("cfg.json");

/** How many features a top-k architecture keeps: no more than there are. */
export function keptFeatures(json: Json, key: string, dSae: number): number {
  const k = CFG.size(json, key);
  if (k > dSae) throw new RangeError(`cfg.json: "${key}" is ${k}, more than the ${dSae} features`);
  return k;
}

/** A name of `normalize_activations`. */
export type Normalization =
  | "none"
  | "expected_average_only_in"
  | "constant_norm_rescale"
  | "constant_scalar_rescale"
  | "layer_norm";

/** The names. `expected_average_only_in` does nothing unless its factor is known. */
export const NORMALIZATIONS: readonly Normalization[] = [
  "none",
  "expected_average_only_in",
  "constant_norm_rescale",
  "constant_scalar_rescale",
  "layer_norm",
];

/** What an SAE is, whatever file it came from; names as in SAELens. */
export interface SaeConfig {
  /** SAELens's name of it: `standard`, `topk`, `transcoder` … */
  readonly architecture: string;
  /** Numbers per position where it reads. */
  readonly dIn: number;
  /** Numbers per position where it writes. */
  readonly dOut: number;
  /** Its number of features. */
  readonly dSae: number;
  /** b_dec is subtracted from the encoder's input. */
  readonly applyBDecToInput: boolean;
  /** What is done to the input before the encoder, and to the output after the decoder. */
  readonly normalizeActivations: Normalization;
  /** SAELens's `fold_activation_norm_scaling_factor`, for `expected_average_only_in`; undefined: not folded. */
  readonly normScalingFactor?: number;
  /** What `constant_scalar_rescale` multiplies by; undefined: 1. */
  readonly activationNormalizationFactor?: number;
  /** Heads are flattened before the SAE sees them. */
  readonly reshapeActivations: "none" | "hook_z";
  /** Features kept per position, for top-k architectures. */
  readonly k?: number;
  /** Top-k on activations times the norm of their decoder row. */
  readonly rescaleActsByDecoderNorm: boolean;
  /** When the search of `matching_pursuit` ends. */
  readonly pursuit?: PursuitSettings;
  /** The attention of `temporal`. */
  readonly temporal?: TemporalSettings;
  /** The hook that it reads. */
  readonly hookIn: string;
  /** The hook that it writes; the same unless it is a transcoder. */
  readonly hookOut: string;
  /** The one head that it reads and writes, of a hook with heads. */
  readonly hookHeadIndex?: number;
  /** Of a cross-layer transcoder: which of its layers this is. */
  readonly crossLayer?: CrossLayer;
  /** The model that it was trained on. */
  readonly modelName?: string;
  /** It was trained on prompts that begin with BOS. */
  readonly prependBos?: boolean;
  /** Tokens per prompt in its training. */
  readonly contextSize?: number;
  /** Its Neuronpedia id, `model/sae`. */
  readonly neuronpediaId?: string;
  /** On which form of the model it was trained, by TransformerLens's flags; `undefined` where the metadata have no such key. */
  readonly modelFromPretrainedKwargs?: Readonly<Record<string, boolean>>;
  /** Special tokens (or these ids) were left out of its training. */
  readonly excludeSpecialTokens?: boolean | readonly number[];
}

/** TransformerLens's flags that say which form a model has; one that is left out is false. */
export const FORM_FLAGS = ["fold_ln", "center_writing_weights", "center_unembed", "fold_value_biases"] as const;

/** One layer of a cross-layer transcoder: its features write here and at all later layers. */
export interface CrossLayer {
  /** Which one, from 0. */
  readonly layer: number;
  /** The hooks that the transcoder writes, one per layer. */
  readonly hooksOut: readonly string[];
}

/** The hooks that an SAE's features write, `hookOut` first. */
export function writtenHooks({ hookOut, crossLayer }: Pick<SaeConfig, "hookOut" | "crossLayer">): readonly string[] {
  return crossLayer === undefined ? [hookOut] : crossLayer.hooksOut.slice(crossLayer.layer);
}

/** What the user says over what the file says. */
export interface SaeOverrides {
  /** The hook that it writes, and reads unless it is a transcoder. */
  readonly hook?: string;
  /** The hook that a transcoder reads. */
  readonly hookIn?: string;
  /** The factor of `expected_average_only_in`, which the release names and the SAE's own files do not. */
  readonly normScalingFactor?: number;
  /** What SAELens's directory of releases says. */
  readonly listed?: ListedSettings;
}

/** When a search ends. */
export interface PursuitSettings {
  /** As soon as what is left is shorter than this; 0: never. */
  readonly residualThreshold: number;
  /** After so many steps. */
  readonly maxIterations: number;
  /** As soon as a step finds a feature that was found before. */
  readonly stopOnDuplicateSupport: boolean;
}

/** Sizes of the attention that predicts a position from those before it. */
export interface TemporalSettings {
  /** Heads of each attention. */
  readonly nHeads: number;
  /** Attentions one after another, each over what the one before left. */
  readonly nAttnLayers: number;
  /** Queries and keys have d_sae / this many numbers, all heads together. */
  readonly bottleneckFactor: number;
  /** W_enc is W_decᵀ. */
  readonly tiedWeights: boolean;
}

/**
 * Settings of an SAE whose file has no SAELens config.
 *
 * @module
 */
import { quote } from "../../quote.ts";
import type { Normalization, SaeConfig } from "../config.ts";
import { readSaeConfig } from "../read_config.ts";
import type { SaeFiles } from "./files.ts";
import type { LoadSaeOptions } from "./format.ts";

/**
 * The form of the model that its trainer read, as `modelFromPretrainedKwargs`: activations as Hugging Face's or JAX's model
 * has them.
 */
export const RAW: Readonly<Record<string, boolean>> = {};

/** The same: TransformerLens's `from_pretrained` with its defaults. */
export const PROCESSED: Readonly<Record<string, boolean>> = {
  fold_ln: true,
  center_writing_weights: true,
  center_unembed: true,
  fold_value_biases: true,
};

/** What a format knows of an SAE: shapes, its architecture, and what files and names of directories say. */
export interface Settings {
  readonly architecture: string;
  readonly dIn: number;
  readonly dSae: number;
  /** Of a transcoder. */
  readonly dOut?: number;
  /** Where it reads, and writes unless it is a transcoder. */
  readonly hook?: string;
  /** Where a transcoder writes. */
  readonly hookOut?: string;
  readonly applyBDecToInput?: boolean;
  readonly normalizeActivations?: Normalization;
  readonly normScalingFactor?: number;
  readonly k?: number;
  readonly modelName?: string;
  readonly contextSize?: number;
  /** On which form of the model it was trained: its files do not say, the format's trainer does. */
  readonly modelFromPretrainedKwargs: Readonly<Record<string, boolean>>;
  /** Settings that only its architecture has, under SAELens's names. */
  readonly own?: Readonly<Record<string, unknown>>;
}

/**
 * Checked settings, the user's options over what the format knows. As SAELens's loaders of such files have it, BOS is
 * prepended, and the heads of `hook_z` are flattened.
 *
 * @throws {RangeError} if neither says where the SAE reads or writes: the message says which option does
 */
export function makeConfig(settings: Settings, files: SaeFiles, options: LoadSaeOptions): SaeConfig {
  const { k: _, ...overrides } = options;
  const isTranscoder = settings.dOut !== undefined;
  const hookIn = isTranscoder ? options.hookIn ?? settings.hook : options.hook ?? settings.hook;
  const hookOut = isTranscoder ? options.hook ?? settings.hookOut : undefined;
  if (hookIn === undefined && isTranscoder) {
    throw new RangeError(`${files.location} does not say which hook the transcoder reads: give it (\`hookIn\` HOOK)`);
  }
  if (hookIn === undefined || (isTranscoder && hookOut === undefined)) {
    throw new RangeError(`${files.location} does not say which hook it belongs to: give it (\`sae\` PATH@HOOK)`);
  }
  const json = {
    ...settings.own,
    architecture: settings.architecture,
    d_in: settings.dIn,
    d_sae: settings.dSae,
    d_out: settings.dOut,
    apply_b_dec_to_input: settings.applyBDecToInput ?? false,
    normalize_activations: settings.normalizeActivations ?? "none",
    reshape_activations: hookIn.includes("hook_z") ? "hook_z" : "none",
    k: settings.k,
    metadata: {
      model_name: settings.modelName,
      hook_name: hookIn,
      hook_name_out: hookOut,
      prepend_bos: true,
      context_size: settings.contextSize,
      model_from_pretrained_kwargs: settings.modelFromPretrainedKwargs,
    },
  };
  const normScalingFactor = options.normScalingFactor ?? settings.normScalingFactor;
  return readSaeConfig(json, { ...overrides, normScalingFactor });
}

/** The number that a pattern finds in the path or URL: a layer, mostly. */
export function numberIn(location: string, pattern: RegExp): number | undefined {
  const found = pattern.exec(location)?.[1];
  return found === undefined ? undefined : Number(found);
}

/** A hook of the layer that the path names; undefined if it names none. */
export function hookOf(layer: number | undefined, name: string): string | undefined {
  return layer === undefined ? undefined : `blocks.${layer}.${name}`;
}

/** A text in a config; undefined where there is none. */
export function textIn(config: Readonly<Record<string, unknown>> | undefined, key: string): string | undefined {
  const value = config?.[key];
  return typeof value === "string" ? value : undefined;
}

/**
 * A positive number in a config; undefined where there is none.
 *
 * @throws {TypeError} if it is something else
 */
export function numberOf(config: Readonly<Record<string, unknown>> | undefined, key: string): number | undefined {
  const value = config?.[key] ?? undefined;
  if (value === undefined) return undefined;
  if (typeof value !== "number" || !Number.isFinite(value) || value <= 0) {
    throw new TypeError(`The config's "${key}" is ${quote(value)}, not a number above 0`);
  }
  return value;
}

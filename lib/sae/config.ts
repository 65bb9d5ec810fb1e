/**
 * An SAE's settings: SAELens's `cfg.json`, version 6 and before, checked.
 *
 * @module
 */
import { quote } from "../quote.ts";
import type { PursuitSettings } from "./architectures/matching_pursuit.ts";
import { findArchitecture } from "./architectures/mod.ts";
import type { TemporalSettings } from "./architectures/temporal.ts";
import { boolean, choice, type Json, record, size, text } from "./config_json.ts";
import { isRecord } from "../weights/json/json.ts";
import { ReadSettings } from "../weights/json/read_settings.ts";
import { upgrade, UPGRADED } from "./upgrade.ts";
import { hookOfModule } from "./module_hooks.ts";
import { type Normalization, NORMALIZATIONS } from "./normalization.ts";

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
  /** How its model was loaded, `undefined` where the metadata have no such key. */
  readonly modelFromPretrainedKwargs?: Readonly<Record<string, unknown>>;
  /** Special tokens (or these ids) were left out of its training. */
  readonly excludeSpecialTokens?: boolean | readonly number[];
}

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

/** What a directory of releases says of an SAE beside its files. */
export interface ListedSettings {
  /** Settings that go over those of the files. */
  readonly configOverrides: Readonly<Record<string, unknown>>;
  /** For `expected_average_only_in`; ignored with other normalisations, as by SAELens. */
  readonly normScalingFactor?: number;
  /** Its Neuronpedia id, `model/sae`, where the files have none. */
  readonly neuronpediaId?: string;
}

/** More than any SAE has; what is more would be gone through before its tensors are looked at. */
const [MAX_LAYERS, MAX_ITERATIONS] = [1024, 2 ** 16];
/** Settings that version 6 keeps under `metadata`. */
const METADATA_KEYS = ["model_name", "hook_name", "hook_name_out", "dataset_path", "model_from_pretrained_kwargs"];

/**
 * Reads a `cfg.json`.
 *
 * @throws {SyntaxError} if it is not an object
 * @throws {TypeError | RangeError} if a setting is missing, of the wrong kind, or not supported
 *
 * @example
 * ```ts
 * import { readSaeConfig } from "./config.ts";
 *
 * const config = readSaeConfig({ d_in: 8, d_sae: 32, hook_point: "blocks.0.hook_resid_pre" });
 * console.assert(config.architecture === "standard" && config.applyBDecToInput);
 * ```
 */
export function readSaeConfig(json: unknown, overrides: SaeOverrides = {}): SaeConfig {
  return readWholeConfig(json, overrides).config;
}

/** The same, with the names of the settings that were not read. */
export function readWholeConfig(
  json: unknown,
  overrides: SaeOverrides = {},
): { readonly config: SaeConfig; readonly unread: readonly string[] } {
  if (!isRecord(json)) throw new SyntaxError("cfg.json is not a JSON object");
  const settings = new ReadSettings(overridden(upgrade(json), overrides.listed?.configOverrides ?? {}));
  const config = checkSettings(settings.value, overrides);
  const rest = settings.unread();
  const isOld = json.metadata === undefined; // then every setting stands in both places
  return {
    config,
    unread: !isOld
      ? rest
      : Object.keys(json).filter((key) =>
        rest.includes(key) && rest.includes(`metadata.${key}`) && !UPGRADED.includes(key)
      ),
  };
}

function checkSettings(cfg: Json, overrides: SaeOverrides): SaeConfig {
  const metadata = cfg.metadata as Json;
  const architecture = text(cfg, "architecture") ?? "standard";
  const { transcoder = false, topK } = findArchitecture(architecture);
  const dIn = size(cfg, "d_in");
  const dSae = size(cfg, "d_sae");
  const normalizeActivations = choice(cfg, "normalize_activations", NORMALIZATIONS, "none");
  const canFold = architecture !== "temporal";
  if (!canFold && overrides.normScalingFactor !== undefined) {
    throw new RangeError(`norm_scaling_factor has no meaning for ${architecture}: SAELens does not fold it either`);
  }
  const normScalingFactor = checkFactor(overrides.normScalingFactor, normalizeActivations) ??
    (normalizeActivations === "expected_average_only_in" && canFold ? overrides.listed?.normScalingFactor : undefined);
  const kwargs = record(metadata, "model_from_pretrained_kwargs");
  return {
    architecture,
    dIn,
    dOut: transcoder ? size(cfg, "d_out") : dIn,
    dSae,
    applyBDecToInput: subtractsBias(cfg, transcoder),
    normalizeActivations,
    normScalingFactor,
    activationNormalizationFactor: factor(cfg, "activation_normalization_factor"),
    reshapeActivations: choice(cfg, "reshape_activations", ["none", "hook_z"] as const, "none"),
    k: topK ? kept(cfg, dSae) : architecture === "temporal" ? novelKept(cfg, dSae) : undefined,
    rescaleActsByDecoderNorm: topK !== undefined && (boolean(cfg, "rescale_acts_by_decoder_norm") ?? false),
    ...(architecture === "matching_pursuit" ? { pursuit: pursuit(cfg, dIn, normScalingFactor) } : {}),
    ...(architecture === "temporal" ? { temporal: temporal(cfg, dSae) } : {}),
    ...hooks(metadata, transcoder, overrides),
    hookHeadIndex: head(metadata, transcoder),
    modelName: text(metadata, "model_name"),
    prependBos: boolean(metadata, "prepend_bos"),
    contextSize: typeof metadata.context_size === "number" ? metadata.context_size : undefined,
    neuronpediaId: text(metadata, "neuronpedia_id") ?? overrides.listed?.neuronpediaId,
    modelFromPretrainedKwargs: kwargs ? { ...kwargs } : isOfHuggingFace(metadata) ? {} : undefined,
    excludeSpecialTokens: excluded(metadata.exclude_special_tokens),
  };
}

/** Where it reads and writes: the user's word, else the file's. */
function hooks(metadata: Json, transcoder: boolean, { hook, hookIn: given }: SaeOverrides): {
  hookIn: string;
  hookOut: string;
} {
  const named = text(metadata, "hook_name");
  if (!transcoder && given !== undefined) {
    throw new RangeError(`Only transcoders read elsewhere than they write: give the hook, not the hook to read`);
  }
  const hookIn = transcoder ? given ?? named : hook ?? named;
  if (hookIn === undefined) throw new TypeError("cfg.json names no hook: give one (--sae DIRECTORY@HOOK)");
  const hookOut = transcoder ? hook ?? text(metadata, "hook_name_out") : hookIn;
  if (hookOut === undefined) {
    throw new TypeError("cfg.json does not name the hook that the transcoder writes: give one (--sae DIRECTORY@HOOK)");
  }
  return { hookIn: hookOfModule(hookIn), hookOut: hookOfModule(hookOut) };
}

/** Whether b_dec is subtracted from the input; a transcoder's b_dec belongs to another hook. */
function subtractsBias(cfg: Json, transcoder: boolean): boolean {
  const subtracts = boolean(cfg, "apply_b_dec_to_input") ?? !transcoder;
  if (transcoder && subtracts) {
    throw new RangeError('cfg.json: "apply_b_dec_to_input" is true, which makes no sense for a transcoder');
  }
  return subtracts;
}

/** When a search ends, with SAELens's defaults. */
function pursuit(cfg: Json, dIn: number, folded = 1): PursuitSettings {
  const residualThreshold = cfg.residual_threshold ?? 0.01;
  if (typeof residualThreshold !== "number" || !Number.isFinite(residualThreshold)) {
    throw new TypeError(`cfg.json: "residual_threshold" is ${quote(residualThreshold)}, not a number`);
  }
  return {
    residualThreshold: residualThreshold / folded,
    maxIterations: (cfg.max_iterations ?? undefined) === undefined ? dIn : size(cfg, "max_iterations", MAX_ITERATIONS),
    stopOnDuplicateSupport: boolean(cfg, "stop_on_duplicate_support") ?? true,
  };
}

/** A temporal SAE's attention, with SAELens's defaults. */
function temporal(cfg: Json, dSae: number): TemporalSettings {
  const or = (key: string, fallback: number, most?: number): number =>
    (cfg[key] ?? undefined) === undefined ? fallback : size(cfg, key, most);
  const [nHeads, bottleneckFactor] = [or("n_heads", 8), or("bottleneck_factor", 64)];
  if (dSae % (nHeads * bottleneckFactor) !== 0) {
    throw new RangeError(
      `cfg.json: ${dSae} features cannot be divided by n_heads ${nHeads} times bottleneck_factor ${bottleneckFactor}`,
    );
  }
  return {
    nHeads,
    nAttnLayers: or("n_attn_layers", 1, MAX_LAYERS),
    bottleneckFactor,
    tiedWeights: boolean(cfg, "tied_weights") ?? true,
  };
}

/** Of a temporal SAE's novel codes, how many stay; undefined: all. */
function novelKept(cfg: Json, dSae: number): number | undefined {
  const isTopK = choice(cfg, "sae_diff_type", ["relu", "topk"] as const, "topk") === "topk";
  if (!isTopK || (cfg.kval_topk ?? undefined) === undefined) return undefined;
  return kept({ k: cfg.kval_topk }, dSae);
}

/** A top-k architecture's k. */
function kept(cfg: Json, dSae: number): number {
  const k = size(cfg, "k");
  if (k > dSae) throw new RangeError(`cfg.json: "k" is ${k}, more than the ${dSae} features`);
  return k;
}

function head(metadata: Json, transcoder: boolean): number | undefined {
  const value = metadata.hook_head_index ?? undefined;
  if (value === undefined) return undefined;
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0) {
    throw new TypeError(`cfg.json: "hook_head_index" is ${quote(value)}, not the number of a head`);
  }
  if (transcoder) throw new RangeError('cfg.json: "hook_head_index" is not supported for transcoders');
  return value;
}

/** A configuration with other settings over it. */
function overridden(cfg: Json, settings: Json): Json {
  const entries = Object.entries(settings);
  const [metadata, own] = [true, false].map((wanted) =>
    Object.fromEntries(entries.filter(([key]) => METADATA_KEYS.includes(key) === wanted))
  );
  return { ...cfg, ...own, metadata: { ...cfg.metadata as Json, ...metadata } };
}

/** SAELens also trains on transformers' own classes, which nobody has processed. */
function isOfHuggingFace(metadata: Json): boolean {
  return (text(metadata, "model_class_name") ?? "HookedTransformer") !== "HookedTransformer";
}

function excluded(value: unknown): boolean | readonly number[] | undefined {
  if (typeof value === "boolean") return value;
  if (Array.isArray(value) && value.every((id) => Number.isSafeInteger(id))) return value;
  return undefined;
}

function factor(json: Json, key: string): number | undefined {
  const value = json[key] ?? undefined;
  if (value !== undefined && !isFactor(value)) {
    throw new TypeError(`cfg.json: "${key}" is ${quote(value)}, not a positive number`);
  }
  return value as number | undefined;
}

function checkFactor(value: number | undefined, normalization: Normalization): number | undefined {
  if (value === undefined) return undefined;
  if (!isFactor(value)) throw new RangeError(`norm_scaling_factor ${value} is not a positive number`);
  if (normalization !== "expected_average_only_in") {
    throw new RangeError(
      `norm_scaling_factor has no meaning here: the SAE's normalize_activations is "${normalization}", ` +
        `not "expected_average_only_in"`,
    );
  }
  return value;
}

function isFactor(value: unknown): boolean {
  return typeof value === "number" && value > 0 && Number.isFinite(value);
}

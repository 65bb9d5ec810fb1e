/**
 * An SAE's settings: SAELens's `cfg.json`, version 6 and before, checked.
 *
 * @module
 */
import { type Normalization, NORMALIZATIONS } from "./normalization.ts";

type Json = Readonly<Record<string, unknown>>;

/** What an SAE is, whatever file it came from; names as in SAELens. */
export interface SaeConfig {
  readonly architecture: string;
  readonly dIn: number;
  readonly dOut: number;
  readonly dSae: number;
  readonly applyBDecToInput: boolean;
  readonly normalizeActivations: Normalization;
  /** SAELens's `fold_activation_norm_scaling_factor`, for `expected_average_only_in`; undefined: not folded. */
  readonly normScalingFactor?: number;
  /** Heads are flattened before the SAE sees them. */
  readonly reshapeActivations: "none" | "hook_z";
  /** Features kept per position, for top-k architectures. */
  readonly k?: number;
  /** Top-k on activations times the norm of their decoder row. */
  readonly rescaleActsByDecoderNorm: boolean;
  /** The hook that it reads. */
  readonly hookIn: string;
  /** The hook that it writes; the same unless it is a transcoder. */
  readonly hookOut: string;
  readonly hookHeadIndex?: number;
  readonly modelName?: string;
  readonly prependBos?: boolean;
  readonly contextSize?: number;
  /** Its Neuronpedia id, `model/sae`. */
  readonly neuronpediaId?: string;
  /** How its model was loaded, `undefined` where the metadata have no such key. */
  readonly modelFromPretrainedKwargs?: Json;
  readonly excludeSpecialTokens?: boolean | readonly number[];
}

/** What the user says over what the file says. */
export interface SaeOverrides {
  /** The hook, for `hookIn` and `hookOut` alike. */
  readonly hook?: string;
  readonly normScalingFactor?: number;
}

const MAX_SIZE = 2 ** 31 - 1;

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
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new SyntaxError("cfg.json is not a JSON object");
  }
  const cfg = upgrade(json as Json);
  const metadata = cfg.metadata as Json;
  const hookIn = overrides.hook ?? text(metadata, "hook_name");
  if (hookIn === undefined) throw new TypeError("cfg.json names no hook: give one (--sae DIRECTORY@HOOK)");
  const dIn = size(cfg, "d_in");
  return {
    architecture: text(cfg, "architecture") ?? "standard",
    dIn,
    dOut: cfg.d_out === undefined || cfg.d_out === null ? dIn : size(cfg, "d_out"),
    dSae: size(cfg, "d_sae"),
    applyBDecToInput: boolean(cfg, "apply_b_dec_to_input") ?? true,
    normalizeActivations: choice(cfg, "normalize_activations", NORMALIZATIONS, "none"),
    normScalingFactor: checkFactor(overrides.normScalingFactor),
    reshapeActivations: choice(cfg, "reshape_activations", ["none", "hook_z"] as const, "none"),
    k: cfg.k === undefined || cfg.k === null ? undefined : size(cfg, "k"),
    rescaleActsByDecoderNorm: boolean(cfg, "rescale_acts_by_decoder_norm") ?? false,
    hookIn,
    hookOut: overrides.hook ?? text(metadata, "hook_name_out") ?? hookIn,
    hookHeadIndex: typeof metadata.hook_head_index === "number" ? metadata.hook_head_index : undefined,
    modelName: text(metadata, "model_name"),
    prependBos: boolean(metadata, "prepend_bos"),
    contextSize: typeof metadata.context_size === "number" ? metadata.context_size : undefined,
    neuronpediaId: text(metadata, "neuronpedia_id"),
    modelFromPretrainedKwargs: record(metadata, "model_from_pretrained_kwargs"),
    excludeSpecialTokens: excluded(metadata.exclude_special_tokens),
  };
}

/** The layout of version 6: settings of the SAE at the top, of the model under `metadata`. */
function upgrade(json: Json): Json {
  if (json.metadata !== undefined) {
    if (typeof json.metadata !== "object" || json.metadata === null) {
      throw new TypeError("cfg.json: metadata is no object");
    }
    return json;
  }
  const hook = json.hook_name ?? json.hook_point;
  const k = (json.activation_fn_kwargs as Json | undefined)?.k;
  const topK = (json.activation_fn ?? json.activation_fn_str) === "topk" && k !== undefined;
  const normalize = json.normalize_activations;
  return {
    ...json,
    architecture: topK ? "topk" : json.architecture ?? "standard",
    k: topK ? k : json.k,
    normalize_activations: typeof normalize === "boolean"
      ? (normalize ? "expected_average_only_in" : "none")
      : normalize,
    reshape_activations: json.reshape_activations ?? (String(hook).includes("hook_z") ? "hook_z" : "none"),
    metadata: {
      ...json,
      hook_name: hook,
      hook_head_index: json.hook_head_index ?? json.hook_point_head_index,
      prepend_bos: json.prepend_bos ?? true,
    },
  };
}

function size(json: Json, key: string): number {
  const value = json[key];
  if (typeof value !== "number" || !Number.isInteger(value) || value < 1 || value > MAX_SIZE) {
    throw new TypeError(`cfg.json: "${key}" is ${JSON.stringify(value)}, not a size`);
  }
  return value;
}

function text(json: Json, key: string): string | undefined {
  const value = json[key] ?? undefined;
  if (value !== undefined && typeof value !== "string") {
    throw new TypeError(`cfg.json: "${key}" is ${JSON.stringify(value)}, not a text`);
  }
  return value;
}

function boolean(json: Json, key: string): boolean | undefined {
  const value = json[key] ?? undefined;
  if (value !== undefined && typeof value !== "boolean") {
    throw new TypeError(`cfg.json: "${key}" is ${JSON.stringify(value)}, not true or false`);
  }
  return value;
}

function choice<T extends string>(json: Json, key: string, choices: readonly T[], fallback: T): T {
  const value = json[key] ?? fallback;
  if (!choices.includes(value as T)) {
    throw new RangeError(`cfg.json: "${key}" is ${JSON.stringify(value)}; supported are ${choices.join(", ")}`);
  }
  return value as T;
}

function record(json: Json, key: string): Json | undefined {
  const value = json[key] ?? undefined;
  if (value !== undefined && (typeof value !== "object" || Array.isArray(value))) {
    throw new TypeError(`cfg.json: "${key}" is ${JSON.stringify(value)}, not an object`);
  }
  return value as Json | undefined;
}

function excluded(value: unknown): boolean | readonly number[] | undefined {
  if (typeof value === "boolean") return value;
  if (Array.isArray(value) && value.every((id) => Number.isSafeInteger(id))) return value;
  return undefined;
}

function checkFactor(factor: number | undefined): number | undefined {
  if (factor !== undefined && !(factor > 0 && Number.isFinite(factor))) {
    throw new RangeError(`norm_scaling_factor ${factor} is not a positive number`);
  }
  return factor;
}

/**
 * An SAE's settings: SAELens's `cfg.json`, version 6 and before, checked.
 *
 * @module
 */
import { quote } from "../quote.ts";
import { findArchitecture } from "./architectures/mod.ts";
import type { Json } from "../settings.ts";
import {
  CFG,
  FORM_FLAGS,
  keptFeatures,
  type Normalization,
  NORMALIZATIONS,
  type SaeConfig,
  type SaeOverrides,
} from "./config.ts";
import { upgrade, UPGRADED } from "./upgrade.ts";
import { isRecord } from "../weights/json/json.ts";
import { ReadSettings } from "../weights/json/read_settings.ts";

/** Settings that version 6 keeps under `metadata`. */
const METADATA_KEYS = ["model_name", "hook_name", "hook_name_out", "dataset_path", "model_from_pretrained_kwargs"];

const { size, text, flag, choice, section } = CFG;

/** How its model was loaded: which form it has, and more that is not read. */
const KWARGS = "metadata.model_from_pretrained_kwargs.";

/**
 * Reads a `cfg.json`.
 *
 * @throws {SyntaxError} if it is not an object
 * @throws {TypeError | RangeError} if a setting is missing, of the wrong kind, or not supported
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
  const flattensNothing = config.reshapeActivations !== "none" && !hasHeads(config.hookIn);
  const rest = [...settings.unread(), ...flattensNothing ? ["reshape_activations"] : []];
  const isOld = json.metadata === undefined; // then every setting stands in both places
  return {
    config,
    unread: !isOld
      ? rest
      : Object.keys(json).filter((key) =>
        rest.includes(key) && rest.includes(`metadata.${key}`) && !UPGRADED.includes(key)
      ).concat(rest.filter((key) => key.startsWith(KWARGS)).map((key) => key.slice("metadata.".length))),
  };
}

/** A hook whose values have a head axis. */
function hasHeads(hook: string): boolean {
  return /\.hook_(?:q|k|v|z)$/.test(hook);
}

function checkSettings(cfg: Json, overrides: SaeOverrides): SaeConfig {
  const metadata = cfg.metadata as Json;
  const architecture = text(cfg, "architecture") ?? "standard";
  const { transcoder = false, topK, folding = "weights", readSettings } = findArchitecture(architecture);
  const dIn = size(cfg, "d_in");
  const dSae = size(cfg, "d_sae");
  const normalizeActivations = choice(cfg, "normalize_activations", NORMALIZATIONS, "none");
  if (folding === "none" && overrides.normScalingFactor !== undefined) {
    throw new RangeError(`norm_scaling_factor has no meaning for ${architecture}: SAELens does not fold it either`);
  }
  const normScalingFactor = checkFactor(overrides.normScalingFactor, normalizeActivations) ??
    (normalizeActivations === "expected_average_only_in" && folding !== "none"
      ? overrides.listed?.normScalingFactor
      : undefined);
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
    k: topK && keptFeatures(cfg, "k", dSae),
    rescaleActsByDecoderNorm: topK !== undefined && (flag(cfg, "rescale_acts_by_decoder_norm") ?? false),
    ...readSettings?.(cfg, { dIn, dSae, normScalingFactor }),
    ...hooks(metadata, transcoder, overrides),
    hookHeadIndex: head(metadata, transcoder),
    modelName: text(metadata, "model_name"),
    prependBos: flag(metadata, "prepend_bos"),
    contextSize: typeof metadata.context_size === "number" ? metadata.context_size : undefined,
    neuronpediaId: text(metadata, "neuronpedia_id") ?? overrides.listed?.neuronpediaId,
    modelFromPretrainedKwargs: modelForm(metadata),
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
  if (hookIn === undefined) throw new TypeError("cfg.json names no hook: give one (`sae` DIRECTORY@HOOK)");
  const hookOut = transcoder ? hook ?? text(metadata, "hook_name_out") : hookIn;
  if (hookOut === undefined) {
    throw new TypeError("cfg.json does not name the hook that the transcoder writes: give one (`sae` DIRECTORY@HOOK)");
  }
  return { hookIn: hookOfModule(hookIn), hookOut: hookOfModule(hookOut) };
}

/** Whether b_dec is subtracted from the input; a transcoder's b_dec belongs to another hook. */
function subtractsBias(cfg: Json, transcoder: boolean): boolean {
  const subtracts = flag(cfg, "apply_b_dec_to_input") ?? !transcoder;
  if (transcoder && subtracts) {
    throw new RangeError('cfg.json: "apply_b_dec_to_input" is true, which makes no sense for a transcoder');
  }
  return subtracts;
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

/** How its model was loaded, as far as that says which form it has; what else is there stays unread. */
function modelForm(metadata: Json): Readonly<Record<string, boolean>> | undefined {
  const kwargs = section(metadata, "model_from_pretrained_kwargs");
  if (kwargs === undefined) return isOfHuggingFace(metadata) ? {} : undefined;
  return Object.fromEntries(FORM_FLAGS.flatMap((name) => {
    const value = flag(kwargs, name);
    return value === undefined ? [] : [[name, value]];
  }));
}

/** SAELens also trains on transformers' own classes, which nobody has processed. */
function isOfHuggingFace(metadata: Json): boolean {
  return (text(metadata, "model_class_name") ?? "HookedTransformer") !== "HookedTransformer";
}

function excluded(value: unknown): boolean | readonly number[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "boolean") return value;
  if (Array.isArray(value) && value.every((id) => Number.isSafeInteger(id))) return value;
  throw new TypeError(`cfg.json: "exclude_special_tokens" is ${quote(value)}, neither true or false nor token ids`);
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

/** A block of any family: `transformer.h.1`, `model.layers.12`, `gpt_neox.layers.3`, `model.language_model.layers.4`. */
const BLOCK = /^(?:(?:transformer|model|gpt_neox|language_model)\.)*(?:h|layers)\.(\d{1,6})$/;

/**
 * TransformerLens's name for what a module writes. A block's output is the residual stream after it, in every family;
 * what a module inside a block is depends on the family, so that other names stay as they are.
 */
export function hookOfModule(name: string): string {
  const layer = BLOCK.exec(name)?.[1];
  return layer === undefined ? name : `blocks.${Number(layer)}.hook_resid_post`;
}

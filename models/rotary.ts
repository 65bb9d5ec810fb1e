/**
 * Rotary positions as `config.json` describes them: `rope_parameters` since transformers 5, before that `rope_theta` and
 * `rope_scaling`.
 *
 * @module
 */
import { quote } from "../lib/graph/mod.ts";
import { flag, optionalPositive, positive, section, size } from "./config.ts";
import type { RotaryScaling, RotarySpec } from "./family.ts";
import type { LayerType } from "./layer_types.ts";

type Json = Readonly<Record<string, unknown>>;

/** Where a family keeps its rotary settings, and what they are when absent. */
export interface RotaryDefaults {
  readonly dHead: number;
  /** The key of the base outside `rope_parameters`. */
  readonly baseKey?: string;
  readonly base?: number;
  /** The key of the rotated part of a head outside `rope_parameters`. */
  readonly fractionKey?: string;
  readonly fraction?: number;
  /** Names that this family's files have for other types of scaling. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** The settings themselves, where they are not the configuration's own `rope_scaling` or `rope_parameters`. */
  readonly parameters?: Json;
}

/**
 * Reads the rotary settings of a configuration.
 *
 * @throws {RangeError} if the type of scaling is not supported
 */
export function readRotary(json: Json, defaults: RotaryDefaults): RotarySpec {
  const { dHead, baseKey = "rope_theta", fractionKey = "partial_rotary_factor" } = defaults;
  const parameters = defaults.parameters ?? section(json, "rope_scaling") ?? section(json, "rope_parameters") ?? {};
  const base = parameters.rope_theta === undefined
    ? positive(json, baseKey, defaults.base ?? 10_000)
    : positive(parameters, "rope_theta");
  const fraction = parameters.partial_rotary_factor === undefined
    ? positive(json, fractionKey, defaults.fraction ?? 1)
    : positive(parameters, "partial_rotary_factor");
  const dim = Math.floor(dHead * fraction);
  if (dim < 2 || dim % 2 !== 0 || dim > dHead) {
    throw new RangeError(
      `config.json: ${fraction} of a head of ${dHead} is ${dim} dimensions; rotary positions take an even part of it`,
    );
  }
  const type = parameters.rope_type ?? parameters.type ?? "default";
  const named = typeof type === "string" ? defaults.aliases?.[type] ?? type : type;
  if (typeof named !== "string" || !Object.hasOwn(SCALINGS, named)) {
    throw new RangeError(
      `config.json: rotary positions of type ${quote(type)} are not supported; supported are ${
        Object.keys(SCALINGS).join(", ")
      }`,
    );
  }
  const scaling = SCALINGS[named](parameters, json, dim);
  return { base, dim, ...(scaling ? { scaling } : {}) };
}

/** The name of a layer's rotary positions, in families where they go by the type of layer. */
export const rotaryName = (type: LayerType): string => `rotary:${type}`;

/** The tables that layers of these types need. */
export function rotariesOf(
  types: readonly LayerType[],
  byType: Readonly<Record<LayerType, RotarySpec>>,
): Record<string, RotarySpec> {
  return Object.fromEntries(types.map((type) => [rotaryName(type), byType[type]]));
}

/**
 * Rotary settings by type of layer: `rope_parameters` has a section each, or before transformers 5 `rope_scaling` is for
 * layers without a window only.
 *
 * @throws {RangeError} if a type of scaling is not supported
 */
export function readRotariesByType(
  json: Json,
  defaults: Readonly<Record<LayerType, RotaryDefaults>>,
): Record<LayerType, RotarySpec> {
  const byType = section(json, "rope_parameters") ?? {};
  const full = { ...section(byType, "full_attention"), ...section(json, "rope_scaling") };
  const sliding = section(byType, "sliding_attention") ?? {};
  return {
    full_attention: readRotary(json, { ...defaults.full_attention, parameters: full }),
    sliding_attention: readRotary(json, { ...defaults.sliding_attention, parameters: sliding }),
  };
}

/** Every type of scaling: its settings, from those of the rotary positions and all of `config.json`. */
const SCALINGS: Readonly<Record<string, (parameters: Json, json: Json, dim: number) => RotaryScaling | undefined>> = {
  default: () => undefined,
  // It begins to stretch beyond max_position_embeddings, and no prompt is longer than that.
  dynamic: () => undefined,
  linear: (parameters) => ({ type: "linear", factor: positive(parameters, "factor") }),
  llama3: readLlama3,
  yarn: readYarn,
  longrope: readLongrope,
};

/** The length of the pretraining's prompts. */
function originalContext(parameters: Json, json: Json): number {
  const { max_position_embeddings, original_max_position_embeddings } = json;
  const outer = {
    max_position_embeddings,
    ...(original_max_position_embeddings ? { original_max_position_embeddings } : {}),
  };
  return size({ ...outer, ...parameters }, ["original_max_position_embeddings", "max_position_embeddings"]);
}

function readLlama3(parameters: Json, json: Json): RotaryScaling {
  const scaling = {
    type: "llama3" as const,
    factor: positive(parameters, "factor"),
    lowFreqFactor: positive(parameters, "low_freq_factor"),
    highFreqFactor: positive(parameters, "high_freq_factor"),
    originalContext: originalContext(parameters, json),
  };
  if (scaling.highFreqFactor <= scaling.lowFreqFactor) {
    throw new RangeError(
      `config.json: high_freq_factor ${scaling.highFreqFactor} is not above low_freq_factor ${scaling.lowFreqFactor}`,
    );
  }
  return scaling;
}

function readYarn(parameters: Json, json: Json): RotaryScaling {
  const factor = stretch(parameters, json);
  const [mscale, mscaleAllDim] = ["mscale", "mscale_all_dim"].map((key) =>
    parameters[key] ? positive(parameters, key) : 0
  );
  const ofLength = (scale: number): number => factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1;
  const inferred = mscale && mscaleAllDim ? ofLength(mscale) / ofLength(mscaleAllDim) : ofLength(1);
  return {
    type: "yarn",
    factor,
    betaFast: optionalPositive(parameters, "beta_fast") ?? 32,
    betaSlow: optionalPositive(parameters, "beta_slow") ?? 1,
    originalContext: originalContext(parameters, json),
    truncate: flag(parameters, "truncate", true),
    attentionFactor: optionalPositive(parameters, "attention_factor") ?? inferred,
  };
}

function readLongrope(parameters: Json, json: Json, dim: number): RotaryScaling {
  const original = originalContext(parameters, json);
  const factor = stretch(parameters, json);
  return {
    type: "longrope",
    shortFactors: factors(parameters, "short_factor", dim / 2),
    longFactors: factors(parameters, "long_factor", dim / 2),
    originalContext: original,
    attentionFactor: optionalPositive(parameters, "attention_factor") ??
      (factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original))),
  };
}

/** By how much the context is longer than the pretraining's. */
function stretch(parameters: Json, json: Json): number {
  const context = size(json, ["max_position_embeddings"], originalContext(parameters, json));
  return optionalPositive(parameters, "factor") ?? context / originalContext(parameters, json);
}

/** A list of positive numbers. */
function factors(parameters: Json, key: string, length: number): number[] {
  const list = parameters[key];
  if (
    !Array.isArray(list) || list.length !== length || !list.every((x) => typeof x === "number" && x > 0 && isFinite(x))
  ) {
    throw new TypeError(
      `config.json: "${key}" is not a list of ${length} positive numbers, one per pair of dimensions`,
    );
  }
  return list;
}

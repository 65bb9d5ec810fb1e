/**
 * Rotary positions as `config.json` describes them: `rope_parameters` since transformers 5, before that `rope_theta` and
 * `rope_scaling`.
 *
 * @module
 */
import { quote } from "../lib/graph/mod.ts";
import { positive, section, size } from "./config.ts";
import type { RotaryScaling, RotarySpec } from "./family.ts";

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
  const scaling = readScaling(json, parameters);
  return { base, dim, ...(scaling ? { scaling } : {}) };
}

function readScaling(json: Json, parameters: Json): RotaryScaling | undefined {
  const type = parameters.rope_type ?? parameters.type ?? "default";
  switch (type) {
    case "default":
      return undefined;
    case "linear":
      return { type: "linear", factor: positive(parameters, "factor") };
    case "llama3": {
      const scaling = {
        type: "llama3" as const,
        factor: positive(parameters, "factor"),
        lowFreqFactor: positive(parameters, "low_freq_factor"),
        highFreqFactor: positive(parameters, "high_freq_factor"),
        originalContext: size(
          { max_position_embeddings: json.max_position_embeddings, ...parameters },
          ["original_max_position_embeddings", "max_position_embeddings"],
        ),
      };
      if (scaling.highFreqFactor <= scaling.lowFreqFactor) {
        throw new RangeError(
          `config.json: high_freq_factor ${scaling.highFreqFactor} is not above low_freq_factor ${scaling.lowFreqFactor}`,
        );
      }
      return scaling;
    }
    default:
      throw new RangeError(
        `config.json: rotary positions of type ${quote(type)} are not supported; supported are default, linear, llama3`,
      );
  }
}

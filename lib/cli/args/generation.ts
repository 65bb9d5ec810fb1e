/**
 * Options of commands that generate text.
 *
 * @module
 */
import type { GenerateOptions } from "../../model/generate/generate_types.ts";
import type { ValuesOf } from "../../request/field.ts";
import type { Fields } from "../../request/fields.ts";
import { UsageError } from "./values.ts";

/** How tokens are chosen, and what ends it. */
export const SAMPLING_OPTIONS = {
  temperature: {
    kind: "number",
    placeholder: "T",
    min: 0,
    default: "0",
    help: "draw tokens from softmax(logits / T); 0: always the most probable one",
  },
  topP: {
    kind: "number",
    placeholder: "P",
    above: 0,
    max: 1,
    default: "1",
    help: "draw from the fewest most probable tokens whose probabilities sum to P",
  },
  seed: {
    kind: "integer",
    placeholder: "N",
    min: 0,
    default: "0",
    help: "where random numbers begin: the same draws the same tokens",
  },
  stop: {
    kind: "string",
    multiple: true,
    placeholder: "TEXT",
    help: "end where this text comes, and leave it out",
  },
} as const satisfies Fields;

/** How a text is generated; plain data. */
export type GenerationRequest = Required<Omit<GenerateOptions, "eosIds" | "signal" | "prependBos">>;

/**
 * What the options ask for.
 *
 * @throws {UsageError} if they contradict each other
 */
export function readGeneration(
  { temperature, topP, seed, stop }: ValuesOf<typeof SAMPLING_OPTIONS>,
  maxTokens: number,
): GenerationRequest {
  if (temperature === 0 && topP < 1) {
    throw new UsageError("--top-p means nothing where always the most probable token is taken: add --temperature T");
  }
  if (stop.includes("")) throw new UsageError("--stop is empty: give some text");
  return { maxTokens, temperature, topP, seed, stop };
}

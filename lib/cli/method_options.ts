/**
 * How attributions are made: the method, what features are compared with, and what goes straight to the metric.
 *
 * @module
 */
import { METHOD_NAMES, type MethodName } from "../attribution/methods/names.ts";
import type { OptionSpec } from "./args_spec.ts";
import { convert, quote, UsageError } from "./args_values.ts";

/** The options. */
export const METHOD_OPTIONS = {
  method: {
    kind: "string",
    choices: METHOD_NAMES,
    placeholder: "NAME",
    default: METHOD_NAMES[0],
    help:
      "what activations are multiplied by: the plain gradient, that with attention patterns frozen, or RelP's relevance",
  },
  baseline: {
    kind: "string",
    placeholder: "B",
    default: "zero",
    help: "what activations are compared with: zero, mean (over this prompt's positions after the first), mean:FILE " +
      "(over prompts, one per line), prompt:TEXT (of as many tokens), or ids:1,2,3",
  },
  "direct-effect": {
    kind: "boolean",
    help: "another column: what features of the residual stream add straight to the metric, past all later blocks",
  },
} satisfies Record<string, OptionSpec>;

/** A baseline as asked for; a file is still to be read. */
export type BaselineRequest =
  | "zero"
  | "mean"
  | { readonly meanFile: string }
  | { readonly prompt: string | readonly number[] };

/** What the options come to. */
export interface MethodRequest {
  readonly method: MethodName;
  readonly baseline: BaselineRequest;
  readonly directEffect: boolean;
}

/**
 * The options' values under their own names. The method was checked when it was parsed.
 *
 * @throws {UsageError} if the baseline is not understood
 */
export function readMethod(values: {
  readonly method: string;
  readonly baseline: string;
  readonly "direct-effect": boolean;
}): MethodRequest {
  return {
    method: values.method as MethodName,
    baseline: readBaseline(values.baseline),
    directEffect: values["direct-effect"],
  };
}

/**
 * A baseline.
 *
 * @throws {UsageError} if it is none
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { readBaseline } from "./method_options.ts";
 *
 * assert.equal(readBaseline("mean"), "mean");
 * assert.deepEqual(readBaseline("prompt: Babe Ruth plays"), { prompt: " Babe Ruth plays" });
 * assert.deepEqual(readBaseline("ids:1,2"), { prompt: [1, 2] });
 * ```
 */
export function readBaseline(text: string): BaselineRequest {
  if (text === "zero" || text === "mean") return text;
  const [, kind, rest] = /^(mean|prompt|ids):(.+)$/s.exec(text) ?? [];
  switch (kind) {
    case "mean":
      return { meanFile: rest };
    case "prompt":
      return { prompt: rest };
    case "ids":
      return { prompt: convert("baseline", { kind: "integers", min: 0, help: "" }, rest) as readonly number[] };
    default:
      throw new UsageError(
        `--baseline is ${
          quote(text)
        }: write zero, mean, mean:FILE, prompt:TEXT (the text as it is, spaces too) or ids:1,2,3`,
      );
  }
}

/**
 * How attributions are made: the method, what features are compared with, and what goes straight to the metric.
 *
 * @module
 */
import type { IntegrationOptions } from "../attribution/methods/integrated_gradients.ts";
import { METHOD_NAMES, type MethodName } from "../attribution/methods/names.ts";
import type { OptionSpec } from "./args_spec.ts";
import { convert, quote, UsageError } from "./args_values.ts";

/** The method alone. */
export const ONLY_METHOD_OPTIONS = {
  method: {
    kind: "string",
    choices: METHOD_NAMES,
    placeholder: "NAME",
    default: METHOD_NAMES[0],
    help:
      "what activations are multiplied by: the plain gradient, that with attention patterns frozen, RelP's relevance, that " +
      "without its AH-rule (as its authors' code has it), or the gradient's mean on the way from the baseline",
  },
  steps: {
    kind: "integer",
    placeholder: "N",
    min: 1,
    max: 65_536,
    help: "steps of integrated gradients; by default doubled until they have converged, 512 at most",
  },
  tolerance: {
    kind: "number",
    placeholder: "X",
    min: 0,
    help: "converged: what integrated gradients miss of the joint effect of all features is at most this part of it; " +
      "by default 0.01",
  },
} satisfies Record<string, OptionSpec>;

/** The options. */
export const METHOD_OPTIONS = {
  ...ONLY_METHOD_OPTIONS,
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

/** What the options of the method alone come to. */
export interface OnlyMethodRequest {
  readonly method: MethodName;
  /** Of integrated gradients. */
  readonly integration: IntegrationOptions | undefined;
}

/** What the options come to. */
export interface MethodRequest extends OnlyMethodRequest {
  readonly baseline: BaselineRequest;
  readonly directEffect: boolean;
}

/** The parsed values of {@linkcode ONLY_METHOD_OPTIONS}. */
interface OnlyMethodValues {
  readonly method: string;
  readonly steps: number | undefined;
  readonly tolerance: number | undefined;
}

/**
 * The method, which was checked when it was parsed.
 *
 * @throws {UsageError} if the method has no use for an option
 */
export function readOnlyMethod({ method, steps, tolerance }: OnlyMethodValues): OnlyMethodRequest {
  if (method === "integrated-gradients") return { method, integration: { steps, tolerance } };
  const useless = steps !== undefined ? "steps" : tolerance !== undefined ? "tolerance" : undefined;
  if (useless !== undefined) {
    throw new UsageError(`--${useless} belongs to --method integrated-gradients: add that, or leave it out`);
  }
  return { method: method as MethodName, integration: undefined };
}

/**
 * The options' values under their own names.
 *
 * @throws {UsageError} if the baseline is not understood, or the method has no use for an option
 */
export function readMethod(
  values: OnlyMethodValues & { readonly baseline: string; readonly "direct-effect": boolean },
): MethodRequest {
  return {
    ...readOnlyMethod(values),
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

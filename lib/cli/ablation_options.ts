/**
 * Options of exact ablation.
 *
 * @module
 */
import { DOWNSTREAM_ERRORS, type DownstreamError } from "../attribution/downstream_error.ts";
import type { OptionSpec } from "./args_spec.ts";
import { UsageError } from "./args_values.ts";

/** What becomes of the SAEs further up. */
export const DOWNSTREAM_OPTIONS = {
  "downstream-error": {
    kind: "string",
    choices: DOWNSTREAM_ERRORS,
    placeholder: "E",
    help: "when features are removed: errors of SAEs further up are what those miss then, so that everything passes " +
      "(recomputed, the default), or stay what they were, so that effects pass through those SAEs' features only",
  },
} satisfies Record<string, OptionSpec>;

/** Comparing attributions with exact ablation. */
export const VERIFY_OPTIONS = {
  verify: {
    kind: "integer",
    placeholder: "K",
    min: 1,
    help: "remove the K strongest features, and K random ones, one at a time, and compare; takes longer",
  },
  "verify-seed": { kind: "integer", placeholder: "N", min: 0, help: "decides which random ones; by default 0" },
  ...DOWNSTREAM_OPTIONS,
} satisfies Record<string, OptionSpec>;

/** What `--verify` asks for. */
export interface VerifyRequest {
  readonly count: number;
  readonly seed: number;
  readonly downstreamError: DownstreamError;
}

/** The parsed value of {@linkcode DOWNSTREAM_OPTIONS}; the choice was checked when it was parsed. */
export function readDownstreamError(values: { readonly "downstream-error": string | undefined }): DownstreamError {
  return (values["downstream-error"] ?? DOWNSTREAM_ERRORS[0]) as DownstreamError;
}

/**
 * What the parsed {@linkcode VERIFY_OPTIONS} ask for; undefined without `--verify`.
 *
 * @throws {UsageError} if an option has nothing to belong to
 */
export function readVerify(values: {
  readonly verify: number | undefined;
  readonly "verify-seed": number | undefined;
  readonly "downstream-error": string | undefined;
}): VerifyRequest | undefined {
  if (values.verify !== undefined) {
    return { count: values.verify, seed: values["verify-seed"] ?? 0, downstreamError: readDownstreamError(values) };
  }
  for (const name of ["verify-seed", "downstream-error"] as const) {
    if (values[name] !== undefined) throw new UsageError(`--${name} means nothing without --verify K: add it`);
  }
  return undefined;
}

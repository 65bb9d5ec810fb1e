/**
 * Options of exact ablation.
 *
 * @module
 */
import { DOWNSTREAM_ERRORS, type DownstreamError } from "../../attribution/change/downstream_error.ts";
import type { Fields } from "../../request/fields.ts";
import { RequestError } from "../../request/request_error.ts";

/** What becomes of the SAEs further up. */
export const DOWNSTREAM_OPTIONS = {
  downstreamError: {
    kind: "string",
    choices: DOWNSTREAM_ERRORS,
    placeholder: "E",
    help: "when features are removed: errors of SAEs further up are what those miss then, so that everything passes " +
      "(recomputed, the default), or stay what they were, so that effects pass through those SAEs' features only",
  },
} as const satisfies Fields;

/** Comparing attributions with exact ablation. */
export const VERIFY_OPTIONS = {
  verify: {
    kind: "integer",
    placeholder: "K",
    min: 1,
    help: "remove the K strongest features, and K random ones, one at a time, and compare; takes longer",
  },
  verifySeed: { kind: "integer", placeholder: "N", min: 0, help: "decides which random ones; by default 0" },
  ...DOWNSTREAM_OPTIONS,
} as const satisfies Fields;

/** What `--verify` asks for. */
export interface VerifyRequest {
  readonly count: number;
  readonly seed: number;
  readonly downstreamError: DownstreamError;
}

/** The parsed value of {@linkcode DOWNSTREAM_OPTIONS}; the choice was checked when it was parsed. */
export function readDownstreamError(
  values: { readonly downstreamError: DownstreamError | undefined },
): DownstreamError {
  return values.downstreamError ?? DOWNSTREAM_ERRORS[0];
}

/**
 * What the parsed {@linkcode VERIFY_OPTIONS} ask for; undefined without `--verify`.
 *
 * @throws {RequestError} if an option has nothing to belong to
 */
export function readVerify(values: {
  readonly verify: number | undefined;
  readonly verifySeed: number | undefined;
  readonly downstreamError: DownstreamError | undefined;
}): VerifyRequest | undefined {
  if (values.verify !== undefined) {
    return { count: values.verify, seed: values.verifySeed ?? 0, downstreamError: readDownstreamError(values) };
  }
  for (const name of ["verifySeed", "downstreamError"] as const) {
    if (values[name] !== undefined) throw new RequestError(`\`${name}\` means nothing without \`verify\` K: add it`);
  }
  return undefined;
}

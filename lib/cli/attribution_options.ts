/**
 * The options of everything that shows an attribution: what to explain, by which method, on what, with which SAEs.
 *
 * @module
 */
import type { OptionSpec, OptionValue } from "./args_spec.ts";
import { EXPLAIN_OPTIONS, type ExplainRequest, type ExplainValues, readExplainOrTrack } from "./explain_options.ts";
import { METHOD_OPTIONS, type MethodRequest, type OnlyMethodRequest, readMethod } from "./method_options.ts";
import { METRIC_OPTIONS } from "./metric_options.ts";

/** What is to be attributed, and how. */
export interface AttributionRequest extends Omit<ExplainRequest, keyof OnlyMethodRequest>, MethodRequest {}

/** The options, to be followed by a command's own and by those of the device. */
export const ATTRIBUTION_OPTIONS = {
  ...METRIC_OPTIONS,
  ...METHOD_OPTIONS,
  ...EXPLAIN_OPTIONS,
} satisfies Record<string, OptionSpec>;

/**
 * What a command line asks for; there may be no SAE.
 *
 * @throws {UsageError} if it cannot be understood
 */
export function readAttribution(
  { positionals, values, order }: {
    readonly positionals: readonly string[];
    readonly values: ExplainValues & Parameters<typeof readMethod>[0];
    readonly order: readonly (readonly [string, OptionValue])[];
  },
): AttributionRequest {
  return { ...readExplainOrTrack(positionals, values, order), ...readMethod(values) };
}

/**
 * The options of everything that attributes: what to run, on what, with which SAEs, and what to explain.
 *
 * @module
 */
import { type ParsedCommand, UsageError } from "./args.ts";
import type { CommandSpec, OptionSpec } from "./args_spec.ts";
import { METRIC_OPTIONS, type MetricRequest, readMetric } from "./metric_options.ts";
import {
  EXCLUDE_OPTIONS,
  FLAG_OPTIONS,
  MODEL_OPTIONS,
  type ProcessingFlags,
  readExcluded,
  readFlags,
  readRunRequest,
  RUN_OPTIONS,
  type RunRequest,
} from "./options.ts";
import { type PromptSource, readPromptSource } from "./prompt.ts";
import { defaultSaes, readSaes, SAE_DETAILS, SAE_OPTION, type SaeRequest } from "./sae_options.ts";

/** What is to be attributed. */
export interface AttributionRequest extends RunRequest {
  readonly prompt: PromptSource;
  readonly saes: readonly SaeRequest[];
  readonly metric: MetricRequest;
  readonly includeErrorTerm: boolean;
  /** Single flags over what `processing` gives. */
  readonly processingFlags: ProcessingFlags;
  /** Undefined: as the SAEs were trained. */
  readonly excludeSpecialTokens: boolean | readonly number[] | undefined;
}

/** The options, to be followed by a command's own and by those of the device. */
export const ATTRIBUTION_OPTIONS = {
  ...METRIC_OPTIONS,
  ...MODEL_OPTIONS,
  sae: SAE_OPTION,
  ...SAE_DETAILS,
  ...RUN_OPTIONS,
  ...FLAG_OPTIONS,
  ...EXCLUDE_OPTIONS,
  "no-error-term": { kind: "boolean", help: "let the SAE replace the activation, without what it does not explain" },
} satisfies Record<string, OptionSpec>;

/** A command line with these options and those of the device. */
type Parsed = ParsedCommand<
  Omit<CommandSpec, "options"> & { options: typeof ATTRIBUTION_OPTIONS & typeof import("./options.ts").DEVICE_OPTIONS }
>;

/**
 * What a command line asks for.
 *
 * @throws {UsageError} if it cannot be understood
 */
export function readAttribution(
  { positionals, values, order }: {
    readonly positionals: readonly string[];
    readonly values: Parsed["values"];
    readonly order: Parameters<typeof readSaes>[0];
  },
): AttributionRequest {
  return {
    ...readRunRequest(values),
    prompt: readPromptSource(positionals, values["token-ids"]),
    saes: readSaes(order, defaultSaes(values.model)),
    metric: readMetric(values),
    includeErrorTerm: !values["no-error-term"],
    processingFlags: readFlags(values),
    excludeSpecialTokens: readExcluded(values),
  };
}

/** There is nothing to attribute to. */
export function noSaeError(model: string, advice: string): UsageError {
  return new UsageError(`no SAE for ${model}: ${advice}`);
}

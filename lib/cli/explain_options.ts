/**
 * What commands share that look closer at one attribution: the prompt, the model, its SAEs and the metric.
 *
 * @module
 */
import type { OptionSpec } from "./args.ts";
import { CHAT_OPTIONS, type ChatRequest, type ChatValues, readChat } from "./chat_options.ts";
import type { OptionValue } from "./args_spec.ts";
import type { OnlyMethodRequest } from "./method_options.ts";
import { METRIC_OPTIONS, type MetricRequest, type MetricValues, readMetric } from "./metric_options.ts";
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
import { defaultSaes, noSae, readSaes, SAE_DETAILS, SAE_OPTION, type SaeRequest } from "./sae_options.ts";

/** An attribution as asked for. */
export interface ExplainRequest extends RunRequest, Partial<OnlyMethodRequest> {
  readonly prompt: PromptSource;
  /** Undefined: the prompt is plain text. */
  readonly chat: ChatRequest | undefined;
  readonly saes: readonly SaeRequest[];
  readonly metric: MetricRequest;
  readonly includeErrorTerm: boolean;
  /** Single flags over what `processing` gives. */
  readonly processingFlags: ProcessingFlags;
  /** Undefined: as the SAEs were trained. */
  readonly excludeSpecialTokens: boolean | readonly number[] | undefined;
}

/** The options, but for where it runs. */
export const EXPLAIN_OPTIONS = {
  ...METRIC_OPTIONS,
  ...MODEL_OPTIONS,
  sae: SAE_OPTION,
  ...SAE_DETAILS,
  ...CHAT_OPTIONS,
  ...RUN_OPTIONS,
  ...FLAG_OPTIONS,
  ...EXCLUDE_OPTIONS,
  "no-error-term": { kind: "boolean", help: "let the SAE replace the activation, without what it does not explain" },
} satisfies Record<string, OptionSpec>;

/** The parsed values of {@linkcode EXPLAIN_OPTIONS} and of where it runs. */
export type ExplainValues =
  & MetricValues
  & Parameters<typeof readRunRequest>[0]
  & Parameters<typeof readFlags>[0]
  & Parameters<typeof readExcluded>[0]
  & ChatValues
  & { readonly "token-ids": readonly number[] | undefined; readonly "no-error-term": boolean };

/**
 * The attribution that a command line asks for.
 *
 * @throws {UsageError} if it cannot be understood, or there is no SAE
 */
export function readExplain(
  positionals: readonly string[],
  values: ExplainValues,
  order: readonly (readonly [string, OptionValue])[],
): ExplainRequest {
  const request = readExplainOrTrack(positionals, values, order);
  if (request.saes.length > 0) return request;
  throw noSae(values.model);
}

/**
 * The same where there may be no SAE.
 *
 * @throws {UsageError} if it cannot be understood
 */
export function readExplainOrTrack(
  positionals: readonly string[],
  values: ExplainValues,
  order: readonly (readonly [string, OptionValue])[],
): ExplainRequest {
  const saes = readSaes(order, defaultSaes(values.model));
  return {
    ...readRunRequest(values),
    prompt: readPromptSource(positionals, values["token-ids"]),
    chat: readChat(values),
    saes,
    metric: readMetric(values),
    includeErrorTerm: !values["no-error-term"],
    processingFlags: readFlags(values),
    excludeSpecialTokens: readExcluded(values),
  };
}

/**
 * Requests as command lines make them: the prompt from the first argument, the SAEs in the order of the options.
 *
 * @module
 */
import { type FieldValue } from "../../request/field.ts";
import { DEVICE_FIELDS, METRIC_FIELDS, REQUEST_FIELDS, type RequestValues } from "../../request/fields.ts";
import { type ModelRequest, readModel, readRunRequest, type RunRequest } from "../../request/request.ts";
import { inWords, sayFlag } from "../../request/request_error.ts";
import { defaultSaes, noSae, readSaes } from "../../request/saes.ts";
import type { PositionalSpec } from "./args.ts";
import { type PromptSource, readPromptSource } from "./prompt.ts";

/** The prompt as an argument. */
export const PROMPT: PositionalSpec = {
  name: "PROMPT",
  help: 'text; "-" reads standard input (a newline at its end is left out)',
  required: false,
};

/** Where it runs and what is said. */
export const DEVICE_OPTIONS = {
  ...DEVICE_FIELDS,
  quiet: { kind: "boolean", help: "print nothing but the rows and errors" },
} as const;

/** A model and a prompt for it. */
export interface ModelPromptRequest extends ModelRequest {
  readonly prompt: PromptSource;
  readonly quiet: boolean;
}

/** A run of one prompt. */
export interface PromptRequest extends RunRequest, ModelPromptRequest {}

/** Options as they were parsed: those of {@linkcode REQUEST_FIELDS} that the command has, and others. */
export interface ParsedOptions {
  readonly positionals: readonly string[];
  readonly values: RequestValues & { readonly quiet?: boolean };
  readonly order: readonly (readonly [name: string, value: FieldValue])[];
}

/**
 * What a command line asks for.
 *
 * @param withoutSae there may be none
 * @throws {RequestError | UsageError} if it cannot be understood
 */
export function readPromptRequest(
  { positionals, values, order }: ParsedOptions,
  withoutSae: boolean = false,
): PromptRequest {
  const model = values.model ?? REQUEST_FIELDS.model.default;
  const request = readRunRequest(values, readSaes(order, defaultSaes(model)));
  if (request.saes.length === 0 && !withoutSae) throw noSae(model);
  const { metric } = request;
  const chosenFrom = inWords(metric.chosenFrom, METRIC_FIELDS, sayFlag);
  const prompt = readPromptSource(positionals, values.tokenIds, values.messages);
  return { ...request, metric: { ...metric, chosenFrom }, prompt, quiet: values.quiet ?? false };
}

/**
 * The model and the prompt alone.
 *
 * @throws {RequestError | UsageError} if they cannot be understood
 */
export function readModelPrompt({ positionals, values }: ParsedOptions): ModelPromptRequest {
  return {
    ...readModel(values),
    prompt: readPromptSource(positionals, values.tokenIds, values.messages),
    quiet: values.quiet ?? false,
  };
}

/**
 * `ablate PROMPT`: what removing features does to a prediction, exactly.
 *
 * @module
 */
import type { DownstreamError } from "../../../attribution/change/downstream_error.ts";
import { type CommandSpec, type ParsedCommand } from "../../args/args.ts";
import { type Command, defineCommand, type Given } from "../../args/command.ts";
import { EXPLAIN_FIELDS, METHOD_FIELDS, ROW_FIELDS } from "../../../request/fields.ts";
import {
  type Destination,
  DOWNSTREAM_OPTIONS,
  FORMAT_OPTIONS,
  readDestination,
  readDownstreamError,
} from "../../args/options.ts";
import { DEVICE_OPTIONS, PROMPT, type PromptRequest, readPromptRequest } from "../../args/run_request.ts";

/** What is removed at a time: a feature at one position, or at all of them. */
export type AblationUnit = "rows" | "features";

const UNITS: readonly AblationUnit[] = ["rows", "features"];

export interface AblateRequest extends PromptRequest {
  readonly unit: AblationUnit;
  readonly top: number;
  readonly downstreamError: DownstreamError;
  readonly destination: Destination;
}

/** What is refused is not offered. */
const { includeError: _, columns: __, ...ROWS } = ROW_FIELDS;

const spec = {
  name: "ablate",
  summary:
    "Remove features of sparse autoencoders (SAEs) and run the rest of the model again: rows of attribution and\n" +
    "exact effect, metric - metric(without the feature), on standard output.",
  usage: "PROMPT [--pos-token T] [--neg-token T] [--model M] [--sae S]... [--top K] [options]",
  positionals: [PROMPT],
  options: {
    ...EXPLAIN_FIELDS,
    ...ROWS,
    table: {
      kind: "string",
      choices: UNITS,
      placeholder: "NAME",
      default: UNITS[0],
      help: "remove a feature at one position at a time, or at all positions (of --positions) at once",
    },
    top: {
      kind: "integer",
      placeholder: "K",
      min: 1,
      default: "100",
      help: "remove the K features with the largest |attribution|",
    },
    ...METHOD_FIELDS,
    ...DOWNSTREAM_OPTIONS,
    ...FORMAT_OPTIONS,
    ...DEVICE_OPTIONS,
  },
  examples: [
    'ablate " Tiger Woods plays the sport of" --pos-token " golf" --neg-token " tennis"',
    'ablate " The capital of France is" --table features --top 20 --output effects.csv',
  ],
} satisfies CommandSpec;

export const { run, parseRequest }: Command<AblateRequest> = defineCommand({
  spec,
  read: readRequest,
  does: [new URL("../../runs/change/ablate.ts", import.meta.url), "ablate"],
  startsModel: true,
});

function readRequest(parsed: ParsedCommand<typeof spec>, { isTerminal }: Given): AblateRequest {
  const { values } = parsed;
  const request = readPromptRequest(parsed);
  return {
    ...request,
    unit: values.table,
    top: values.top,
    downstreamError: readDownstreamError(values),
    destination: readDestination(values, isTerminal),
  };
}

/**
 * `interactions PROMPT`: what two features do together that they do not do alone.
 *
 * @module
 */
import { SET_UNITS, type SetUnit } from "../../../attribution/sets/names.ts";
import type { DownstreamError } from "../../../attribution/change/downstream_error.ts";
import type { Positions } from "../../../attribution/positions.ts";
import { EXPLAIN_FIELDS, ROW_FIELDS } from "../../../request/fields.ts";
import { RequestError } from "../../../request/request_error.ts";
import { type CommandSpec, type ParsedCommand } from "../../args/args.ts";
import { type Command, defineCommand, type Given } from "../../args/command.ts";
import {
  type Destination,
  DOWNSTREAM_OPTIONS,
  FORMAT_OPTIONS,
  readDestination,
  readDownstreamError,
} from "../../args/options.ts";
import { DEVICE_OPTIONS, PROMPT, type PromptRequest, readPromptRequest } from "../../args/run_request.ts";

export interface InteractionsRequest extends PromptRequest {
  /** Undefined: 20 for pairs, 10 for Shapley values. */
  readonly top: number | undefined;
  readonly features: readonly number[] | undefined;
  readonly positions: Positions | undefined;
  readonly by: SetUnit;
  readonly shapley: boolean;
  readonly samples: number | undefined;
  readonly seed: number | undefined;
  readonly downstreamError: DownstreamError;
  readonly destination: Destination;
}

/** At all positions first: what `ablate --features` removes. */
const UNITS: readonly SetUnit[] = SET_UNITS.toReversed();

const spec = {
  name: "interactions",
  summary:
    "Remove features two at a time and run the rest of the model again: rows of effect_a, effect_b, joint and\n" +
    "interaction = joint - effect_a - effect_b on standard output; or Shapley values of a set of features.",
  usage: "PROMPT [--pos-token T] [--neg-token T] [--top K] [--features 1,2,3] [--shapley] [options]",
  positionals: [PROMPT],
  options: {
    top: {
      kind: "integer",
      placeholder: "K",
      min: 1,
      max: 1000,
      help: "the K features with the largest |attribution|; by default 20, with `shapley` 10",
    },
    features: { ...ROW_FIELDS.features, help: "of these features" },
    positions: { ...ROW_FIELDS.positions, help: `of these positions: ${ROW_FIELDS.positions.help}` },
    by: {
      kind: "string",
      choices: UNITS,
      placeholder: "U",
      default: UNITS[0],
      help: "remove a feature at all positions (of `positions`) at once, or at one",
    },
    shapley: {
      kind: "boolean",
      help: "Shapley values of the features, and Faith-Shapley values of them and their pairs: exact of up to 12, " +
        "sampled with standard errors of more",
    },
    samples: {
      kind: "integer",
      placeholder: "N",
      min: 1,
      max: 10_000_000,
      help: "with `shapley`, combinations of features to run where there are more than 12; by default 8 for each value",
    },
    seed: { kind: "integer", placeholder: "N", min: 0, help: "with `shapley`, decides which; by default 0" },
    ...EXPLAIN_FIELDS,
    ...DOWNSTREAM_OPTIONS,
    ...FORMAT_OPTIONS,
    ...DEVICE_OPTIONS,
  },
  examples: [
    'interactions " Tiger Woods plays the sport of" --pos-token " golf" --neg-token " tennis" --top 20',
    'interactions " The capital of France is" --top 8 --shapley --output shapley.csv',
  ],
} satisfies CommandSpec;

export const { run, parseRequest }: Command<InteractionsRequest> = defineCommand({
  spec,
  read: readRequest,
  does: [new URL("../../runs/trust/interactions.ts", import.meta.url), "interactions"],
  startsModel: "for many runs",
});

function readRequest(parsed: ParsedCommand<typeof spec>, { isTerminal }: Given): InteractionsRequest {
  const { values } = parsed;
  for (const name of ["samples", "seed"] as const) {
    if (values[name] !== undefined && !values.shapley) {
      throw new RequestError(`\`${name}\` means nothing without \`shapley\`: add it`);
    }
  }
  const request = readPromptRequest(parsed);
  return {
    ...request,
    top: values.top,
    features: values.features,
    positions: request.rows.positions,
    by: values.by,
    shapley: values.shapley,
    samples: values.samples,
    seed: values.seed,
    downstreamError: readDownstreamError(values),
    destination: readDestination(values, isTerminal),
  };
}

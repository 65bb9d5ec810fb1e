/**
 * `select PROMPT`: the smallest set of features that carries a prediction.
 *
 * @module
 */
import { SET_UNITS, type SetUnit } from "../../../attribution/sets/candidates.ts";
import { SET_DIRECTIONS, type SetDirection } from "../../../attribution/sets/scored_sets.ts";
import type { DownstreamError } from "../../../attribution/change/downstream_error.ts";
import type { Ablation } from "../../../attribution/trust/faithfulness.ts";
import { EXPLAIN_FIELDS } from "../../../request/fields.ts";
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

export interface SelectRequest extends PromptRequest {
  /** Undefined where a size is asked for, and for the library's default. */
  readonly keep: number | undefined;
  readonly size: number | undefined;
  readonly direction: SetDirection;
  readonly by: SetUnit;
  readonly ablation: Ablation;
  readonly seed: number;
  readonly steps: number | undefined;
  readonly downstreamError: DownstreamError;
  readonly destination: Destination;
  /** The file of the sets with their figures, as JSON. */
  readonly summary: string | undefined;
}

const ABLATIONS: readonly Ablation[] = ["zero", "mean"];

const spec = {
  name: "select",
  summary:
    "The smallest set of features that by itself keeps what all of them do to the metric, or without which it is gone:\n" +
    "learnt, then pruned and measured by exact runs. Its features on standard output.",
  usage: "PROMPT [--pos-token T] [--neg-token T] [--keep 0.9 | --size K] [--model M] [--sae S]... [options]",
  positionals: [PROMPT],
  options: {
    keep: {
      kind: "number",
      placeholder: "P",
      above: 0,
      max: 1,
      help: "the part of what all features do that is to be kept (or to go): at least P, at most 2 - P; by default 0.9",
    },
    size: { kind: "integer", placeholder: "K", min: 1, help: "instead: the best K features that are found" },
    direction: {
      kind: "string",
      choices: SET_DIRECTIONS,
      placeholder: "D",
      default: SET_DIRECTIONS[0],
      help:
        "all others are ablated and the set keeps the answer, or the set is ablated and the answer goes, or one set " +
        "that does both",
    },
    by: {
      kind: "string",
      choices: SET_UNITS,
      placeholder: "U",
      default: SET_UNITS[0],
      help: "what the set has: features at one position each, or at all positions",
    },
    ablation: {
      kind: "string",
      choices: ABLATIONS,
      placeholder: "A",
      default: ABLATIONS[0],
      help: "what takes an activation's place: 0, or the feature's mean over this prompt (without its first position)",
    },
    seed: {
      kind: "integer",
      placeholder: "N",
      min: 0,
      default: "0",
      help: "decides which sizes are tried in learning",
    },
    steps: { kind: "integer", placeholder: "N", min: 1, max: 100_000, help: "steps of learning; by default 100" },
    summary: {
      kind: "string",
      writes: "file",
      placeholder: "FILE",
      help: "write the sets with what was measured to a file, as JSON",
    },
    ...EXPLAIN_FIELDS,
    ...DOWNSTREAM_OPTIONS,
    ...FORMAT_OPTIONS,
    ...DEVICE_OPTIONS,
  },
  examples: [
    'select " Tiger Woods plays the sport of" --pos-token " golf" --neg-token " tennis"',
    'select " The capital of France is" --size 10 --direction both --by feature --summary set.json',
  ],
} satisfies CommandSpec;

export const { run, parseRequest }: Command<SelectRequest> = defineCommand({
  spec,
  read: readRequest,
  does: [new URL("../../runs/trust/select.ts", import.meta.url), "select"],
  startsModel: "for many runs",
});

function readRequest(parsed: ParsedCommand<typeof spec>, { isTerminal }: Given): SelectRequest {
  const { values } = parsed;
  if (values.keep !== undefined && values.size !== undefined) {
    throw new RequestError("`keep` and `size` are both there: give one of them");
  }
  if (values.summary === "") throw new RequestError("`summary` is empty: give the name of a file");
  return {
    ...readPromptRequest(parsed),
    keep: values.keep,
    size: values.size,
    direction: values.direction,
    by: values.by,
    ablation: values.ablation,
    seed: values.seed,
    steps: values.steps,
    downstreamError: readDownstreamError(values),
    destination: readDestination(values, isTerminal),
    summary: values.summary,
  };
}

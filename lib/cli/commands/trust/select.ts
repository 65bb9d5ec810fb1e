/**
 * `select PROMPT`: the smallest set of features that carries a prediction.
 *
 * @module
 */
import { INPUT_FORMATS, type InputFormat, inputFormat as formatByEnding } from "../../../batch/input/formats.ts";
import { type DataSetRequest, readDataSetRequest } from "../../../batch/settings.ts";
import { quote } from "../../../quote.ts";
import { neededSaes } from "../../../request/saes.ts";
import { SET_DIRECTIONS, SET_UNITS, type SetDirection, type SetUnit } from "../../../attribution/sets/names.ts";
import type { DownstreamError } from "../../../attribution/change/downstream_error.ts";
import { type Ablation, ABLATIONS } from "../../../attribution/change/ablated.ts";
import { EXPLAIN_FIELDS } from "../../../request/fields.ts";
import { endingOf } from "../../../table/formats.ts";
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

/** What is asked of sets, of whatever they are for. */
export interface SetRequest {
  /** Undefined where a size is asked for, and for the library's default. */
  readonly keep: number | undefined;
  readonly size: number | undefined;
  readonly direction: SetDirection;
  readonly ablation: Ablation;
  readonly seed: number;
  readonly steps: number | undefined;
  readonly downstreamError: DownstreamError;
  readonly destination: Destination;
  /** The file of the sets with their figures, as JSON. */
  readonly summary: string | undefined;
  readonly quiet: boolean;
}

/** Of one prompt. */
export interface SelectRequest extends PromptRequest, SetRequest {
  readonly by: SetUnit;
  readonly promptFile: undefined;
}

/** One set for the prompts of a file. */
export interface SelectForPromptsRequest extends DataSetRequest, SetRequest {
  readonly promptFile: string;
  readonly inputFormat: InputFormat;
  /** The part of the prompts that the set is measured on and not chosen for. */
  readonly heldOut: number;
}

const spec = {
  name: "select",
  summary:
    "The smallest set of features that by itself keeps what all of them do to the metric, or without which it is gone:\n" +
    "learnt, then pruned and measured by exact runs. Its features on standard output.",
  usage:
    "PROMPT|--prompts FILE [--pos-token T] [--neg-token T] [--keep 0.9 | --size K] [--model M] [--sae S]... [options]",
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
      help: "what the set has: features at one position each (the default), or at all positions (so for `prompts`)",
    },
    prompts: {
      kind: "string",
      reads: true,
      placeholder: "FILE",
      help: "one set for all prompts of a file instead of PROMPT, written as for batch: columns prompt or ids, and " +
        "perhaps pos_token, neg_token (.csv, .tsv, .jsonl, .parquet), or a prompt on each line (.txt)",
    },
    heldOut: {
      kind: "number",
      placeholder: "P",
      min: 0,
      max: 0.9,
      help:
        "of `prompts`, the part that has no say in the choice: what the set does there is measured; by default 0.25",
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
    "select --prompts prompts.csv --keep 0.8 --held-out 0.3",
    'select " The capital of France is" --size 10 --direction both --by feature --summary set.json',
  ],
} satisfies CommandSpec;

export const { run, parseRequest }: Command<SelectRequest | SelectForPromptsRequest> = defineCommand({
  spec,
  read: readRequest,
  does: [new URL("../../runs/trust/select.ts", import.meta.url), "select"],
  startsModel: "for many runs",
});

function readRequest(
  parsed: ParsedCommand<typeof spec>,
  { isTerminal }: Given,
): SelectRequest | SelectForPromptsRequest {
  const { values, positionals, order } = parsed;
  /** For a run they would be those of integrated gradients. */
  const withoutSteps = { ...parsed, values: { ...values, steps: undefined } };
  if (values.keep !== undefined && values.size !== undefined) {
    throw new RequestError("`keep` and `size` are both there: give one of them");
  }
  if (values.summary === "") throw new RequestError("`summary` is empty: give the name of a file");
  const asked: SetRequest = {
    keep: values.keep,
    size: values.size,
    direction: values.direction,
    ablation: values.ablation,
    seed: values.seed,
    steps: values.steps,
    downstreamError: readDownstreamError(values),
    destination: readDestination(values, isTerminal),
    summary: values.summary,
    quiet: values.quiet,
  };
  const { prompts: promptFile } = values;
  if (promptFile === undefined) {
    if (values.heldOut !== undefined) throw new RequestError("`heldOut` means nothing without `prompts`: add it");
    return { ...readPromptRequest(withoutSteps), ...asked, by: values.by ?? SET_UNITS[0], promptFile };
  }
  if (positionals.length > 0 || values.tokenIds !== undefined) {
    throw new RequestError("PROMPT and `prompts` are both there: give one of them");
  }
  if (values.by === "feature-position") {
    throw new RequestError(
      '`by: "feature-position"` is of one prompt: the positions of `prompts` have nothing in common',
    );
  }
  const inputFormat = formatByEnding(endingOf(promptFile));
  if (inputFormat === undefined) {
    throw new RequestError(
      `how is ${quote(promptFile)} written? Give a file ending with .${INPUT_FORMATS.join(", .")}`,
    );
  }
  const saes = neededSaes(order, values.model);
  return {
    ...readDataSetRequest(withoutSteps.values, saes),
    ...asked,
    promptFile,
    inputFormat,
    heldOut: values.heldOut ?? 0.25,
  };
}

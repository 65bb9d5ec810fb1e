/**
 * `evals FILE`: how good SAEs are on a text of one's own.
 *
 * @module
 */
import { type CommandSpec, type ParsedCommand } from "../../args/args.ts";
import { type Command, defineCommand, type Given } from "../../args/command.ts";
import { type Destination, FORMAT_OPTIONS, readDestination } from "../../args/options.ts";
import { UsageError } from "../../args/values.ts";
import type { TableFormat } from "../../../table/formats.ts";
import {
  CHAT_FIELDS,
  EXCLUDE_FIELDS,
  FLAG_FIELDS,
  MODEL_FIELDS,
  RUN_FIELDS,
  SAE_FIELDS,
} from "../../../request/fields.ts";
import { type ModelRequest, readModel } from "../../../request/request.ts";
import { neededSaes, type SaeRequest } from "../../../request/saes.ts";
import { DEVICE_OPTIONS } from "../../args/run_request.ts";
import { STDIN } from "../../args/prompt.ts";

export interface EvalsRequest extends ModelRequest {
  readonly quiet: boolean;
  /** A file of prompts. */
  readonly prompts: string | typeof STDIN;
  readonly saes: readonly SaeRequest[];
  /** Undefined: all special tokens. */
  readonly excludeSpecialTokens: boolean | readonly number[] | undefined;
  readonly batchSize: number;
  readonly destination: Destination;
}

/** All figures for programs, or the most telling ones for people. */
const FORMATS: readonly TableFormat[] = ["json", "table"];
const spec = {
  name: "evals",
  summary: "Evaluate sparse autoencoders (SAEs) on prompts: reconstruction, sparsity and what their output\n" +
    "does to the model's predictions, in SAELens's figures and under its names.",
  usage: "FILE [--model M] [--sae S]... [options]",
  positionals: [{
    reads: true,
    name: "FILE",
    help: "one prompt per line: text, or a JSON array of token ids, used exactly as given; " +
      '"-" reads standard input',
    required: true,
  }],
  options: {
    model: MODEL_FIELDS.model,
    revision: MODEL_FIELDS.revision,
    sae: SAE_FIELDS.sae,
    hookIn: SAE_FIELDS.hookIn,
    normScalingFactor: SAE_FIELDS.normScalingFactor,
    ...CHAT_FIELDS,
    ...RUN_FIELDS,
    ...FLAG_FIELDS,
    excludeSpecialTokens: {
      kind: "boolean",
      negatable: true,
      help: "leave BOS and other special tokens out, as by default, or count them",
    },
    excludeTokenIds: { ...EXCLUDE_FIELDS.excludeTokenIds, help: "leave these tokens out instead" },
    batchSize: {
      kind: "integer",
      placeholder: "N",
      min: 1,
      default: "16",
      help: "prompts of a batch: explained_variance_legacy and relative_reconstruction_bias depend on it",
    },
    format: {
      kind: "string",
      choices: FORMATS,
      placeholder: "F",
      help: "json has all figures, table those for people; " +
        "by default from --output's ending, else table on a terminal and json otherwise",
    },
    output: { ...FORMAT_OPTIONS.output, help: "write the figures to a file, whole or not at all" },
    ...DEVICE_OPTIONS,
    quiet: { ...DEVICE_OPTIONS.quiet, help: "print nothing but the figures and errors" },
  },
  examples: [
    "evals prompts.txt --format table",
    "evals tokens.jsonl --model ./gpt2 --sae ./a@blocks.8.hook_resid_pre --sae ./b --output evals.json",
  ],
} satisfies CommandSpec;

export const { run, parseRequest }: Command<EvalsRequest> = defineCommand({
  spec,
  read: readRequest,
  does: [new URL("../../runs/trust/evals.ts", import.meta.url), "evals"],
  startsModel: true,
});

function readRequest(
  { positionals: [file], values, order }: ParsedCommand<typeof spec>,
  { isTerminal }: Given,
): EvalsRequest {
  if (file === "") throw new UsageError('FILE is empty: give the name of a file, or "-" for standard input');
  const saes = neededSaes(order, values.model);
  return {
    ...readModel(values),
    quiet: values.quiet,
    prompts: file === "-" ? STDIN : file,
    saes,
    batchSize: values.batchSize,
    destination: readDestination(values, isTerminal, FORMATS),
  };
}

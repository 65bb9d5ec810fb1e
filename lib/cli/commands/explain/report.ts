/**
 * `report PROMPT`: an attribution as one HTML file.
 *
 * @module
 */
import { type CommandSpec, type ParsedCommand, UsageError } from "../../args/args.ts";
import { type Command, defineCommand, type Given } from "../../args/command.ts";
import { FORMAT_OPTIONS } from "../../args/options.ts";
import { ATTRIBUTION_FIELDS } from "../../../request/fields.ts";
import { checkSum } from "../../../request/read_answer.ts";
import { DEVICE_OPTIONS, PROMPT, type PromptRequest, readPromptRequest } from "../../args/run_request.ts";

export interface ReportRequest extends PromptRequest {
  /** The file; undefined: standard output. */
  readonly output: string | undefined;
  /** How many features per SAE get the tokens that they raise and lower, and their contexts. */
  readonly cards: number;
  /** The command line, less the program's name. */
  readonly args: readonly string[];
}

const spec = {
  name: "report",
  summary:
    "Attribute a prediction to the features of sparse autoencoders (SAEs), and write it as one HTML file that\n" +
    "needs no network to be read.",
  usage: "PROMPT [--pos-token T] [--neg-token T] [--model M] [--sae S]... --output FILE [options]",
  positionals: [PROMPT],
  options: {
    ...ATTRIBUTION_FIELDS,
    output: { ...FORMAT_OPTIONS.output, help: "the file to write, whole or not at all" },
    cards: {
      kind: "integer",
      placeholder: "N",
      min: 0,
      max: 2000,
      default: "150",
      help: "the strongest N features of each SAE get the tokens that they raise and lower",
    },
    ...DEVICE_OPTIONS,
  },
  examples: [
    'report " Tiger Woods plays the sport of" --pos-token " golf" --neg-token " tennis" --output report.html',
    'report " Tiger Woods plays the sport" --answer-text " of golf. Roger" --output answer.html',
    'report " The capital of France is" --sae tiny-facts/blocks.2.hook_resid_pre --output france.html',
  ],
} satisfies CommandSpec;

export const { run, parseRequest }: Command<ReportRequest> = defineCommand({
  spec,
  read: readRequest,
  does: [new URL("../../runs/explain/report.ts", import.meta.url), "report"],
  startsModel: true,
});

function readRequest(parsed: ParsedCommand<typeof spec>, { args, isTerminal }: Given): ReportRequest {
  const { output, cards } = parsed.values;
  const request = readPromptRequest(parsed);
  checkSum(request);
  if (output === "") throw new UsageError("--output is empty: give the name of a file");
  if (output === undefined && isTerminal) {
    throw new UsageError("a report is no text for a terminal: give --output report.html");
  }
  return { ...request, output, cards, args };
}

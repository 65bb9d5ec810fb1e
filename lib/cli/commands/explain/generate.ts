/**
 * `generate PROMPT`: what the model says, token by token.
 *
 * @module
 */
import { type CommandSpec, type ParsedCommand } from "../../args/args.ts";
import { type Command, defineCommand, type Given } from "../../args/command.ts";
import { type GenerationRequest, readGeneration, SAMPLING_OPTIONS } from "../../args/generation.ts";
import { CHAT_FIELDS, MODEL_FIELDS, RUN_FIELDS } from "../../../request/fields.ts";
import { type Destination, FORMAT_OPTIONS, readDestination } from "../../args/options.ts";
import { DEVICE_OPTIONS, type ModelPromptRequest, PROMPT, readModelPrompt } from "../../args/run_request.ts";

export interface GenerateRequest extends ModelPromptRequest {
  readonly generation: GenerationRequest;
  /** Where a table of the tokens goes; undefined: the text is printed as it comes. */
  readonly destination: Destination | undefined;
}

const { prependBos, truncate } = RUN_FIELDS;

const spec = {
  name: "generate",
  summary:
    "Write what the model says after a prompt, as it comes; with --format or --output a table of the tokens: rows of\n" +
    "position, token, id and log_probability.",
  usage: "PROMPT [--model M] [--max-tokens N] [--temperature T] [options]",
  positionals: [PROMPT],
  options: {
    ...MODEL_FIELDS,
    maxTokens: { kind: "integer", placeholder: "N", min: 1, max: 1_000_000, default: "64", help: "the most tokens" },
    ...SAMPLING_OPTIONS,
    ...CHAT_FIELDS,
    prependBos,
    truncate,
    ...FORMAT_OPTIONS,
    format: { ...FORMAT_OPTIONS.format, help: "write a table of the tokens and not the text" },
    ...DEVICE_OPTIONS,
  },
  examples: [
    'generate " Tiger Woods plays the sport of" --max-tokens 20',
    'generate " The capital of" --temperature 0.8 --top-p 0.95 --seed 1 --stop "." --output tokens.csv',
  ],
} satisfies CommandSpec;

export const { run, parseRequest }: Command<GenerateRequest> = defineCommand({
  spec,
  read: readRequest,
  does: [new URL("../../runs/explain/generate.ts", import.meta.url), "generateAndWrite"],
  startsModel: "for many runs",
});

function readRequest(parsed: ParsedCommand<typeof spec>, { isTerminal }: Given): GenerateRequest {
  const { values } = parsed;
  const destination = readDestination(values, isTerminal);
  return {
    ...readModelPrompt(parsed),
    generation: readGeneration(values, values.maxTokens),
    destination: values.format === undefined && values.output === undefined ? undefined : destination,
  };
}

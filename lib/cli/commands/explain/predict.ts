/**
 * `predict PROMPT`: what the model would say next.
 *
 * @module
 */
import { type CommandSpec, type ParsedCommand, UsageError } from "../../args/args.ts";
import { type Command, defineCommand, type Given } from "../../args/command.ts";
import { CHAT_FIELDS, MODEL_FIELDS, RUN_FIELDS, SAE_FIELDS } from "../../../request/fields.ts";
import { defaultSaes, readSaes, type SaeRequest } from "../../../request/saes.ts";
import { type Destination, FORMAT_OPTIONS, readDestination } from "../../args/options.ts";
import { DEVICE_OPTIONS, type ModelPromptRequest, PROMPT, readModelPrompt } from "../../args/run_request.ts";

export interface PredictRequest extends ModelPromptRequest {
  /** They only decide about BOS and the form of the model. */
  readonly saes: readonly SaeRequest[];
  readonly top: number;
  readonly answer: string | number | undefined;
  readonly destination: Destination;
}

const spec = {
  name: "predict",
  summary: "Show what the model predicts next: rows of token, id, rank, logit, probability and is_answer.",
  usage: "PROMPT [--model M] [--top K] [--answer TOKEN] [options]",
  positionals: [PROMPT],
  options: {
    ...MODEL_FIELDS,
    top: { kind: "integer", placeholder: "K", min: 1, default: "10", help: "how many tokens" },
    answer: {
      kind: "string",
      placeholder: "TOKEN",
      help: "a single token as text; its row comes last where it is not among the top",
    },
    answerId: { kind: "integer", placeholder: "N", min: 0, help: "the same as --answer, by token id" },
    ...CHAT_FIELDS,
    ...RUN_FIELDS,
    sae: { ...SAE_FIELDS.sae, help: "an SAE to attribute to later: decides about BOS and processing as in attribute" },
    ...FORMAT_OPTIONS,
    ...DEVICE_OPTIONS,
  },
  examples: [
    'predict " Tiger Woods plays the sport of"',
    'predict " The capital of France is" --top 5 --answer " Rome" --format json',
  ],
} satisfies CommandSpec;

export const { run, parseRequest }: Command<PredictRequest> = defineCommand({
  spec,
  read: readRequest,
  does: [new URL("../../runs/explain/predict.ts", import.meta.url), "predict"],
  startsModel: true,
});

function readRequest(parsed: ParsedCommand<typeof spec>, { isTerminal }: Given): PredictRequest {
  const { values, order } = parsed;
  if (values.answer !== undefined && values.answerId !== undefined) {
    throw new UsageError("--answer and --answer-id name the same token: give one of them");
  }
  return {
    ...readModelPrompt(parsed),
    saes: readSaes(order, defaultSaes(values.model)),
    top: values.top,
    answer: values.answer ?? values.answerId,
    destination: readDestination(values, isTerminal),
  };
}

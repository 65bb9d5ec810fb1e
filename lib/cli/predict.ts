/**
 * `predict PROMPT`: what the model would say next.
 *
 * @module
 */
import { type CommandSpec, helpText, parseCommand, type ParsedCommand, UsageError } from "./args.ts";
import { CHAT_OPTIONS, type ChatRequest, readChat } from "./chat_options.ts";
import { type Destination, FORMAT_OPTIONS, readDestination } from "./format.ts";
import { DEVICE_OPTIONS, MODEL_OPTIONS, PROMPT, readRunRequest, RUN_OPTIONS, type RunRequest } from "./options.ts";
import { printData, stdoutScreen } from "./output.ts";
import { checkOutputs } from "./outputs.ts";
import { type PromptSource, readPromptSource } from "./prompt.ts";
import { defaultSaes, readSaes, SAE_OPTION, type SaeRequest } from "./sae_options.ts";
import { startEarly } from "./start_early.ts";

/** Everything that the command line asks for. */
export interface PredictRequest extends RunRequest {
  readonly prompt: PromptSource;
  readonly chat: ChatRequest | undefined;
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
    ...MODEL_OPTIONS,
    top: { kind: "integer", placeholder: "K", min: 1, default: "10", help: "how many tokens" },
    answer: {
      kind: "string",
      placeholder: "TOKEN",
      help: "a single token as text; its row comes last where it is not among the top",
    },
    "answer-id": { kind: "integer", placeholder: "N", min: 0, help: "the same as --answer, by token id" },
    ...CHAT_OPTIONS,
    ...RUN_OPTIONS,
    sae: { ...SAE_OPTION, help: "an SAE to attribute to later: decides about BOS and processing as in attribute" },
    ...FORMAT_OPTIONS,
    ...DEVICE_OPTIONS,
  },
  examples: [
    'predict " Tiger Woods plays the sport of"',
    'predict " The capital of France is" --top 5 --answer " Rome" --format json',
  ],
} satisfies CommandSpec;

/** What `predict_run.ts` exports. */
interface RunModule {
  predict(request: PredictRequest): Promise<void>;
}

/** Runs the command. */
export async function run(args: readonly string[]): Promise<void> {
  const parsed = parseCommand(spec, args);
  if (parsed.help) return await printData([helpText(spec, Math.min(100, stdoutScreen().width))]);
  const request = readRequest(parsed);
  await checkOutputs(spec, parsed);
  const threads = startEarly(request);
  // By a computed address, so that help and usage errors do not wait for what only a run needs.
  const { predict } = await import(new URL("./predict_run.ts", import.meta.url).href) as RunModule;
  await predict({ ...request, threads });
}

/**
 * What a command line asks for.
 *
 * @throws {UsageError} if it cannot be understood
 */
export function parseRequest(args: readonly string[]): PredictRequest {
  return readRequest(parseCommand(spec, args));
}

function readRequest({ positionals, values, order }: ParsedCommand<typeof spec>): PredictRequest {
  if (values.answer !== undefined && values["answer-id"] !== undefined) {
    throw new UsageError("--answer and --answer-id name the same token: give one of them");
  }
  return {
    ...readRunRequest(values),
    prompt: readPromptSource(positionals, values["token-ids"]),
    chat: readChat(values),
    saes: readSaes(order, defaultSaes(values.model)),
    top: values.top,
    answer: values.answer ?? values["answer-id"],
    destination: readDestination(values, stdoutScreen().isTerminal),
  };
}

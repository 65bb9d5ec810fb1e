/**
 * `evals FILE`: how good SAEs are on a text of one's own.
 *
 * @module
 */
import { type CommandSpec, helpText, parseCommand, type ParsedCommand } from "./args.ts";
import { quote, UsageError } from "./args_values.ts";
import { CHAT_OPTIONS, type ChatRequest, readChat } from "./chat_options.ts";
import {
  DEVICE_OPTIONS,
  EXCLUDE_OPTIONS,
  FLAG_OPTIONS,
  MODEL_OPTIONS,
  type ProcessingFlags,
  readExcluded,
  readFlags,
  readRunRequest,
  RUN_OPTIONS,
  type RunRequest,
} from "./options.ts";
import { printData, stdoutScreen } from "./output.ts";
import { checkOutputs } from "./outputs.ts";
import { STDIN } from "./prompt.ts";
import { defaultSaes, noSae, readSaes, SAE_DETAILS, SAE_OPTION, type SaeRequest } from "./sae_options.ts";
import { startEarly } from "./start_early.ts";

/** The formats: all figures for programs, or the most telling ones for people. */
export type EvalsFormat = "json" | "table";

/** Everything that the command line asks for. */
export interface EvalsRequest extends RunRequest {
  /** A file of prompts. */
  readonly prompts: string | typeof STDIN;
  readonly chat: ChatRequest | undefined;
  readonly saes: readonly SaeRequest[];
  /** Single flags over what `processing` gives. */
  readonly processingFlags: ProcessingFlags;
  /** Undefined: all special tokens. */
  readonly excludeSpecialTokens: boolean | readonly number[] | undefined;
  readonly batchSize: number;
  readonly format: EvalsFormat;
  /** Undefined: standard output. */
  readonly output: string | undefined;
}

const FORMATS: readonly EvalsFormat[] = ["json", "table"];
/** By the ending of `--output`. */
const ENDINGS: Readonly<Record<string, EvalsFormat>> = { json: "json", txt: "table" };

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
    model: MODEL_OPTIONS.model,
    revision: MODEL_OPTIONS.revision,
    sae: SAE_OPTION,
    "hook-in": SAE_DETAILS["hook-in"],
    "norm-scaling-factor": SAE_DETAILS["norm-scaling-factor"],
    ...CHAT_OPTIONS,
    ...RUN_OPTIONS,
    ...FLAG_OPTIONS,
    "exclude-special-tokens": {
      kind: "boolean",
      negatable: true,
      help: "leave BOS and other special tokens out, as by default, or count them",
    },
    "exclude-token-ids": { ...EXCLUDE_OPTIONS["exclude-token-ids"], help: "leave these tokens out instead" },
    "batch-size": {
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
    output: {
      kind: "string",
      writes: "file",
      placeholder: "FILE",
      help: "write the figures to a file, whole or not at all",
    },
    ...DEVICE_OPTIONS,
    quiet: { ...DEVICE_OPTIONS.quiet, help: "print nothing but the figures and errors" },
  },
  examples: [
    "evals prompts.txt --format table",
    "evals tokens.jsonl --model ./gpt2 --sae ./a@blocks.8.hook_resid_pre --sae ./b --output evals.json",
  ],
} satisfies CommandSpec;

/** What `evals_run.ts` exports. */
interface RunModule {
  evals(request: EvalsRequest): Promise<void>;
}

/** Runs the command. */
export async function run(args: readonly string[]): Promise<void> {
  const parsed = parseCommand(spec, args);
  if (parsed.help) return await printData([helpText(spec, Math.min(100, stdoutScreen().width))]);
  const request = readRequest(parsed);
  await checkOutputs(spec, parsed);
  const threads = startEarly({ ...request, prompt: STDIN });
  // By a computed address, so that help and usage errors do not wait for what only a run needs.
  const { evals } = await import(new URL("./evals_run.ts", import.meta.url).href) as RunModule;
  await evals({ ...request, threads });
}

/**
 * What a command line asks for.
 *
 * @throws {UsageError} if it cannot be understood
 */
export function parseRequest(args: readonly string[]): EvalsRequest {
  return readRequest(parseCommand(spec, args));
}

function readRequest({ positionals: [file], values, order }: ParsedCommand<typeof spec>): EvalsRequest {
  if (file === "") throw new UsageError('FILE is empty: give the name of a file, or "-" for standard input');
  const saes = readSaes(order, defaultSaes(values.model));
  if (saes.length === 0) throw noSae(values.model);
  return {
    ...readRunRequest(values),
    prompts: file === "-" ? STDIN : file,
    chat: readChat(values),
    saes,
    processingFlags: readFlags(values),
    excludeSpecialTokens: readExcluded(values),
    batchSize: values["batch-size"],
    format: readFormat(values, stdoutScreen().isTerminal),
    output: values.output,
  };
}

function readFormat(
  { format, output }: { readonly format: string | undefined; readonly output: string | undefined },
  isTerminal: boolean,
): EvalsFormat {
  if (output === "") throw new UsageError("--output is empty: give the name of a file");
  if (format !== undefined) return format as EvalsFormat;
  if (output === undefined) return isTerminal ? "table" : "json";
  const [, ending] = /[^/\\]\.([^./\\]+)$/.exec(output) ?? [];
  if (ending === undefined) return "json";
  const known = ending.toLowerCase();
  if (Object.hasOwn(ENDINGS, known)) return ENDINGS[known];
  throw new UsageError(`--output ends with ${quote(`.${ending}`)}: say how with --format ${FORMATS.join(" or ")}`);
}

/**
 * `batch INPUT --output DIR|FILE`: the attributions of many prompts.
 *
 * @module
 */
import { basename } from "node:path";
import type { InputFormat } from "../batch/input/read.ts";
import type { MetricSettings, RowFormat, RowSettings } from "../batch/settings.ts";
import { type CommandSpec, helpText, parseCommand, type ParsedCommand } from "./args.ts";
import { quote, UsageError } from "./args_values.ts";
import { ONLY_METHOD_OPTIONS, type OnlyMethodRequest, readOnlyMethod } from "./method_options.ts";
import { METRIC_OPTIONS, type MetricValues, readMetric } from "./metric_options.ts";
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
import { readRows, ROW_OPTIONS } from "./row_options.ts";
import { defaultSaes, noSae, readSaes, SAE_DETAILS, SAE_OPTION, type SaeRequest } from "./sae_options.ts";

/** Everything that the command line asks for. */
export interface BatchRequest extends RunRequest, OnlyMethodRequest {
  readonly threads: number;
  /** Undefined: standard input. */
  readonly input: string | undefined;
  readonly inputFormat: InputFormat;
  /** Where the run's files are. */
  readonly directory: string;
  /** One file for all rows too. */
  readonly file: string | undefined;
  readonly format: RowFormat;
  readonly saes: readonly SaeRequest[];
  readonly metric: MetricSettings;
  readonly includeErrorTerm: boolean;
  readonly processingFlags: ProcessingFlags;
  readonly excludeSpecialTokens: boolean | readonly number[] | undefined;
  readonly rows: RowSettings;
  readonly shardSize: number;
  /** Of the shards, those with number `part` modulo `of`. */
  readonly share: { readonly part: number; readonly of: number };
  /** Undefined: as many as there are processors, at most 4. */
  readonly workers: number | undefined;
  /** The address of a Redis whose workers do the work. */
  readonly queue: string | undefined;
}

const INPUT_FORMATS: readonly InputFormat[] = ["csv", "tsv", "jsonl", "parquet", "txt"];
const ROW_FORMATS: readonly RowFormat[] = ["csv", "jsonl", "parquet"];
/** Formats by the endings of files. */
const ENDINGS: Readonly<Record<string, InputFormat>> = {
  csv: "csv",
  jsonl: "jsonl",
  ndjson: "jsonl",
  parquet: "parquet",
  tsv: "tsv",
  tab: "tsv",
  txt: "txt",
};

const { table: _, ...LONG_ROW_OPTIONS } = ROW_OPTIONS;

const spec = {
  name: "batch",
  summary: "Attribute the predictions for many prompts: rows with a column prompt_id, what features do over all\n" +
    "prompts, and which prompts failed, all in files. The same command goes on where it was interrupted.",
  usage: "INPUT --output DIR|FILE [--pos-token T] [--neg-token T] [--model M] [--sae S]... [options]\n" +
    "status [DIR] [--queue URL]",
  positionals: [{
    name: "INPUT",
    help:
      "a file with columns prompt (text) or ids (token ids), and perhaps id, pos_token, neg_token, pos_id, neg_id, " +
      'or a text file with a prompt on each line; "-" reads standard input',
    required: true,
  }],
  options: {
    output: {
      kind: "string",
      placeholder: "DIR|FILE",
      help:
        "a directory for all files of the run; or a file (.csv, .jsonl, .parquet) for all rows, beside which FILE.run " +
        "has the others",
    },
    "input-format": {
      kind: "string",
      choices: INPUT_FORMATS,
      placeholder: "F",
      help: "how INPUT is written; by default from its ending",
    },
    format: {
      kind: "string",
      choices: ROW_FORMATS,
      placeholder: "F",
      help: "how tables are written; by default from --output's ending, else csv",
    },
    ...METRIC_OPTIONS,
    ...ONLY_METHOD_OPTIONS,
    model: MODEL_OPTIONS.model,
    revision: MODEL_OPTIONS.revision,
    sae: SAE_OPTION,
    ...SAE_DETAILS,
    ...RUN_OPTIONS,
    ...FLAG_OPTIONS,
    ...EXCLUDE_OPTIONS,
    "no-error-term": { kind: "boolean", help: "let the SAE replace the activation, without what it does not explain" },
    ...LONG_ROW_OPTIONS,
    top: { ...ROW_OPTIONS.top, help: "of each prompt, the K rows with the largest |attribution|" },
    "shard-size": {
      kind: "integer",
      placeholder: "N",
      min: 1,
      max: 100_000,
      default: "64",
      help: "prompts of a shard, which is done whole or not at all",
    },
    shard: { kind: "string", placeholder: "I/N", help: "do only every N-th shard from the I-th on (1/8, 2/8 … 8/8)" },
    workers: {
      kind: "integer",
      placeholder: "W",
      min: 1,
      max: 256,
      help: "shards to work on at once, each with a model in memory; by default as many as processors, at most 4",
    },
    queue: {
      kind: "string",
      placeholder: "URL",
      help: "leave the work to the workers of this Redis (redis://…), which must see --output under the same name",
    },
    ...DEVICE_OPTIONS,
    threads: { ...DEVICE_OPTIONS.threads, default: "1", help: "processor threads of each worker" },
    quiet: { kind: "boolean", help: "print nothing but errors" },
  },
  examples: [
    "batch prompts.csv --output run",
    'batch prompts.jsonl --output rows.parquet --metric logprob --pos-token " golf" --workers 8',
    "batch prompts.parquet --output /shared/run --queue redis://queue:6379",
    "batch status /shared/run --queue redis://queue:6379",
  ],
} satisfies CommandSpec;

/** What `batch_run.ts` exports. */
interface RunModule {
  batch(request: BatchRequest): Promise<void>;
}

/** Runs the command. */
export async function run(args: readonly string[]): Promise<void> {
  if (args[0] === "status") {
    const status = await import(
      new URL("./batch_status.ts", import.meta.url).href
    ) as typeof import("./batch_status.ts");
    return await status.run(args.slice(1));
  }
  const parsed = parseCommand(spec, args);
  if (parsed.help) return await printData([helpText(spec, Math.min(100, stdoutScreen().width))]);
  const request = readRequest(parsed);
  if (request.file !== undefined) await checkFile(request.file);
  // By a computed address, so that help and usage errors do not wait for what only a run needs.
  const { batch } = await import(new URL("./batch_run.ts", import.meta.url).href) as RunModule;
  await batch(request);
}

/** What cannot be written is found before the work; under one name, that a process which is killed leaves nothing behind. */
async function checkFile(file: string): Promise<void> {
  const { checkWritable } = await import("../table/write_file.ts");
  await checkWritable(file, { temporary: `.${basename(file)}.try.tmp` });
}

/**
 * What a command line asks for.
 *
 * @throws {UsageError} if it cannot be understood
 */
export function parseRequest(args: readonly string[]): BatchRequest {
  return readRequest(parseCommand(spec, args));
}

function readRequest({ positionals: [input], values, order }: ParsedCommand<typeof spec>): BatchRequest {
  const saes = readSaes(order, defaultSaes(values.model));
  if (saes.length === 0) throw noSae(values.model);
  const { table: _, ...rows } = readRows({ ...values, table: "rows" });
  if (values.queue !== undefined && (values.shard ?? values.workers) !== undefined) {
    throw new UsageError("--queue leaves the work to others: leave out --shard and --workers");
  }
  return {
    ...readRunRequest(values),
    ...readOnlyMethod(values),
    threads: values.threads,
    input: input === "-" ? undefined : input,
    inputFormat: readInputFormat(input, values["input-format"]),
    ...readOutput(values),
    saes,
    metric: readMetricSettings(values),
    includeErrorTerm: !values["no-error-term"],
    processingFlags: readFlags(values),
    excludeSpecialTokens: readExcluded(values),
    rows,
    shardSize: values["shard-size"],
    share: readShare(values.shard),
    workers: values.workers,
    queue: values.queue === undefined ? undefined : readQueue(values.queue),
  };
}

function endingOf(path: string): string {
  return /[^/\\]\.([^./\\]+)$/.exec(path)?.[1].toLowerCase() ?? "";
}

function readInputFormat(input: string, format: string | undefined): InputFormat {
  if (input === "") throw new UsageError('INPUT is empty: give the name of a file, or "-" for standard input');
  if (format === "parquet" && input === "-") {
    throw new UsageError("Parquet cannot be read from standard input, its index is at the end: give a file");
  }
  if (format !== undefined) return format as InputFormat;
  const ending = endingOf(input);
  if (input !== "-" && Object.hasOwn(ENDINGS, ending)) return ENDINGS[ending];
  throw new UsageError(`how is ${quote(input)} written? Say it with --input-format ${INPUT_FORMATS.join(", ")}`);
}

function readOutput(
  { output, format }: { readonly output: string | undefined; readonly format: string | undefined },
): Pick<BatchRequest, "directory" | "file" | "format"> {
  if (output === undefined || output === "") {
    throw new UsageError("--output is missing: give a directory, or a file ending with .csv, .jsonl or .parquet");
  }
  const ending = endingOf(output);
  const byEnding = ROW_FORMATS.find((format) => Object.hasOwn(ENDINGS, ending) && ENDINGS[ending] === format);
  if (byEnding === undefined) return { directory: output, file: undefined, format: (format ?? "csv") as RowFormat };
  if (format !== undefined && format !== byEnding) {
    throw new UsageError(`--output ends with .${ending} and --format is ${format}: leave one of them out`);
  }
  return { directory: `${output}.run`, file: output, format: byEnding };
}

/** Tokens may come with the prompts, so that what is missing here is not wrong yet; what is too much is. */
function readMetricSettings(values: MetricValues): MetricSettings {
  const kind = values.metric as MetricSettings["kind"];
  const positive = [...values["pos-token"], ...values["pos-id"]];
  const negative = [...values["neg-token"], ...values["neg-id"]];
  const isOfItsOwn = values["token-weight"].length + values["id-weight"].length > 0 ||
    values["target-text"] !== undefined || kind === "loss" || kind === "kl";
  const isOfOneToken = kind !== undefined && kind !== "logit-diff" && positive.length > 0;
  const read = isOfItsOwn || isOfOneToken ? readMetric(values) : undefined;
  return {
    ...(kind === undefined ? {} : { kind }),
    positive: read?.weights === undefined ? positive : [],
    negative,
    positions: values["metric-position"] ?? [-1],
    ...(read?.text === undefined ? {} : { targetText: read.text }),
    ...(read?.weights === undefined ? {} : { weighted: { tokens: read.positive, weights: read.weights } }),
  };
}

function readShare(text: string | undefined): { part: number; of: number } {
  if (text === undefined) return { part: 0, of: 1 };
  const [, part, of] = /^(\d{1,6})\/(\d{1,6})$/.exec(text) ?? [];
  if (part !== undefined && Number(part) >= 1 && Number(part) <= Number(of)) {
    return { part: Number(part) - 1, of: Number(of) };
  }
  throw new UsageError(`--shard is ${quote(text)}: write I/N with I from 1 to N, such as 1/8`);
}

/**
 * The address of a Redis.
 *
 * @throws {UsageError} if it is none
 */
export function readQueue(text: string): string {
  if (URL.canParse(text) && /^rediss?:$/.test(new URL(text).protocol)) return text;
  throw new UsageError(`--queue is no address of a Redis: give one such as redis://localhost:6379`);
}

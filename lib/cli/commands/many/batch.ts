/**
 * `batch INPUT --output DIR|FILE`: the attributions of many prompts.
 *
 * @module
 */
import { basename } from "node:path";
import { INPUT_FORMATS, type InputFormat, inputFormat } from "../../../batch/input/formats.ts";
import { type AskedSettings, readDataSetRequest } from "../../../batch/settings.ts";
import { DATA_FORMATS, type DataFormat, endingOf, formatByEnding } from "../../../table/formats.ts";
import { type CommandSpec, type ParsedCommand, UsageError } from "../../args/args.ts";
import { quote } from "../../../quote.ts";
import { REQUEST_FIELDS } from "../../../request/fields.ts";
import { neededSaes } from "../../../request/saes.ts";
import { type Command, defineCommand } from "../../args/command.ts";
import { QUEUE_OPTION, readQueue } from "../../args/options.ts";
import { DEVICE_OPTIONS } from "../../args/run_request.ts";

export interface BatchRequest {
  readonly asked: AskedSettings;
  readonly quiet: boolean;
  /** Undefined: standard input. */
  readonly input: string | undefined;
  readonly inputFormat: InputFormat;
  /** Where the run's files are. */
  readonly directory: string;
  /** One file for all rows too. */
  readonly file: string | undefined;
  /** Of the shards, those with number `part` modulo `of`. */
  readonly share: { readonly part: number; readonly of: number };
  /** Undefined: as many as there are processors, at most 4. */
  readonly workers: number | undefined;
  /** The address of a Redis whose workers do the work. */
  readonly queue: string | undefined;
}

/** Endings of files that one may expect: nobody means a directory by them. */
const OTHER_FILES = ["html", "htm", "tsv", "xlsx", "gz", "zip"];

/** What is refused is not offered. */
const { tokenIds: _, table: __, answerText: ___, answerPositions: ____, budget: _____, ...SOME } = REQUEST_FIELDS;
const { messages: ______, ...FIELDS } = SOME;

const spec = {
  name: "batch",
  summary: "Attribute the predictions for many prompts: rows with a column prompt_id, what features do over all\n" +
    "prompts, and which prompts failed, all in files. The same command goes on where it was interrupted.",
  usage: "INPUT --output DIR|FILE [--pos-token T] [--neg-token T] [--model M] [--sae S]... [options]\n" +
    "status [DIR] [--queue URL]",
  positionals: [{
    name: "INPUT",
    help:
      "a file with columns prompt (text) or ids (token ids), and perhaps id, pos_token, neg_token, pos_id, neg_id, target_text, answer_text, " +
      'or a text file with a prompt on each line; "-" reads standard input',
    required: true,
  }],
  options: {
    output: {
      kind: "string",
      placeholder: "DIR|FILE",
      help:
        `a directory for all files of the run; or a file (.${DATA_FORMATS.join(", .")}) for all rows, beside which ` +
        "FILE.run has the others",
    },
    inputFormat: {
      kind: "string",
      choices: INPUT_FORMATS,
      placeholder: "F",
      help: "how INPUT is written; by default from its ending",
    },
    format: {
      kind: "string",
      choices: DATA_FORMATS,
      placeholder: "F",
      help: "how tables are written; by default from --output's ending, else csv",
    },
    ...FIELDS,
    top: { ...FIELDS.top, help: "of each prompt, the K rows with the largest |attribution|" },
    shardSize: {
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
      ...QUEUE_OPTION,
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

const command: Command<BatchRequest> = defineCommand({
  spec,
  read: readRequest,
  check: checkFile,
  does: [new URL("../../runs/many/batch.ts", import.meta.url), "batch"],
});

/** What cannot be written is found before the work; under one name, that a process which is killed leaves nothing behind. */
async function checkFile({ file }: BatchRequest): Promise<void> {
  if (file === undefined) return;
  const { checkWritable } = await import(
    new URL("../../../table/write_file.ts", import.meta.url).href
  ) as typeof import("../../../table/write_file.ts");
  await checkWritable(file, { temporary: `.${basename(file)}.try.tmp` });
}

/** What a command line asks for. */
export const parseRequest: Command<BatchRequest>["parseRequest"] = command.parseRequest;

/** Runs the command, or `batch status`. */
export async function run(args: readonly string[]): Promise<void> {
  if (args[0] !== "status") return await command.run(args);
  const status = await import(new URL("./batch_status.ts", import.meta.url).href) as typeof import("./batch_status.ts");
  return await status.run(args.slice(1));
}

function readRequest({ positionals: [input], values, order }: ParsedCommand<typeof spec>): BatchRequest {
  const saes = neededSaes(order, values.model);
  if (values.queue !== undefined && (values.shard ?? values.workers) !== undefined) {
    throw new UsageError("--queue leaves the work to others: leave out --shard and --workers");
  }
  const { format, ...places } = readOutput(values);
  return {
    asked: { ...readDataSetRequest(values, saes), format, shardSize: values.shardSize },
    quiet: values.quiet,
    input: input === "-" ? undefined : input,
    inputFormat: readInputFormat(input, values.inputFormat),
    ...places,
    share: readShare(values.shard),
    workers: values.workers,
    queue: values.queue === undefined ? undefined : readQueue(values.queue),
  };
}

function readInputFormat(input: string, format: string | undefined): InputFormat {
  if (input === "") throw new UsageError('INPUT is empty: give the name of a file, or "-" for standard input');
  if (format === "parquet" && input === "-") {
    throw new UsageError("Parquet cannot be read from standard input, its index is at the end: give a file");
  }
  if (format !== undefined) return format as InputFormat;
  const found = input === "-" ? undefined : inputFormat(endingOf(input));
  if (found !== undefined) return found;
  throw new UsageError(`how is ${quote(input)} written? Say it with --input-format ${INPUT_FORMATS.join(", ")}`);
}

function readOutput(
  { output, format }: { readonly output: string | undefined; readonly format: string | undefined },
): Pick<BatchRequest, "directory" | "file"> & { readonly format: DataFormat } {
  if (output === undefined || output === "") {
    throw new UsageError(`--output is missing: give a directory, or a file ending with .${DATA_FORMATS.join(", .")}`);
  }
  const [ending, known] = [endingOf(output), formatByEnding(output)];
  const byEnding = DATA_FORMATS.find((format) => format === known);
  if (byEnding === undefined && (known !== undefined || OTHER_FILES.includes(ending ?? ""))) {
    throw new UsageError(
      `--output ends with .${ending}, which batch does not write: give a directory, or a file ending with .${
        DATA_FORMATS.join(", .")
      }`,
    );
  }
  if (byEnding === undefined) return { directory: output, file: undefined, format: (format ?? "csv") as DataFormat };
  if (format !== undefined && format !== byEnding) {
    throw new UsageError(`--output ends with .${ending} and --format is ${format}: leave one of them out`);
  }
  return { directory: `${output}.run`, file: output, format: byEnding };
}

function readShare(text: string | undefined): { part: number; of: number } {
  if (text === undefined) return { part: 0, of: 1 };
  const [, part, of] = /^(\d{1,6})\/(\d{1,6})$/.exec(text) ?? [];
  if (part !== undefined && Number(part) >= 1 && Number(part) <= Number(of)) {
    return { part: Number(part) - 1, of: Number(of) };
  }
  throw new UsageError(`--shard is ${quote(text)}: write I/N with I from 1 to N, such as 1/8`);
}

/**
 * Prompts from a file or standard input.
 *
 * @module
 */
import { fileError } from "../../platform/file_error.ts";
import { parseJsonObject } from "../../weights/json/json.ts";
import { decodeText } from "./decode.ts";
import type { InputFormat } from "./formats.ts";
import { type Line, readLines, withoutReturn } from "./lines.ts";
import { readCsv } from "./read_csv.ts";
import { fieldColumns, type InputRecord, toRecord } from "./record.ts";

/** Where prompts come from. */
export interface InputSource {
  /** A file; undefined: standard input. */
  readonly path: string | undefined;
  /** How to read it. */
  readonly format: InputFormat;
  /** Ends the reading, also where it waits. */
  readonly signal?: AbortSignal;
}

/** What `read_parquet.ts` exports. */
type ParquetModule = typeof import("./read_parquet.ts");

/**
 * The prompts in their order; what cannot be read as a prompt is a record that says why.
 *
 * @throws {Deno.errors.NotFound} if there is no such file
 * @throws {SyntaxError} if the whole input cannot be read: no header, no Parquet file
 */
export async function* readRecords({ path, format, signal }: InputSource): AsyncGenerator<InputRecord> {
  const name = path ?? "standard input";
  try {
    if (format === "parquet") {
      if (path === undefined) throw new SyntaxError("Parquet has its index at the end: give a file");
      // By a computed address: the package is downloaded when it is needed.
      const { readParquet } = await import(new URL("./read_parquet.ts", import.meta.url).href) as ParquetModule;
      return yield* readParquet(path);
    }
    const stream = path === undefined ? Deno.stdin.readable : (await Deno.open(path)).readable;
    const ended = stream.pipeThrough(new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>(), {
      signal,
    });
    yield* READERS[format](readLines(decodeText(ended)));
  } catch (error) {
    const why = (text: string): string => `Cannot read prompts from ${name}: ${text}`;
    if (error instanceof SyntaxError) throw new SyntaxError(why(error.message), { cause: error });
    throw fileError("read", name, error, "prompts from");
  }
}

const READERS: Readonly<
  Record<Exclude<InputFormat, "parquet">, (lines: AsyncIterable<Line>) => AsyncGenerator<InputRecord>>
> = {
  csv: readCsv,
  tsv: (lines) => readCsv(lines, "\t"),
  jsonl: readJsonLines,
  txt: readText,
};

async function* readJsonLines(lines: AsyncIterable<Line>): AsyncGenerator<InputRecord> {
  let number = 0;
  for await (const { number: line, text, problem } of lines) {
    if (problem === undefined && text.trim() === "") continue;
    number++;
    const broken = (error: string) => ({ line, id: String(number), error });
    const object = problem === undefined ? parseObject(text) : undefined;
    if (object === undefined) {
      yield broken(problem ?? "The line is no JSON object");
      continue;
    }
    const keys = Object.keys(object);
    const columns = fieldColumns(keys);
    if (columns instanceof SyntaxError) yield broken(`The line ${columns.message}`);
    else yield toRecord(Object.fromEntries([...columns].map(([field, i]) => [field, object[keys[i]]])), line, number);
  }
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    return parseJsonObject(text, "the line");
  } catch {
    return undefined;
  }
}

async function* readText(lines: AsyncIterable<Line>): AsyncGenerator<InputRecord> {
  let number = 0;
  for await (const { number: line, text, problem } of lines) {
    const prompt = withoutReturn(text);
    if (problem === undefined && prompt === "") continue;
    number++;
    yield problem === undefined ? toRecord({ prompt }, line, number) : { line, id: String(number), error: problem };
  }
}

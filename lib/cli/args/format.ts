/**
 * In which format rows are written, and where to.
 *
 * @module
 */
import type { Fields } from "../../request/fields.ts";
import { quote, UsageError } from "./values.ts";

/** The formats. */
export type Format = "csv" | "json" | "jsonl" | "table";

const FORMATS: readonly Format[] = ["csv", "json", "jsonl", "table"];

/** By the ending of `--output`. */
const ENDINGS: Readonly<Record<string, Format>> = {
  csv: "csv",
  json: "json",
  jsonl: "jsonl",
  ndjson: "jsonl",
  txt: "table",
};

/** Where and how rows are written. */
export interface Destination {
  readonly format: Format;
  /** The user chose the format, by name or by the file's ending. */
  readonly isChosen: boolean;
  /** A file; undefined: standard output. */
  readonly file: string | undefined;
}

/** The options. */
export const FORMAT_OPTIONS = {
  format: {
    kind: "string",
    choices: FORMATS,
    placeholder: "F",
    help: "how rows are written; by default from --output's ending, else table on a terminal and csv otherwise",
  },
  output: {
    kind: "string",
    writes: "file",
    placeholder: "FILE",
    help: "write the rows to a file, whole or not at all",
  },
} as const satisfies Fields;

/**
 * The format from `--format`, else from the ending of `--output`, else from what standard output is.
 *
 * @throws {UsageError} if the ending says nothing
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { readDestination } from "./format.ts";
 *
 * assert.equal(readDestination({ format: undefined, output: "rows.jsonl" }, false).format, "jsonl");
 * ```
 */
export function readDestination(
  { format, output: file }: { readonly format: string | undefined; readonly output: string | undefined },
  isTerminal: boolean,
): Destination {
  if (file === "") throw new UsageError("--output is empty: give the name of a file");
  if (format !== undefined) return { format: format as Format, isChosen: true, file };
  if (file === undefined) return { format: isTerminal ? "table" : "csv", isChosen: false, file };
  const [, ending] = /[^/\\]\.([^./\\]+)$/.exec(file) ?? [];
  if (ending === undefined) return { format: "csv", isChosen: false, file };
  const known = ending.toLowerCase();
  if (!Object.hasOwn(ENDINGS, known)) {
    throw new UsageError(`--output ends with ${quote(`.${ending}`)}: say how with --format ${FORMATS.join(", ")}`);
  }
  return { format: ENDINGS[known], isChosen: true, file };
}

/**
 * In which format rows are written, and where to.
 *
 * @module
 */
import type { Fields } from "../../request/fields.ts";
import { endingOf, formatByEnding, TABLE_FORMATS, type TableFormat } from "../../table/formats.ts";
import { quote, UsageError } from "./values.ts";

/** Where and how rows are written. */
export interface Destination {
  readonly format: TableFormat;
  /** The user chose the format, by name or by the file's ending. */
  readonly isChosen: boolean;
  /** A file; undefined: standard output. */
  readonly file: string | undefined;
}

/** The options. */
export const FORMAT_OPTIONS = {
  format: {
    kind: "string",
    choices: TABLE_FORMATS,
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

/** Values of the options. */
interface Asked {
  readonly format: string | undefined;
  readonly output: string | undefined;
}

/**
 * The format from `--format`, else from the ending of `--output`, else from what standard output is.
 *
 * @param formats the command's, that for programs first
 * @throws {UsageError} if the ending says nothing, or the format is not for a terminal
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
  { format, output: file }: Asked,
  isTerminal: boolean,
  formats: readonly TableFormat[] = TABLE_FORMATS,
): Destination {
  const [usual] = formats;
  if (file === "") throw new UsageError("--output is empty: give the name of a file");
  if (format !== undefined) {
    if (format === "parquet" && file === undefined && isTerminal) {
      throw new UsageError("--format parquet is not for a terminal: give --output FILE");
    }
    return { format: format as TableFormat, isChosen: true, file };
  }
  if (file === undefined) return { format: isTerminal ? "table" : usual, isChosen: false, file };
  const [ending, known] = [endingOf(file), formatByEnding(file)];
  if (ending === undefined) return { format: usual, isChosen: false, file };
  if (known !== undefined && formats.includes(known)) return { format: known, isChosen: true, file };
  throw new UsageError(`--output ends with ${quote(`.${ending}`)}: say how with --format ${formats.join(", ")}`);
}

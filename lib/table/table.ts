/**
 * A table: column names and rows of cells; what all its writers share.
 *
 * @module
 */
import { quote } from "../quote.ts";

/**
 * What a cell holds.
 *
 * @example
 * ```ts
 * import type { Cell } from "./table.ts";
 *
 * const cells: Cell[] = [" golf", 13126, true, null];
 * console.log(cells.length);
 * ```
 */
export type Cell = string | number | boolean | null;

/**
 * Columns and rows as plain data. `rows` may be a generator, so that a table larger than memory can be written; it is
 * walked once by a writer.
 *
 * @example
 * ```ts
 * import type { Table } from "./table.ts";
 *
 * const table: Table = { columns: ["position", "feature", "attribution"], rows: [[6, 1042, 0.25]] };
 * console.log(table.columns);
 * ```
 */
export interface Table {
  /** The names, each used once. */
  readonly columns: readonly string[];
  /** The cells of each row, in the order of the columns. */
  readonly rows: Iterable<readonly Cell[]>;
}

/** Takes rows and gives bytes. */
export interface RowEncoder {
  /** The bytes of further rows, as far as they are ready; with the first ones comes what stands before them. */
  rows(rows: readonly (readonly Cell[])[]): Uint8Array[];
  /** What is left. */
  end(): Uint8Array[];
}

/** The table's rows, each checked to have as many cells as there are columns. Every writer reads through it. */
export function* checkedRows(table: Table): Generator<readonly Cell[]> {
  const { columns } = table;
  const repeated = columns.find((name, i) => columns.indexOf(name) !== i);
  if (repeated !== undefined) {
    throw new RangeError(`Cannot write the table: the column ${quote(repeated)} is there twice, rename one`);
  }
  let index = 0;
  for (const row of table.rows) {
    if (row.length !== columns.length) {
      throw new RangeError(
        `Cannot write the table: row ${index} has ${row.length} cells for ${columns.length} columns, give one each`,
      );
    }
    yield row;
    index++;
  }
}

/**
 * Prints a number for a CSV cell: integers as they are, others with 9 significant digits (which any float32 survives),
 * without trailing zeros. NaN is an empty cell and infinity `inf` or `-inf`, as pandas reads them.
 */
export function formatNumber(x: number): string {
  if (Number.isInteger(x)) return String(x);
  if (Number.isNaN(x)) return "";
  if (!Number.isFinite(x)) return x > 0 ? "inf" : "-inf";
  return String(Number(x.toPrecision(9)));
}

/** About how many characters a writer hands over at a time. */
export const CHUNK_LENGTH = 65_536;

/** Joins small strings to chunks of about 64 KB, so that neither a write per row nor one giant string is needed. */
export function* joinToChunks(lines: Iterable<string>, between: string = ""): Generator<string> {
  let chunk = "";
  for (const line of lines) {
    chunk += chunk === "" ? line : between + line;
    if (chunk.length >= CHUNK_LENGTH) {
      yield chunk;
      chunk = "";
    }
  }
  if (chunk !== "") yield chunk;
}

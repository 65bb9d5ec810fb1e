/**
 * CSV (RFC 4180, but with `\n` line ends).
 *
 * @module
 */
import { stringify } from "../deps/csv.ts";
import { type Cell, checkedRows, CHUNK_LENGTH, formatNumber, type Table } from "./table.ts";
import { textChunks, type TextFormat } from "./text_format.ts";

/**
 * A cell as the writer takes it: null stays null, so that it is written as nothing and the empty text as `""`.
 * Booleans are `true` and `false`.
 */
function csvCell(cell: Cell): string | null {
  if (typeof cell === "number") return formatNumber(cell) || null;
  return cell === null ? null : String(cell);
}

/** Quotes what needs it, and a text with spaces at its ends, which some readers would trim. */
function csvLines(rows: (string | null)[][]): string {
  return stringify(rows, { record_delimiter: "\n", quoted_empty: false, quoted_match: /^$|^\s|\s$|[\r\n]/ });
}

/** The format: a header, then a line for each row. */
export const CSV: TextFormat = {
  frame(columns) {
    const header = csvLines([[...columns]]);
    return { open: header, between: "", close: "", empty: header };
  },
  *pieces(table) {
    let batch: (string | null)[][] = [];
    let length = 0;
    // A row that is nothing but one empty cell would be a blank line, which readers skip.
    const lonely = table.columns.length === 1;
    for (const row of checkedRows(table)) {
      const cells = row.map(csvCell);
      if (lonely) cells[0] ??= "";
      batch.push(cells);
      for (const cell of cells) length += (cell?.length ?? 0) + 1;
      if (length >= CHUNK_LENGTH) {
        yield csvLines(batch);
        batch = [];
        length = 0;
      }
    }
    if (batch.length > 0) yield csvLines(batch);
  },
};

/**
 * The table as CSV with a header. Numbers as {@linkcode formatNumber} prints them; an absent value is an empty cell,
 * and the empty text is `""`. Texts are never changed, spaces at their ends included, so one `pandas.read_csv` gives
 * them back, with one trap of that reader: it takes tokens such as `NA`, `null` or `None` for missing values. Where
 * they may occur, read with `keep_default_na=False, na_values={"attribution": [""]}`.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { toCsv } from "./csv.ts";
 *
 * const table = { columns: ["token", "attribution"], rows: [[" golf", 0.5], ['"', -0.25]] };
 * assert.equal(toCsv(table), 'token,attribution\n" golf",0.5\n"""",-0.25\n');
 * ```
 */
export function toCsv(table: Table): string {
  return [...textChunks(CSV, table)].join("");
}

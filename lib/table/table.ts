/**
 * A table: column names and rows of cells.
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

/**
 * The table's rows, each checked to have as many cells as there are columns. Every writer reads through it.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { checkedRows } from "./table.ts";
 *
 * assert.throws(() => [...checkedRows({ columns: ["a", "b"], rows: [[1]] })], RangeError);
 * ```
 */
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

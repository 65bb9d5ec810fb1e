/**
 * The table that a command line asks for.
 *
 * @module
 */
import { type Explanations, longTable } from "../../attribution/result/long_table.ts";
import type { Attribution } from "../../attribution/result/result.ts";
import { featureTable, positionTable } from "../../attribution/result/sum_tables.ts";
import type { Table } from "../../table/table.ts";
import type { RowsRequest } from "../../request/rows.ts";

/** A table for a screen or a file. */
export interface ShownTable extends Table {
  /** The column that a screen draws as bars too. */
  readonly bar: string;
  /** How many rows `most` left out. */
  readonly left: number;
}

/**
 * The table asked for.
 *
 * @param most where the request has no `top`: the most rows, of the largest |attribution|
 * @throws {RangeError} if a feature is beyond every SAE
 */
export async function makeTable(
  result: Attribution,
  request: RowsRequest,
  explanations: Explanations,
  most: number = Infinity,
): Promise<ShownTable> {
  const { table, ...rest } = request;
  if (table === "positions") {
    return { ...positionTable(result, { positions: rest.positions }), bar: "features", left: 0 };
  }
  const make = table === "rows" ? longTable : featureTable;
  const all = await make(result, { ...rest, explanations });
  const count = [...all.rows].length;
  if (rest.top !== undefined || count <= most) return { ...all, bar: "attribution", left: 0 };
  return { ...await make(result, { ...rest, explanations, top: most }), bar: "attribution", left: count - most };
}

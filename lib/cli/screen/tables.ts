/**
 * The table that a command line asks for.
 *
 * @module
 */
import type { Explanations } from "../../attribution/result/long_table.ts";
import type { Attribution } from "../../attribution/result/result.ts";
import type { Table } from "../../table/table.ts";
import { requestedTable } from "../../request/attribute.ts";
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
  const all = await requestedTable(result, request, explanations);
  if (request.table === "positions") return { ...all, bar: "features", left: 0 };
  const count = [...all.rows].length;
  if (request.top !== undefined || count <= most) return { ...all, bar: "attribution", left: 0 };
  const shown = await requestedTable(result, { ...request, top: most }, explanations);
  return { ...shown, bar: "attribution", left: count - most };
}

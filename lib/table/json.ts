/**
 * JSON: an array of records, or JSON lines.
 *
 * @module
 */
import { type Cell, checkedRows, formatNumber, joinToChunks, type Table } from "./table.ts";
import { textChunks, type TextFormat } from "./text_format.ts";

/** As JSON.stringify, with the control characters escaped that it leaves and that a terminal may obey. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value).replace(/[\x7f-\x9f]/g, (c) => `\\u00${c.charCodeAt(0).toString(16)}`);
}

function jsonCell(cell: Cell): string {
  if (typeof cell === "string") return jsonText(cell);
  if (typeof cell === "number") return Number.isFinite(cell) ? formatNumber(cell) : "null";
  return String(cell);
}

function* records(table: Table): Generator<string> {
  const keys = table.columns.map((name) => `${jsonText(name)}:`);
  for (const row of checkedRows(table)) yield `{${row.map((cell, i) => keys[i] + jsonCell(cell)).join(",")}}`;
}

function* lines(table: Table): Generator<string> {
  for (const record of records(table)) yield `${record}\n`;
}

/** An array with one record a line. */
export const JSON_ARRAY: TextFormat = {
  frame: () => ({ open: "[\n", between: ",\n", close: "\n]\n", empty: "[]\n" }),
  pieces: (table) => joinToChunks(records(table), ",\n"),
};

/** One record a line, and nothing else. */
export const JSON_LINES: TextFormat = {
  frame: () => ({ open: "", between: "", close: "", empty: "" }),
  pieces: (table) => joinToChunks(lines(table)),
};

/**
 * The table as a JSON array of records, one a line, which one `pandas.read_json` loads (`dtype={"token": "str"}`
 * keeps a column of tokens like `"1"` text). Numbers have 9 significant digits; NaN and infinity are null.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { toJson } from "./json.ts";
 *
 * const table = { columns: ["token", "attribution"], rows: [[" golf", 0.5], [" tennis", NaN]] };
 * assert.equal(toJson(table), '[\n{"token":" golf","attribution":0.5},\n{"token":" tennis","attribution":null}\n]\n');
 * ```
 */
export function toJson(table: Table): string {
  return [...textChunks(JSON_ARRAY, table)].join("");
}

/**
 * The table as JSON lines: one record a line.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { toJsonLines } from "./json.ts";
 *
 * assert.equal(toJsonLines({ columns: ["feature"], rows: [[1], [2]] }), '{"feature":1}\n{"feature":2}\n');
 * ```
 */
export function toJsonLines(table: Table): string {
  return [...textChunks(JSON_LINES, table)].join("");
}

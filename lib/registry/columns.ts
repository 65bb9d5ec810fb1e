/**
 * Reading the columns of `models/registry/saes.json`; `make.py` beside it describes them.
 *
 * @module
 */
import { quote } from "../quote.ts";

const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const ABSENT = "-";

/**
 * A column of texts, each row written as its difference from the row before.
 *
 * @throws {SyntaxError} if a row is malformed
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { unpackTexts } from "./columns.ts";
 *
 * assert.deepEqual(unpackTexts("00blocks.0.hook_z 771 - 870"), ["blocks.0.hook_z", "blocks.1.hook_z", undefined, "blocks.10.hook_z"]);
 * ```
 */
export function unpackTexts(column: string): (string | undefined)[] {
  let before = "";
  return column.split(" ").map((row) => {
    if (row === ABSENT) return undefined;
    const start = DIGITS.indexOf(row[0]);
    const end = DIGITS.indexOf(row[1]);
    if (row.length < 2 || start < 0 || end < 0 || start + end > before.length) {
      throw new SyntaxError(`Cannot read the list of SAEs: its row ${quote(row)} is malformed`);
    }
    return before = before.slice(0, start) + row.slice(2) + before.slice(before.length - end);
  });
}

/**
 * A column of numbers, repeated ones as `NUMBERxTIMES`.
 *
 * @throws {SyntaxError} if a row is malformed
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { unpackNumbers } from "./columns.ts";
 *
 * assert.deepEqual(unpackNumbers("60x2 - 0.5"), [60, 60, undefined, 0.5]);
 * ```
 */
export function unpackNumbers(column: string): (number | undefined)[] {
  return column.split(" ").flatMap((row) => {
    const [text, times = "1"] = row.split("x");
    const value = text === ABSENT ? undefined : Number(text);
    if (Number.isNaN(value) || text === "" || !(Number(times) >= 1)) {
      throw new SyntaxError(`Cannot read the list of SAEs: its row ${quote(row)} is malformed`);
    }
    return Array<number | undefined>(Number(times)).fill(value);
  });
}

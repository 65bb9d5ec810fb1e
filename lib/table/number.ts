/**
 * Prints a number for a CSV cell: integers as they are, others with 9 significant digits (which any float32 survives),
 * without trailing zeros. NaN is an empty cell and infinity `inf` or `-inf`, as pandas reads them.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { formatNumber } from "./number.ts";
 *
 * assert.equal(formatNumber(0.1 + 0.2), "0.3");
 * assert.equal(formatNumber(1234567890123), "1234567890123");
 * assert.equal(formatNumber(-Infinity), "-inf");
 * ```
 */
export function formatNumber(x: number): string {
  if (Number.isInteger(x)) return String(x);
  if (Number.isNaN(x)) return "";
  if (!Number.isFinite(x)) return x > 0 ? "inf" : "-inf";
  return String(Number(x.toPrecision(9)));
}

/**
 * Draws a signed value as a bar on both sides of a zero line, in half-character steps: negative ones grow to the left.
 * A value that is not zero shows at least a half step. Without negative values (`signed` false) the bar has one side.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { drawBar } from "./bar.ts";
 *
 * assert.equal(drawBar(1, { largest: 1, width: 9, signed: true }), "    │████");
 * assert.equal(drawBar(-0.4, { largest: 1, width: 9, signed: true }), "  ▐█│    ");
 * ```
 */
export function drawBar(value: number, scale: { largest: number; width: number; signed: boolean }): string {
  const side = scale.signed ? Math.floor((scale.width - 1) / 2) : scale.width - 1;
  const share = Number.isNaN(value) || scale.largest === 0 ? 0 : Math.min(1, Math.abs(value) / scale.largest);
  const halves = share === 0 ? 0 : Math.max(1, Math.round(share * 2 * side));
  const full = "█".repeat(halves >> 1);
  const half = halves % 2 === 1;
  const left = value < 0 ? (half ? "▐" : "") + full : "";
  const right = value > 0 ? full + (half ? "▌" : "") : "";
  return (scale.signed ? left.padStart(side) : "") + "│" + right.padEnd(side);
}

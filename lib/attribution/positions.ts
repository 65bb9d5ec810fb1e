/**
 * Which positions of a prompt are meant.
 *
 * @module
 */
import { checkOptions } from "../options.ts";

/**
 * A position of a prompt, from the start.
 *
 * @param position from the end when negative
 * @param what it is called in the message
 * @throws {RangeError} if the prompt has no such position
 */
export function resolvePosition(position: number, tokens: number, what = "Position"): number {
  const at = position < 0 ? tokens + position : position;
  if (Number.isInteger(at) && at >= 0 && at < tokens) return at;
  throw new RangeError(`${what} ${position} is not in a prompt of ${tokens} tokens`);
}

/** Positions as Python slices them: from the end when negative, a missing end is open. */
export interface Slice {
  /** The first; default 0. */
  readonly start?: number;
  /** The one after the last; default the end. */
  readonly end?: number;
}

/** A slice, or single positions (from the end when negative) and slices together. */
export type Positions = Slice | readonly (number | Slice)[];

/** The positions of a prompt that are meant, ascending; what is beyond its ends is left out, as Python's slices do. */
export function positionsIn(positions: Positions, length: number): number[] {
  return [...new Set(partsOf(positions).flatMap((part) => positionsOf(part, length)))].sort((a, b) => a - b);
}

/** @throws {RangeError} if a position is not in `what` of so many tokens, or a slice has none of its positions */
export function checkPositions(positions: Positions, length: number, what = "a prompt"): void {
  const empty = partsOf(positions).find((part) => positionsOf(part, length).length === 0);
  if (empty === undefined) return;
  const inside = `${what} of ${length} tokens has 0 to ${length - 1}, or -${length} to -1`;
  if (typeof empty === "number") throw new RangeError(`There is no position ${empty}: ${inside}`);
  throw new RangeError(`The slice "${empty.start ?? ""}:${empty.end ?? ""}" has no position: ${inside}`);
}

function partsOf(positions: Positions): readonly (number | Slice)[] {
  return "length" in positions ? positions : [positions];
}

function positionsOf(part: number | Slice, length: number): number[] {
  const fromStart = (index: number): number => index < 0 ? length + index : index;
  if (typeof part === "number") return [fromStart(part)].filter((at) => at >= 0 && at < length);
  checkOptions<Slice>("a slice of positions", part, { start: "any", end: "any" });
  const at = (index: number): number => Math.min(length, Math.max(0, fromStart(index)));
  const first = at(part.start ?? 0);
  return Array.from({ length: Math.max(0, at(part.end ?? length) - first) }, (_, i) => first + i);
}

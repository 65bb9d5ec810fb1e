import { type ByteRange, STAGING_BYTES } from "../files/ranges.ts";
import { FLOAT_BYTES, type FloatDtype, readFloats } from "./floats.ts";
import type { Stored, Wanted } from "./stored.ts";

/** Reading and dropping this many bytes costs about as much as one more read. */
const GAP_BYTES = 8 * 2 ** 10;
/** Side of the squares in which a block is turned: two of them fit into a processor's first cache. */
const TILE = 32;
/** The most parts that are asked for at once. */
const MAX_PARTS = 2 ** 16;

/**
 * Reads part of a matrix `[rows, columns]` whose columns lie one after another in the file, row-major into `into`:
 * a block of whole columns at a time, or of those pieces of them that are wanted.
 */
export async function readTransposed(
  stored: Stored,
  dtype: FloatDtype,
  rows: number,
  columns: number,
  wanted: Wanted,
  into: Float32Array,
): Promise<void> {
  const bytes = FLOAT_BYTES[dtype];
  const [first, last] = wanted.kind === "columns" ? [wanted.start, wanted.end] : [0, columns];
  const { length, pieces, pick } = planColumn(rows, bytes, wanted);
  const most = Math.min(STAGING_BYTES / 4 / length, MAX_PARTS / pieces.length, last - first);
  const step = Math.max(1, Math.floor(most));
  const staging = new Float32Array(step * length);
  for (let column = first; column < last; column += step) {
    const end = Math.min(last, column + step);
    const block = staging.subarray(0, (end - column) * length);
    const parts: ByteRange[] = [];
    for (let c = column; c < end; c++) {
      for (const { offset, length } of pieces) {
        parts.push({ offset: stored.offset + c * rows * bytes + offset, length });
      }
    }
    await readFloats(stored.from, stored.file, dtype, parts, block);
    turn({ block, length, count: end - column, pick }, into, column - first, last - first);
  }
}

/** What is read of each column, in bytes from its start, and which of those numbers are wanted. */
interface ColumnPlan {
  readonly length: number;
  readonly pieces: readonly ByteRange[];
  readonly pick?: ArrayLike<number>;
}

function planColumn(rows: number, bytes: number, wanted: Wanted): ColumnPlan {
  if (wanted.kind === "columns") return { length: rows, pieces: [{ offset: 0, length: rows * bytes }] };
  if (wanted.kind !== "list") {
    const length = wanted.end - wanted.start;
    return { length, pieces: [{ offset: wanted.start * bytes, length: length * bytes }] };
  }
  const { list } = wanted;
  // Where single numbers lie closer than a read is worth, the column is read from the first to the last of them.
  const span = list[list.length - 1] - list[0] + 1;
  if (span * bytes <= list.length * GAP_BYTES) {
    const pick = Uint32Array.from(list, (row) => row - list[0]);
    return { length: span, pieces: [{ offset: list[0] * bytes, length: span * bytes }], pick };
  }
  return { length: list.length, pieces: Array.from(list, (row) => ({ offset: row * bytes, length: bytes })) };
}

/** Some columns of the matrix, one after another. */
interface Block {
  readonly block: Float32Array;
  readonly length: number;
  readonly count: number;
  readonly pick?: ArrayLike<number>;
}

/** Writes a block's columns as columns `at`, `at + 1`, … of a row-major matrix `width` wide. */
function turn({ block, length, count, pick }: Block, into: Float32Array, at: number, width: number): void {
  const rows = pick?.length ?? length;
  for (let r0 = 0; r0 < rows; r0 += TILE) {
    const r1 = Math.min(rows, r0 + TILE);
    for (let c0 = 0; c0 < count; c0 += TILE) {
      const c1 = Math.min(count, c0 + TILE);
      for (let r = r0; r < r1; r++) {
        const from = pick ? pick[r] : r;
        for (let c = c0; c < c1; c++) into[r * width + at + c] = block[c * length + from];
      }
    }
  }
}

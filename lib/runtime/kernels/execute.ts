/**
 * Runs programs: lists of 32-bit words in the memory that all threads share. Every thread goes through the same words and
 * takes units of each instruction's work until there are none left. What a number becomes does not depend on who does it.
 *
 * An instruction is `[kind, length, shared, taken, …]`: `shared` says whether threads divide it, or the first one does it
 * alone; `taken`, 0 at first, counts the units that somebody does. Addresses and strides are in bytes.
 *
 * @module
 */
import type { Hands, Kernels } from "./hands.ts";
import { STREAM_ROWS, STRIP_STEPS, TILE_COLUMNS, TILE_ROWS } from "./tile.ts";

/** Kinds of instructions. */
export const Kind = {
  /** `kernel, operands, rank, dims…, out, strides…, (operand, strides…)…`: an elementwise kernel on strided operands. */
  Map: 1,
  /** `kernel, out, stride, n, a, rank, dims…, strides…`: a kernel on each of some rows of n numbers. */
  Rows: 2,
  /** `out, m, n, k, a, row, column, b, row, column, rank, dims…, a's strides…, b's strides…`: products of matrices. */
  MatMul: 3,
  /** `out, a, indices, rows, in, out`: numbers of rows by index. */
  Gather: 4,
  /** The same, added up at their indices; the rest of `out` is left. */
  Scatter: 5,
  /** All threads wait for all. */
  Barrier: 6,
} as const;

/** Elementwise kernels and kernels of rows that are done in JavaScript. */
export const JS_KERNELS = { Log: -1, CopyStrided: -2, LogSoftmax: -3 } as const;

/** This thread's place among those that run a program. */
export interface Place {
  readonly thread: number;
  /** Returns when all threads have called it. */
  barrier(): void;
}

/** Rows of a product whose strips are packed at once. */
const BLOCK_ROWS = 256;
/** Strips that are packed at once. */
const GROUP_STRIPS = 4;
const A_BYTES = 4 * BLOCK_ROWS * STRIP_STEPS;
const B_BYTES = 4 * GROUP_STRIPS * TILE_COLUMNS * STRIP_STEPS;
const TAIL_BYTES = 4 * BLOCK_ROWS * TILE_COLUMNS;

/** Up to so many rows, the second operand is not packed: where its rows are read, and where its columns are. */
const WIDE_ROWS = 32;
const TALL_ROWS = 8;
/** Sums that stay in the nearest cache while its rows are gone through … */
const WIDE_SUMS = 4096;
const MAX_WIDE_COLUMNS = 512;
/** … and columns of it that do. */
const TALL_COLUMNS = 32;

/** Memory that a thread needs for itself. */
export const SCRATCH_BYTES = A_BYTES + B_BYTES + TAIL_BYTES + 64;

/** Elements of a unit of elementwise work, and of a kernel's call: slow code is replaced by fast code between calls. */
const UNIT_ELEMENTS = 8192;

/** Runs the instructions in words [from, to). */
export function execute(hands: Hands, place: Place, from: number, to: number): void {
  const { words } = hands;
  for (let at = from; at < to; at += words[at + 1]) {
    const kind = words[at];
    if (kind === Kind.Barrier) {
      place.barrier();
      continue;
    }
    if (words[at + 2] === 0 && place.thread > 0) continue;
    const run = INSTRUCTIONS[kind];
    if (!run) throw new TypeError(`No instruction ${kind}`);
    run(hands, at + 4, at + 3);
  }
}

/** What runs the instructions: `at` is where its own words begin, `taken` where its count is. */
const INSTRUCTIONS: Readonly<Record<number, (hands: Hands, at: number, taken: number) => void>> = {
  [Kind.Map]: map,
  [Kind.Rows]: rows,
  [Kind.MatMul]: matMul,
  [Kind.Gather]: gather,
  [Kind.Scatter]: scatter,
};

/** The next unit of an instruction that nobody does. */
const take = (words: Int32Array, taken: number): number => Atomics.add(words, taken, 1);

/** How far from its first element the one at a row-major index of some axes lies. */
function offsetOf(words: Int32Array, index: number, rank: number, dims: number, strides: number): number {
  let offset = 0;
  for (let axis = rank - 1; axis > 0; axis--) {
    const dim = words[dims + axis];
    const rest = Math.floor(index / dim);
    offset += (index - rest * dim) * words[strides + axis];
    index = rest;
  }
  return rank > 0 ? offset + index * words[strides] : 0;
}

function countOf(words: Int32Array, from: number, count: number): number {
  let size = 1;
  for (let i = 0; i < count; i++) size *= words[from + i];
  return size;
}

function map(hands: Hands, at: number, taken: number): void {
  const { words, table } = hands;
  const kernel = words[at];
  const operands = words[at + 1];
  const rank = words[at + 2];
  const dims = at + 3;
  const outer = rank - 1;
  const out = dims + rank;
  const step = rank + 1; // from one address to the next
  const count = countOf(words, dims, outer);
  const n = words[dims + outer];
  const chunks = Math.ceil(n / UNIT_ELEMENTS);
  const together = chunks > 1 ? 1 : Math.floor(UNIT_ELEMENTS / n);
  const units = chunks > 1 ? count * chunks : Math.ceil(count / together);
  const [a, b, c] = [out + step, out + 2 * step, out + 3 * step];
  const outInner = words[out + rank];
  const aInner = words[a + rank];
  const bInner = operands > 1 ? words[b + rank] : 0;
  const cInner = operands > 2 ? words[c + rank] : 0;
  const call = kernel < 0 ? undefined : table[kernel];
  for (let unit = take(words, taken); unit < units; unit = take(words, taken)) {
    const firstRow = chunks > 1 ? Math.floor(unit / chunks) : unit * together;
    const first = chunks > 1 ? (unit - firstRow * chunks) * UNIT_ELEMENTS : 0;
    const length = Math.min(UNIT_ELEMENTS, n - first);
    for (let row = firstRow; row < Math.min(count, firstRow + together); row++) {
      const toOut = words[out] + offsetOf(words, row, outer, dims, out + 1) + first * outInner;
      const toA = words[a] + offsetOf(words, row, outer, dims, a + 1) + first * aInner;
      if (!call) {
        mapHere(hands, kernel, toOut, toA, length, outInner, aInner);
        continue;
      }
      if (operands === 1) {
        call(toOut, toA, length);
        continue;
      }
      const toB = words[b] + offsetOf(words, row, outer, dims, b + 1) + first * bInner;
      if (operands === 2) call(toOut, toA, toB, length);
      else call(toOut, toA, toB, words[c] + offsetOf(words, row, outer, dims, c + 1) + first * cInner, length);
    }
  }
}

function mapHere(
  { floats }: Hands,
  kernel: number,
  out: number,
  a: number,
  n: number,
  outStride: number,
  aStride: number,
): void {
  let [to, from] = [out >>> 2, a >>> 2];
  const [toStep, fromStep] = [outStride >> 2, aStride >> 2];
  const isLog = kernel === JS_KERNELS.Log;
  for (let i = 0; i < n; i++) {
    floats[to] = isLog ? Math.log(floats[from]) : floats[from];
    to += toStep;
    from += fromStep;
  }
}

function rows(hands: Hands, at: number, taken: number): void {
  const { words, table, kernels, floats, scratch } = hands;
  const [kernel, out, stride, n, a, rank] = words.subarray(at, at + 6);
  const dims = at + 6;
  const count = countOf(words, dims, rank);
  const together = Math.max(1, Math.floor(UNIT_ELEMENTS / 2 / Math.max(1, n)));
  for (let first = take(words, taken) * together; first < count; first = take(words, taken) * together) {
    for (let row = first; row < Math.min(count, first + together); row++) {
      const from = a + offsetOf(words, row, rank, dims, dims + rank);
      const to = out + row * stride;
      if (kernel >= 0) {
        table[kernel](to, from, n);
        continue;
      }
      kernels.LargestAndSum(scratch, from, n);
      kernels.Sub_vs(to, from, scratch, n); // first the largest: near it, that is exact
      floats[scratch / 4 + 1] = Math.log(floats[scratch / 4 + 1]);
      kernels.Sub_vs(to, to, scratch + 4, n);
    }
  }
}

/** Sizes of a product of matrices, `[m, k]` by `[k, n]`, and how far apart its operands' elements lie. */
interface Product {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly aRow: number;
  readonly aColumn: number;
  readonly bRow: number;
  readonly bColumn: number;
}

function matMul(hands: Hands, at: number, taken: number): void {
  const { words } = hands;
  const [, m, n, k, , aRow, aColumn, , bRow, bColumn, rank] = words.subarray(at, at + 11);
  const product: Product = { m, n, k, aRow, aColumn, bRow, bColumn };
  const isWide = m <= WIDE_ROWS && aColumn === 4 && bColumn === 4 && n % 8 === 0;
  const isTall = m <= TALL_ROWS && aColumn === 4 && bRow === 4 && n % 4 === 0 && k % 4 === 0;
  const columns = isWide ? wideWidth(m) : isTall ? TALL_COLUMNS : GROUP_STRIPS * TILE_COLUMNS;
  const dims = at + 11;
  const groups = Math.ceil(n / columns);
  const units = countOf(words, dims, rank) * groups;
  for (let unit = take(words, taken); unit < units; unit = take(words, taken)) {
    const batch = Math.floor(unit / groups);
    const from = (unit - batch * groups) * columns;
    const width = Math.min(n - from, columns);
    const out = words[at] + batch * m * n * 4;
    const a = words[at + 4] + offsetOf(words, batch, rank, dims, dims + rank);
    const b = words[at + 7] + offsetOf(words, batch, rank, dims, dims + 2 * rank);
    if (isWide) wideColumns(hands, product, out, a, b, from, width);
    else if (isTall) tallColumns(hands, product, out, a, b, from, width);
    else someColumns(hands, product, out, a, b, from, width);
  }
}

const wideWidth = (rows: number): number => Math.min(MAX_WIDE_COLUMNS, Math.floor(WIDE_SUMS / rows / 8) * 8);

/** Columns `from` to `from + width` of a product of few rows, the second operand read row by row. */
function wideColumns(
  { kernels, scratch }: Hands,
  { m, n, k, aRow, bRow }: Product,
  out: number,
  a: number,
  b: number,
  from: number,
  width: number,
): void {
  const part = scratch + A_BYTES; // the sums of some steps of k
  for (let k0 = 0; k0 < k; k0 += STRIP_STEPS) {
    const steps = Math.min(STRIP_STEPS, k - k0);
    const [target, stride] = k0 === 0 ? [out + 4 * from, 4 * n] : [part, 4 * width];
    kernels.streamWide(a + 4 * k0, aRow, b + k0 * bRow + 4 * from, bRow, target, stride, steps, width, m);
    for (let row = 0; k0 > 0 && row < m; row++) {
      const sum = out + 4 * (row * n + from);
      kernels.Add_vv(sum, sum, part + row * stride, width);
    }
  }
}

/** The same of a product with a transposed matrix, whose columns are read one after another. */
function tallColumns(
  { kernels: { streamTall1, streamTall2, streamTall3, streamTall4 } }: Hands,
  { m, n, k, aRow, bColumn }: Product,
  out: number,
  a: number,
  b: number,
  from: number,
  width: number,
): void {
  const heights = [streamTall1, streamTall2, streamTall3, streamTall4];
  for (let k0 = 0; k0 < k; k0 += STRIP_STEPS) {
    const steps = Math.min(STRIP_STEPS, k - k0);
    const source = b + from * bColumn + 4 * k0;
    for (let top = 0; top < m; top += STREAM_ROWS) {
      const stream = heights[Math.min(STREAM_ROWS, m - top) - 1];
      const target = out + 4 * (top * n + from);
      stream(a + top * aRow + 4 * k0, aRow, source, bColumn, target, 4 * n, steps, width, k0);
    }
  }
}

/** Columns `from` to `from + width`, at most as many as are packed at once, of one product. */
function someColumns(
  { kernels, scratch }: Hands,
  { m, n, k, aRow, aColumn, bRow, bColumn }: Product,
  out: number,
  a: number,
  b: number,
  from: number,
  width: number,
): void {
  const stride = 4 * n;
  const wide = 4 * TILE_COLUMNS;
  const [packed, tail] = [scratch + A_BYTES, scratch + A_BYTES + B_BYTES];
  for (let k0 = 0; k0 < k; k0 += STRIP_STEPS) {
    const steps = Math.min(STRIP_STEPS, k - k0);
    packColumns(kernels, packed, b + k0 * bRow + from * bColumn, steps, width, bRow, bColumn);
    for (let top = 0; top < m; top += BLOCK_ROWS) {
      const height = Math.min(BLOCK_ROWS, m - top);
      packRows(kernels, scratch, a + top * aRow + k0 * aColumn, steps, height, aRow, aColumn);
      for (let column = 0; column < width; column += TILE_COLUMNS) {
        const strip = packed + 4 * column * steps;
        const target = out + top * stride + 4 * (from + column);
        const left = width - column;
        if (left >= TILE_COLUMNS) {
          kernels.tiles(scratch, strip, target, steps, stride, k0, height);
          continue;
        }
        if (k0 > 0) copyRows(kernels, tail, wide, target, stride, left, height);
        kernels.tiles(scratch, strip, tail, steps, wide, k0, height);
        copyRows(kernels, target, stride, tail, wide, left, height);
      }
    }
  }
}

/** The second operand's columns in strips. */
function packColumns(
  { packWide, packTall24, packAny }: Kernels,
  to: number,
  from: number,
  steps: number,
  width: number,
  row: number,
  column: number,
): void {
  const full = Math.floor(width / TILE_COLUMNS);
  const strip = 4 * TILE_COLUMNS * steps;
  if (full > 0 && column === 4) packWide(to, from, steps, row, full);
  else {
    for (let i = 0; i < full; i++) {
      const source = from + i * TILE_COLUMNS * column;
      if (row === 4) packTall24(to + i * strip, source, steps, column);
      else packAny(to + i * strip, source, TILE_COLUMNS, steps, column, row, TILE_COLUMNS);
    }
  }
  const left = width - full * TILE_COLUMNS;
  const source = from + full * TILE_COLUMNS * column;
  if (left > 0) packAny(to + full * strip, source, TILE_COLUMNS, steps, column, row, left);
}

/** The first operand's rows in strips. */
function packRows(
  { packTall2, packAny }: Kernels,
  to: number,
  from: number,
  steps: number,
  height: number,
  row: number,
  column: number,
): void {
  for (let i = 0; i < height; i += TILE_ROWS) {
    const [target, source] = [to + 4 * i * steps, from + i * row];
    if (column === 4 && i + 1 < height) packTall2(target, source, steps, row);
    else packAny(target, source, TILE_ROWS, steps, row, column, Math.min(TILE_ROWS, height - i));
  }
}

function copyRows(
  { Copy_v: copy }: Kernels,
  to: number,
  toStride: number,
  from: number,
  fromStride: number,
  width: number,
  height: number,
): void {
  for (let row = 0; row < height; row++) copy(to + row * toStride, from + row * fromStride, width);
}

function checkedIndex(index: number, n: number): number {
  const at = index < 0 ? index + n : index;
  if (at < 0 || at >= n) throw new RangeError(`No element ${index} among ${n}`);
  return at;
}

function gather({ words, floats }: Hands, at: number): void {
  const [out, a, indices, count, nIn, nOut] = [...words.subarray(at, at + 6)].map((x, i) => i < 3 ? x >>> 2 : x);
  for (let row = 0; row < count; row++) {
    for (let i = 0; i < nOut; i++) {
      const index = checkedIndex(words[indices + row * nOut + i], nIn);
      floats[out + row * nOut + i] = floats[a + row * nIn + index];
    }
  }
}

function scatter({ words, floats }: Hands, at: number): void {
  const [out, a, indices, count, nIn, nOut] = [...words.subarray(at, at + 6)].map((x, i) => i < 3 ? x >>> 2 : x);
  for (let row = 0; row < count; row++) {
    for (let i = 0; i < nIn; i++) {
      const index = checkedIndex(words[indices + row * nIn + i], nOut);
      floats[out + row * nOut + index] += floats[a + row * nIn + i];
    }
  }
}

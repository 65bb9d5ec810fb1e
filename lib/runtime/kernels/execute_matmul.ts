/**
 * Runs products of matrices: which kernels, on which parts.
 *
 * @module
 */
import { countOf, offsetOf, type Operands, operandsAt, takeUnit } from "./instructions.ts";
import type { Kernels, Participant, ThreadContext } from "./thread_context.ts";
import { STREAM_ROWS, STRIP_STEPS, TILE_COLUMNS, TILE_ROWS } from "./tile.ts";

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

/** Some columns of one product: its matrices' addresses, the first column and how many. */
interface Columns {
  readonly out: number;
  readonly a: number;
  readonly b: number;
  readonly from: number;
  readonly width: number;
}

/** Runs an instruction. */
export function matMul(context: ThreadContext, at: number, { threads }: Participant): void {
  const { words } = context;
  const product = operandsAt("MatMul", words, at);
  const { m, n, k, aColumn, bRow, bColumn, rank, dims } = product;
  const isWide = m <= WIDE_ROWS && aColumn === 4 && bColumn === 4 && n % 8 === 0;
  const isTall = m <= TALL_ROWS && aColumn === 4 && bRow === 4 && k % 4 === 0;
  const columns = isWide ? wideWidth(m, n, threads) : isTall ? TALL_COLUMNS : GROUP_STRIPS * TILE_COLUMNS;
  const run = isWide ? wideColumns : isTall ? tallColumns : packedColumns;
  const groups = Math.ceil(n / columns);
  const units = countOf(words, dims, rank) * groups;
  for (let unit = takeUnit(words, at); unit < units; unit = takeUnit(words, at)) {
    const batch = Math.floor(unit / groups);
    const from = (unit - batch * groups) * columns;
    const width = Math.min(n - from, columns);
    const runPart = isTall && width % 4 !== 0 ? packedColumns : run; // the last columns of a vocabulary
    runPart(context, product, {
      out: product.out + batch * m * n * 4,
      a: product.a + offsetOf(words, batch, rank, dims, product.aStrides),
      b: product.b + offsetOf(words, batch, rank, dims, product.bStrides),
      from,
      width,
    });
  }
}

/** Columns at once, so that threads have equal parts. A single row takes all that it can: memory is read on and on. */
function wideWidth(rows: number, columns: number, threads: number): number {
  const most = rows === 1 ? WIDE_SUMS : Math.min(MAX_WIDE_COLUMNS, Math.floor(WIDE_SUMS / rows / 8) * 8);
  const parts = Math.ceil(Math.ceil(columns / most) / threads) * threads;
  return Math.ceil(columns / parts / 8) * 8;
}

/** Columns `from` to `from + width` of a product of few rows, the second operand read row by row. */
function wideColumns(
  { kernels, scratch }: ThreadContext,
  { m, n, k, aRow, bRow }: Operands<"MatMul">,
  { out, a, b, from, width }: Columns,
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
  { kernels: { streamTallFours, streamTall1, streamTall2, streamTall3, streamTall4 } }: ThreadContext,
  { m, n, k, aRow, bColumn }: Operands<"MatMul">,
  { out, a, b, from, width }: Columns,
): void {
  const heights = [width % 16 === 0 ? streamTallFours : streamTall1, streamTall2, streamTall3, streamTall4];
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
function packedColumns(
  { kernels, scratch }: ThreadContext,
  { m, n, k, aRow, aColumn, bRow, bColumn }: Operands<"MatMul">,
  { out, a, b, from, width }: Columns,
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

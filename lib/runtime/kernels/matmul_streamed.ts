/**
 * Kernels of matrix products of few rows, which are not worth packing for: the second operand is read where it lies, once.
 * Sums run over k as in tiles.
 *
 * @module
 */
import {
  call,
  type Code,
  f32x4,
  FunctionBuilder,
  i32,
  increase,
  type Local,
  loopWhile,
  type MultiplyAdd,
  sequence,
  v128,
  when,
} from "./assembler.ts";
import { transposed } from "./matmul_tiled.ts";
import { STREAM_ROWS } from "./tile.ts";

/** Steps of k that are done while a few columns are at hand. */
const STREAM_STEPS = 8;

/**
 * A function of `(a, aRow, b, bRow, c, cRow, columns, accumulate)`: so many steps of k for a few rows of a product and
 * `columns` (a multiple of 8) of its columns, the second operand read in the order in which it lies; added to the sums
 * in memory if `accumulate` is not 0.
 */
function stream(rows: number, steps: number, multiplyAdd: MultiplyAdd): FunctionBuilder {
  const f = new FunctionBuilder(8);
  const [a, aRow, b, bRow, c, cRow, columns, accumulate] = f.parameters;
  const sums = Array.from({ length: rows }, () => f.locals("v128", 2));
  const x = f.locals("v128", 2);
  const splat = f.local("v128");
  const [source, target, row] = f.locals("i32", 3);
  const eachRow = (pointer: Local, start: Code, stride: Code, visit: (r: number) => Code): Code =>
    sequence(pointer.set(start), ...sums.map((_, r) => sequence(r > 0 ? increase(pointer, stride) : [], visit(r))));
  const step = (i: number): Code =>
    sequence(
      ...x.map((vector, v) => vector.set(v128.load(source.get, 16 * v))),
      eachRow(row, a.get, aRow.get, (r) =>
        sequence(
          splat.set(v128.load32_splat(row.get, 4 * i)),
          ...x.map((vector, v) => sums[r][v].set(multiplyAdd(splat.get, vector.get, sums[r][v].get))),
        )),
      increase(source, bRow.get),
    );
  return f.body(loopWhile(
    columns.get,
    sequence(
      when(
        accumulate.get,
        eachRow(
          target,
          c.get,
          cRow.get,
          (r) => sequence(...sums[r].map((sum, v) => sum.set(v128.load(target.get, 16 * v)))),
        ),
        sequence(...sums.flat().map((sum) => sum.set(f32x4.const(0)))),
      ),
      source.set(b.get),
      ...Array.from({ length: steps }, (_, i) => step(i)),
      eachRow(
        target,
        c.get,
        cRow.get,
        (r) => sequence(...sums[r].map((sum, v) => v128.store(target.get, sum.get, 16 * v))),
      ),
      increase(b, i32.const(32)),
      increase(c, i32.const(32)),
      increase(columns, i32.const(-8)),
    ),
  ));
}

/**
 * `streamWide(a, aRow, b, bRow, c, cRow, k, columns, rows)`: some columns of a product of few rows, every row while the
 * numbers of a few steps of k are in the nearest cache.
 */
function streamWide(multiplyAdd: MultiplyAdd): FunctionBuilder {
  const f = new FunctionBuilder(9);
  const [a, aRow, b, bRow, c, cRow, k, columns, rows] = f.parameters;
  const [from, to, left, accumulate] = f.locals("i32", 4);
  const steps = (count: number): Code => {
    const run = (height: number): Code =>
      call(
        stream(height, count, multiplyAdd),
        ...[from, aRow, b, bRow, to, cRow, columns, accumulate].map((local) => local.get),
      );
    return sequence(
      from.set(a.get),
      to.set(c.get),
      left.set(rows.get),
      loopWhile(
        i32.ge_s(left.get, i32.const(STREAM_ROWS)),
        sequence(
          run(STREAM_ROWS),
          increase(from, i32.mul(aRow.get, i32.const(STREAM_ROWS))),
          increase(to, i32.mul(cRow.get, i32.const(STREAM_ROWS))),
          increase(left, i32.const(-STREAM_ROWS)),
        ),
      ),
      ...[1, 2, 3].map((height) => when(i32.eq(left.get, i32.const(height)), run(height))),
      accumulate.set(i32.const(1)),
      increase(a, i32.const(4 * count)),
      increase(b, i32.mul(bRow.get, i32.const(count))),
      increase(k, i32.const(-count)),
    );
  };
  return f.body(
    loopWhile(i32.ge_s(k.get, i32.const(STREAM_STEPS)), steps(STREAM_STEPS)),
    loopWhile(k.get, steps(1)),
  );
}

/**
 * `streamTall{rows}(a, aRow, b, bColumn, c, cRow, k, columns, accumulate)`: a few rows of a product with a transposed matrix,
 * read where it lies: `columns` (a multiple of 4, or of 4 · groups) columns of k (a multiple of 4) numbers each; what is
 * there is added at the end if `accumulate` is not 0.
 *
 * @param groups so many times 4 columns at once: a single row's sums would wait for each other
 */
function streamTall(rows: number, multiplyAdd: MultiplyAdd, groups = 1): FunctionBuilder {
  const f = new FunctionBuilder(9);
  const [a, aRow, b, bColumn, c, cRow, k, columns, accumulate] = f.parameters;
  const sums = Array.from({ length: rows }, () => f.locals("v128", groups));
  const [x, pairs] = [f.locals("v128", 4), f.locals("v128", 4)];
  const [from, source, along, left, row, target] = f.locals("i32", 6);
  return f.body(loopWhile(
    columns.get,
    sequence(
      ...sums.flat().map((sum) => sum.set(f32x4.const(0))),
      from.set(b.get),
      along.set(a.get),
      left.set(k.get),
      loopWhile(
        left.get,
        sequence(
          source.set(from.get),
          ...Array.from({ length: groups }, (_, group) =>
            sequence(
              ...x.map((vector) => sequence(vector.set(v128.load(source.get)), increase(source, bColumn.get))),
              transposed(x, pairs, (column, i) => x[i].set(column)),
              row.set(along.get),
              ...sums.map(({ [group]: sum }, r) =>
                sequence(
                  r > 0 ? increase(row, aRow.get) : [],
                  ...x.map((column, i) => sum.set(multiplyAdd(v128.load32_splat(row.get, 4 * i), column.get, sum.get))),
                )
              ),
            )),
          increase(from, i32.const(16)),
          increase(along, i32.const(16)),
          increase(left, i32.const(-4)),
        ),
      ),
      target.set(c.get),
      ...sums.map((ofRow, r) =>
        sequence(
          r > 0 ? increase(target, cRow.get) : [],
          ...ofRow.map((sum, group) =>
            sequence(
              when(accumulate.get, sum.set(f32x4.add(v128.load(target.get, 16 * group), sum.get))),
              v128.store(target.get, sum.get, 16 * group),
            )
          ),
        )
      ),
      increase(b, i32.mul(bColumn.get, i32.const(4 * groups))),
      increase(c, i32.const(16 * groups)),
      increase(columns, i32.const(-4 * groups)),
    ),
  ));
}

/** Products whose second operand is read row by row, and column by column for one to four rows, one of them in fours. */
export type StreamedKernel =
  | "streamWide"
  | "streamTallFours"
  | "streamTall1"
  | "streamTall2"
  | "streamTall3"
  | "streamTall4";

/** The kernels of products of few rows. */
export function streamedKernels(multiplyAdd: MultiplyAdd): Record<StreamedKernel, FunctionBuilder> {
  return {
    streamWide: streamWide(multiplyAdd),
    streamTallFours: streamTall(1, multiplyAdd, 4),
    streamTall1: streamTall(1, multiplyAdd),
    streamTall2: streamTall(2, multiplyAdd),
    streamTall3: streamTall(3, multiplyAdd),
    streamTall4: streamTall(4, multiplyAdd),
  };
}

/**
 * Kernels of matrix products. Both operands are packed into strips, in which what is multiplied together lies together;
 * a tile of 2 rows by 24 columns stays in registers while k runs (12 sums: 16 registers hold no more).
 *
 * A product of few rows is not worth packing for: its second operand is read where it lies, once.
 *
 * Every sum runs over k in order, in chains of multiply-adds over `STRIP_STEPS` steps that are then added up, so that a
 * number does not depend on what else is in the same product: a row is the same, to the last bit, in a batch and alone.
 * One chain over all of k would round several times as far.
 *
 * Source: the layering of Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008).
 *
 * @module
 */
import {
  call,
  type Code,
  f32,
  f32x4,
  FunctionBuilder,
  i32,
  increase,
  int,
  type Local,
  loopWhile,
  sequence,
  when,
} from "./assembler.ts";
import { STREAM_ROWS, TILE_COLUMNS, TILE_ROWS } from "./tile.ts";

/** a · b + c. */
export type MultiplyAdd = (a: Code, b: Code, c: Code) => Code;

const VECTORS = TILE_COLUMNS / 4;
/** Steps of k in one turn of a tile's loop: fewer copies between registers. */
const UNROLLED = 4;

/**
 * `tile{rows}(a, b, c, k, stride, goOn)`: rows × 24 numbers at c, whose rows are `stride` bytes apart, from packed strips
 * at a (2 numbers per k) and b (24 per k); what is there is added at the end if `goOn` is not 0.
 */
function tile(rows: number, multiplyAdd: MultiplyAdd): FunctionBuilder {
  const f = new FunctionBuilder(`tile${rows}`, ["i32", "i32", "i32", "i32", "i32", "i32"]);
  const [a, b, c, k, stride, goOn] = f.parameters;
  const sums = Array.from({ length: rows }, () => f.locals("v128", VECTORS));
  const as = f.locals("v128", rows);
  const x = f.local("v128");
  const row = f.local("i32");
  const eachSum = (visit: (sum: Local, vector: number) => Code): Code =>
    sequence(
      row.set(c.get),
      ...sums.map((vectors, r) => sequence(r > 0 ? increase(row, stride.get) : [], ...vectors.map(visit))),
    );
  const step = (i: number): Code =>
    sequence(
      ...as.map((splat, r) => splat.set(f32x4.loadSplat(a.get, 4 * (TILE_ROWS * i + r)))),
      ...sums[0].map((_, v) =>
        sequence(
          x.set(f32x4.load(b.get, 4 * (TILE_COLUMNS * i + 4 * v))),
          ...sums.map((vectors, r) => vectors[v].set(multiplyAdd(as[r].get, x.get, vectors[v].get))),
        )
      ),
    );
  const steps = (count: number): Code =>
    sequence(
      ...Array.from({ length: count }, (_, i) => step(i)),
      increase(a, int(4 * TILE_ROWS * count)),
      increase(b, int(4 * TILE_COLUMNS * count)),
      increase(k, int(-count)),
    );
  return f.body(
    loopWhile(i32.greaterEqualSigned(k.get, int(UNROLLED)), steps(UNROLLED)),
    loopWhile(k.get, steps(1)),
    when(goOn.get, eachSum((sum, v) => sum.set(f32x4.add(f32x4.load(row.get, 16 * v), sum.get)))),
    eachSum((sum, v) => f32x4.store(row.get, sum.get, 16 * v)),
  );
}

/**
 * `tiles(a, b, c, k, stride, goOn, rows)`: a column of tiles, `rows` rows high; strips of a lie one after another.
 *
 * @param first index of `tile1` in the module; the others follow
 */
function tiles(first: number): FunctionBuilder {
  const f = new FunctionBuilder("tiles", ["i32", "i32", "i32", "i32", "i32", "i32", "i32"]);
  const [a, b, c, k, stride, goOn, rows] = f.parameters;
  const one = (height: number): Code => call(first + height - 1, a.get, b.get, c.get, k.get, stride.get, goOn.get);
  return f.body(
    loopWhile(
      i32.greaterEqualSigned(rows.get, int(TILE_ROWS)),
      sequence(
        one(TILE_ROWS),
        increase(a, i32.mul(k.get, int(4 * TILE_ROWS))),
        increase(c, i32.mul(stride.get, int(TILE_ROWS))),
        increase(rows, int(-TILE_ROWS)),
      ),
    ),
    when(rows.get, one(1)),
  );
}

/**
 * `packWide(to, from, k, stride, strips)`: k rows, `stride` bytes apart, of `strips` times 24 numbers, to as many strips.
 * What lies together is read together.
 */
function packWide(): FunctionBuilder {
  const f = new FunctionBuilder("packWide", ["i32", "i32", "i32", "i32", "i32"]);
  const [to, from, k, stride, strips] = f.parameters;
  const [target, source, left, strip] = f.locals("i32", 4);
  return f.body(
    strip.set(i32.mul(k.get, int(4 * TILE_COLUMNS))),
    loopWhile(
      k.get,
      sequence(
        target.set(to.get),
        source.set(from.get),
        left.set(strips.get),
        loopWhile(
          left.get,
          sequence(
            ...Array.from(
              { length: VECTORS },
              (_, v) => f32x4.store(target.get, f32x4.load(source.get, 16 * v), 16 * v),
            ),
            increase(target, strip.get),
            increase(source, int(4 * TILE_COLUMNS)),
            increase(left, int(-1)),
          ),
        ),
        increase(to, int(4 * TILE_COLUMNS)),
        increase(from, stride.get),
        increase(k, int(-1)),
      ),
    ),
  );
}

/** Four vectors as the columns of a matrix, instead of its rows. */
function transposed(x: readonly Local[], pairs: readonly Local[], store: (column: Code, i: number) => Code): Code {
  const [low, high] = [[0, 4, 1, 5], [2, 6, 3, 7]];
  const column = (i: number): Code => {
    const [a, b] = i < 2 ? [pairs[0], pairs[1]] : [pairs[2], pairs[3]];
    return f32x4.shuffle(a.get, b.get, i % 2 === 0 ? [0, 1, 4, 5] : [2, 3, 6, 7]);
  };
  return sequence(
    pairs[0].set(f32x4.shuffle(x[0].get, x[1].get, low)),
    pairs[1].set(f32x4.shuffle(x[2].get, x[3].get, low)),
    pairs[2].set(f32x4.shuffle(x[0].get, x[1].get, high)),
    pairs[3].set(f32x4.shuffle(x[2].get, x[3].get, high)),
    ...[0, 1, 2, 3].map((i) => store(column(i), i)),
  );
}

/**
 * `packTall{lanes}(to, from, k, stride)`: as many rows of k numbers, `stride` bytes apart, to k rows of that many: a
 * transpose, four steps of k at a time.
 */
function packTall(lanes: number): FunctionBuilder {
  const f = new FunctionBuilder(`packTall${lanes}`, ["i32", "i32", "i32", "i32"]);
  const [to, from, k, stride] = f.parameters;
  const row = f.local("i32");
  const [x, pairs] = [f.locals("v128", 4), f.locals("v128", 4)];
  const fours = (g: number): Code =>
    sequence(
      ...x.map((vector) => sequence(vector.set(f32x4.load(row.get)), increase(row, stride.get))),
      transposed(x, pairs, (column, i) => f32x4.store(to.get, column, 4 * (lanes * i + 4 * g))),
    );
  const pair = sequence(
    ...x.slice(0, 2).map((vector) => sequence(vector.set(f32x4.load(row.get)), increase(row, stride.get))),
    f32x4.store(to.get, f32x4.shuffle(x[0].get, x[1].get, [0, 4, 1, 5])),
    f32x4.store(to.get, f32x4.shuffle(x[0].get, x[1].get, [2, 6, 3, 7]), 16),
  );
  const single = (i: number): Code => sequence(f32.store(to.get, f32.load(row.get), 4 * i), increase(row, stride.get));
  const each = (steps: number, body: Code): Code =>
    sequence(
      row.set(from.get),
      body,
      increase(to, int(4 * lanes * steps)),
      increase(from, int(4 * steps)),
      increase(k, int(-steps)),
    );
  const four = lanes === 2 ? pair : sequence(...Array.from({ length: lanes / 4 }, (_, g) => fours(g)));
  return f.body(
    loopWhile(i32.greaterEqualSigned(k.get, int(4)), each(4, four)),
    loopWhile(k.get, each(1, sequence(...Array.from({ length: lanes }, (_, i) => single(i))))),
  );
}

/**
 * `packAny(to, from, width, k, strideWidth, strideK, lanes)`: `lanes` by k numbers at any distances, to k rows of `width`,
 * zeros past `lanes`.
 */
function packAny(): FunctionBuilder {
  const f = new FunctionBuilder("packAny", ["i32", "i32", "i32", "i32", "i32", "i32", "i32"]);
  const [to, from, width, k, strideWidth, strideK, lanes] = f.parameters;
  const [i, address] = f.locals("i32", 2);
  return f.body(loopWhile(
    k.get,
    sequence(
      i.set(int(0)),
      address.set(from.get),
      loopWhile(
        i32.lessSigned(i.get, width.get),
        sequence(
          when(
            i32.lessSigned(i.get, lanes.get),
            f32.store(to.get, f32.load(address.get)),
            f32.store(to.get, [0x43, 0, 0, 0, 0]),
          ),
          increase(to, int(4)),
          increase(address, strideWidth.get),
          increase(i, int(1)),
        ),
      ),
      increase(from, strideK.get),
      increase(k, int(-1)),
    ),
  ));
}

/** Steps of k that are done while a few columns are at hand. */
const STREAM_STEPS = 8;

/**
 * `stream{rows}by{steps}(a, aRow, b, bRow, c, cRow, columns, goOn)`: so many steps of k for a few rows of a product and
 * `columns` (a multiple of 8) of its columns, the second operand read in the order in which it lies; added to the sums
 * in memory if `goOn` is not 0.
 */
function stream(rows: number, steps: number, multiplyAdd: MultiplyAdd): FunctionBuilder {
  const f = new FunctionBuilder(`stream${rows}by${steps}`, ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"]);
  const [a, aRow, b, bRow, c, cRow, columns, goOn] = f.parameters;
  const sums = Array.from({ length: rows }, () => f.locals("v128", 2));
  const x = f.locals("v128", 2);
  const splat = f.local("v128");
  const [source, target, row] = f.locals("i32", 3);
  const eachRow = (pointer: Local, start: Code, stride: Code, visit: (r: number) => Code): Code =>
    sequence(pointer.set(start), ...sums.map((_, r) => sequence(r > 0 ? increase(pointer, stride) : [], visit(r))));
  const step = (i: number): Code =>
    sequence(
      ...x.map((vector, v) => vector.set(f32x4.load(source.get, 16 * v))),
      eachRow(row, a.get, aRow.get, (r) =>
        sequence(
          splat.set(f32x4.loadSplat(row.get, 4 * i)),
          ...x.map((vector, v) => sums[r][v].set(multiplyAdd(splat.get, vector.get, sums[r][v].get))),
        )),
      increase(source, bRow.get),
    );
  return f.body(loopWhile(
    columns.get,
    sequence(
      when(
        goOn.get,
        eachRow(
          target,
          c.get,
          cRow.get,
          (r) => sequence(...sums[r].map((sum, v) => sum.set(f32x4.load(target.get, 16 * v)))),
        ),
        sequence(...sums.flat().map((sum) => sum.set(f32x4.const(0)))),
      ),
      source.set(b.get),
      ...Array.from({ length: steps }, (_, i) => step(i)),
      eachRow(
        target,
        c.get,
        cRow.get,
        (r) => sequence(...sums[r].map((sum, v) => f32x4.store(target.get, sum.get, 16 * v))),
      ),
      increase(b, int(32)),
      increase(c, int(32)),
      increase(columns, int(-8)),
    ),
  ));
}

/**
 * `streamWide(a, aRow, b, bRow, c, cRow, k, columns, rows)`: some columns of a product of few rows, every row while the
 * numbers of a few steps of k are in the nearest cache.
 *
 * @param first index of `stream1by1` in the module; the others follow, `stream1by8` next
 */
function streamWide(first: number): FunctionBuilder {
  const f = new FunctionBuilder("streamWide", ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"]);
  const [a, aRow, b, bRow, c, cRow, k, columns, rows] = f.parameters;
  const [from, to, left, goOn] = f.locals("i32", 4);
  const one = (height: number, isLong: boolean): Code =>
    call(
      first + 2 * (height - 1) + (isLong ? 1 : 0),
      from.get,
      aRow.get,
      b.get,
      bRow.get,
      to.get,
      cRow.get,
      columns.get,
      goOn.get,
    );
  const steps = (count: number): Code =>
    sequence(
      from.set(a.get),
      to.set(c.get),
      left.set(rows.get),
      loopWhile(
        i32.greaterEqualSigned(left.get, int(STREAM_ROWS)),
        sequence(
          one(STREAM_ROWS, count > 1),
          increase(from, i32.mul(aRow.get, int(STREAM_ROWS))),
          increase(to, i32.mul(cRow.get, int(STREAM_ROWS))),
          increase(left, int(-STREAM_ROWS)),
        ),
      ),
      ...[1, 2, 3].map((height) => when(i32.equal(left.get, int(height)), one(height, count > 1))),
      goOn.set(int(1)),
      increase(a, int(4 * count)),
      increase(b, i32.mul(bRow.get, int(count))),
      increase(k, int(-count)),
    );
  return f.body(
    loopWhile(i32.greaterEqualSigned(k.get, int(STREAM_STEPS)), steps(STREAM_STEPS)),
    loopWhile(k.get, steps(1)),
  );
}

/**
 * `streamTall{rows}(a, aRow, b, bColumn, c, cRow, k, columns, goOn)`: a few rows of a product with a transposed matrix,
 * read where it lies: `columns` (a multiple of 4) columns of k (a multiple of 4) numbers each; what is there is added at
 * the end if `goOn` is not 0.
 */
function streamTall(rows: number, multiplyAdd: MultiplyAdd): FunctionBuilder {
  const f = new FunctionBuilder(`streamTall${rows}`, ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"]);
  const [a, aRow, b, bColumn, c, cRow, k, columns, goOn] = f.parameters;
  const sums = f.locals("v128", rows);
  const [x, pairs] = [f.locals("v128", 4), f.locals("v128", 4)];
  const [from, source, along, left, row, target] = f.locals("i32", 6);
  return f.body(loopWhile(
    columns.get,
    sequence(
      ...sums.map((sum) => sum.set(f32x4.const(0))),
      from.set(b.get),
      along.set(a.get),
      left.set(k.get),
      loopWhile(
        left.get,
        sequence(
          source.set(from.get),
          ...x.map((vector) => sequence(vector.set(f32x4.load(source.get)), increase(source, bColumn.get))),
          transposed(x, pairs, (column, i) => x[i].set(column)),
          row.set(along.get),
          ...sums.map((sum, r) =>
            sequence(
              r > 0 ? increase(row, aRow.get) : [],
              ...x.map((column, i) => sum.set(multiplyAdd(f32x4.loadSplat(row.get, 4 * i), column.get, sum.get))),
            )
          ),
          increase(from, int(16)),
          increase(along, int(16)),
          increase(left, int(-4)),
        ),
      ),
      target.set(c.get),
      ...sums.map((sum, r) =>
        sequence(
          r > 0 ? increase(target, cRow.get) : [],
          when(goOn.get, sum.set(f32x4.add(f32x4.load(target.get), sum.get))),
          f32x4.store(target.get, sum.get),
        )
      ),
      increase(b, i32.shiftLeft(bColumn.get, 2)),
      increase(c, int(16)),
      increase(columns, int(-4)),
    ),
  ));
}

/** All kernels of matrix products, to stand first in a module. */
export function matmulKernels(multiplyAdd: MultiplyAdd): FunctionBuilder[] {
  const heights = Array.from({ length: STREAM_ROWS }, (_, i) => i + 1);
  const called = [
    ...[1, 2].map((rows) => tile(rows, multiplyAdd)),
    ...heights.flatMap((rows) => [1, STREAM_STEPS].map((steps) => stream(rows, steps, multiplyAdd))),
  ];
  return [
    ...called,
    tiles(0),
    streamWide(2),
    ...heights.map((rows) => streamTall(rows, multiplyAdd)),
    packWide(),
    packTall(TILE_ROWS),
    packTall(TILE_COLUMNS),
    packAny(),
  ];
}

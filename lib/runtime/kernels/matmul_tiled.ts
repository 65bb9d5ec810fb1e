/**
 * Kernels of matrix products of many rows. Both operands are packed into strips, in which what is multiplied together lies
 * together; a tile of 2 rows by 24 columns stays in registers while k runs (12 sums: 16 registers hold no more).
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
  type Local,
  loopWhile,
  type MultiplyAdd,
  sequence,
  v128,
  when,
} from "./assembler.ts";
import { TILE_COLUMNS, TILE_ROWS } from "./tile.ts";

const VECTORS = TILE_COLUMNS / 4;
/** Steps of k in one turn of a tile's loop: fewer copies between registers. */
const UNROLLED = 4;

/**
 * A function of `(a, b, c, k, stride, accumulate)`: rows × 24 numbers at c, whose rows are `stride` bytes apart, from
 * packed strips at a (2 numbers per k) and b (24 per k); what is there is added at the end if `accumulate` is not 0.
 */
function tile(rows: number, multiplyAdd: MultiplyAdd): FunctionBuilder {
  const f = new FunctionBuilder(6);
  const [a, b, c, k, stride, accumulate] = f.parameters;
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
      ...as.map((splat, r) => splat.set(v128.load32_splat(a.get, 4 * (TILE_ROWS * i + r)))),
      ...sums[0].map((_, v) =>
        sequence(
          x.set(v128.load(b.get, 4 * (TILE_COLUMNS * i + 4 * v))),
          ...sums.map((vectors, r) => vectors[v].set(multiplyAdd(as[r].get, x.get, vectors[v].get))),
        )
      ),
    );
  const steps = (count: number): Code =>
    sequence(
      ...Array.from({ length: count }, (_, i) => step(i)),
      increase(a, i32.const(4 * TILE_ROWS * count)),
      increase(b, i32.const(4 * TILE_COLUMNS * count)),
      increase(k, i32.const(-count)),
    );
  return f.body(
    loopWhile(i32.ge_s(k.get, i32.const(UNROLLED)), steps(UNROLLED)),
    loopWhile(k.get, steps(1)),
    when(accumulate.get, eachSum((sum, v) => sum.set(f32x4.add(v128.load(row.get, 16 * v), sum.get)))),
    eachSum((sum, v) => v128.store(row.get, sum.get, 16 * v)),
  );
}

/**
 * `tiles(a, b, c, k, stride, accumulate, rows)`: a column of tiles, `rows` rows high; strips of a lie one after another.
 */
function tiles(multiplyAdd: MultiplyAdd): FunctionBuilder {
  const f = new FunctionBuilder(7);
  const [a, b, c, k, stride, accumulate, rows] = f.parameters;
  const run = (tile: FunctionBuilder): Code => call(tile, a.get, b.get, c.get, k.get, stride.get, accumulate.get);
  return f.body(
    loopWhile(
      i32.ge_s(rows.get, i32.const(TILE_ROWS)),
      sequence(
        run(tile(TILE_ROWS, multiplyAdd)),
        increase(a, i32.mul(k.get, i32.const(4 * TILE_ROWS))),
        increase(c, i32.mul(stride.get, i32.const(TILE_ROWS))),
        increase(rows, i32.const(-TILE_ROWS)),
      ),
    ),
    when(rows.get, run(tile(1, multiplyAdd))),
  );
}

/**
 * `packWide(to, from, k, stride, strips)`: k rows, `stride` bytes apart, of `strips` times 24 numbers, to as many strips.
 * What lies together is read together.
 */
function packWide(): FunctionBuilder {
  const f = new FunctionBuilder(5);
  const [to, from, k, stride, strips] = f.parameters;
  const [target, source, left, strip] = f.locals("i32", 4);
  return f.body(
    strip.set(i32.mul(k.get, i32.const(4 * TILE_COLUMNS))),
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
              (_, v) => v128.store(target.get, v128.load(source.get, 16 * v), 16 * v),
            ),
            increase(target, strip.get),
            increase(source, i32.const(4 * TILE_COLUMNS)),
            increase(left, i32.const(-1)),
          ),
        ),
        increase(to, i32.const(4 * TILE_COLUMNS)),
        increase(from, stride.get),
        increase(k, i32.const(-1)),
      ),
    ),
  );
}

/** Four vectors as the columns of a matrix, instead of its rows. */
export function transposed(
  x: readonly Local[],
  pairs: readonly Local[],
  store: (column: Code, i: number) => Code,
): Code {
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
  const f = new FunctionBuilder(4);
  const [to, from, k, stride] = f.parameters;
  const row = f.local("i32");
  const [x, pairs] = [f.locals("v128", 4), f.locals("v128", 4)];
  const fours = (g: number): Code =>
    sequence(
      ...x.map((vector) => sequence(vector.set(v128.load(row.get)), increase(row, stride.get))),
      transposed(x, pairs, (column, i) => v128.store(to.get, column, 4 * (lanes * i + 4 * g))),
    );
  const pair = sequence(
    ...x.slice(0, 2).map((vector) => sequence(vector.set(v128.load(row.get)), increase(row, stride.get))),
    v128.store(to.get, f32x4.shuffle(x[0].get, x[1].get, [0, 4, 1, 5])),
    v128.store(to.get, f32x4.shuffle(x[0].get, x[1].get, [2, 6, 3, 7]), 16),
  );
  const single = (i: number): Code => sequence(f32.store(to.get, f32.load(row.get), 4 * i), increase(row, stride.get));
  const each = (steps: number, body: Code): Code =>
    sequence(
      row.set(from.get),
      body,
      increase(to, i32.const(4 * lanes * steps)),
      increase(from, i32.const(4 * steps)),
      increase(k, i32.const(-steps)),
    );
  const four = lanes === 2 ? pair : sequence(...Array.from({ length: lanes / 4 }, (_, g) => fours(g)));
  return f.body(
    loopWhile(i32.ge_s(k.get, i32.const(4)), each(4, four)),
    loopWhile(k.get, each(1, sequence(...Array.from({ length: lanes }, (_, i) => single(i))))),
  );
}

/**
 * `packAny(to, from, width, k, strideWidth, strideK, lanes)`: `lanes` by k numbers at any distances, to k rows of `width`,
 * zeros past `lanes`.
 */
function packAny(): FunctionBuilder {
  const f = new FunctionBuilder(7);
  const [to, from, width, k, strideWidth, strideK, lanes] = f.parameters;
  const [i, address] = f.locals("i32", 2);
  return f.body(loopWhile(
    k.get,
    sequence(
      i.set(i32.const(0)),
      address.set(from.get),
      loopWhile(
        i32.lt_s(i.get, width.get),
        sequence(
          when(
            i32.lt_s(i.get, lanes.get),
            f32.store(to.get, f32.load(address.get)),
            f32.store(to.get, f32.const(0)),
          ),
          increase(to, i32.const(4)),
          increase(address, strideWidth.get),
          increase(i, i32.const(1)),
        ),
      ),
      increase(from, strideK.get),
      increase(k, i32.const(-1)),
    ),
  ));
}

/** Products of packed operands, and what packs them. */
export type TiledKernel = "tiles" | "packWide" | "packTall2" | "packTall24" | "packAny";

/** The kernels of products of many rows. */
export function tiledKernels(multiplyAdd: MultiplyAdd): Record<TiledKernel, FunctionBuilder> {
  return {
    tiles: tiles(multiplyAdd),
    packWide: packWide(),
    packTall2: packTall(TILE_ROWS),
    packTall24: packTall(TILE_COLUMNS),
    packAny: packAny(),
  };
}

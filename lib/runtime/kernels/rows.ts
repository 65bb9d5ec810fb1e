/**
 * Kernels that take a row of numbers together: sums, largest, softmax. A number's part in a sum depends on its place
 * alone, so that zeros after it change nothing; sums are of doubles.
 *
 * @module
 */
import {
  type Code,
  f32,
  f32x4,
  f64,
  f64x2,
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
import { exponential, loadPart, storePart } from "./elementwise.ts";

/** Goes through a row: `full` for four numbers at once, `part` for the one to three that remain. Uses up its variables. */
function eachVector(pointers: readonly Local[], n: Local, full: Code, part: Code): Code {
  return sequence(
    loopWhile(
      i32.ge_s(n.get, i32.const(4)),
      sequence(full, ...pointers.map((pointer) => increase(pointer, i32.const(16))), increase(n, i32.const(-4))),
    ),
    when(n.get, part),
  );
}

/** Adds a vector to sums of doubles, one per lane. */
function addTo([low, high]: readonly Local[], x: Code): Code {
  return sequence(
    low.set(f64x2.add(low.get, f64x2.promote_low_f32x4(x))),
    high.set(f64x2.add(high.get, f64x2.promote_low_f32x4(f32x4.shuffle(x, x, [2, 3, 2, 3])))),
  );
}

function total([low, high]: readonly Local[]): Code {
  const lanes = (x: Local): Code => f64.add(f64x2.extract_lane(x.get, 0), f64x2.extract_lane(x.get, 1));
  return f64.add(lanes(low), lanes(high));
}

/** `Sum(out, a, n)` and `Mean(out, a, n)`: one number. */
function sum(finish: (total: Code, n: Code) => Code): FunctionBuilder {
  const f = new FunctionBuilder(3);
  const [out, a, n] = f.parameters;
  const [x, ...sums] = f.locals("v128", 3);
  const count = f.local("i32");
  return f.body(
    count.set(n.get),
    eachVector(
      [a],
      n,
      sequence(x.set(v128.load(a.get)), addTo(sums, x.get)),
      sequence(loadPart(x, a.get, n.get, 0), addTo(sums, x.get)),
    ),
    f32.store(out.get, f32.demote_f64(finish(total(sums), count.get))),
  );
}

/** Parts of softmax: a row's largest number, then each number's exponential past it and their sum. */
function softmaxParts(
  f: FunctionBuilder,
  multiplyAdd: MultiplyAdd,
  { a, n, x, largest, sums }: Readonly<Record<"a" | "n" | "x" | "largest", Local>> & {
    readonly sums: readonly Local[];
  },
) {
  const [from, left] = f.locals("i32", 2);
  const exp = exponential(f, multiplyAdd);
  const lane = (i: number): Code => f32x4.extract_lane(largest.get, i);
  const findLargest = sequence(
    from.set(a.get),
    left.set(n.get),
    largest.set(f32x4.const(-Infinity)),
    eachVector(
      [from],
      left,
      largest.set(f32x4.pmax(v128.load(from.get), largest.get)),
      sequence(loadPart(x, from.get, left.get, -Infinity), largest.set(f32x4.pmax(x.get, largest.get))),
    ),
    largest.set(f32x4.splat(f32.max(f32.max(lane(0), lane(1)), f32.max(lane(2), lane(3))))),
  );
  const exponentials = (out: readonly Local[], store: (part: boolean, left: Code) => Code): Code =>
    sequence(
      from.set(a.get),
      left.set(n.get),
      eachVector(
        [from, ...out],
        left,
        sequence(exp(f32x4.sub(v128.load(from.get), largest.get), x), addTo(sums, x.get), store(false, left.get)),
        sequence(
          loadPart(x, from.get, left.get, -Infinity),
          exp(f32x4.sub(x.get, largest.get), x),
          addTo(sums, x.get),
          store(true, left.get),
        ),
      ),
    );
  return { findLargest, exponentials };
}

/** `Softmax(out, a, n)`: `out` may be `a`. */
function softmax(multiplyAdd: MultiplyAdd): FunctionBuilder {
  const f = new FunctionBuilder(3);
  const [out, a, n] = f.parameters;
  const [x, largest, scale, ...sums] = f.locals("v128", 5);
  const to = f.local("i32");
  const { findLargest, exponentials } = softmaxParts(f, multiplyAdd, { a, n, x, largest, sums });
  return f.body(
    findLargest,
    to.set(out.get),
    exponentials([to], (part, left) => part ? storePart(to.get, x, left) : v128.store(to.get, x.get)),
    scale.set(f32x4.splat(f32.demote_f64(total(sums)))),
    eachVector(
      [out],
      n,
      v128.store(out.get, f32x4.div(v128.load(out.get), scale.get)),
      sequence(
        loadPart(x, out.get, n.get, 0),
        x.set(f32x4.div(x.get, scale.get)),
        storePart(out.get, x, n.get),
      ),
    ),
  );
}

/** `LargestAndSum(out, a, n)`: the largest number of a row, and the sum of all exponentials past it. */
function largestAndSum(multiplyAdd: MultiplyAdd): FunctionBuilder {
  const f = new FunctionBuilder(3);
  const [out, a, n] = f.parameters;
  const [x, largest, ...sums] = f.locals("v128", 4);
  const { findLargest, exponentials } = softmaxParts(f, multiplyAdd, { a, n, x, largest, sums });
  return f.body(
    findLargest,
    exponentials([], () => []),
    f32.store(out.get, f32x4.extract_lane(largest.get, 0)),
    f32.store(out.get, f32.demote_f64(total(sums)), 4),
  );
}

/** Ops that kernels do row by row. */
export type RowOp = "Sum" | "Mean" | "Softmax";
/** The kernels' names. */
export type RowKernel = RowOp | "LargestAndSum";

/** The kernels of rows. */
export function rowKernels(multiplyAdd: MultiplyAdd): Record<RowKernel, FunctionBuilder> {
  return {
    Sum: sum((total) => total),
    Mean: sum((total, n) => f64.div(total, f64.convert_i32_s(n))),
    Softmax: softmax(multiplyAdd),
    LargestAndSum: largestAndSum(multiplyAdd),
  };
}

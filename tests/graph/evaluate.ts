import type { ActivationName, Graph, OpKind, Value } from "../../lib/graph/mod.ts";
import { count, type Feeds, type Numbers } from "./numbers.ts";

/**
 * Graphs computed by plain loops in float64: what onnxruntime's results are compared with. Booleans are 0 and 1.
 * Written from the ops' definitions, index by index, without regard to speed.
 */

interface Operand extends Numbers {
  /** The element at an index, broadcast as in numpy. */
  at(index: readonly number[]): number;
}

function operand(dims: readonly number[], data: Float64Array): Operand {
  return {
    dims,
    data,
    at(index): number {
      const own = index.slice(index.length - dims.length);
      return data[dims.reduce((offset, size, axis) => offset * size + (size === 1 ? 0 : own[axis]), 0)];
    },
  };
}

/** A tensor from what stands at each index. */
function fill(dims: readonly number[], element: (index: readonly number[]) => number): Operand {
  const data = Float64Array.from({ length: count(dims) }, (_, flat) => element(unravel(flat, dims)));
  return operand(dims, data);
}

function unravel(flat: number, dims: readonly number[]): number[] {
  const index: number[] = [];
  for (let axis = dims.length - 1; axis >= 0; axis--) {
    index.unshift(flat % dims[axis]);
    flat = Math.floor(flat / dims[axis]);
  }
  return index;
}

function broadcastDims(...all: readonly (readonly number[])[]): number[] {
  const rank = Math.max(...all.map((dims) => dims.length));
  return Array.from({ length: rank }, (_, i) => Math.max(...all.map((dims) => dims[i - rank + dims.length] ?? 1)));
}

const zip = (f: (...x: number[]) => number) => (_: Value, ...xs: Operand[]): Operand =>
  fill(broadcastDims(...xs.map(({ dims }) => dims)), (index) => f(...xs.map((x) => x.at(index))));

const set = (index: readonly number[], axis: number, value: number): number[] =>
  index.map((n, i) => i === axis ? value : n);

/** f of the vector along the last axis that an index lies in, and of the place in it. */
const alongLast = (f: (vector: readonly number[], place: number) => number) => (_: Value, x: Operand): Operand =>
  fill(x.dims, (index) => {
    const last = x.dims.length - 1;
    return f(Array.from({ length: x.dims[last] }, (_, i) => x.at(set(index, last, i))), index[last]);
  });

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

function reduce(value: Value, x: Operand): Operand {
  const { axes, keepDims, kind } = value.op as Extract<Value["op"], { kind: "ReduceSum" | "ReduceMean" }>;
  const reduced = axes.map((axis) => x.dims[axis]);
  const dims = x.dims.flatMap((size, axis) => axes.includes(axis) ? keepDims ? [1] : [] : [size]);
  const total = fill(dims, (index) => {
    const kept = [...index];
    const full = keepDims ? kept : x.dims.map((_, axis) => axes.includes(axis) ? 0 : kept.shift()!);
    return sum(Array.from({ length: count(reduced) }, (_, flat) => {
      const places = unravel(flat, reduced);
      return x.at(full.map((n, axis) => axes.includes(axis) ? places[axes.indexOf(axis)] : n));
    }));
  });
  return kind === "ReduceSum" ? total : fill(dims, (index) => total.at(index) / count(reduced));
}

const ACTIVATIONS: { readonly [F in ActivationName]: (x: number) => number } = {
  relu: (x) => Math.max(x, 0),
  silu: (x) => x / (1 + Math.exp(-x)),
  gelu: (x) => 0.5 * x * (1 + erfExact(x / Math.SQRT2)),
  gelu_new: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
};

type Op<K extends OpKind> = Extract<Value["op"], { kind: K }>;

const OPS: { readonly [K in Exclude<OpKind, "Input">]: (value: Value, ...inputs: Operand[]) => Operand } = {
  Constant: ({ op }) => operand([], Float64Array.of((op as Op<"Constant">).value)),
  Add: zip((a, b) => a + b),
  Sub: zip((a, b) => a - b),
  Mul: zip((a, b) => a * b),
  Div: zip((a, b) => a / b),
  Greater: zip((a, b) => Number(a > b)),
  Where: zip((condition, a, b) => condition ? a : b),
  Neg: zip((x) => -x),
  Sqrt: zip(Math.sqrt),
  Exp: zip(Math.exp),
  Log: zip(Math.log),
  Tanh: zip(Math.tanh),
  Erf: zip(erfExact),
  Sigmoid: zip((x) => 1 / (1 + Math.exp(-x))),
  Relu: zip((x) => Math.max(x, 0)),
  Activation: (value, x) => zip(ACTIVATIONS[(value.op as Op<"Activation">).fn])(value, x),
  MatMul: (_, a, b) => {
    const leading = broadcastDims(a.dims.slice(0, -2), b.dims.slice(0, -2));
    const inner = a.dims.at(-1)!;
    return fill([...leading, a.dims.at(-2)!, b.dims.at(-1)!], (index) => {
      const [outer, row, column] = [index.slice(0, -2), index.at(-2)!, index.at(-1)!];
      return sum(Array.from({ length: inner }, (_, k) => element(a, outer, row, k) * element(b, outer, k, column)));
    });
  },
  Softmax: alongLast((xs, i) => Math.exp(xs[i]) / sum(xs.map(Math.exp))),
  LogSoftmax: alongLast((xs, i) => xs[i] - Math.log(sum(xs.map(Math.exp)))),
  ReduceSum: reduce,
  ReduceMean: reduce,
  Transpose: ({ op }, x) => {
    const { permutation } = op as Op<"Transpose">;
    return fill(
      permutation.map((axis) => x.dims[axis]),
      (index) => x.at(x.dims.map((_, axis) => index[permutation.indexOf(axis)])),
    );
  },
  Reshape: ({ op, inputs: [from] }, x) => {
    const { shape } = op as Op<"Reshape">;
    return operand(shape.map((d) => typeof d === "number" ? d : x.dims[from.shape.indexOf(d)]), x.data);
  },
  ExpandLike: (_, x, like) => fill(like.dims, (index) => x.at(index)),
  Slice: ({ op }, x) => {
    const { axis, start, end } = op as Op<"Slice">;
    return fill(set(x.dims, axis, end - start), (index) => x.at(set(index, axis, index[axis] + start)));
  },
  Pad: ({ op }, x) => {
    const { axis, before, after } = op as Op<"Pad">;
    return fill(set(x.dims, axis, before + x.dims[axis] + after), (index) => {
      const from = index[axis] - before;
      return from < 0 || from >= x.dims[axis] ? 0 : x.at(set(index, axis, from));
    });
  },
  Concat: ({ op }, ...xs) => {
    const { axis } = op as Op<"Concat">;
    const owners = xs.flatMap((x) => Array.from({ length: x.dims[axis] }, (_, place) => ({ x, place })));
    return fill(set(xs[0].dims, axis, owners.length), (index) => {
      const { x, place } = owners[index[axis]];
      return x.at(set(index, axis, place));
    });
  },
  GatherElements: (_, x, indices) =>
    fill(indices.dims, (index) => x.at(set(index, index.length - 1, indices.at(index)))),
  ScatterElementsLike: (_, updates, indices, like) => {
    const result = new Float64Array(like.data.length);
    const width = like.dims.at(-1)!;
    const perRow = indices.dims.at(-1)!;
    updates.data.forEach((x, flat) => result[Math.floor(flat / perRow) * width + indices.data[flat]] += x);
    return operand(like.dims, result);
  },
};

function element(x: Operand, outer: readonly number[], row: number, column: number): number {
  const own = outer.slice(outer.length - (x.dims.length - 2)).map((n, axis) => x.dims[axis] === 1 ? 0 : n);
  const [rows, columns] = x.dims.slice(-2);
  const matrix = own.reduce((offset, n, axis) => offset * x.dims[axis] + n, 0);
  return x.data[(matrix * rows + row) * columns + column];
}

/** Every output of a graph. */
export function evaluate(graph: Graph, feeds: Feeds): Record<string, Numbers> {
  const done = new Map<Value, Operand>();
  const visit = (value: Value): Operand => {
    const known = done.get(value);
    if (known) return known;
    const { op } = value;
    const result = op.kind === "Input"
      ? operand(feeds[op.name].dims, Float64Array.from(feeds[op.name].data as ArrayLike<number>, Number))
      : OPS[op.kind](value, ...value.inputs.map(visit));
    done.set(value, result);
    return result;
  };
  return Object.fromEntries(Object.entries(graph).map(([name, value]) => [name, visit(value)]));
}

const SCALE = 300n; // bits after the point
const TWO_OVER_ROOT_PI = "112837916709551257389615890312154517168810125865799771368817144342128493688298";

/** erf by its Taylor series 2/√π · Σ (−1)ⁿ x²ⁿ⁺¹ / n!(2n+1) in fixed point with 300 binary places, for |x| ≤ 8. */
export function erfExact(x: number): number {
  if (Math.abs(x) > 8) return Math.sign(x);
  const fixed = toFixed(x);
  const square = (fixed * fixed) >> SCALE;
  let power = fixed;
  let total = 0n;
  for (let n = 0n; power !== 0n && power !== -1n; n++) {
    total += power / (2n * n + 1n);
    power = -((power * square) >> SCALE) / (n + 1n);
  }
  const scaled = total * BigInt(TWO_OVER_ROOT_PI) / 10n ** BigInt(TWO_OVER_ROOT_PI.length - 1);
  return Number(scaled >> (SCALE - 200n)) / 2 ** 200;
}

/** A double as it is (below 2⁻⁹⁷ cut off). */
function toFixed(x: number): bigint {
  return BigInt(Math.trunc(x * 2 ** 150)) << (SCALE - 150n);
}

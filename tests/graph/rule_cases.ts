import {
  activation,
  add,
  concat,
  constant,
  div,
  erf,
  exp,
  expandLike,
  gatherElements,
  greater,
  input,
  log,
  logSoftmax,
  matMul,
  mul,
  neg,
  type OpKind,
  pad,
  reduceMean,
  reduceSum,
  relu,
  reshape,
  scatterElementsLike,
  type Shape,
  sigmoid,
  slice,
  softmax,
  sqrt,
  sub,
  swapLast,
  tanh,
  transpose,
  type Value,
  where,
} from "../../lib/graph/mod.ts";
import { type Domain, type Feeds, randomNumbers, sizesOf, uniform } from "./numbers.ts";

/** A graph with one op under test, for its rule and for its encoding. */
export interface RuleCase {
  readonly name: string;
  /** Float inputs `a`, `b`, … by shape; their gradients are checked. */
  readonly shapes: readonly Shape[];
  /** Indices into an axis of that size, an int64 input `indices`. */
  readonly indices?: { readonly shape: Shape; readonly below: number };
  readonly domain?: Domain;
  readonly build: (values: Value[], indices: Value) => Value;
}

const [B, P] = ["batch", "position"];

/** Pairs of shapes that broadcast: none, scalars, missing leading axes, axes of 1 on either side and on both. */
const PAIRS: readonly (readonly [Shape, Shape])[] = [
  [[3, 4], [3, 4]],
  [[B, P, 4], []],
  [[], [B, P, 4]],
  [[B, P, 4], [4]],
  [[P], [B, 1]],
  [[B, P, 4], [P, 1]],
  [[B, 1, 4], [P, 1]],
  [[1, 1], [B, P, 2]],
  [[P, 4], [1, B, 1, 4]],
  [[], []],
];

const elementwise = (domain: Domain, f: (a: Value, b: Value) => Value): RuleCase[] =>
  PAIRS.map((shapes) => ({
    name: shapes.map((s) => `[${s}]`).join(" "),
    shapes,
    domain,
    build: ([a, b]) => f(a, b),
  }));

const unary = (f: (x: Value) => Value, domain: Domain = "all"): RuleCase[] =>
  ([[], [4], [B, P, 2]] as Shape[]).map((shape) => ({
    name: `[${shape}]`,
    shapes: [shape],
    domain,
    build: ([x]) => f(x),
  }));

const one = (name: string, shape: Shape, f: (x: Value) => Value, domain?: Domain): RuleCase => ({
  name,
  shapes: [shape],
  domain,
  build: ([x]) => f(x),
});

const reduceCases = (f: (x: Value, axes: readonly number[], keepDims?: boolean) => Value): RuleCase[] => [
  one("last, kept", [B, P, 4], (x) => f(x, [-1])),
  one("last, dropped", [B, P, 4], (x) => f(x, [-1], false)),
  one("leading, dropped", [B, P, 4], (x) => f(x, [0], false)),
  one("leading dropped before two symbols", [2, B, P], (x) => f(x, [0], false)),
  one("middle dropped before two symbols", ["row", 2, B, P], (x) => f(x, [1], false)),
  one("two, not neighbours, dropped", [B, P, 4], (x) => f(x, [2, 0], false)),
  one("two, kept", [B, P, 4], (x) => f(x, [1, 2])),
  one("all", [B, 3], (x) => f(x, [0, 1], false)),
  one("an axis of 1", [P, 1, 2], (x) => f(x, [1], false)),
];

const matrixShapes: readonly (readonly [Shape, Shape])[] = [
  [[2, 3], [3, 4]],
  [[B, P, 4], [4, 2]],
  [[B, P, 4], [B, 4, P]],
  [[B, 1, P, 2], [1, 3, 2, 2]],
  [[2, 3], [B, P, 3, 2]],
  [[1, 3], [B, 3, 2]],
  [[B, "row", P], [B, P, 2]],
];

const conditionShapes: readonly (readonly [Shape, Shape, Shape])[] = [
  [[B, P], [B, P], [B, P]],
  [[B, P], [], [P]],
  [[1], [B, P], [P]],
  [[P, 2], [B, 1, 2], [2]],
  [[B, 1], [], [P]],
];

/** Cases for every op; the type asks for those of a new one. */
export const RULE_CASES: { readonly [K in OpKind]: readonly RuleCase[] } = {
  Input: [one("by itself", [B, P], (x) => x), one("twice", [P], (x) => add(x, x))],
  Constant: [
    one("as a factor", [B, P], (x) => mul(constant(-2.5), x)),
    { name: "by itself", shapes: [], build: () => constant(3) },
  ],
  Add: elementwise("all", add),
  Sub: elementwise("all", sub),
  Mul: elementwise("all", mul),
  Div: elementwise("away", div),
  MatMul: matrixShapes.map((shapes) => ({
    name: shapes.map((s) => `[${s}]`).join(" "),
    shapes,
    build: ([a, b]) => matMul(a, b),
  })),
  Greater: PAIRS.map((shapes) => ({
    name: shapes.map((s) => `[${s}]`).join(" "),
    shapes,
    build: ([a, b]) => mul(where(greater(a, b), 2, -3), add(a, b)),
  })),
  Where: conditionShapes.map((shapes) => ({
    name: shapes.map((s) => `[${s}]`).join(" "),
    shapes,
    domain: "away",
    build: ([condition, a, b]) => where(greater(condition, 0), a, b),
  })),
  Neg: unary(neg),
  Sqrt: unary(sqrt, "positive"),
  Exp: unary(exp),
  Log: unary(log, "positive"),
  Tanh: unary(tanh),
  Erf: unary(erf),
  Sigmoid: unary(sigmoid),
  Relu: unary(relu, "away"),
  Activation: (["gelu", "gelu_new", "relu", "silu"] as const).flatMap((fn) =>
    unary((x) => activation(x, fn), "away").map((c) => ({ ...c, name: `${fn} ${c.name}` }))
  ),
  Softmax: [one("1-D", [4], softmax), one("3-D", [B, P, 4], softmax), one("dynamic", [B, P], softmax)],
  LogSoftmax: [one("1-D", [4], logSoftmax), one("3-D", [B, P, 4], logSoftmax), one("dynamic", [B, P], logSoftmax)],
  ReduceSum: reduceCases(reduceSum),
  ReduceMean: reduceCases(reduceMean),
  Transpose: [
    one("a matrix", [B, P], swapLast),
    one("to heads", [B, P, 2, 3], (x) => transpose(x, [0, 2, 1, 3])),
    one("not its own inverse", [B, P, 4], (x) => transpose(x, [2, 0, 1])),
  ],
  Reshape: [
    one("split", [B, P, 6], (x) => reshape(x, [B, P, 2, 3])),
    one("merge", [B, P, 2, 3], (x) => reshape(x, [B, P, 6])),
    one("move a symbol", [B, 4], (x) => reshape(x, [4, B])),
    one("exchange symbols", [B, 2, P], (x) => reshape(x, [P, B, 2])),
    one("insert before two symbols", [B, P], (x) => reshape(x, [1, B, P])),
    one("to a scalar", [1, 1], (x) => reshape(x, [])),
    one("group heads with positions", [B, 2, "row", P], (x) => reshape(x, [B, "row", 2, P])),
  ],
  ExpandLike: [
    { name: "a scalar", shapes: [[], [B, P]], build: ([x, like]) => expandLike(x, like) },
    { name: "axes of 1", shapes: [[B, 1, 4], [B, P, 4]], build: ([x, like]) => expandLike(x, like) },
    { name: "missing axes", shapes: [[4], [B, P, 4]], build: ([x, like]) => expandLike(x, like) },
    { name: "the same shape", shapes: [[B, P], [B, P]], build: ([x, like]) => expandLike(x, like) },
  ],
  Slice: [
    one("the start", [B, 6], (x) => slice(x, -1, 0, 2)),
    one("the middle", [B, 6, P], (x) => slice(x, 1, 2, 3)),
    one("the end", [6, P], (x) => slice(x, 0, 4, 6)),
    one("all", [P, 3], (x) => slice(x, 1, 0, 3)),
  ],
  Pad: [
    one("both sides", [B, 3], (x) => pad(x, -1, 2, 1)),
    one("before", [2, P], (x) => pad(x, 0, 3, 0)),
    one("neither", [P, 2], (x) => pad(x, 1, 0, 0)),
  ],
  Concat: [
    { name: "last axis", shapes: [[B, 2], [B, 1], [B, 3]], build: (values) => concat(values, -1) },
    { name: "first axis", shapes: [[1, P], [2, P]], build: (values) => concat(values, 0) },
    one("one value", [B, 2], (x) => concat([x], 1)),
    one("a value with itself", [B, 2], (x) => concat([x, x], 1)),
  ],
  GatherElements: [
    {
      name: "1-D, repeated",
      shapes: [[3]],
      indices: { shape: [8], below: 3 },
      build: ([x], indices) => gatherElements(x, indices),
    },
    {
      name: "3-D",
      shapes: [[B, P, 5]],
      indices: { shape: [B, P, 2], below: 5 },
      build: ([x], indices) => gatherElements(x, indices),
    },
    {
      name: "along a dynamic axis",
      shapes: [[B, "vocab"]],
      indices: { shape: [B, 1], below: 5 },
      build: ([x], indices) => gatherElements(x, indices),
    },
  ],
  ScatterElementsLike: [
    {
      name: "1-D, repeated",
      shapes: [[8], [3]],
      indices: { shape: [8], below: 3 },
      build: ([updates, like], indices) => scatterElementsLike(updates, indices, like),
    },
    {
      name: "3-D",
      shapes: [[B, P, 2], [B, P, 5]],
      indices: { shape: [B, P, 2], below: 5 },
      build: ([updates, like], indices) => scatterElementsLike(updates, indices, like),
    },
  ],
};

/** A case's graph with seeded inputs. */
export interface BuiltCase {
  readonly output: Value;
  readonly inputs: readonly Value[];
  readonly feeds: Feeds;
}

/** Builds a case. */
export function buildCase({ shapes, indices, domain, build }: RuleCase, seed: number): BuiltCase {
  const random = uniform(seed);
  const names = shapes.map((_, i) => "abcdef"[i]);
  const inputs = shapes.map((shape, i) => input(names[i], shape));
  const feeds: Feeds = Object.fromEntries(names.map((name, i) => [name, randomNumbers(random, shapes[i], domain)]));
  const dims = sizesOf(indices?.shape ?? []);
  const below = indices?.below ?? 1;
  feeds.indices = {
    dims,
    data: BigInt64Array.from(
      { length: dims.reduce((a, b) => a * b, 1) },
      () => BigInt(Math.floor(random() * below)),
    ),
  };
  return { output: build([...inputs], input("indices", indices?.shape ?? [], "int64")), inputs, feeds };
}

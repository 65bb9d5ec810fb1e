/**
 * One function per op, named as in ONNX, that checks and infers shapes when the graph is built.
 *
 * @module
 */
import {
  type ActivationName,
  type Dim,
  type ElementType,
  type Op,
  type OpKind,
  type Role,
  type Shape,
  showShape,
  type Value,
} from "./value.ts";

function make(op: Op, inputs: readonly Value[], shape: Shape, type: ElementType = "float"): Value {
  return { op, inputs, shape, type };
}

/**
 * A named input of the graph, of the given shape: a weight, an activation, a mask …
 *
 * @example Symbols are sizes known when the graph runs
 * ```ts
 * import { input } from "./ops.ts";
 *
 * console.assert(input("resid", ["batch", "position", 768]).shape.length === 3);
 * ```
 */
export function input(name: string, shape: Shape, type: ElementType = "float"): Value {
  return make({ kind: "Input", name }, [], shape, type);
}

/** A constant of shape `[]`. Ops also take plain numbers where this is meant. */
export function constant(value: number): Value {
  return make({ kind: "Constant", value }, [], []);
}

/**
 * The same value with a role, which `vjp` can stop at or differentiate in its own way. It is a new node: use it, not the
 * old one, in what follows.
 *
 * @example
 * ```ts
 * import { input, softmax, withRole } from "./ops.ts";
 *
 * const pattern = withRole(softmax(input("scores", ["query", "key"])), "attention_pattern");
 * console.assert(pattern.role === "attention_pattern");
 * ```
 */
export function withRole(value: Value, role: Role): Value {
  return { ...value, role };
}

/**
 * The shape of two operands together, as in numpy: aligned at the last axis, a dimension of 1 stretches to the other.
 *
 * @throws {TypeError} if a pair of dimensions is neither equal nor 1.
 *
 * @example
 * ```ts
 * import { broadcastShapes } from "./ops.ts";
 *
 * console.assert(broadcastShapes(["batch", 1, 4], ["position", 1]).join() === "batch,position,4");
 * ```
 */
export function broadcastShapes(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i): Dim => {
    const da = a[i - rank + a.length] ?? 1;
    const db = b[i - rank + b.length] ?? 1;
    if (da === db || db === 1) return da;
    if (da === 1) return db;
    throw new TypeError(`Cannot broadcast ${showShape(a)} with ${showShape(b)}: ${da} against ${db}`);
  });
}

/** What elementwise ops take: a value, or a number for a constant. */
export type Operand = Value | number;
const lift = (x: Operand): Value => typeof x === "number" ? constant(x) : x;

function binary(kind: "Add" | "Sub" | "Mul" | "Div" | "Greater", a: Operand, b: Operand): Value {
  const [x, y] = [lift(a), lift(b)];
  needType(kind, x, "float");
  needType(kind, y, "float");
  return make({ kind }, [x, y], broadcastShapes(x.shape, y.shape), kind === "Greater" ? "bool" : "float");
}

function needType(kind: OpKind, { type, shape }: Value, wanted: ElementType): void {
  if (type === wanted) return;
  throw new TypeError(
    `${kind} takes a value of type ${wanted}, not ${type}, here: the one of shape ${showShape(shape)}`,
  );
}

/** a + b, broadcast as in numpy. */
export const add = (a: Operand, b: Operand): Value => binary("Add", a, b);
/** a − b, broadcast as in numpy. */
export const sub = (a: Operand, b: Operand): Value => binary("Sub", a, b);
/** a · b elementwise, broadcast as in numpy. */
export const mul = (a: Operand, b: Operand): Value => binary("Mul", a, b);
/** a / b, broadcast as in numpy. */
export const div = (a: Operand, b: Operand): Value => binary("Div", a, b);
/** a > b as booleans, broadcast as in numpy. It has no derivative. */
export const greater = (a: Operand, b: Operand): Value => binary("Greater", a, b);

/**
 * a where the condition holds, else b; all three broadcast as in numpy.
 *
 * @param condition of type bool, as {@linkcode greater} makes it
 *
 * @example max(x, −1)
 * ```ts
 * import { greater, input, where } from "./ops.ts";
 *
 * const x = input("x", ["position"]);
 * console.assert(where(greater(x, -1), x, -1).shape.join() === "position");
 * ```
 */
export function where(condition: Value, a: Operand, b: Operand): Value {
  const [x, y] = [lift(a), lift(b)];
  needType("Where", condition, "bool");
  needType("Where", x, "float");
  needType("Where", y, "float");
  return make(
    { kind: "Where" },
    [condition, x, y],
    broadcastShapes(condition.shape, broadcastShapes(x.shape, y.shape)),
  );
}

type UnaryKind = "Neg" | "Sqrt" | "Exp" | "Log" | "Tanh" | "Erf" | "Sigmoid" | "Relu";

function unary(kind: UnaryKind): (x: Value) => Value {
  return (x: Value): Value => make({ kind }, [x], x.shape);
}

/** −x */
export const neg: (x: Value) => Value = unary("Neg");
/** √x */
export const sqrt: (x: Value) => Value = unary("Sqrt");
/** eˣ */
export const exp: (x: Value) => Value = unary("Exp");
/** natural logarithm */
export const log: (x: Value) => Value = unary("Log");
/** hyperbolic tangent */
export const tanh: (x: Value) => Value = unary("Tanh");
/** error function */
export const erf: (x: Value) => Value = unary("Erf");
/** 1 / (1 + e⁻ˣ) */
export const sigmoid: (x: Value) => Value = unary("Sigmoid");
/** max(x, 0); its derivative at 0 is 0 */
export const relu: (x: Value) => Value = unary("Relu");

/**
 * An MLP's activation function, elementwise: one op with the role `activation`, so that a method can replace its
 * derivative as a whole. `gelu` is x·Φ(x), `gelu_new` its tanh approximation, `silu` x·σ(x).
 */
export function activation(x: Value, fn: ActivationName): Value {
  return withRole(make({ kind: "Activation", fn }, [x], x.shape), "activation");
}

/** Softmax along the last axis. */
export const softmax = (x: Value): Value => make({ kind: "Softmax" }, [x], x.shape);
/** Logarithm of the softmax along the last axis. */
export const logSoftmax = (x: Value): Value => make({ kind: "LogSoftmax" }, [x], x.shape);

function reduce(kind: "ReduceSum" | "ReduceMean", x: Value, axes: readonly number[], keepDims: boolean): Value {
  if (axes.length === 0) return x; // ONNX takes no axes for all axes
  const normal = axes.map((axis) => normalAxis(x.shape, axis)).sort((a, b) => a - b);
  if (new Set(normal).size !== normal.length) {
    throw new TypeError(`Cannot reduce ${showShape(x.shape)} over [${axes.join(", ")}]: an axis is given twice`);
  }
  const shape = x.shape.flatMap((dim, i): Dim[] => normal.includes(i) ? (keepDims ? [1] : []) : [dim]);
  return make({ kind, axes: normal, keepDims }, [x], shape);
}

/**
 * Sum over axes (negative ones count from the end), which stay as 1 unless `keepDims` is false.
 *
 * @throws {TypeError} if the value has no such axis, or one is given twice.
 *
 * @example
 * ```ts
 * import { input, reduceSum } from "./ops.ts";
 *
 * const x = input("x", ["position", 8]);
 * console.assert(reduceSum(x, [-1]).shape.join() === "position,1");
 * console.assert(reduceSum(x, [-1], false).shape.join() === "position");
 * ```
 */
export const reduceSum = (x: Value, axes: readonly number[], keepDims = true): Value =>
  reduce("ReduceSum", x, axes, keepDims);
/**
 * Mean over axes, which stay as 1 unless `keepDims` is false.
 *
 * @throws {TypeError} if the value has no such axis, or one is given twice.
 */
export const reduceMean = (x: Value, axes: readonly number[], keepDims = true): Value =>
  reduce("ReduceMean", x, axes, keepDims);

/**
 * Matrix product over the last two axes: `[…, n, k]` by `[…, k, m]` is `[…, n, m]`; leading axes broadcast.
 *
 * @throws {TypeError} if the inner dimensions differ or an operand is not a matrix.
 *
 * @example
 * ```ts
 * import { input, matMul } from "./ops.ts";
 *
 * const hidden = matMul(input("resid", ["batch", "position", 8]), input("weight", [8, 32]));
 * console.assert(hidden.shape.join() === "batch,position,32");
 * ```
 */
export function matMul(a: Value, b: Value): Value {
  const inner = a.shape.at(-1);
  if (a.shape.length < 2 || b.shape.length < 2 || inner !== b.shape.at(-2)) {
    throw new TypeError(`Cannot multiply ${showShape(a.shape)} by ${showShape(b.shape)}`);
  }
  const leading = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2));
  return make({ kind: "MatMul" }, [a, b], [...leading, a.shape.at(-2)!, b.shape.at(-1)!]);
}

/**
 * Axes in another order: axis `permutation[i]` of the operand becomes axis `i`.
 *
 * @throws {TypeError} if `permutation` does not name every axis once, counted from 0.
 *
 * @example
 * ```ts
 * import { input, transpose } from "./ops.ts";
 *
 * const q = input("q", ["batch", "position", 4, 8]);
 * console.assert(transpose(q, [0, 2, 1, 3]).shape.join() === "batch,4,position,8");
 * ```
 */
export function transpose(x: Value, permutation: readonly number[]): Value {
  if (permutation.length !== x.shape.length || x.shape.some((_, axis) => !permutation.includes(axis))) {
    throw new TypeError(`Cannot transpose ${showShape(x.shape)} by [${permutation.join(", ")}]`);
  }
  return make({ kind: "Transpose", permutation }, [x], permutation.map((i) => x.shape[i]));
}

/**
 * The last two axes exchanged: a matrix transposed.
 *
 * @throws {TypeError} if there are fewer than two.
 */
export function swapLast(x: Value): Value {
  const rank = x.shape.length;
  const axes = x.shape.map((_, i) => i);
  return transpose(x, [...axes.slice(0, -2), rank - 1, rank - 2]);
}

/**
 * The same elements, in row-major order, in another shape. Every symbol of the old shape stays, once, at any place,
 * alone or with a factor (`"2*position"`).
 *
 * @throws {TypeError} if the product of the known dimensions or the symbols differ.
 *
 * @example Split heads
 * ```ts
 * import { input, reshape } from "./ops.ts";
 *
 * const z = reshape(input("z", ["batch", "position", 32]), ["batch", "position", 4, 8]);
 * console.assert(z.shape.length === 4);
 * ```
 */
export function reshape(x: Value, shape: Shape): Value {
  const size = (s: Shape): string => {
    const [factors, symbols] = [s.map((dim) => factorised(dim)[0]), s.flatMap((dim) => factorised(dim)[1] ?? [])];
    return `${factors.reduce((a, b) => a * b, 1)} ${symbols.sort()}`;
  };
  if (size(x.shape) !== size(shape)) {
    throw new TypeError(`Cannot reshape ${showShape(x.shape)} to ${showShape(shape)}`);
  }
  return make({ kind: "Reshape", shape }, [x], shape);
}

/** A dimension as a number and a symbol: `"2*position"` is 2 and `position`. */
function factorised(dim: Dim): [factor: number, symbol?: string] {
  if (typeof dim === "number") return [dim];
  const star = dim.indexOf("*");
  return star < 0 ? [1, dim] : [Number(dim.slice(0, star)), dim.slice(star + 1)];
}

/**
 * A value repeated to the shape of another, whose elements do not matter.
 *
 * @throws {TypeError} if the value does not broadcast to that shape.
 */
export function expandLike(x: Value, like: Value): Value {
  if (showShape(broadcastShapes(x.shape, like.shape)) !== showShape(like.shape)) {
    throw new TypeError(`Cannot expand ${showShape(x.shape)} to ${showShape(like.shape)}`);
  }
  return make({ kind: "ExpandLike" }, [x, like], like.shape);
}

/**
 * Elements [start, end) of one axis of known size.
 *
 * @throws {TypeError} if the axis is dynamic, or has no such elements.
 *
 * @example
 * ```ts
 * import { input, slice } from "./ops.ts";
 *
 * const keys = slice(input("qkv", ["position", 24]), -1, 8, 16);
 * console.assert(keys.shape.join() === "position,8");
 * ```
 */
export function slice(x: Value, axis: number, start: number, end: number): Value {
  const at = normalAxis(x.shape, axis);
  const size = x.shape[at];
  const whole = Number.isInteger(start) && Number.isInteger(end);
  if (typeof size !== "number" || !whole || start < 0 || end > size || start >= end) {
    throw new TypeError(`Cannot take [${start}, ${end}) of axis ${axis} of ${showShape(x.shape)}`);
  }
  return make({ kind: "Slice", axis: at, start, end }, [x], x.shape.map((d, i) => i === at ? end - start : d));
}

/**
 * Zeros before and after along one axis of known size.
 *
 * @throws {TypeError} if the axis is dynamic, or a count is not a whole number from 0.
 */
export function pad(x: Value, axis: number, before: number, after: number): Value {
  const at = normalAxis(x.shape, axis);
  const size = x.shape[at];
  if (typeof size !== "number") throw new TypeError(`Cannot pad the dynamic axis ${axis} of ${showShape(x.shape)}`);
  if (![before, after].every((n) => Number.isInteger(n) && n >= 0)) {
    throw new TypeError(`Cannot pad axis ${axis} of ${showShape(x.shape)} by ${before} and ${after}`);
  }
  return make(
    { kind: "Pad", axis: at, before, after },
    [x],
    x.shape.map((d, i) => i === at ? size + before + after : d),
  );
}

/**
 * Values one after another along one axis of known size.
 *
 * @throws {TypeError} if the axis is dynamic, or another dimension differs.
 *
 * @example
 * ```ts
 * import { concat, input } from "./ops.ts";
 *
 * const rotated = concat([input("a", ["position", 3]), input("b", ["position", 5])], -1);
 * console.assert(rotated.shape.join() === "position,8");
 * ```
 */
export function concat(values: readonly Value[], axis: number): Value {
  if (values.length === 0) throw new TypeError("Cannot concatenate no values");
  const at = normalAxis(values[0].shape, axis);
  const others = (v: Value): string => showShape(v.shape.map((dim, i) => i === at ? "*" : dim));
  const odd = values.find((v) => others(v) !== others(values[0]));
  if (odd) {
    throw new TypeError(
      `Cannot concatenate ${showShape(values[0].shape)} and ${showShape(odd.shape)} along axis ${axis}`,
    );
  }
  const sizes = values.map((v) => v.shape[at]);
  if (sizes.some((s) => typeof s !== "number")) throw new TypeError("Cannot concatenate along a dynamic axis");
  const total = (sizes as number[]).reduce((a, b) => a + b, 0);
  return make({ kind: "Concat", axis: at }, values, values[0].shape.map((d, i) => i === at ? total : d));
}

/**
 * `x[…, indices[…, i]]`, in the shape of the indices: elements picked along the last axis.
 *
 * @param indices of type int64 and of x's rank
 * @throws {TypeError} if they are not.
 *
 * @example One element of every row
 * ```ts
 * import { gatherElements, input } from "./ops.ts";
 *
 * const next = input("next", ["position", 1], "int64");
 * console.assert(gatherElements(input("logits", ["position", 384]), next).shape.join() === "position,1");
 * ```
 */
export function gatherElements(x: Value, indices: Value): Value {
  needIndices("GatherElements", indices, x);
  return make({ kind: "GatherElements" }, [x, indices], indices.shape);
}

function needIndices(kind: OpKind, indices: Value, x: Value): void {
  needType(kind, indices, "int64");
  if (indices.shape.length === x.shape.length && x.shape.length > 0) return;
  throw new TypeError(`${kind} cannot look up indices of ${showShape(indices.shape)} in ${showShape(x.shape)}`);
}

/**
 * Zeros in the shape of `like`, with updates added at indices of the last axis: the opposite of
 * {@linkcode gatherElements}. What is given twice is added up.
 *
 * @param indices of type int64, of the updates' shape and like's rank
 * @throws {TypeError} if they are not.
 */
export function scatterElementsLike(updates: Value, indices: Value, like: Value): Value {
  needIndices("ScatterElementsLike", indices, like);
  if (showShape(updates.shape) !== showShape(indices.shape)) {
    throw new TypeError(`Cannot scatter ${showShape(updates.shape)} to indices of ${showShape(indices.shape)}`);
  }
  return make({ kind: "ScatterElementsLike" }, [updates, indices, like], like.shape);
}

function normalAxis(shape: Shape, axis: number): number {
  const at = axis < 0 ? axis + shape.length : axis;
  if (at < 0 || at >= shape.length) throw new TypeError(`No axis ${axis} in ${showShape(shape)}`);
  return at;
}

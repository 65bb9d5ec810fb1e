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

/** A named input of the graph: a weight, an activation, a mask … */
export function input(name: string, shape: Shape, type: ElementType = "float"): Value {
  return make({ kind: "Input", name }, [], shape, type);
}

/** A scalar constant. */
export function constant(value: number): Value {
  return make({ kind: "Constant", value }, [], []);
}

/** The same value with a role, which `vjp` can stop at or differentiate in its own way. */
export function withRole(value: Value, role: Role): Value {
  return { ...value, role };
}

/**
 * The shape of two operands together, as in numpy.
 *
 * @throws {TypeError} if a pair of dimensions is neither equal nor 1.
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

type Operand = Value | number;
const lift = (x: Operand): Value => typeof x === "number" ? constant(x) : x;

function binary(kind: "Add" | "Sub" | "Mul" | "Div" | "Greater", a: Operand, b: Operand): Value {
  const [x, y] = [lift(a), lift(b)];
  return make({ kind }, [x, y], broadcastShapes(x.shape, y.shape), kind === "Greater" ? "bool" : "float");
}

/** a + b */
export const add = (a: Operand, b: Operand): Value => binary("Add", a, b);
/** a − b */
export const sub = (a: Operand, b: Operand): Value => binary("Sub", a, b);
/** a · b, elementwise */
export const mul = (a: Operand, b: Operand): Value => binary("Mul", a, b);
/** a / b */
export const div = (a: Operand, b: Operand): Value => binary("Div", a, b);
/** a > b, as booleans; its derivative is zero */
export const greater = (a: Operand, b: Operand): Value => binary("Greater", a, b);

/** a where the condition holds, else b */
export function where(condition: Value, a: Operand, b: Operand): Value {
  const [x, y] = [lift(a), lift(b)];
  return make(
    { kind: "Where" },
    [condition, x, y],
    broadcastShapes(condition.shape, broadcastShapes(x.shape, y.shape)),
  );
}

function unary(kind: Extract<OpKind, "Neg" | "Sqrt" | "Exp" | "Log" | "Tanh" | "Erf" | "Sigmoid" | "Relu">) {
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

/** An MLP's activation function, one op so that a method can replace its derivative as a whole. */
export function activation(x: Value, fn: ActivationName): Value {
  return withRole(make({ kind: "Activation", fn }, [x], x.shape), "activation");
}

/** Softmax along the last axis. */
export const softmax = (x: Value): Value => make({ kind: "Softmax" }, [x], x.shape);
/** Logarithm of the softmax along the last axis. */
export const logSoftmax = (x: Value): Value => make({ kind: "LogSoftmax" }, [x], x.shape);

function reduce(kind: "ReduceSum" | "ReduceMean", x: Value, axes: readonly number[], keepDims: boolean): Value {
  const normal = axes.map((axis) => normalAxis(x.shape, axis)).sort((a, b) => a - b);
  const shape = x.shape.flatMap((dim, i): Dim[] => normal.includes(i) ? (keepDims ? [1] : []) : [dim]);
  return make({ kind, axes: normal, keepDims }, [x], shape);
}

/** Sum over axes (negative ones count from the end). */
export const reduceSum = (x: Value, axes: readonly number[], keepDims = true): Value =>
  reduce("ReduceSum", x, axes, keepDims);
/** Mean over axes. */
export const reduceMean = (x: Value, axes: readonly number[], keepDims = true): Value =>
  reduce("ReduceMean", x, axes, keepDims);

/**
 * Matrix product over the last two axes; leading axes broadcast.
 *
 * @throws {TypeError} if the inner dimensions differ or an operand is not a matrix.
 */
export function matMul(a: Value, b: Value): Value {
  const inner = a.shape.at(-1);
  if (a.shape.length < 2 || b.shape.length < 2 || inner !== b.shape.at(-2)) {
    throw new TypeError(`Cannot multiply ${showShape(a.shape)} by ${showShape(b.shape)}`);
  }
  const leading = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2));
  return make({ kind: "MatMul" }, [a, b], [...leading, a.shape.at(-2)!, b.shape.at(-1)!]);
}

/** Axes in another order. */
export function transpose(x: Value, permutation: readonly number[]): Value {
  if (permutation.length !== x.shape.length || new Set(permutation).size !== permutation.length) {
    throw new TypeError(`Cannot transpose ${showShape(x.shape)} by [${permutation.join(", ")}]`);
  }
  return make({ kind: "Transpose", permutation }, [x], permutation.map((i) => x.shape[i]));
}

/** The last two axes exchanged. */
export function swapLast(x: Value): Value {
  const rank = x.shape.length;
  const axes = x.shape.map((_, i) => i);
  return transpose(x, [...axes.slice(0, -2), rank - 1, rank - 2]);
}

/**
 * The same elements in another shape.
 *
 * @throws {TypeError} if the sizes differ, as far as they are known.
 */
export function reshape(x: Value, shape: Shape): Value {
  const size = (s: Shape): string =>
    `${s.reduce<number>((p, d) => typeof d === "number" ? p * d : p, 1)} ${
      s.filter((d) => typeof d === "string").sort()
    }`;
  if (size(x.shape) !== size(shape)) {
    throw new TypeError(`Cannot reshape ${showShape(x.shape)} to ${showShape(shape)}`);
  }
  return make({ kind: "Reshape", shape }, [x], shape);
}

/** A value repeated to the shape of another. */
export function expandLike(x: Value, like: Value): Value {
  broadcastShapes(x.shape, like.shape);
  return make({ kind: "ExpandLike" }, [x, like], like.shape);
}

/** Elements [start, end) of one axis of known size. */
export function slice(x: Value, axis: number, start: number, end: number): Value {
  const at = normalAxis(x.shape, axis);
  const size = x.shape[at];
  if (typeof size !== "number" || start < 0 || end > size || start >= end) {
    throw new TypeError(`Cannot take [${start}, ${end}) of axis ${axis} of ${showShape(x.shape)}`);
  }
  return make({ kind: "Slice", axis: at, start, end }, [x], x.shape.map((d, i) => i === at ? end - start : d));
}

/** Zeros before and after along one axis of known size. */
export function pad(x: Value, axis: number, before: number, after: number): Value {
  const at = normalAxis(x.shape, axis);
  const size = x.shape[at];
  if (typeof size !== "number") throw new TypeError(`Cannot pad the dynamic axis ${axis} of ${showShape(x.shape)}`);
  return make(
    { kind: "Pad", axis: at, before, after },
    [x],
    x.shape.map((d, i) => i === at ? size + before + after : d),
  );
}

/** Values one after another along one axis. */
export function concat(values: readonly Value[], axis: number): Value {
  const at = normalAxis(values[0].shape, axis);
  const sizes = values.map((v) => v.shape[at]);
  if (sizes.some((s) => typeof s !== "number")) throw new TypeError("Cannot concatenate along a dynamic axis");
  const total = (sizes as number[]).reduce((a, b) => a + b, 0);
  return make({ kind: "Concat", axis: at }, values, values[0].shape.map((d, i) => i === at ? total : d));
}

/** `value[…, indices[…, i]]`: elements picked along the last axis. */
export function gatherElements(x: Value, indices: Value): Value {
  return make({ kind: "GatherElements" }, [x, indices], indices.shape);
}

/** Zeros in the shape of `like`, with updates added at indices of the last axis. */
export function scatterElementsLike(updates: Value, indices: Value, like: Value): Value {
  return make({ kind: "ScatterElementsLike" }, [updates, indices, like], like.shape);
}

function normalAxis(shape: Shape, axis: number): number {
  const at = axis < 0 ? axis + shape.length : axis;
  if (at < 0 || at >= shape.length) throw new TypeError(`No axis ${axis} in ${showShape(shape)}`);
  return at;
}

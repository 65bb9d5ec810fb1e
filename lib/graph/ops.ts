/**
 * One function per op, named as in ONNX, that checks and infers shapes when the graph is built.
 *
 * @module
 */
import { broadcastShapes, make, needType, normalAxis } from "./make.ts";
import {
  type ActivationName,
  type Dim,
  type ElementType,
  type Role,
  type Shape,
  showShape,
  type Value,
} from "./value.ts";

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

/** What elementwise ops take: a value, or a number for a constant. */
export type Operand = Value | number;
const lift = (x: Operand): Value => typeof x === "number" ? constant(x) : x;

function binary(kind: "Add" | "Sub" | "Mul" | "Div" | "Greater", a: Operand, b: Operand): Value {
  const [x, y] = [lift(a), lift(b)];
  needType(kind, x, "float");
  needType(kind, y, "float");
  return make({ kind }, [x, y], broadcastShapes(x.shape, y.shape), kind === "Greater" ? "bool" : "float");
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

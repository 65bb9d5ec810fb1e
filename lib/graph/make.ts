/**
 * What ops are made with: nodes, and checks of shapes and types.
 *
 * @module
 */
import { type Dim, type ElementType, type Op, type OpKind, type Shape, showShape, type Value } from "./value.ts";

/** A node of the graph. */
export function make(op: Op, inputs: readonly Value[], shape: Shape, type: ElementType = "float"): Value {
  return { op, inputs, shape, type };
}

/**
 * The shape of two operands together, as in numpy: aligned at the last axis, a dimension of 1 stretches to the other.
 *
 * @throws {TypeError} if a pair of dimensions is neither equal nor 1.
 *
 * @example
 * ```ts
 * import { broadcastShapes } from "./make.ts";
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

/** @throws {TypeError} if a value is of another type than an op takes */
export function needType(kind: OpKind, { type, shape }: Value, wanted: ElementType): void {
  if (type === wanted) return;
  throw new TypeError(
    `${kind} takes a value of type ${wanted}, not ${type}, here: the one of shape ${showShape(shape)}`,
  );
}

/** An axis counted from 0. @throws {TypeError} if there is none */
export function normalAxis(shape: Shape, axis: number): number {
  const at = axis < 0 ? axis + shape.length : axis;
  if (at < 0 || at >= shape.length) throw new TypeError(`No axis ${axis} in ${showShape(shape)}`);
  return at;
}

/** A dimension as a number and a symbol: `"2*position"` is 2 and `position`. */
export function factorised(dim: Dim): [factor: number, symbol?: string] {
  if (typeof dim === "number") return [dim];
  const star = dim.lastIndexOf("*");
  const factors = star < 0 ? [] : dim.slice(0, star).split("*");
  return [factors.reduce((product, factor) => product * Number(factor), 1), dim.slice(star + 1)];
}

/**
 * Ops that move elements and change none, named as in ONNX.
 *
 * @module
 */
import { broadcastShapes, factorised, make, needType, normalAxis } from "./make.ts";
import { type OpKind, type Shape, showShape, type Value } from "./value.ts";

/**
 * Axes in another order: axis `permutation[i]` of the operand becomes axis `i`.
 *
 * @throws {TypeError} if `permutation` does not name every axis once, counted from 0.
 *
 * @example
 * ```ts
 * import { input } from "./ops.ts";
 * import { transpose } from "./shape_ops.ts";
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
 * import { input } from "./ops.ts";
 * import { reshape } from "./shape_ops.ts";
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
 * import { input } from "./ops.ts";
 * import { slice } from "./shape_ops.ts";
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
 * import { input } from "./ops.ts";
 * import { concat } from "./shape_ops.ts";
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
 * import { input } from "./ops.ts";
 * import { gatherElements } from "./shape_ops.ts";
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

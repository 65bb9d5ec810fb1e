/**
 * Reverse-mode derivatives, one rule per op: from the gradient at an op's output to the gradients at its inputs.
 * The table is typed by the op union, so that the compiler asks for the rule of a new op.
 *
 * @module
 */
import {
  add,
  constant,
  div,
  erf,
  exp,
  greater,
  matMul,
  mul,
  neg,
  reduceSum,
  sigmoid,
  softmax,
  sub,
  tanh,
  where,
} from "./ops.ts";
import {
  expandLike,
  gatherElements,
  pad,
  reshape,
  scatterElementsLike,
  slice,
  swapLast,
  transpose,
} from "./shape_ops.ts";
import type { ActivationName, Node, OpKind, Shape, Value } from "./value.ts";

/**
 * From an op's value and the gradient there, of the same shape, to one gradient per operand, of its shape; `undefined`
 * where there is none.
 *
 * @example A rule that passes the gradient through unchanged
 * ```ts
 * import { input, relu } from "./ops.ts";
 * import type { Rule } from "./rules.ts";
 * import type { Node } from "./value.ts";
 *
 * const straightThrough: Rule = (_value, gradient) => [gradient];
 * const gradient = input("g", ["position"]);
 * console.assert(straightThrough(relu(input("x", ["position"])) as Node, gradient)[0] === gradient);
 * ```
 */
export type Rule<K extends OpKind = OpKind> = (node: Node<K>, gradient: Value) => readonly (Value | undefined)[];

/**
 * Sums a gradient over the axes along which its operand, of the given shape, was broadcast.
 *
 * @example
 * ```ts
 * import { input } from "./ops.ts";
 * import { unbroadcast } from "./rules.ts";
 *
 * const gradient = input("g", ["batch", "position", 8]);
 * console.assert(unbroadcast(gradient, ["position", 1]).shape.join() === "position,1");
 * ```
 */
export function unbroadcast(gradient: Value, shape: Shape): Value {
  const extra = gradient.shape.length - shape.length;
  const leading = Array.from({ length: extra }, (_, i) => i);
  const summed = extra > 0 ? reduceSum(gradient, leading, false) : gradient;
  const stretched = shape.flatMap((dim, i) => dim === 1 && summed.shape[i] !== 1 ? [i] : []);
  return stretched.length > 0 ? reduceSum(summed, stretched, true) : summed;
}

/** d fn(x) / dx, elementwise. */
function activationDerivative(x: Value, fn: ActivationName): Value {
  switch (fn) {
    case "relu":
      return where(greater(x, 0), 1, 0);
    case "silu": { // x·σ(x)
      const s = sigmoid(x);
      return mul(s, add(1, mul(x, sub(1, s))));
    }
    case "gelu": { // x·Φ(x)
      const cdf = mul(0.5, add(1, erf(mul(x, Math.SQRT1_2))));
      const density = mul(1 / Math.sqrt(2 * Math.PI), exp(mul(-0.5, mul(x, x))));
      return add(cdf, mul(x, density));
    }
    case "gelu_new": { // x/2·(1 + tanh(√(2/π)(x + 0.044715 x³)))
      const c = Math.sqrt(2 / Math.PI);
      const square = mul(x, x);
      const t = tanh(mul(mul(c, x), add(1, mul(0.044715, square))));
      const inner = mul(c, add(1, mul(3 * 0.044715, square)));
      return mul(0.5, add(add(1, t), mul(mul(x, sub(1, mul(t, t))), inner)));
    }
  }
}

const inverse = (permutation: readonly number[]): number[] => permutation.map((_, i) => permutation.indexOf(i));

/** ReduceSum's and ReduceMean's gradient with the reduced axes as 1 again, before it is stretched. */
function reducedGradient({ inputs: [x], op }: Node<"ReduceSum" | "ReduceMean">, g: Value): Value {
  return op.keepDims ? g : reshape(g, x.shape.map((dim, i) => op.axes.includes(i) ? 1 : dim));
}

/** How many elements lie along the axes: a number where it is known, else counted when the graph runs. */
function elementCount(x: Value, axes: readonly number[]): Value | number {
  const sizes = axes.map((axis) => x.shape[axis]);
  if (sizes.every((size) => typeof size === "number")) return sizes.reduce((a, b) => a * b, 1);
  return reduceSum(expandLike(constant(1), x), axes, true);
}

/** The last two axes exchanged. A weight that was transposed is itself again: onnxruntime would copy it for each of two. */
function transposed(x: Value): Value {
  const [weight] = x.inputs;
  return x.op.kind === "Transpose" && weight.op.kind === "Input" && weight.shape.length === 2 ? weight : swapLast(x);
}

/**
 * The rules of differentiation, one per op. Where an op has no derivative (Relu at 0), the rule gives 0.
 *
 * @example The rule of tanh: 1 − tanh²
 * ```ts
 * import { input, tanh } from "./ops.ts";
 * import { RULES } from "./rules.ts";
 * import type { Node } from "./value.ts";
 *
 * const y = tanh(input("x", ["position"])) as Node<"Tanh">;
 * const [gradient] = RULES.Tanh(y, input("g", ["position"]));
 * console.assert(gradient?.op.kind === "Mul");
 * ```
 */
export const RULES: { readonly [K in OpKind]: Rule<K> } = {
  Input: () => [],
  Constant: () => [],
  Add: ({ inputs: [a, b] }, g) => [unbroadcast(g, a.shape), unbroadcast(g, b.shape)],
  Sub: ({ inputs: [a, b] }, g) => [unbroadcast(g, a.shape), unbroadcast(neg(g), b.shape)],
  Mul: ({ inputs: [a, b] }, g) => [unbroadcast(mul(g, b), a.shape), unbroadcast(mul(g, a), b.shape)],
  Div: (y, g) => {
    const [a, b] = y.inputs;
    const quotient = div(g, b);
    return [unbroadcast(quotient, a.shape), unbroadcast(neg(mul(quotient, y)), b.shape)];
  },
  MatMul: ({ inputs: [a, b] }, g) => [
    unbroadcast(matMul(g, transposed(b)), a.shape),
    unbroadcast(matMul(transposed(a), g), b.shape),
  ],
  Greater: () => [undefined, undefined],
  Where: ({ inputs: [condition, a, b] }, g) => [
    undefined,
    unbroadcast(where(condition, g, 0), a.shape),
    unbroadcast(where(condition, 0, g), b.shape),
  ],
  Neg: (_, g) => [neg(g)],
  Sqrt: (y, g) => [div(mul(0.5, g), y)],
  Exp: (y, g) => [mul(g, y)],
  Log: ({ inputs: [x] }, g) => [div(g, x)],
  Tanh: (y, g) => [mul(g, sub(1, mul(y, y)))],
  Erf: ({ inputs: [x] }, g) => [mul(g, mul(2 / Math.sqrt(Math.PI), exp(neg(mul(x, x)))))],
  Sigmoid: (y, g) => [mul(g, mul(y, sub(1, y)))],
  Relu: ({ inputs: [x] }, g) => [where(greater(x, 0), g, 0)],
  Activation: ({ inputs: [x], op }, g) => [mul(g, activationDerivative(x, op.fn))],
  Softmax: (y, g) => {
    const weighted = mul(g, y);
    return [sub(weighted, mul(y, reduceSum(weighted, [-1])))];
  },
  LogSoftmax: ({ inputs: [x] }, g) => [sub(g, mul(softmax(x), reduceSum(g, [-1])))],
  ReduceSum: (node, g) => [expandLike(reducedGradient(node, g), node.inputs[0])],
  ReduceMean: (node, g) => {
    const [x] = node.inputs;
    return [expandLike(div(reducedGradient(node, g), elementCount(x, node.op.axes)), x)];
  },
  Transpose: ({ op }, g) => [transpose(g, inverse(op.permutation))],
  Reshape: ({ inputs: [x] }, g) => [reshape(g, x.shape)],
  ExpandLike: ({ inputs: [x] }, g) => [unbroadcast(g, x.shape), undefined],
  Slice: ({ inputs: [x], op }, g) => [pad(g, op.axis, op.start, (x.shape[op.axis] as number) - op.end)],
  Pad: ({ inputs: [x], op }, g) => [slice(g, op.axis, op.before, op.before + (x.shape[op.axis] as number))],
  Concat: ({ inputs, op }, g) => {
    let start = 0;
    return inputs.map((x) => {
      const end = start + (x.shape[op.axis] as number);
      const part = slice(g, op.axis, start, end);
      start = end;
      return part;
    });
  },
  GatherElements: ({ inputs: [x, indices] }, g) => [scatterElementsLike(g, indices, x), undefined],
  ScatterElementsLike: ({ inputs: [, indices] }, g) => [gatherElements(g, indices), undefined, undefined],
};

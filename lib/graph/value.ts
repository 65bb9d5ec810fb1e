/**
 * The typed op graph: values are immutable nodes that point at their inputs, so a graph is whatever its outputs reach.
 * Shapes are known when a graph is built; dynamic dimensions are symbols (`"batch"`, `"position"`).
 *
 * @module
 */

/** A dimension: a size known now, or the name of one known when the graph runs. */
export type Dim = number | string;

/** The dimensions of a value, outermost first. */
export type Shape = readonly Dim[];

/** What a value's elements are; `float` becomes float32 or float64 when the graph is encoded. */
export type ElementType = "float" | "int64" | "bool";

/** Parts of a block that attribution methods treat specially (`vjp`'s `stop` and `rules`). */
export type Role = "normalizer_scale" | "activation" | "attention_pattern" | "gate";

/** Activation functions by the names that model configurations use. */
export type ActivationName = "gelu" | "gelu_new" | "relu" | "silu";

/** Every op with its attributes; what an op reads is in {@linkcode Value}'s `inputs`. */
export interface OpAttributes {
  Input: { readonly name: string };
  Constant: { readonly value: number };
  Add: unknown;
  Sub: unknown;
  Mul: unknown;
  Div: unknown;
  MatMul: unknown;
  Greater: unknown;
  Where: unknown; // condition, then, else
  Neg: unknown;
  Sqrt: unknown;
  Exp: unknown;
  Log: unknown;
  Tanh: unknown;
  Erf: unknown;
  Sigmoid: unknown;
  Relu: unknown;
  Activation: { readonly fn: ActivationName };
  Softmax: unknown; // along the last axis
  LogSoftmax: unknown; // along the last axis
  ReduceSum: { readonly axes: readonly number[]; readonly keepDims: boolean };
  ReduceMean: { readonly axes: readonly number[]; readonly keepDims: boolean };
  Transpose: { readonly permutation: readonly number[] };
  Reshape: { readonly shape: Shape };
  ExpandLike: unknown; // value, like
  Slice: { readonly axis: number; readonly start: number; readonly end: number };
  Pad: { readonly axis: number; readonly before: number; readonly after: number };
  Concat: { readonly axis: number };
  GatherElements: unknown; // value, indices; along the last axis
  ScatterElementsLike: unknown; // updates, indices, like; zeros elsewhere, added up along the last axis
}

/** The name of an op. */
export type OpKind = keyof OpAttributes;

/** An op with its attributes. */
export type Op<K extends OpKind = OpKind> = { [P in K]: { readonly kind: P } & OpAttributes[P] }[K];

/** One value of a graph: an op applied to other values. */
export interface Value {
  readonly op: Op;
  readonly inputs: readonly Value[];
  readonly shape: Shape;
  readonly type: ElementType;
  readonly role?: Role;
}

/** A value made by an op of one kind. */
export type Node<K extends OpKind = OpKind> = Value & { readonly op: Op<K> };

/** A graph: named outputs, and everything that they reach. */
export type Graph = Readonly<Record<string, Value>>;

/**
 * The values that the roots reach, every value after its inputs.
 *
 * @example Count the nodes of a sum
 * ```ts
 * import { add, input } from "./ops.ts";
 * import { reachable } from "./value.ts";
 *
 * const x = input("x", [2]);
 * console.assert(reachable([add(x, x)]).length === 2);
 * ```
 */
export function reachable(roots: readonly Value[]): Value[] {
  const order: Value[] = [];
  const seen = new Set<Value>();
  const visit = (value: Value): void => {
    if (seen.has(value)) return;
    seen.add(value);
    for (const input of value.inputs) visit(input);
    order.push(value);
  };
  for (const root of roots) visit(root);
  return order;
}

/**
 * The inputs of a graph by name, in the order in which they are met.
 *
 * @example
 * ```ts
 * import { add, input } from "./ops.ts";
 * import { graphInputs } from "./value.ts";
 *
 * const sum = add(input("x", ["position"]), input("y", ["position"]));
 * console.assert([...graphInputs({ sum }).keys()].join() === "x,y");
 * ```
 *
 * @throws {TypeError} if two different inputs have one name.
 */
export function graphInputs(graph: Graph): Map<string, Value> {
  const inputs = new Map<string, Value>();
  for (const value of reachable(Object.values(graph))) {
    if (value.op.kind !== "Input") continue;
    const other = inputs.get(value.op.name);
    if (other && other !== value) throw new TypeError(`Two different graph inputs are named "${value.op.name}"`);
    inputs.set(value.op.name, value);
  }
  return inputs;
}

/** A shape as text, for messages. */
export function showShape(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

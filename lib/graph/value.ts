/**
 * The typed op graph: values are immutable nodes that point at their inputs, so a graph is whatever its outputs reach.
 * Shapes are known when a graph is built; dynamic dimensions are symbols (`"batch"`, `"position"`).
 *
 * @module
 */

/** A dimension: a size known now, or the name of one known when the graph runs, or a multiple of it (`"2*position"`). */
export type Dim = number | string;

/** The dimensions of a value, outermost first. */
export type Shape = readonly Dim[];

/** What a value's elements are; `float` becomes float32 or float64 when the graph is encoded. */
export type ElementType = "float" | "int64" | "bool";

/** Parts of a block that attribution methods treat specially (`vjp`'s `stop` and `rules`). */
export type Role =
  | "normalizer_scale"
  | "activation"
  /** q·k */
  | "attention_scores"
  | "attention_pattern"
  /** pattern · v */
  | "attention_mix"
  | "gate";

/** Activation functions by the names that model configurations use. */
export type ActivationName = "gelu" | "gelu_new" | "relu" | "silu";

/** Precision of a graph's floats. */
export type FloatType = "float32" | "float64";

/** Every op with its attributes; what an op reads is in {@linkcode Value}'s `inputs`. */
export interface OpAttributes {
  /** What is given when the graph runs. */
  Input: { readonly name: string };
  /** A number. */
  Constant: { readonly value: number };
  /** a + b */
  Add: unknown;
  /** a − b */
  Sub: unknown;
  /** a · b, elementwise */
  Mul: unknown;
  /** a / b */
  Div: unknown;
  /** `[…, n, k]` by `[…, k, m]` */
  MatMul: unknown;
  /** a > b, of type bool */
  Greater: unknown;
  /** condition, then, else */
  Where: unknown;
  /** −x */
  Neg: unknown;
  /** √x */
  Sqrt: unknown;
  /** eˣ */
  Exp: unknown;
  /** ln x */
  Log: unknown;
  /** tanh x */
  Tanh: unknown;
  /** erf x */
  Erf: unknown;
  /** 1 / (1 + e⁻ˣ) */
  Sigmoid: unknown;
  /** max(x, 0) */
  Relu: unknown;
  /** fn(x) */
  Activation: { readonly fn: ActivationName };
  /** Along the last axis. */
  Softmax: unknown;
  /** Along the last axis. */
  LogSoftmax: unknown;
  /** Over axes counted from 0, ascending. */
  ReduceSum: { readonly axes: readonly number[]; readonly keepDims: boolean };
  /** Over axes counted from 0, ascending. */
  ReduceMean: { readonly axes: readonly number[]; readonly keepDims: boolean };
  /** Axis `permutation[i]` becomes axis `i`. */
  Transpose: { readonly permutation: readonly number[] };
  /** The same elements in another shape. */
  Reshape: { readonly shape: Shape };
  /** value, like */
  ExpandLike: unknown;
  /** Elements [start, end) of an axis. */
  Slice: { readonly axis: number; readonly start: number; readonly end: number };
  /** Zeros before and after along an axis. */
  Pad: { readonly axis: number; readonly before: number; readonly after: number };
  /** Any number of values, one after another along an axis. */
  Concat: { readonly axis: number };
  /** value, indices; along the last axis */
  GatherElements: unknown;
  /** updates, indices, like; zeros elsewhere, added up along the last axis */
  ScatterElementsLike: unknown;
}

/** The name of an op. */
export type OpKind = keyof OpAttributes;

/** An op with its attributes. */
export type Op<K extends OpKind = OpKind> = { [P in K]: { readonly kind: P } & OpAttributes[P] }[K];

/** One value of a graph: an op applied to other values. */
export interface Value {
  /** What makes it. */
  readonly op: Op;
  /** The operands. */
  readonly inputs: readonly Value[];
  /** Its dimensions, outermost first. */
  readonly shape: Shape;
  /** What its elements are. */
  readonly type: ElementType;
  /** The part that it plays in a block, if attribution methods care. */
  readonly role?: Role;
}

/** A value made by an op of one kind. */
export type Node<K extends OpKind = OpKind> = Value & { readonly op: Op<K> };

/** A graph: named outputs, and everything that they reach. */
export type Graph = Readonly<Record<string, Value>>;

/** A shape as text, for messages. */
export function showShape(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

/**
 * From a graph, for inputs of given sizes, to the instructions that run it: which kernels, in which order.
 *
 * @module
 */
import { graphInputs, reachable } from "../../graph/graph.ts";
import { factorised } from "../../graph/make.ts";
import type { Dim, Graph, Op, OpKind, Value } from "../../graph/value.ts";
import type { ElementwiseOp } from "./elementwise.ts";
import { type Buffer, Emitter, type LoweredInstruction } from "./emitter.ts";
import type { RowOp } from "./rows.ts";
import { broadcast, permuted, reshaped, sliced, type View } from "./views.ts";

/** A program before its buffers have addresses. */
export interface Lowered {
  readonly instructions: readonly LoweredInstruction[];
  readonly buffers: readonly Buffer[];
  /** The numbers of the one buffer of constants. */
  readonly constants: readonly number[];
  /** Where the graph's outputs lie, one element after another. */
  readonly outputs: readonly (readonly [name: string, view: View])[];
}

/**
 * Lowers a graph.
 *
 * @param dims of every input
 * @throws {TypeError} if the dimensions do not fit the graph, or an output is not of type float
 */
export function lower(graph: Graph, dims: Readonly<Record<string, readonly number[]>>): Lowered {
  for (const [name, { type }] of Object.entries(graph)) {
    if (type !== "float") throw new TypeError(`Output "${name}" is of type ${type}, not float`);
  }
  const emitter = new Emitter();
  const inputs = graphInputs(graph);
  const sizes = bindSymbols(inputs, dims);
  const views = new Map<Value, View>();
  for (const [name, value] of inputs) views.set(value, emitter.input(name, dims[name]));
  for (const value of reachable(Object.values(graph))) {
    const { op, shape } = value;
    if (op.kind === "Input") continue;
    const lowerOp = LOWER[op.kind] as Lower;
    const operands = value.inputs.map((operand) => views.get(operand)!);
    views.set(value, lowerOp(emitter, operands, shape.map((dim) => sizeOfDim(dim, sizes)), op));
  }
  const outputs = Object.entries(graph).map(([name, value]): [string, View] => [
    name,
    emitter.contiguous(views.get(value)!),
  ]);
  const { instructions, buffers, constants } = emitter;
  return { instructions, buffers, constants, outputs };
}

function sizeOfDim(dim: Dim, sizes: ReadonlyMap<string, number>): number {
  const [factor, symbol] = factorised(dim);
  if (symbol === undefined) return factor;
  const size = sizes.get(symbol);
  if (size === undefined) throw new TypeError(`No input says what ${symbol} is`);
  return factor * size;
}

/** Sizes by the names that the inputs' shapes give them. */
function bindSymbols(
  inputs: ReadonlyMap<string, Value>,
  dims: Readonly<Record<string, readonly number[]>>,
): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const [name, { shape }] of inputs) {
    const given = dims[name];
    if (!given) throw new TypeError(`The graph's input '${name}' is missing`);
    const fits = given.length === shape.length && shape.every((dim, axis) => {
      const [factor, symbol] = factorised(dim);
      if (symbol === undefined) return factor === given[axis];
      const known = sizes.get(symbol) ?? given[axis] / factor;
      sizes.set(symbol, known);
      return Number.isInteger(known) && factor * known === given[axis];
    });
    if (!fits) {
      throw new TypeError(`The graph's input '${name}' is [${shape.join(", ")}], not [${given.join(", ")}]`);
    }
  }
  return sizes;
}

/** From an op's operands to its result of the given dimensions. */
type Lower<K extends OpKind = OpKind> = (
  emitter: Emitter,
  operands: readonly View[],
  dims: readonly number[],
  op: Op<K>,
) => View;

const elementwise = (op: ElementwiseOp): Lower => (emitter, operands, dims) => emitter.elementwise(op, operands, dims);

const softmax = (op: "Softmax" | "LogSoftmax"): Lower => (emitter, [x], dims) =>
  emitter.rows(op, x, 1, emitter.result(dims), (n) => n);

const reduce = (reduction: RowOp): Lower<"ReduceSum" | "ReduceMean"> => (emitter, [x], dims, { axes }) =>
  emitter.reduced(reduction, x, axes, dims);

const LOWER: { readonly [K in Exclude<OpKind, "Input">]: Lower<K> } = {
  Constant: (emitter, _operands, _dims, { value }) => emitter.constant(value),
  Add: elementwise("Add"),
  Sub: elementwise("Sub"),
  Mul: elementwise("Mul"),
  Div: elementwise("Div"),
  Greater: elementwise("Greater"),
  Where: elementwise("Where"),
  Neg: elementwise("Neg"),
  Sqrt: elementwise("Sqrt"),
  Exp: elementwise("Exp"),
  Log: (emitter, [x], dims) => emitter.strided("Log", emitter.result(dims), x),
  Tanh: elementwise("Tanh"),
  Erf: elementwise("Erf"),
  Sigmoid: elementwise("Sigmoid"),
  Relu: elementwise("Relu"),
  Activation: (emitter, operands, dims, { fn }) => emitter.elementwise(fn, operands, dims),
  MatMul: (emitter, [a, b], dims) => emitter.matMul(a, b, dims),
  Softmax: softmax("Softmax"),
  LogSoftmax: softmax("LogSoftmax"),
  ReduceSum: reduce("Sum"),
  ReduceMean: reduce("Mean"),
  Transpose: (_emitter, [x], _dims, { permutation }) => permuted(x, permutation),
  Reshape: (emitter, [x], dims) => reshaped(x, dims) ?? reshaped(emitter.copied(x), dims)!,
  ExpandLike: (_emitter, [x], dims) => broadcast(x, dims),
  Slice: (_emitter, [x], _dims, { axis, start, end }) => sliced(x, axis, start, end),
  Pad: (emitter, [x], dims, { axis, before, after }) => {
    const out = emitter.result(dims);
    const zero = (place: View): [View, View] => [place, broadcast(emitter.constant(0), place.dims)];
    const end = dims[axis] - after;
    return emitter.assembled(out, [
      zero(sliced(out, axis, 0, before)),
      [sliced(out, axis, before, end), x],
      zero(sliced(out, axis, end, dims[axis])),
    ]);
  },
  Concat: (emitter, operands, dims, { axis }) => {
    const out = emitter.result(dims);
    let end = 0;
    return emitter.assembled(
      out,
      operands.map((from) => {
        const start = end;
        end += from.dims[axis];
        return [sliced(out, axis, start, end), from];
      }),
    );
  },
  GatherElements: (emitter, [x, indices], dims) => emitter.lookup("Gather", x, indices, emitter.result(dims)),
  ScatterElementsLike: (emitter, [updates, indices], dims) =>
    emitter.lookup("Scatter", updates, indices, emitter.filled(dims, 0)),
};

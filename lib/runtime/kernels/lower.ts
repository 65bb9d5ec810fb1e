/**
 * From a graph, for inputs of given sizes, to the program that runs it: which kernels, in which order, on what memory.
 *
 * @module
 */
import { graphInputs, reachable } from "../../graph/graph.ts";
import { factorised } from "../../graph/make.ts";
import { type Dim, type Graph, type Node, type OpKind, type Value } from "../../graph/value.ts";
import { JS_KERNELS, Kind } from "./execute.ts";
import { collapse, isContiguous, permuted, reshaped, sizeOf, sliced, stretched, type View, whole } from "./views.ts";

/** A place in a buffer whose address is not known yet. */
export interface Ref {
  readonly buffer: number;
  /** In numbers. */
  readonly offset: number;
}

/** An instruction whose buffers have no addresses yet. */
export interface Instruction {
  readonly words: readonly (number | Ref)[];
  /** A buffer in whose place the result may be written, if nobody needs it afterwards. */
  readonly inPlace: readonly number[];
}

/** What a buffer holds. */
export type Buffer =
  | { readonly kind: "result"; readonly size: number }
  | { readonly kind: "input"; readonly size: number; readonly name: string }
  | { readonly kind: "constants" };

/** A program before its buffers have addresses. */
export interface Lowered {
  readonly instructions: readonly Instruction[];
  readonly buffers: readonly Buffer[];
  /** The numbers of the one buffer of constants. */
  readonly constants: readonly number[];
  /** Where the graph's outputs lie, one element after another. */
  readonly outputs: readonly (readonly [name: string, view: View])[];
}

/** The buffer of constants. */
const CONSTANTS = 0;
/** So many elements are worth two threads' meeting. */
const SHARED_ELEMENTS = 8192;
/** So many products are. */
const SHARED_PRODUCTS = 2 ** 18;

/**
 * Lowers a graph.
 *
 * @param dims of every input
 * @param kernels the names of the kernels, in the order of their table
 * @throws {TypeError} if the dimensions do not fit the graph, or an output is not of type float
 */
export function lower(
  graph: Graph,
  dims: Readonly<Record<string, readonly number[]>>,
  kernels: readonly string[],
): Lowered {
  const lowering = new Lowering(graph, dims, kernels);
  return lowering.lowered;
}

class Lowering {
  readonly lowered: Lowered;
  readonly #kernels: ReadonlyMap<string, number>;
  readonly #sizes: ReadonlyMap<string, number>;
  readonly #views = new Map<Value, View>();
  readonly #instructions: Instruction[] = [];
  readonly #buffers: Buffer[] = [{ kind: "constants" }];
  readonly #constants: number[] = [];
  readonly #ops = this.#makeOps();

  constructor(graph: Graph, dims: Readonly<Record<string, readonly number[]>>, kernels: readonly string[]) {
    this.#kernels = new Map(kernels.map((name, i) => [name, i]));
    for (const [name, { type }] of Object.entries(graph)) {
      if (type !== "float") throw new TypeError(`Output "${name}" is of type ${type}, not float`);
    }
    const inputs = graphInputs(graph);
    this.#sizes = bindSymbols(inputs, dims);
    for (const [name, value] of inputs) {
      this.#buffers.push({ kind: "input", name, size: sizeOf(dims[name]) });
      this.#views.set(value, whole(this.#buffers.length - 1, dims[name]));
    }
    for (const value of reachable(Object.values(graph))) {
      if (value.op.kind === "Input") continue;
      const op = this.#ops[value.op.kind] as (value: Value, dims: readonly number[]) => View;
      this.#views.set(value, op(value, value.shape.map((dim) => this.#size(dim))));
    }
    const outputs = Object.entries(graph).map(([name, value]): [string, View] => [
      name,
      this.#contiguous(this.#view(value)),
    ]);
    this.lowered = {
      instructions: this.#instructions,
      buffers: this.#buffers,
      constants: this.#constants,
      outputs,
    };
  }

  #size(dim: Dim): number {
    const [factor, symbol] = factorised(dim);
    if (symbol === undefined) return factor;
    const size = this.#sizes.get(symbol);
    if (size === undefined) throw new TypeError(`No input says what ${symbol} is`);
    return factor * size;
  }

  #view(value: Value): View {
    return this.#views.get(value)!;
  }

  #result(dims: readonly number[]): View {
    this.#buffers.push({ kind: "result", size: sizeOf(dims) });
    return whole(this.#buffers.length - 1, dims);
  }

  #constant(value: number): View {
    let at = this.#constants.indexOf(value);
    if (at < 0) at = this.#constants.push(value) - 1;
    return { buffer: CONSTANTS, offset: at, dims: [], strides: [] };
  }

  #emit(kind: number, isShared: boolean, words: readonly (number | Ref)[], inPlace: readonly number[] = []): void {
    this.#instructions.push({ words: [kind, words.length + 4, isShared ? 1 : 0, 0, ...words], inPlace });
  }

  /** Runs an elementwise kernel on views of the same dimensions. */
  #map(name: string, out: View, operands: readonly View[]): View {
    const size = sizeOf(out.dims);
    if (size === 0) return out;
    const all = [out, ...operands];
    const { dims, strides } = collapse(out.dims, all.map((view) => view.strides));
    const inner = strides.map((own) => own.at(-1)!);
    const [outInner, ...inners] = inner;
    let kernel = JS_KERNELS[name as keyof typeof JS_KERNELS] as number | undefined;
    if (kernel === undefined && (outInner !== 1 || inners.some((stride) => stride > 1))) {
      if (name === "Copy") kernel = JS_KERNELS.CopyStrided;
      else {
        return this.#map(name, out, operands.map((view, i) => inners[i] > 1 ? this.#copied(view) : view));
      }
    }
    const letters = inners.map((stride) => stride === 0 ? "s" : "v").join("");
    kernel ??= this.#kernels.get(`${name}_${letters}`);
    if (kernel === undefined) return this.#map(name, out, operands.map((view) => this.#copied(view)));
    const isInPlace = (view: View): boolean => isContiguous(view) && view.offset === out.offset;
    const fits = !isContiguous(out)
      ? []
      : operands.filter(({ buffer }) => operands.every((view) => view.buffer !== buffer || isInPlace(view)));
    this.#emit(
      Kind.Map,
      size >= SHARED_ELEMENTS,
      [
        kernel,
        operands.length,
        dims.length,
        ...dims,
        ...all.flatMap(({ buffer, offset }, i) => [{ buffer, offset }, ...strides[i].map((stride) => 4 * stride)]),
      ],
      fits.map(({ buffer }) => buffer),
    );
    return out;
  }

  /** Runs an elementwise kernel on operands that are broadcast. */
  #elementwise(name: string, operands: readonly View[], dims: readonly number[]): View {
    return this.#map(name, this.#result(dims), operands.map((view) => stretched(view, dims)));
  }

  #copied(view: View): View {
    return this.#map("Copy", this.#result(view.dims), [view]);
  }

  #contiguous(view: View): View {
    return isContiguous(view) ? view : this.#copied(view);
  }

  #filled(dims: readonly number[], value: number): View {
    return this.#map("Copy", this.#result(dims), [stretched(this.#constant(value), dims)]);
  }

  /** Copies views into parts of a new one. */
  #assembled(out: View, parts: readonly (readonly [place: View, from: View])[]): View {
    for (const [place, from] of parts) this.#map("Copy", place, [from]);
    return out;
  }

  /** Runs a kernel on rows: the last `axes` axes of a view together are one. */
  #rows(name: string, view: View, axes: number, out: View, outStride: (n: number) => number): View {
    const split = view.dims.length - axes;
    const inner = collapse(view.dims.slice(split), [view.strides.slice(split)]);
    const n = sizeOf(view.dims.slice(split));
    if (inner.dims.length > 1 || (inner.strides[0][0] !== 1 && n > 1)) {
      return this.#rows(name, this.#copied(view), axes, out, outStride);
    }
    const outer = collapse(view.dims.slice(0, split), [view.strides.slice(0, split)]);
    const count = sizeOf(outer.dims);
    if (sizeOf(out.dims) === 0) return out;
    this.#emit(Kind.Rows, count * n >= SHARED_ELEMENTS, [
      JS_KERNELS[name as keyof typeof JS_KERNELS] ?? this.#kernels.get(name)!,
      ref(out),
      4 * outStride(n),
      n,
      ref(view),
      outer.dims.length,
      ...outer.dims,
      ...outer.strides[0].map((stride) => 4 * stride),
    ]);
    return out;
  }

  #reduced(name: string, view: View, axes: readonly number[], dims: readonly number[]): View {
    const kept = view.dims.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
    return this.#rows(name, permuted(view, [...kept, ...axes]), axes.length, this.#result(dims), () => 1);
  }

  #matMul(a: View, b: View, dims: readonly number[]): View {
    const out = this.#result(dims);
    let [m, n] = dims.slice(-2);
    const k = a.dims.at(-1)!;
    if (sizeOf(dims) === 0) return out;
    if (k === 0) return this.#map("Copy", out, [stretched(this.#constant(0), dims)]);
    const leading = dims.slice(0, -2);
    const [wideA, wideB] = [
      stretched(a, [...leading, m, k]),
      stretched(b, [...leading, k, n]),
    ];
    let batch = collapse(leading, [wideA.strides.slice(0, -2), wideB.strides.slice(0, -2)]);
    let aRow = wideA.strides.at(-2)!;
    if (leading.every((dim, axis) => dim === 1 || wideB.strides[axis] === 0)) { // one product of all rows
      const all = collapse([...leading, m], [wideA.strides.slice(0, -1)]);
      if (all.dims.length === 1) {
        [m, aRow] = [all.dims[0], all.strides[0][0]];
        batch = collapse([], [[], []]);
      }
    }
    this.#emit(Kind.MatMul, sizeOf(dims) * k >= SHARED_PRODUCTS, [
      ref(out),
      m,
      n,
      k,
      ref(a),
      4 * aRow,
      4 * wideA.strides.at(-1)!,
      ref(b),
      4 * wideB.strides.at(-2)!,
      4 * wideB.strides.at(-1)!,
      batch.dims.length,
      ...batch.dims,
      ...batch.strides.flatMap((own) => own.map((stride) => 4 * stride)),
    ]);
    return out;
  }

  #lookup(kind: number, from: View, indices: View, out: View): View {
    const leading = (view: View): string => view.dims.slice(0, -1).join();
    const other = [from, out].find((view) => leading(view) !== leading(indices));
    if (other) {
      throw new TypeError(`Indices of [${indices.dims.join(", ")}] for values of [${other.dims.join(", ")}]`);
    }
    const count = sizeOf(indices.dims.slice(0, -1));
    this.#emit(kind, false, [
      ref(out),
      ref(this.#contiguous(from)),
      ref(indices),
      count,
      from.dims.at(-1)!,
      out.dims.at(-1)!,
    ]);
    return out;
  }

  #makeOps(): { readonly [K in Exclude<OpKind, "Input">]: (value: Node<K>, dims: readonly number[]) => View } {
    const elementwise = (name: string) => ({ inputs }: Value, dims: readonly number[]): View =>
      this.#elementwise(name, inputs.map((input) => this.#view(input)), dims);
    const softmax = (name: string) => ({ inputs: [x] }: Value, dims: readonly number[]): View =>
      this.#rows(name, this.#view(x), 1, this.#result(dims), (n) => n);
    const reduce = (name: string) =>
    (
      { inputs: [x], op: { axes } }: Node<"ReduceSum" | "ReduceMean">,
      dims: readonly number[],
    ): View => this.#reduced(name, this.#view(x), axes, dims);
    return {
      Constant: ({ op }) => this.#constant(op.value),
      Add: elementwise("Add"),
      Sub: elementwise("Sub"),
      Mul: elementwise("Mul"),
      Div: elementwise("Div"),
      Greater: elementwise("Greater"),
      Where: elementwise("Where"),
      Neg: elementwise("Neg"),
      Sqrt: elementwise("Sqrt"),
      Exp: elementwise("Exp"),
      Log: elementwise("Log"),
      Tanh: elementwise("Tanh"),
      Erf: elementwise("Erf"),
      Sigmoid: elementwise("Sigmoid"),
      Relu: elementwise("Relu"),
      Activation: ({ inputs: [x], op }, dims) => this.#elementwise(op.fn, [this.#view(x)], dims),
      MatMul: ({ inputs: [a, b] }, dims) => this.#matMul(this.#view(a), this.#view(b), dims),
      Softmax: softmax("Softmax"),
      LogSoftmax: softmax("LogSoftmax"),
      ReduceSum: reduce("Sum"),
      ReduceMean: reduce("Mean"),
      Transpose: ({ inputs: [x], op }) => permuted(this.#view(x), op.permutation),
      Reshape: ({ inputs: [x] }, dims) => {
        const view = this.#view(x);
        return reshaped(view, dims) ?? reshaped(this.#copied(view), dims)!;
      },
      ExpandLike: ({ inputs: [x] }, dims) => stretched(this.#view(x), dims),
      Slice: ({ inputs: [x], op }) => sliced(this.#view(x), op.axis, op.start, op.end),
      Pad: ({ inputs: [x], op }, dims) => {
        const out = this.#result(dims);
        const zero = (place: View): [View, View] => [place, stretched(this.#constant(0), place.dims)];
        const end = dims[op.axis] - op.after;
        return this.#assembled(out, [
          zero(sliced(out, op.axis, 0, op.before)),
          [sliced(out, op.axis, op.before, end), this.#view(x)],
          zero(sliced(out, op.axis, end, dims[op.axis])),
        ]);
      },
      Concat: ({ inputs, op }, dims) => {
        const out = this.#result(dims);
        let start = 0;
        return this.#assembled(
          out,
          inputs.map((input) => {
            const from = this.#view(input);
            const end = start + from.dims[op.axis];
            const place = sliced(out, op.axis, start, end);
            start = end;
            return [place, from];
          }),
        );
      },
      GatherElements: ({ inputs: [x, indices] }, dims) =>
        this.#lookup(Kind.Gather, this.#view(x), this.#view(indices), this.#result(dims)),
      ScatterElementsLike: ({ inputs: [updates, indices] }, dims) =>
        this.#lookup(Kind.Scatter, this.#view(updates), this.#view(indices), this.#filled(dims, 0)),
    };
  }
}

const ref = ({ buffer, offset }: View): Ref => ({ buffer, offset });

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

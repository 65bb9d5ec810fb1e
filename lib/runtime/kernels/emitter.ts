/**
 * Instructions on views: which kernels an op takes, and what has to be copied first.
 *
 * @module
 */
import type { ElementwiseKernel, ElementwiseOp } from "./elementwise.ts";
import type { Field, Instruction, Kind, List } from "./instructions.ts";
import type { KernelName } from "./module.ts";
import type { RowOp } from "./rows.ts";
import { broadcast, collapse, isContiguous, permuted, sizeOf, type View, wholeView } from "./views.ts";

/** A place in a buffer whose address is not known yet. */
export interface Ref {
  readonly buffer: number;
  /** In numbers. */
  readonly offset: number;
}

/** What a field of an instruction is before addresses and the kernels' numbers are known. */
export type Word = number | Ref | KernelName;

/** An instruction before that. */
export interface LoweredInstruction extends Instruction<Word> {
  /** Buffers in whose place the result may be written, if nobody needs them afterwards. */
  readonly inPlace: readonly number[];
}

/** What a buffer holds. */
export type Buffer =
  | { readonly kind: "result"; readonly size: number }
  | { readonly kind: "input"; readonly size: number; readonly name: string }
  | { readonly kind: "constants" };

/** The buffer of constants. */
const CONSTANTS = 0;
/** So many elements are worth that threads wait for each other. */
const SHARED_ELEMENTS = 8192;
/** So many products are. */
const SHARED_PRODUCTS = 2 ** 18;

/** Instructions in the making, with the buffers that they read and fill. */
export class Emitter {
  readonly instructions: LoweredInstruction[] = [];
  readonly buffers: Buffer[] = [{ kind: "constants" }];
  /** The numbers of the one buffer of constants. */
  readonly constants: number[] = [];

  /** A buffer for an input of the graph. */
  input(name: string, dims: readonly number[]): View {
    this.buffers.push({ kind: "input", name, size: sizeOf(dims) });
    return wholeView(this.buffers.length - 1, dims);
  }

  /** A new buffer for a result. */
  result(dims: readonly number[]): View {
    this.buffers.push({ kind: "result", size: sizeOf(dims) });
    return wholeView(this.buffers.length - 1, dims);
  }

  /** A number, as often as it is read. */
  constant(value: number): View {
    let at = this.constants.indexOf(value);
    if (at < 0) at = this.constants.push(value) - 1;
    return { buffer: CONSTANTS, offset: at, dims: [], strides: [] };
  }

  #emit<K extends Kind>(
    kind: K,
    isShared: boolean,
    fields: Readonly<Record<Field<K>, Word>>,
    lists: Readonly<Record<List<K>, readonly number[]>>,
    inPlace: readonly number[] = [],
  ): void {
    this.instructions.push({ kind, isShared, fields, lists, inPlace });
  }

  /** Runs an elementwise op on views of the same dimensions. */
  #map(op: ElementwiseOp, out: View, operands: readonly View[]): View {
    if (sizeOf(out.dims) === 0) return out;
    const { dims, strides } = collapse(out.dims, [out, ...operands].map((view) => view.strides));
    const [outInner, ...inner] = strides.map((own) => own.at(-1)!);
    if (op === "Copy" && (outInner !== 1 || inner[0] > 1)) return this.strided("CopyStrided", out, operands[0]);
    // Kernels read what lies together; those of one operand do not read one number for all.
    const isRead = inner.map((stride) => stride === 1 || (stride === 0 && (op === "Copy" || inner.length > 1)));
    if (isRead.includes(false)) {
      return this.#map(op, out, operands.map((view, i) => isRead[i] ? view : this.copied(view)));
    }
    const letters = inner.map((stride) => stride === 0 ? "s" : "v").join(""); // every op has all of them
    const [a, b, c] = operands.map(ref);
    const [outStrides, aStrides, bStrides, cStrides] = strides.map(inBytes);
    const unused = dims.map(() => 0);
    this.#emit(
      "Map",
      sizeOf(dims) >= SHARED_ELEMENTS,
      {
        kernel: `${op}_${letters}` as ElementwiseKernel,
        operands: operands.length,
        out: ref(out),
        a,
        b: b ?? 0,
        c: c ?? 0,
      },
      { dims, outStrides, aStrides, bStrides: bStrides ?? unused, cStrides: cStrides ?? unused },
      inPlaceOf(out, operands),
    );
    return out;
  }

  /** Runs an op of one operand in JavaScript, which may lie anywhere. */
  strided(kind: "CopyStrided" | "Log", out: View, a: View): View {
    if (sizeOf(out.dims) === 0) return out;
    const { dims, strides } = collapse(out.dims, [out.strides, a.strides]);
    const [outStrides, aStrides] = strides.map(inBytes);
    this.#emit(
      kind,
      sizeOf(dims) >= SHARED_ELEMENTS,
      { out: ref(out), a: ref(a) },
      { dims, outStrides, aStrides },
      inPlaceOf(out, [a]),
    );
    return out;
  }

  /** Runs an elementwise op on operands that are broadcast. */
  elementwise(op: ElementwiseOp, operands: readonly View[], dims: readonly number[]): View {
    return this.#map(op, this.result(dims), operands.map((view) => broadcast(view, dims)));
  }

  /** The same elements, one after another. */
  copied(view: View): View {
    return this.#map("Copy", this.result(view.dims), [view]);
  }

  /** The same, copied only where it needs to be. */
  contiguous(view: View): View {
    return isContiguous(view) ? view : this.copied(view);
  }

  /** A new buffer of one number. */
  filled(dims: readonly number[], value: number): View {
    return this.#map("Copy", this.result(dims), [broadcast(this.constant(value), dims)]);
  }

  /** Copies views into parts of a new one. */
  assembled(out: View, parts: readonly (readonly [place: View, from: View])[]): View {
    for (const [place, from] of parts) this.#map("Copy", place, [from]);
    return out;
  }

  /** Runs an op on rows: the last `axes` axes of a view together are one. */
  rows(op: RowOp | "LogSoftmax", view: View, axes: number, out: View, outStride: (n: number) => number): View {
    const split = view.dims.length - axes;
    const inner = collapse(view.dims.slice(split), [view.strides.slice(split)]);
    const n = sizeOf(view.dims.slice(split));
    if (inner.dims.length > 1 || (inner.strides[0][0] !== 1 && n > 1)) {
      return this.rows(op, this.copied(view), axes, out, outStride);
    }
    const outer = collapse(view.dims.slice(0, split), [view.strides.slice(0, split)]);
    const count = sizeOf(outer.dims);
    if (sizeOf(out.dims) === 0) return out;
    const isShared = count * n >= SHARED_ELEMENTS;
    const fields = { out: ref(out), outStride: 4 * outStride(n), n, a: ref(view) };
    const lists = { dims: outer.dims, strides: inBytes(outer.strides[0]) };
    if (op === "LogSoftmax") this.#emit(op, isShared, fields, lists);
    else this.#emit("Rows", isShared, { kernel: op, ...fields }, lists);
    return out;
  }

  /** Runs an op on some axes together, which go. */
  reduced(op: RowOp, view: View, axes: readonly number[], dims: readonly number[]): View {
    const others = view.dims.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
    return this.rows(op, permuted(view, [...others, ...axes]), axes.length, this.result(dims), () => 1);
  }

  /** Multiplies matrices. */
  matMul(a: View, b: View, dims: readonly number[]): View {
    const out = this.result(dims);
    let [m, n] = dims.slice(-2);
    const k = a.dims.at(-1)!;
    if (sizeOf(dims) === 0) return out;
    if (k === 0) return this.#map("Copy", out, [broadcast(this.constant(0), dims)]);
    const leading = dims.slice(0, -2);
    const [wideA, wideB] = [
      broadcast(a, [...leading, m, k]),
      broadcast(b, [...leading, k, n]),
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
    const [aStrides, bStrides] = batch.strides.map(inBytes);
    this.#emit("MatMul", sizeOf(dims) * k >= SHARED_PRODUCTS, {
      out: ref(out),
      m,
      n,
      k,
      a: ref(a),
      aRow: 4 * aRow,
      aColumn: 4 * wideA.strides.at(-1)!,
      b: ref(b),
      bRow: 4 * wideB.strides.at(-2)!,
      bColumn: 4 * wideB.strides.at(-1)!,
    }, { dims: batch.dims, aStrides, bStrides });
    return out;
  }

  /** Looks up numbers of rows by index, or adds them up there. */
  lookup(kind: "Gather" | "Scatter", from: View, indices: View, out: View): View {
    const leading = (view: View): string => view.dims.slice(0, -1).join();
    const other = [from, out].find((view) => leading(view) !== leading(indices));
    if (other) {
      throw new TypeError(`Indices of [${indices.dims.join(", ")}] for values of [${other.dims.join(", ")}]`);
    }
    this.#emit(kind, false, {
      out: ref(out),
      from: ref(this.contiguous(from)),
      indices: ref(indices),
      rows: sizeOf(indices.dims.slice(0, -1)),
      nFrom: from.dims.at(-1)!,
      nOut: out.dims.at(-1)!,
    }, {});
    return out;
  }
}

const ref = ({ buffer, offset }: View): Ref => ({ buffer, offset });

const inBytes = (strides: readonly number[]): number[] => strides.map((stride) => 4 * stride);

/** Operands' buffers that are read just where a result is written. */
function inPlaceOf(out: View, operands: readonly View[]): number[] {
  if (!isContiguous(out)) return [];
  const isThere = (view: View): boolean => isContiguous(view) && view.offset === out.offset;
  const buffers = operands.map(({ buffer }) => buffer);
  return buffers.filter((buffer) => operands.every((view) => view.buffer !== buffer || isThere(view)));
}

/**
 * Sparse activations: of tens of thousands of features, a few dozen are active at a position.
 *
 * @module
 */
import type { FloatTensor } from "../runtime/tensor.ts";

/** Active features by row, in compressed rows: row r has entries `offsets[r]` to `offsets[r + 1]`, features ascending. */
export interface SparseActivations {
  /** Positions. */
  readonly rows: number;
  /** Where a row's entries begin, `[rows + 1]`. */
  readonly offsets: Uint32Array;
  /** By entry, which feature. */
  readonly features: Uint32Array;
  /** Never 0: active means not zero. */
  readonly values: Float32Array;
}

/** Which activations of a row stay: the k largest (ties: the lower feature). */
export interface Selection {
  /** How many. */
  readonly k: number;
  /** Largest by value, or by |value|. */
  readonly by: "by value" | "by magnitude";
}

/** What is NaN or infinite in an SAE, in which row of its input, and what the SAE is called. */
interface NonFinite {
  readonly feature: number;
  readonly value: number;
  readonly row: number;
  readonly sae?: string;
}

/** An activation that is NaN or infinite. */
export class NonFiniteActivation extends Error {
  /** What of it is known. */
  readonly at: NonFinite;

  constructor(at: NonFinite) {
    const { feature, value, row, sae = "the SAE" } = at;
    super(
      `The activation of feature ${feature} of ${sae} is ${value} at position ${row}: its weights are damaged or overflow`,
    );
    this.name = "Error"; // as the model's are
    this.at = at;
  }
}

/** Collects rows slice of features by slice of features; of a top-k SAE, little more than k candidates a row. */
export class SparseBuilder {
  readonly #features: number[][];
  readonly #values: number[][];
  readonly #k: number;
  readonly #rank: (value: number) => number;
  /** By row: what a later value must exceed to be among the k largest. */
  readonly #floors: Float64Array;

  /** For a number of rows; without a selection, everything that is not zero stays. */
  constructor(rows: number, selection?: Selection) {
    this.#features = Array.from({ length: rows }, () => []);
    this.#values = Array.from({ length: rows }, () => []);
    this.#k = selection?.k ?? Infinity;
    this.#rank = selection?.by === "by magnitude" ? Math.abs : (value) => value;
    this.#floors = new Float64Array(rows).fill(-Infinity);
  }

  /**
   * Adds the nonzero elements of `[row, feature]`, whose first column is feature `start`. Slices come in order.
   *
   * @throws {NonFiniteActivation} if an element is NaN or infinite
   */
  add({ dims: [rows, width], data }: FloatTensor, start: number): void {
    for (let r = 0; r < rows; r++) {
      const end = (r + 1) * width;
      for (let i = r * width; i < end; i++) {
        const value = data[i];
        if (value === 0) continue;
        const feature = start + i - r * width;
        if (value - value !== 0) {
          throw new NonFiniteActivation({ feature, value, row: r });
        }
        if (this.#rank(value) <= this.#floors[r]) continue;
        this.#features[r].push(feature);
        this.#values[r].push(value);
        if (this.#values[r].length >= 2 * this.#k) this.#keepLargest(r);
      }
    }
  }

  /** All rows. */
  finish(): SparseActivations {
    this.#features.forEach((_, r) => this.#keepLargest(r));
    const offsets = new Uint32Array(this.#features.length + 1);
    this.#features.forEach((row, r) => offsets[r + 1] = offsets[r] + row.length);
    const features = new Uint32Array(offsets[offsets.length - 1]);
    const values = new Float32Array(features.length);
    this.#features.forEach((row, r) => features.set(row, offsets[r]));
    this.#values.forEach((row, r) => values.set(row, offsets[r]));
    return { rows: this.#features.length, offsets, features, values };
  }

  #keepLargest(r: number): void {
    const [features, values] = [this.#features[r], this.#values[r]];
    if (values.length <= this.#k) return;
    const ranks = values.map(this.#rank);
    const order = values.map((_, i) => i).sort((a, b) => ranks[b] - ranks[a] || a - b).slice(0, this.#k);
    this.#floors[r] = ranks[order[this.#k - 1]];
    order.sort((a, b) => a - b);
    this.#features[r] = order.map((i) => features[i]);
    this.#values[r] = order.map((i) => values[i]);
  }
}

/** Rows `start` to before `end`. */
export function rowsOf(
  { offsets, features, values }: SparseActivations,
  start: number,
  end: number,
): SparseActivations {
  const [from, to] = [offsets[start], offsets[end]];
  return {
    rows: end - start,
    offsets: offsets.slice(start, end + 1).map((offset) => offset - from),
    features: features.slice(from, to),
    values: values.slice(from, to),
  };
}

/** Rows of several one below another. */
export function stackRows(parts: readonly SparseActivations[]): SparseActivations {
  if (parts.length === 1) return parts[0];
  const count = parts.reduce((sum, { values }) => sum + values.length, 0);
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  const [offsets, features, values] = [new Uint32Array(rows + 1), new Uint32Array(count), new Float32Array(count)];
  let [row, entry] = [0, 0];
  for (const part of parts) {
    part.offsets.forEach((offset, r) => offsets[row + r] = entry + offset);
    features.set(part.features, entry);
    values.set(part.values, entry);
    row += part.rows;
    entry += part.values.length;
  }
  return { rows, offsets, features, values };
}

/** The same with some rows empty. */
export function withoutRows(
  { rows, offsets, features, values }: SparseActivations,
  empty: ReadonlySet<number>,
): SparseActivations {
  const kept: number[] = [];
  const moved = new Uint32Array(rows + 1);
  for (let r = 0; r < rows; r++) {
    if (!empty.has(r)) { for (let i = offsets[r]; i < offsets[r + 1]; i++) kept.push(i); }
    moved[r + 1] = kept.length;
  }
  return {
    rows,
    offsets: moved,
    features: Uint32Array.from(kept, (i) => features[i]),
    values: Float32Array.from(kept, (i) => values[i]),
  };
}

/** The matrix `[row, feature]`, zeros included. */
export function toDense({ rows, offsets, features, values }: SparseActivations, width: number): FloatTensor {
  const data = new Float32Array(rows * width);
  for (let r = 0; r < rows; r++) {
    for (let i = offsets[r]; i < offsets[r + 1]; i++) data[r * width + features[i]] = values[i];
  }
  return { dims: [rows, width], data };
}

/** Two sparse matrices entry by entry. */
export interface Differences extends SparseActivations {
  /** a − b, which may be 0. */
  readonly values: Float32Array;
  /** a, 0 where only b has the entry. */
  readonly minuend: Float32Array;
  /** b, 0 where only a has the entry. */
  readonly subtrahend: Float32Array;
}

/**
 * a − b at every entry that either has.
 *
 * @param b of as many rows
 */
export function subtract(a: SparseActivations, b: SparseActivations): Differences {
  if (b.values.length === 0) return { ...a, minuend: a.values, subtrahend: new Float32Array(a.values.length) };
  const offsets = new Uint32Array(a.rows + 1);
  const [features, minuend, subtrahend]: number[][] = [[], [], []];
  for (let r = 0; r < a.rows; r++) {
    let [i, j] = [a.offsets[r], b.offsets[r]];
    const [endA, endB] = [a.offsets[r + 1], b.offsets[r + 1]];
    while (i < endA || j < endB) {
      const [fromA, fromB] = [i < endA ? a.features[i] : Infinity, j < endB ? b.features[j] : Infinity];
      features.push(Math.min(fromA, fromB));
      minuend.push(fromA <= fromB ? a.values[i++] : 0);
      subtrahend.push(fromB <= fromA ? b.values[j++] : 0);
    }
    offsets[r + 1] = features.length;
  }
  return {
    rows: a.rows,
    offsets,
    features: Uint32Array.from(features),
    values: Float32Array.from(minuend, (x, i) => x - subtrahend[i]),
    minuend: Float32Array.from(minuend),
    subtrahend: Float32Array.from(subtrahend),
  };
}

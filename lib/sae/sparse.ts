/**
 * Sparse activations: of tens of thousands of features, a few dozen are active at a position.
 *
 * @module
 */
import type { FloatTensor } from "../runtime/tensor.ts";

/** Active features by row, in compressed rows: row r has entries `offsets[r]` to `offsets[r + 1]`, features ascending. */
export interface SparseActivations {
  readonly rows: number;
  readonly offsets: Uint32Array;
  readonly features: Uint32Array;
  /** Never 0: active means not zero. */
  readonly values: Float32Array;
}

/** Collects rows slice of features by slice of features. */
export class SparseBuilder {
  readonly #features: number[][];
  readonly #values: number[][];

  constructor(rows: number) {
    this.#features = Array.from({ length: rows }, () => []);
    this.#values = Array.from({ length: rows }, () => []);
  }

  /** Adds the nonzero elements of `[row, feature]`, whose first column is feature `start`. */
  add({ dims: [rows, width], data }: FloatTensor, start: number): void {
    for (let r = 0; r < rows; r++) {
      const [features, values] = [this.#features[r], this.#values[r]];
      const end = (r + 1) * width;
      for (let i = r * width; i < end; i++) {
        const value = data[i];
        if (value === 0) continue;
        features.push(start + i - r * width);
        values.push(value);
      }
    }
  }

  /** All rows; with `k`, only the k largest values of each (ties: the lower feature). */
  finish(k?: number): SparseActivations {
    if (k !== undefined) this.#features.forEach((_, r) => this.#keepLargest(r, k));
    const offsets = new Uint32Array(this.#features.length + 1);
    this.#features.forEach((row, r) => offsets[r + 1] = offsets[r] + row.length);
    const features = new Uint32Array(offsets[offsets.length - 1]);
    const values = new Float32Array(features.length);
    this.#features.forEach((row, r) => features.set(row, offsets[r]));
    this.#values.forEach((row, r) => values.set(row, offsets[r]));
    return { rows: this.#features.length, offsets, features, values };
  }

  #keepLargest(r: number, k: number): void {
    const [features, values] = [this.#features[r], this.#values[r]];
    if (values.length <= k) return;
    const order = values.map((_, i) => i).sort((a, b) => values[b] - values[a] || a - b).slice(0, k);
    order.sort((a, b) => a - b);
    this.#features[r] = order.map((i) => features[i]);
    this.#values[r] = order.map((i) => values[i]);
  }
}

/**
 * The matrix `[row, feature]`, zeros included.
 *
 * @example
 * ```ts
 * import { toDense } from "./sparse.ts";
 *
 * const one = { rows: 1, offsets: new Uint32Array([0, 1]), features: new Uint32Array([2]), values: new Float32Array([5]) };
 * console.assert(toDense(one, 4).data.join() === "0,0,5,0");
 * ```
 */
export function toDense({ rows, offsets, features, values }: SparseActivations, width: number): FloatTensor {
  const data = new Float32Array(rows * width);
  for (let r = 0; r < rows; r++) {
    for (let i = offsets[r]; i < offsets[r + 1]; i++) data[r * width + features[i]] = values[i];
  }
  return { dims: [rows, width], data };
}

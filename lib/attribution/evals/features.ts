/**
 * How many features are active, and how often each of them.
 *
 * @module
 */
import type { SparseActivations } from "../../sae/sparse.ts";

/** Activity per token. */
export interface Sparsity {
  /** Mean number of active features. */
  readonly l0: number;
  /** Mean sum of |activation|. */
  readonly l1: number;
}

/** Activity per feature, `[d_sae]`. */
export interface FeatureFigures {
  /** The part of the tokens at which the feature is active. */
  readonly feature_density: readonly number[];
  /** Active tokens per prompt that has any; NaN for a feature that is never active. */
  readonly consistent_activation_heuristic: readonly number[];
}

/** Sums over tokens and prompts. */
export class FeatureSums {
  #tokens = 0;
  #active = 0;
  #l1 = 0;
  readonly #activeTokens: Float64Array;
  readonly #activePrompts: Float64Array;

  /** For `dSae` features. */
  constructor(dSae: number) {
    this.#activeTokens = new Float64Array(dSae);
    this.#activePrompts = new Float64Array(dSae);
  }

  /** Adds a prompt's tokens at some positions. */
  add({ offsets, features, values }: SparseActivations, positions: readonly number[]): void {
    const inPrompt = new Set<number>();
    for (const row of positions) {
      this.#tokens++;
      this.#active += offsets[row + 1] - offsets[row];
      for (let i = offsets[row]; i < offsets[row + 1]; i++) {
        this.#l1 += Math.abs(values[i]);
        this.#activeTokens[features[i]]++;
        inPrompt.add(features[i]);
      }
    }
    for (const feature of inPrompt) this.#activePrompts[feature]++;
  }

  /** Means over tokens. */
  sparsity(): Sparsity {
    return { l0: this.#active / this.#tokens, l1: this.#l1 / this.#tokens };
  }

  /** By feature. */
  figures(): FeatureFigures {
    return {
      feature_density: Array.from(this.#activeTokens, (count) => count / this.#tokens),
      consistent_activation_heuristic: Array.from(this.#activeTokens, (count, f) => count / this.#activePrompts[f]),
    };
  }
}

/**
 * What an SAE architecture adds to the common form f = activations(z · W_enc), x̂ = f · W_dec + b_dec: data and one graph
 * over a slice of features. One file per architecture; {@linkcode ../architectures/mod.ts} lists them.
 *
 * @module
 */
import type { Value } from "../../graph/mod.ts";

/** An architecture as SAELens names it. */
export interface SaeArchitecture {
  /** Names of its per-feature weights, `[d_sae]`, in the file. */
  readonly vectors: readonly string[];
  /**
   * Activations `[row, feature]` of a slice of features, positively homogeneous in projected and vectors.
   *
   * @param projected normalised input times W_enc, `[row, feature]`
   * @param vectors the per-feature weights of the slice, `[feature]`
   */
  activations(projected: Value, vectors: Readonly<Record<string, Value>>): Value;
  /** Of a row's activations only the k largest stay. */
  readonly topK?: "by value" | "by magnitude";
  /** It writes another hook than it reads: b_dec and the way back from a normalisation have nothing to do with its input. */
  readonly transcoder?: boolean;
  /** It has W_skip `[d_out, d_in]`: x̂ += x · W_skipᵀ. */
  readonly skip?: boolean;
}

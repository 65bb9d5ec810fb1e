/**
 * What an SAE architecture adds to the common form: per-feature weights, and an activation graph over a slice of
 * features. One file per architecture; {@linkcode ../architectures/mod.ts} lists them.
 *
 * @module
 */
import type { Value } from "../../graph/mod.ts";

/** An architecture as SAELens names it. */
export interface SaeArchitecture {
  /** Names of its per-feature weights, `[d_sae]`, in the file. */
  readonly vectors: readonly string[];
  /**
   * Activations `[row, feature]` of a slice of features.
   *
   * @param projected normalised input times W_enc, `[row, feature]`
   * @param vectors the per-feature weights of the slice, `[feature]`
   */
  activations(projected: Value, vectors: Readonly<Record<string, Value>>): Value;
}

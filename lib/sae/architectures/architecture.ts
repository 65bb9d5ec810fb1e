/**
 * What an SAE architecture adds to the common form f = activations(z · W_enc), x̂ = f · W_dec + b_dec: data and one graph
 * over a slice of features, or an encoder of its own. {@linkcode ./mod.ts} lists them.
 *
 * @module
 */
import type { Value } from "../../graph/mod.ts";
import type { SaeConfig } from "../config.ts";
import type { Json } from "../../settings.ts";
import type { Matrices } from "../products.ts";
import type { SparseActivations } from "../sparse.ts";

/** What an encoder of its own works with. */
export interface OwnEncoding extends Matrices {
  /** The normalised input, `[row, d_in]`: the positions of one prompt in order. */
  readonly z: Float32Array;
  /** Positions. */
  readonly rows: number;
  /** The SAE's settings. */
  readonly config: SaeConfig;
}

/** What it finds. */
export interface OwnEncoded {
  /** f */
  readonly activations: SparseActivations;
  /** What is written without features, beside b_dec, in units of z: `[row, d_out]`. */
  readonly written?: Float32Array;
}

/** What every SAE has, for settings that depend on it. */
export type CommonSettings = Pick<SaeConfig, "dIn" | "dSae" | "normScalingFactor">;

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
  activations?(projected: Value, vectors: Readonly<Record<string, Value>>): Value;
  /** In the place of that graph, for activations that are no function of z · W_enc. */
  encode?(encoding: OwnEncoding): Promise<OwnEncoded>;
  /** An encoder of its own that looks from one position at others: prompts are encoded one at a time. */
  readonly acrossPositions?: boolean;
  /** Of an encoder of its own: the tensors that it reads, beside W_dec and b_dec. */
  shapes?(config: SaeConfig): Readonly<Record<string, readonly number[]>>;
  /** Whether b_dec is added to the output, where that depends; default: it is. */
  adds?(config: SaeConfig): boolean;
  /** Of a row's activations only the k largest stay. */
  readonly topK?: "by value" | "by magnitude";
  /** It writes another hook than it reads: b_dec and the way back from a normalisation have nothing to do with its input. */
  readonly transcoder?: boolean;
  /** It has W_skip `[d_out, d_in]`: x̂ += x · W_skipᵀ. */
  readonly skip?: boolean;
  /**
   * Where SAELens folds the factor of `expected_average_only_in`: into the weights (the default), into a search's threshold
   * (its dictionary stays as it is), or nowhere.
   */
  readonly folding?: "threshold" | "none";
  /** Reads the settings that only it has. @throws {TypeError | RangeError} as the others do */
  readSettings?(cfg: Json, common: CommonSettings): Partial<SaeConfig>;
}

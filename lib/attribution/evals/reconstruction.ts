/**
 * How near an SAE's output comes to the hook's value.
 *
 * @module
 */

/** Norms of the hook's values x and the SAE's outputs x̂. */
export interface Shrinkage {
  /** Mean ‖x‖. */
  readonly l2_norm_in: number;
  /** Mean ‖x̂‖. */
  readonly l2_norm_out: number;
  /** Mean ‖x̂‖ / ‖x‖. */
  readonly l2_ratio: number;
  /** E‖x̂‖² / E(x · x̂), equation 10 of arXiv 2404.16014: below 1 where x̂ is too short. The mean over batches. */
  readonly relative_reconstruction_bias: number;
}

/** Errors of the SAE's outputs x̂ against the hook's values x. */
export interface ReconstructionQuality {
  /** 1 − E‖x − x̂‖² / (E‖x‖² − ‖E x‖²). */
  readonly explained_variance: number;
  /** Mean of 1 − ‖x − x̂‖² / ‖x − m‖², m the mean of x over the token's batch: SAELens's formula of old. */
  readonly explained_variance_legacy: number;
  /** Mean ‖x − x̂‖², summed over dimensions. */
  readonly mse: number;
  /** Mean cosine of x and x̂; NaN if one of them is 0 anywhere. */
  readonly cossim: number;
}

/** SAELens's bound on norms that are divided by. */
const MIN_NORM = 1e-4;
/** SAELens's bound on the variance. */
const MIN_VARIANCE = 1e-10;

/** Sums over tokens; some figures are means over batches, so that a batch's values are kept until it ends. */
export class ReconstructionSums {
  readonly #d: number;
  #tokens = 0;
  #batches = 0;
  readonly #x: Float64Array;
  #sum = { normIn: 0, normOut: 0, ratio: 0, bias: 0, squaredNorm: 0, residual: 0, legacy: 0, cosine: 0 };
  /** Of the batch: its rows, their ‖x − x̂‖², Σ‖x̂‖² and Σ x · x̂. */
  #batch: { rows: Float32Array[]; residuals: number[]; squaredOut: number; dot: number } = emptyBatch();

  /** For rows of `d` numbers. */
  constructor(d: number) {
    this.#d = d;
    this.#x = new Float64Array(d);
  }

  /** Adds rows of x and x̂, `[row, d]`. */
  add(x: Float32Array, reconstructed: Float32Array, rows: readonly number[]): void {
    const d = this.#d;
    for (const r of rows) this.#addRow(x.subarray(r * d, (r + 1) * d), reconstructed.subarray(r * d, (r + 1) * d));
  }

  #addRow(x: Float32Array, out: Float32Array): void {
    let [squaredIn, squaredOut, dot, residual] = [0, 0, 0, 0];
    for (let i = 0; i < x.length; i++) {
      this.#x[i] += x[i];
      squaredIn += x[i] * x[i];
      squaredOut += out[i] * out[i];
      dot += x[i] * out[i];
      residual += (x[i] - out[i]) ** 2;
    }
    const [normIn, normOut] = [Math.sqrt(squaredIn), Math.sqrt(squaredOut)];
    this.#tokens++;
    this.#sum.normIn += normIn;
    this.#sum.normOut += normOut;
    this.#sum.ratio += normOut / (normIn < MIN_NORM ? 1 : normIn);
    this.#sum.squaredNorm += squaredIn;
    this.#sum.residual += residual;
    this.#sum.cosine += dot / normIn / normOut;
    this.#batch.rows.push(x);
    this.#batch.residuals.push(residual);
    this.#batch.squaredOut += squaredOut;
    this.#batch.dot += dot;
  }

  /** What is added from now on belongs to the next batch. */
  endBatch(): void {
    const { rows, residuals, squaredOut, dot } = this.#batch;
    this.#batch = emptyBatch();
    if (rows.length === 0) return;
    this.#batches++;
    this.#sum.bias += squaredOut / dot;
    const mean = new Float64Array(this.#d);
    for (const row of rows) for (let i = 0; i < mean.length; i++) mean[i] += row[i] / rows.length;
    rows.forEach((row, r) => {
      let spread = 0;
      for (let i = 0; i < mean.length; i++) spread += (row[i] - mean[i]) ** 2;
      this.#sum.legacy += 1 - residuals[r] / spread;
    });
  }

  /** Means over tokens, or over batches. */
  shrinkage(): Shrinkage {
    return {
      l2_norm_in: this.#sum.normIn / this.#tokens,
      l2_norm_out: this.#sum.normOut / this.#tokens,
      l2_ratio: this.#sum.ratio / this.#tokens,
      relative_reconstruction_bias: this.#sum.bias / this.#batches,
    };
  }

  /** Means over tokens. */
  quality(): ReconstructionQuality {
    const { residual, legacy, cosine } = this.#sum;
    return {
      explained_variance: this.#explainedVariance(),
      explained_variance_legacy: legacy / this.#tokens,
      mse: residual / this.#tokens,
      cossim: cosine / this.#tokens,
    };
  }

  #explainedVariance(): number {
    const squaredMean = this.#x.reduce((sum, x) => sum + (x / this.#tokens) ** 2, 0);
    const variance = this.#sum.squaredNorm / this.#tokens - squaredMean;
    const mse = this.#sum.residual / this.#tokens;
    if (variance < MIN_VARIANCE) return mse < MIN_VARIANCE ? 1 : 0;
    return 1 - mse / variance;
  }
}

function emptyBatch(): { rows: Float32Array[]; residuals: number[]; squaredOut: number; dot: number } {
  return { rows: [], residuals: [], squaredOut: 0, dot: 0 };
}

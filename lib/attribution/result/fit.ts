/**
 * How well an SAE fits a prompt.
 *
 * @module
 */
import type { SaeRun } from "../run/sae_hooks.ts";

/**
 * How well the SAE reconstructs this prompt; x̂ from x, e = x − x̂, m = mean of x over the positions. Positions at which
 * the SAE is left out have l0 and e 0 and do not count in sums and means.
 */
export interface Fit {
  /** Active features per position. */
  readonly l0: readonly number[];
  /** 1 − ‖e‖² / ‖x − m‖² per position. */
  readonly explainedVariance: readonly number[];
  /** ‖e‖ / ‖x‖ per position. */
  readonly relativeError: readonly number[];
  /** 1 − Σ‖e‖² / Σ‖x − m‖²; NaN where x does not vary, as with one position. */
  readonly explainedVarianceOverall: number;
  /** Mean of l0. */
  readonly meanL0: number;
  /** Mean of relativeError. */
  readonly meanRelativeError: number;
  /** The same without the first position (BOS, whose norm hides everything else), m over the others; null for one token. */
  readonly explainedVarianceWithoutFirst: number | null;
  /** Mean of l0 without the first position. */
  readonly meanL0WithoutFirst: number | null;
  /**
   * Less than half of the variance is explained, first position left out, and that is not because positions are few: a
   * wrong layer, model or processing is more likely than a bad SAE.
   */
  readonly isPoor: boolean;
}

/** The figures of SAE quality on this prompt. */
export function measureFit({ saeIn: x, saeOut, encoded, sae, excluded }: SaeRun): Fit {
  const d = sae.config.dOut;
  const { rows, offsets } = encoded.activations;
  const all = Array.from({ length: rows }, (_, r) => r);
  const counted = all.filter((r) => !excluded.has(r));
  const withoutFirst = counted.filter((r) => r > 0);
  const squaredError = all.map((r) => squaredDistance(x, r, d, (i) => saeOut[r * d + i]));
  const squaredNorm = all.map((r) => squaredDistance(x, r, d, () => 0));
  const explained = (over: readonly number[]): number => {
    const spread = sum(distancesFromMean(x, over, d));
    return spread === 0 ? NaN : 1 - sum(over.map((r) => squaredError[r])) / spread;
  };
  const mean = columnMeans(x, counted, d);
  const l0 = all.map((r) => offsets[r + 1] - offsets[r]);
  const relativeError = all.map((r) => Math.sqrt(squaredError[r] / squaredNorm[r]));
  const average = (values: readonly number[], over: readonly number[]): number =>
    sum(over.map((r) => values[r])) / over.length;
  return {
    l0,
    explainedVariance: all.map((r) => 1 - squaredError[r] / squaredDistance(x, r, d, (i) => mean[i])),
    relativeError,
    explainedVarianceOverall: explained(counted),
    meanL0: average(l0, counted),
    meanRelativeError: average(relativeError, counted),
    explainedVarianceWithoutFirst: withoutFirst.length === 0 ? null : explained(withoutFirst),
    meanL0WithoutFirst: withoutFirst.length === 0 ? null : average(l0, withoutFirst),
    isPoor: isPoor(withoutFirst.map((r) => squaredError[r]), distancesFromMean(x, withoutFirst, d)),
  };
}

/** A fit under which something is wrong. */
const POOR = 0.5;

/**
 * Whether an SAE explains less than half of the variance, judged from n > 2 positions of one prompt: the estimate is below
 * 0 (the mean alone would be better), or the upper end of its one-sided 95 % confidence interval is below a half.
 *
 * The variance about a mean that was taken from the same n positions is too small by (n − 1)/n, and the ratio of two sums
 * over few positions varies much from prompt to prompt (ratio estimator: Cochran 1977, "Sampling techniques", 6.3).
 *
 * @param errors ‖e‖² per position
 * @param distances ‖x − m‖² per position
 */
function isPoor(errors: readonly number[], distances: readonly number[]): boolean {
  const n = errors.length;
  if (n < 3) return false;
  const variances = distances.map((distance) => distance * n / (n - 1));
  const unexplained = sum(errors) / sum(variances);
  const residuals = errors.map((error, i) => (error - unexplained * variances[i]) ** 2);
  const standardError = Math.sqrt(sum(residuals) / (n - 1) / n) / (sum(variances) / n);
  return unexplained > 1 || 1 - unexplained + quantile95(n - 1) * standardError < POOR;
}

/** 95 % quantile of Student's t, by degrees of freedom. */
function quantile95(degrees: number): number {
  const exact = [NaN, 2.92, 2.353, 2.132, 2.015][degrees - 1];
  return exact ?? 1.645 + 1.524 / degrees + 1.42 / degrees ** 2; // Cornish–Fisher, to 0.01
}

function distancesFromMean(x: Float32Array, rows: readonly number[], d: number): number[] {
  const mean = columnMeans(x, rows, d);
  return rows.map((r) => squaredDistance(x, r, d, (i) => mean[i]));
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

function squaredDistance(x: Float32Array, row: number, d: number, from: (i: number) => number): number {
  let total = 0;
  for (let i = 0; i < d; i++) total += (x[row * d + i] - from(i)) ** 2;
  return total;
}

function columnMeans(x: Float32Array, rows: readonly number[], d: number): Float64Array {
  const means = new Float64Array(d);
  for (const r of rows) for (let i = 0; i < d; i++) means[i] += x[r * d + i];
  return means.map((total) => total / rows.length);
}

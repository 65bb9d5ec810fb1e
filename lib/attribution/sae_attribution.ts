/**
 * From an SAE's run and the gradient at its hook to attributions, their decomposition, and how well the SAE fits.
 *
 * @module
 */
import type { SparseActivations } from "../sae/sparse.ts";
import type { SaeRun } from "./apply.ts";

/** One nonzero attribution. */
export interface AttributionRow {
  /** The token, counted from 0. */
  readonly position: number;
  /** The feature's index in the SAE. */
  readonly feature: number;
  /** f, never 0 */
  readonly activation: number;
  /** ∂metric/∂activation */
  readonly gradient: number;
  /** activation · gradient */
  readonly attribution: number;
}

/** Per position, `features + bias + error = total` = g · (SAE input). Arithmetic: a check of the code, not of the method. */
export interface Decomposition {
  /** Σ attribution. */
  readonly features: readonly number[];
  /** g · b: what the SAE writes without any feature. */
  readonly bias: readonly number[];
  /** g · (x − x̂) */
  readonly error: readonly number[];
  /** g · x */
  readonly total: readonly number[];
  /** The largest |features + bias + error − total|. */
  readonly maxResidual: number;
}

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
}

/** Everything about one SAE in one run. */
export interface SaeAttribution {
  /** What the SAE saw and made of it. */
  readonly run: SaeRun;
  /** g, `[row, d_out]`. */
  readonly gradient: Float32Array;
  /** ∂metric/∂activation of every active feature, in the order of the run's activations. */
  readonly featureGradients: Float32Array;
  /** Nonzero rows, largest attribution first; ties by position, then feature. */
  readonly rows: readonly AttributionRow[];
  /** Features, bias and error per position. */
  readonly decomposition: Decomposition;
  /** How well the SAE reconstructs this prompt. */
  readonly fit: Fit;
  /** |g·e| / (|Σ attribution| + |g·bias| + |g·e|) per position. */
  readonly errorShare: readonly number[];
  /** The notebook's figure: always 0.5 with the error term, 0 without; it carries no information. */
  readonly errorsAttributionProportion: number;
}

/** The notebook's EPS. */
const EPS = 1e-8;

/** Multiplies gradients and activations of one SAE. */
export async function analyseSae(
  run: SaeRun,
  gradient: Float32Array,
  includeErrorTerm: boolean,
): Promise<SaeAttribution> {
  const { activations } = run.encoded;
  const featureGradients = await run.sae.activeGradients(run.encoded, gradient);
  const rows = toRows(activations, featureGradients);
  const decomposition = decompose(run, gradient, activations, featureGradients);
  const norm = Math.sqrt(gradient.reduce((sum, g) => sum + g * g, 0));
  return {
    run,
    gradient,
    featureGradients,
    rows,
    decomposition,
    fit: measureFit(run),
    errorShare: decomposition.error.map((error, p) => {
      const { features, bias } = decomposition;
      const all = Math.abs(features[p]) + Math.abs(bias[p]) + Math.abs(error);
      return all === 0 ? 0 : Math.abs(error) / all;
    }),
    errorsAttributionProportion: includeErrorTerm ? norm / (norm + norm + EPS) : 0,
  };
}

function toRows({ rows, offsets, features, values }: SparseActivations, gradients: Float32Array): AttributionRow[] {
  const found: AttributionRow[] = [];
  for (let position = 0; position < rows; position++) {
    for (let i = offsets[position]; i < offsets[position + 1]; i++) {
      const attribution = Math.fround(values[i] * gradients[i]);
      if (attribution === 0) continue;
      found.push({ position, feature: features[i], activation: values[i], gradient: gradients[i], attribution });
    }
  }
  return found.sort((a, b) => b.attribution - a.attribution || a.position - b.position || a.feature - b.feature);
}

function decompose(
  { saeIn, saeOut, encoded, sae }: SaeRun,
  g: Float32Array,
  { rows, offsets, values }: SparseActivations,
  featureGradients: Float32Array,
): Decomposition {
  const d = sae.config.dOut;
  const { bias: b } = encoded.normalized;
  const [features, bias, error, total]: number[][] = [[], [], [], []];
  let maxResidual = 0;
  for (let r = 0; r < rows; r++) {
    let [f, gb, ge, gx] = [0, 0, 0, 0];
    for (let i = offsets[r]; i < offsets[r + 1]; i++) f += values[i] * featureGradients[i];
    for (let i = r * d; i < (r + 1) * d; i++) {
      gb += g[i] * b[i];
      ge += g[i] * (saeIn[i] - saeOut[i]);
      gx += g[i] * saeIn[i];
    }
    features.push(f);
    bias.push(gb);
    error.push(ge);
    total.push(gx);
    maxResidual = Math.max(maxResidual, Math.abs(f + gb + ge - gx));
  }
  return { features, bias, error, total, maxResidual };
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
    const mean = columnMeans(x, over, d);
    const spread = sum(over.map((r) => squaredDistance(x, r, d, (i) => mean[i])));
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
  };
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

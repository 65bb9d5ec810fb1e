/**
 * From an SAE's run and the gradient at its hook to attributions and their decomposition.
 *
 * @module
 */
import { joined, norm } from "../../runtime/tensor.ts";
import { type Differences, stackRows, subtract } from "../../sae/sparse.ts";
import type { SaeRun } from "../run/sae_hooks.ts";
import type { SaeBaseline } from "../run/baseline.ts";
import { type Fit, measureFit } from "./fit.ts";
import type { Integration } from "../methods/integrated_gradients.ts";

/** One nonzero attribution. */
export interface AttributionRow {
  /** The token, counted from 0. */
  readonly position: number;
  /** The feature's index in the SAE. */
  readonly feature: number;
  /** f; 0 only where a baseline has the feature */
  readonly activation: number;
  /** f_base, where there is a baseline other than zero. */
  readonly baseline?: number;
  /** ∂metric/∂activation, by the method's rules */
  readonly gradient: number;
  /** (activation − baseline) · gradient; the exact effect where `exact` says so */
  readonly attribution: number;
  /** The attribution is metric − metric(without the feature here, or with it at its baseline). */
  readonly exact?: boolean;
  /** How much the gradient along the feature changes from here to where it is removed, where that was asked for. */
  readonly curvature?: number;
  /** The second-order estimate of the effect, where the curvature was asked for. */
  readonly secondOrder?: number;
  /** What of it goes straight to the metric, where that was asked for. */
  readonly directEffect?: number;
}

/**
 * Per position, `features + bias + error = total` = g · (SAE input). Arithmetic: a check of the code, not of the method.
 * With a baseline every part is that of the run minus that of the baseline.
 * Of a cross-layer transcoder it is about what is written at the hook: `features` are those of this and earlier layers,
 * with what they write here. Over all layers their sum is Σ attribution.
 */
export interface Decomposition {
  /** Σ attribution; of a cross-layer transcoder, what all features write here, times g. */
  readonly features: readonly number[];
  /** g · b: what the SAE writes without any feature. With a baseline 0, unless the SAE's normalisation differs there. */
  readonly bias: readonly number[];
  /** g · (x − x̂) */
  readonly error: readonly number[];
  /** g · x */
  readonly total: readonly number[];
  /** The largest |features + bias + error − total|. */
  readonly maxResidual: number;
}

/** Attribution along paths that go from the hook straight to the final norm. */
export interface DirectEffect {
  /** ∂metric/∂activation along them, in the order of the attribution's entries. */
  readonly featureGradients: Float32Array;
  /** Features, bias and error per position. */
  readonly decomposition: Decomposition;
}

/** Everything about one SAE in one run. */
export interface SaeAttribution {
  /** What the SAE saw and made of it. */
  readonly run: SaeRun;
  /** What it is compared with; undefined: zero. */
  readonly baseline?: SaeBaseline;
  /** g, `[row, d_out]`. */
  readonly gradient: Float32Array;
  /** g at all hooks that its features write, side by side, `[row, hook · d_out]`; the same where it is one. */
  readonly writtenGradient: Float32Array;
  /** How that is a mean over a path, where the method takes one. */
  readonly integration?: Integration;
  /** f − f_base of every feature that is active, here or in the baseline. */
  readonly entries: Differences;
  /** ∂metric/∂activation, in the order of the entries. */
  readonly featureGradients: Float32Array;
  /** Where it was asked for. */
  readonly directEffect?: DirectEffect;
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

/** The gradients at one SAE's hook, and what its features are compared with. */
export interface SaeGradients {
  /** g, `[row, d_out]`. */
  readonly gradient: Float32Array;
  /** g at all hooks that its features write, side by side, `[row, hook · d_out]`. */
  readonly writtenGradient: Float32Array;
  /** The part of g along paths that go straight to the final norm. */
  readonly directGradient?: Float32Array;
  /** The same at all hooks that its features write. */
  readonly writtenDirectGradient?: Float32Array;
  /** Default: zero. */
  readonly baseline?: SaeBaseline;
  /** How the gradient is a mean over a path. */
  readonly integration?: Integration;
}

/** The notebook's EPS. */
const EPS = 1e-8;

/** A run of an SAE, and the gradients at its hook. */
export interface SaeToAnalyse {
  readonly run: SaeRun;
  readonly gradients: SaeGradients;
}

/** Multiplies gradients and activations of runs of one SAE; decoder rows are read once for all. */
export async function analyseSae(runs: readonly SaeToAnalyse[], includeErrorTerm: boolean): Promise<SaeAttribution[]> {
  const entries = runs.map(({ run, gradients: { baseline } }) => entriesOf(run, baseline));
  const gradientsOf = (written: (gradients: SaeGradients) => Float32Array | undefined): Promise<Float32Array[]> =>
    featureGradients(runs.map(({ run, gradients }, i) => ({ run, entries: entries[i], written: written(gradients)! })));
  const whole = await gradientsOf(({ writtenGradient }) => writtenGradient);
  const direct = runs[0].gradients.writtenDirectGradient && await gradientsOf((one) => one.writtenDirectGradient);
  return runs.map((one, i) => analysed(one, entries[i], whole[i], direct?.[i], includeErrorTerm));
}

/** ∂metric/∂activation of each run's entries, from the gradient where the features write. */
async function featureGradients(
  runs: readonly { readonly run: SaeRun; readonly entries: Differences; readonly written: Float32Array }[],
): Promise<Float32Array[]> {
  const [{ run: { sae, encoded }, entries, written }] = runs;
  if (runs.length === 1) return [await sae.activeGradients({ ...encoded, activations: entries }, written)];
  const scale = joined(runs.map(({ run }) => run.encoded.normalized.scale));
  const all = await sae.activeGradients(
    {
      ...encoded,
      activations: stackRows(runs.map(({ entries }) => entries)),
      normalized: { ...encoded.normalized, scale },
    },
    joined(runs.map(({ written }) => written)),
  );
  let end = 0;
  return runs.map(({ entries: { values } }) => all.subarray(end, end += values.length));
}

function analysed(
  { run, gradients }: SaeToAnalyse,
  entries: Differences,
  featureGradients: Float32Array,
  directGradients: Float32Array | undefined,
  includeErrorTerm: boolean,
): SaeAttribution {
  const { gradient, writtenGradient, directGradient, baseline, integration } = gradients;
  const directEffect = directGradients && directGradient && {
    featureGradients: directGradients,
    decomposition: decompose(run, directGradient, entries, directGradients, baseline),
  };
  const decomposition = decompose(run, gradient, entries, featureGradients, baseline);
  const size = norm(gradient);
  return {
    run,
    baseline,
    gradient,
    writtenGradient,
    ...(integration ? { integration } : {}),
    entries,
    featureGradients,
    directEffect,
    rows: inOrder(toRows(entries, featureGradients, baseline !== undefined, directEffect?.featureGradients)),
    decomposition,
    fit: measureFit(run),
    errorShare: decomposition.error.map((error, p) => {
      const { features, bias } = decomposition;
      const all = Math.abs(features[p]) + Math.abs(bias[p]) + Math.abs(error);
      return all === 0 ? 0 : Math.abs(error) / all;
    }),
    errorsAttributionProportion: includeErrorTerm ? size / (size + size + EPS) : 0,
  };
}

/** f − f_base of every feature that is active, here or in the baseline. */
export function entriesOf({ encoded: { activations } }: SaeRun, baseline?: SaeBaseline): Differences {
  return subtract(activations, baseline?.activations ?? nothing(activations.rows));
}

function nothing(rows: number): SaeBaseline["activations"] {
  return { rows, offsets: new Uint32Array(rows + 1), features: new Uint32Array(), values: new Float32Array() };
}

function toRows(
  { rows, offsets, features, values, minuend, subtrahend }: Differences,
  gradients: Float32Array,
  hasBaseline: boolean,
  directGradients: Float32Array | undefined,
): AttributionRow[] {
  const found: AttributionRow[] = [];
  for (let position = 0; position < rows; position++) {
    for (let i = offsets[position]; i < offsets[position + 1]; i++) {
      const attribution = Math.fround(values[i] * gradients[i]);
      found.push({
        position,
        feature: features[i],
        activation: minuend[i],
        ...(hasBaseline ? { baseline: subtrahend[i] } : {}),
        gradient: gradients[i],
        attribution,
        ...(directGradients ? { directEffect: Math.fround(values[i] * directGradients[i]) } : {}),
      });
    }
  }
  return found;
}

/** Nonzero rows, largest attribution first; ties by position, then feature. */
export function inOrder(rows: readonly AttributionRow[]): AttributionRow[] {
  return rows.filter(({ attribution }) => attribution !== 0)
    .sort((a, b) => b.attribution - a.attribution || a.position - b.position || a.feature - b.feature);
}

/** A row by the gradient for every active feature, also where that is 0. */
export function activeRows(
  { entries, featureGradients, baseline, directEffect }: SaeAttribution,
): AttributionRow[] {
  return toRows(entries, featureGradients, baseline !== undefined, directEffect?.featureGradients);
}

function decompose(
  { saeIn, saeOut, encoded: { normalized: { scale, bias: b } }, sae: { config: { dOut: d, crossLayer } } }: SaeRun,
  g: Float32Array,
  { rows, offsets, values, subtrahend }: Differences,
  featureGradients: Float32Array,
  baseline: SaeBaseline | undefined,
): Decomposition {
  const isCrossLayer = crossLayer !== undefined; // x̂ has parts from other layers' features
  const [features, bias, error, total]: number[][] = [[], [], [], []];
  let maxResidual = 0;
  let inBaseline = 0; // entries of the baseline that were met
  for (let r = 0; r < rows; r++) {
    let [f, gb, ge, gx] = [0, 0, 0, 0];
    for (let i = offsets[r]; i < offsets[r + 1]; i++) {
      if (!isCrossLayer) f += values[i] * featureGradients[i];
      if (!baseline || subtrahend[i] === 0) continue;
      // The baseline's own scale counts as the bias's.
      gb += (subtrahend[i] - baseline.scaled[inBaseline++] / scale[r]) * featureGradients[i];
    }
    for (let i = r * d; i < (r + 1) * d; i++) {
      if (isCrossLayer) f += g[i] * (saeOut[i] - b[i] - writtenByFeatures(baseline, i));
      gb += g[i] * (b[i] - (baseline?.bias[i] ?? 0));
      ge += g[i] * (saeIn[i] - saeOut[i] - (baseline?.error[i] ?? 0));
      gx += g[i] * (saeIn[i] - (baseline?.saeIn[i] ?? 0));
    }
    features.push(f);
    bias.push(gb);
    error.push(ge);
    total.push(gx);
    maxResidual = Math.max(maxResidual, Math.abs(f + gb + ge - gx));
  }
  return { features, bias, error, total, maxResidual };
}

/** Of a baseline's x̂ `[row, d_out]`, what its features write: element i. */
export function writtenByFeatures(baseline: SaeBaseline | undefined, i: number): number {
  return baseline ? baseline.saeIn[i] - baseline.error[i] - baseline.bias[i] : 0;
}

/**
 * Checks of a run that cost more forward passes: is the gradient right, and what does ablating all features do?
 *
 * @module
 */
import type { Replacement } from "../../model/stages/chain.ts";
import type { Model } from "../../model/model.ts";
import type { Sae } from "../../sae/sae.ts";
import { apart, seenBy, withSeen } from "../run/apply.ts";
import { metricValue } from "../metric/value.ts";
import type { Attribution } from "../result/result.ts";
import { type AttributionRow, type SaeAttribution, writtenByFeatures } from "../result/sae_attribution.ts";

/** The checks of one SAE; keys are those of the summary's JSON. */
export interface HookCheck {
  /** Where the SAE writes. */
  readonly hook: string;
  /**
   * Along g: |g| against (metric(x + εu) − metric(x − εu)) / 2ε, u = g / |g|, extrapolated from ε and ε/2. null for methods
   * other than `gradient`, whose g is no derivative.
   */
  readonly gradient_central_difference: CentralDifference | null;
  /** metric − metric with all features at this hook as in the baseline (bias and error kept), beside Σ attribution. */
  readonly joint_ablation: { readonly effect: number; readonly sum_of_attributions: number };
  /** With a baseline: the hook's whole value as there, and the strongest features one at a time. */
  readonly patching?: {
    readonly whole_hook: { readonly effect: number; readonly sum_of_attributions: number };
    readonly features: readonly PatchedFeature[];
  };
}

/** A gradient's size two ways. */
export interface CentralDifference {
  /** |g| */
  readonly analytic: number;
  /** By differences. */
  readonly numeric: number;
  /** How far apart, as a part of the first. */
  readonly relative_error: number;
}

/** What putting the baseline's activation in one place does. */
export interface PatchedFeature {
  /** The token, counted from 0. */
  readonly position: number;
  /** The feature's index in the SAE. */
  readonly feature: number;
  /** What the method says. */
  readonly attribution: number;
  /** metric − metric with the baseline's activation there. */
  readonly effect: number;
}

/** What {@linkcode checkAttribution} finds. */
export interface CheckSummary {
  /** One entry per SAE. */
  readonly hooks: readonly HookCheck[];
  /** By model and SAE, the settings and tensors of its files that are not used and change no number. */
  readonly not_used: Readonly<Record<string, readonly string[]>>;
  /** By file, after the name that its model or SAE was opened by; null where a file is not local. */
  readonly file_sha256: Readonly<Record<string, string | null>>;
}

/** How many features are patched. */
const PATCHED = 10;
/** The central difference moves the hook's value by this part of its norm at most … */
const LARGEST_STEP = 0.02;
/** … or so that the metric should move by this part of its size, taken as at least … */
const METRIC_STEP = 0.01;
/** … this. */
const SMALLEST_METRIC = 0.05;

/**
 * Checks a run: the gradient at every SAE against a central difference, the joint effect of its features against the
 * sum of their attributions; with a baseline also what patching the strongest features does. Costs five forward passes
 * per SAE, with a baseline sixteen, and reading the files once.
 *
 * @example
 * ```ts
 * import { loadModel } from "../../model/model.ts";
 * import { loadSae } from "../../sae/load.ts";
 * import { calculateFeatureAttribution } from "../attribution.ts";
 * import { logitDiff } from "../metric/metrics.ts";
 * import { checkAttribution } from "./check.ts";
 *
 * await using model = await loadModel("tiny-facts", { threads: 1 });
 * await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
 * const metric = logitDiff(" golf", " tennis");
 * const result = await calculateFeatureAttribution(model, " Tiger Woods plays the sport of", metric, { saes: [sae] });
 * const { hooks } = await checkAttribution(model, result);
 * console.assert(hooks[0].gradient_central_difference!.relative_error < 0.01);
 * ```
 */
export async function checkAttribution(model: Model, result: Attribution): Promise<CheckSummary> {
  const { saes, includeErrorTerm, method } = result.parts;
  const hooks: HookCheck[] = [];
  for (const [hook, sae] of saes) {
    const at = (value: () => Float32Array): Promise<number> => metricWith(model, result, hook, value, includeErrorTerm);
    const { features, total } = sae.decomposition;
    const inBaseline = await asInBaseline(sae, includeErrorTerm);
    const { baseline } = sae;
    hooks.push({
      hook,
      gradient_central_difference: method === "gradient"
        ? await centralDifference(sae, result.metric, includeErrorTerm, at)
        : null,
      joint_ablation: { effect: result.metric - await at(() => inBaseline), sum_of_attributions: sum(features) },
      ...(baseline
        ? {
          patching: {
            whole_hook: { effect: result.metric - await at(() => baseline.saeIn), sum_of_attributions: sum(total) },
            features: await patchFeatures(model, result, hook, strongest(sae.rows, PATCHED)),
          },
        }
        : {}),
    });
  }
  const notUsed = [
    [model.name, model.unused()] as const,
    ...[...saes.values()].map(({ run: { sae } }) => [sae.source, sae.unused ?? []] as const),
  ].filter(([, names]) => names.length > 0);
  const hashes = [under(model.name, await model.fileHashes())];
  for (const { run: { sae } } of saes.values()) hashes.push(under(sae.source, await sae.fileHashes()));
  return { hooks, not_used: Object.fromEntries(notUsed), file_sha256: Object.assign({}, ...hashes) };
}

/** Files by a name that means something elsewhere too: as it was given, not where it lies on this machine. */
function under<T>(name: string, byFile: Readonly<Record<string, T>>): Record<string, T> {
  const given = name.replace(/[/\\]$/, "");
  const place = (file: string): string => `/${given}`.endsWith(`/${file}`) ? given : `${given}/${file}`;
  return Object.fromEntries(Object.entries(byFile).map(([file, value]) => [place(file), value]));
}

async function centralDifference(
  { gradient, run }: SaeAttribution,
  metric: number,
  includeErrorTerm: boolean,
  metricAt: (value: () => Float32Array) => Promise<number>,
): Promise<CentralDifference> {
  const value = includeErrorTerm ? run.saeIn : run.saeOut;
  const analytic = norm(gradient);
  if (analytic === 0) return { analytic, numeric: 0, relative_error: 0 };
  const step = Math.min(
    LARGEST_STEP * norm(value),
    METRIC_STEP * Math.max(SMALLEST_METRIC, Math.abs(metric)) / analytic,
  );
  const moved = (by: number): Promise<number> => metricAt(() => value.map((x, i) => x + by * gradient[i] / analytic));
  const difference = async (h: number): Promise<number> => (await moved(h) - await moved(-h)) / (2 * h);
  // Richardson: the error of a central difference is c·h² + …; a metric that is far from linear needs it.
  const numeric = (4 * await difference(step / 2) - await difference(step)) / 3;
  return { analytic, numeric, relative_error: Math.abs(numeric - analytic) / analytic };
}

/** The hook's value with all features as in the baseline; bias and, with the error term, the error as they were. */
async function asInBaseline({ run, baseline }: SaeAttribution, includeErrorTerm: boolean): Promise<Float32Array> {
  const { saeIn, saeOut, encoded, sae } = run;
  const { bias } = encoded.normalized;
  const written = !baseline
    ? bias
    : sae.config.crossLayer !== undefined
    ? bias.map((b, i) => b + writtenByFeatures(baseline, i)) // of other layers too
    : await sae.decode({ ...encoded, activations: baseline.activations });
  return includeErrorTerm ? written.map((x, i) => x + saeIn[i] - saeOut[i]) : written.slice();
}

function strongest(rows: readonly AttributionRow[], most: number): AttributionRow[] {
  return rows.toSorted((a, b) => Math.abs(b.attribution) - Math.abs(a.attribution)).slice(0, most);
}

/**
 * Exact patching: for each row, metric − metric with that feature's activation as in the baseline (0 without one) and
 * everything else at the hook as it was. One forward pass per row; the SAE must still be open.
 *
 * @param rows of the result, at this hook
 *
 * @example
 * ```ts
 * import { loadModel } from "../../model/model.ts";
 * import { loadSae } from "../../sae/load.ts";
 * import { calculateFeatureAttribution } from "../attribution.ts";
 * import { logitDiff } from "../metric/metrics.ts";
 * import { patchFeatures } from "./check.ts";
 *
 * await using model = await loadModel("tiny-facts", { threads: 1 });
 * await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
 * const result = await calculateFeatureAttribution(
 *   model,
 *   " Tiger Woods plays the sport of",
 *   logitDiff(" golf", " tennis"),
 *   { saes: [sae], baseline: { prompt: " Babe Ruth plays the sport of" } },
 * );
 * const [strongest] = result.rows(sae.hookOut);
 * const [{ effect }] = await patchFeatures(model, result, sae.hookOut, [strongest]);
 * console.assert(Math.sign(effect) === Math.sign(strongest.attribution));
 * ```
 */
export async function patchFeatures(
  model: Model,
  result: Attribution,
  hook: string,
  rows: readonly AttributionRow[],
): Promise<PatchedFeature[]> {
  const { saes, includeErrorTerm } = result.parts;
  const { run: { encoded, saeIn, saeOut, sae } } = saes.get(hook)!;
  const value = includeErrorTerm ? saeIn : saeOut;
  const d = sae.config.dOut;
  const patched: PatchedFeature[] = [];
  for (const { position, feature, activation, baseline = 0, attribution } of rows) {
    const change = await sae.decode({
      ...encoded,
      activations: {
        rows: 1,
        offsets: new Uint32Array([0, 1]),
        features: new Uint32Array([feature]),
        values: new Float32Array([activation - baseline]),
      },
      normalized: {
        ...encoded.normalized,
        scale: encoded.normalized.scale.subarray(position, position + 1),
        bias: new Float32Array(d),
      },
    });
    const without = (part: Float32Array, from: Float32Array): Float32Array => {
      const changed = from.slice();
      part.forEach((x, i) => changed[position * d + i] -= x);
      return changed;
    };
    const [own, ...above] = apart(change, sae.hooksOut.length, d);
    const later = new Map(above.map((part, i) => [sae.hooksOut[i + 1], (x: Float32Array) => without(part, x)]));
    const metric = await metricWith(model, result, hook, () => without(own, value), includeErrorTerm, later);
    patched.push({ position, feature, attribution, effect: result.metric - metric });
  }
  return patched;
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}

/**
 * The metric with what one SAE sees of its hook replaced. What the other SAEs add to the stream stays what it was, as
 * the gradient sees it.
 *
 * @param later changes at later hooks, which features of a cross-layer transcoder write too
 */
async function metricWith(
  model: Model,
  result: Attribution,
  hook: string,
  value: () => Float32Array,
  includeErrorTerm: boolean,
  later: ReadonlyMap<string, (seen: Float32Array) => Float32Array> = new Map(),
): Promise<number> {
  const { saes, grads, metricName } = result.parts;
  const replacements = [...saes].flatMap(([name, { run }]): Replacement[] => {
    if (name === hook) return [replaceSeen(name, run.sae, value)];
    const change = later.get(name) ?? ((x: Float32Array) => x);
    if (includeErrorTerm) return later.has(name) ? [replaceSeen(name, run.sae, change)] : [];
    return [replaceSeen(name, run.sae, (before) => change(before.map((x, i) => x + run.saeOut[i] - run.saeIn[i])))];
  });
  const { tokens, processing, rows, resolvedMetric } = grads;
  const state = await model.chain.forward({ prompts: [tokens], processing, rows: [rows], replacements });
  return await metricValue(model, metricName, resolvedMetric, state.final);
}

function replaceSeen(hook: string, sae: Sae, value: (seen: Float32Array) => Float32Array): Replacement {
  return {
    hook,
    replace: (values) => {
      const whole = values.get(hook)!;
      return Promise.resolve(withSeen(sae, whole, value(seenBy(sae, whole))));
    },
  };
}

function norm(x: Float32Array): number {
  return Math.sqrt(x.reduce((sum, v) => sum + v * v, 0));
}

/**
 * Checks of a run that cost more forward passes: is the gradient right, and what does ablating all features do?
 *
 * @module
 */
import type { Model } from "../../model/model.ts";
import { norm } from "../../runtime/tensor.ts";
import { effectsOfChanges, singleAblations } from "../change/ablation.ts";
import { cleanValue, effectsOf } from "../change/rerun.ts";
import { findMethod } from "../methods/mod.ts";
import { joinHooks } from "../run/sae_hooks.ts";
import { changesOf, contributionSum } from "../run/contributions.ts";
import type { Attribution } from "../result/result.ts";
import { type AttributionRow, type SaeAttribution, writtenByFeatures } from "../result/sae_attribution.ts";

/** The checks of one SAE; keys are those of the summary's JSON. */
export interface HookCheck {
  /** Where the SAE writes. */
  readonly hook: string;
  /**
   * Along g: |g| against (metric(x + εu) − metric(x − εu)) / 2ε, u = g / |g|, extrapolated from ε and ε/2. null for methods
   * other than `gradient`, whose g is not a derivative.
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
 * sum of their attributions; with a baseline also what patching the strongest features does. What the other SAEs add
 * stays what it was, as gradients see it. All runs go on from the SAE's hook; the SAEs must still be open.
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
  const { saes } = result.parts;
  const hooks: HookCheck[] = [];
  for (const hook of saes.keys()) hooks.push(await checkHook(model, result, hook));
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

async function checkHook(model: Model, result: Attribution, hook: string): Promise<HookCheck> {
  const { saes, includeErrorTerm, method } = result.parts;
  const sae = saes.get(hook)!;
  const { features, total } = sae.decomposition;
  const value = cleanValue(sae.run, includeErrorTerm);
  const effects = async (...changes: Float32Array[]): Promise<number[]> =>
    await effectsOf(result.parts, hook, changes.map((change) => hereOnly(sae, change)), {
      downstreamError: "constant",
    });
  const [joint] = await effects(await toBaseline(sae));
  const { baseline } = sae;
  const whole = baseline && (await effects(baseline.saeIn.map((x, i) => x - value[i])))[0];
  return {
    hook,
    gradient_central_difference: findMethod(method).isDerivative
      ? await centralDifference(sae.gradient, value, result.metric, effects)
      : null,
    joint_ablation: {
      effect: joint,
      sum_of_attributions: sum(findMethod(method).exact ? sae.rows.map((row) => row.attribution) : features),
    },
    ...(whole === undefined ? {} : {
      patching: {
        whole_hook: { effect: whole, sum_of_attributions: sum(total) },
        features: await patchFeatures(model, result, hook, strongest(sae.rows, PATCHED)),
      },
    }),
  };
}

/** A change at an SAE's own hook, and none at others that its features write. */
function hereOnly({ run: { sae } }: SaeAttribution, change: Float32Array): Float32Array {
  const none = sae.hooksOut.slice(1).map(() => new Float32Array(change.length));
  return joinHooks([change, ...none], sae.config.dOut);
}

async function centralDifference(
  gradient: Float32Array,
  value: Float32Array,
  metric: number,
  effects: (...changes: Float32Array[]) => Promise<number[]>,
): Promise<CentralDifference> {
  const analytic = norm(gradient);
  if (analytic === 0) return { analytic, numeric: 0, relative_error: 0 };
  const step = Math.min(
    LARGEST_STEP * norm(value),
    METRIC_STEP * Math.max(SMALLEST_METRIC, Math.abs(metric)) / analytic,
  );
  const steps = [step / 2, -step / 2, step, -step];
  const [a, b, c, d] = await effects(...steps.map((by) => gradient.map((g) => by * g / analytic)));
  const [half, whole] = [(b - a) / step, (d - c) / (2 * step)];
  // Richardson: the error of a central difference is c·h² + …; a metric that is far from linear needs it.
  const numeric = (4 * half - whole) / 3;
  return { analytic, numeric, relative_error: Math.abs(numeric - analytic) / analytic };
}

/** What putting all features that write at a hook to the baseline adds there; bias and error stay what they were. */
async function toBaseline({ run, baseline, entries }: SaeAttribution): Promise<Float32Array> {
  const { saeOut, encoded: { normalized: { bias } }, sae } = run;
  if (sae.config.crossLayer !== undefined) { // features of other layers write here too
    return saeOut.map((x, i) => writtenByFeatures(baseline, i) - (x - bias[i]));
  }
  return (await contributionSum(run, changesOf(entries))).map((x) => -x);
}

function strongest(rows: readonly AttributionRow[], most: number): AttributionRow[] {
  return rows.toSorted((a, b) => Math.abs(b.attribution) - Math.abs(a.attribution)).slice(0, most);
}

/**
 * Exact patching: for each row, metric − metric with that feature's activation as in the baseline (0 without one) and
 * everything else at the hook as it was. What the other SAEs add stays what it was; the SAE must still be open.
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
  const parts = { ...result.parts, model };
  const effects = await effectsOfChanges(parts, hook, singleAblations(rows), { downstreamError: "constant" });
  return rows.map(({ position, feature, attribution }, i) => ({ position, feature, attribution, effect: effects[i] }));
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}

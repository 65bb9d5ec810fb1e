/**
 * Checks of a run that cost more forward passes: is the gradient right, and what does ablating all features do?
 *
 * @module
 */
import type { Replacement } from "../model/chain.ts";
import type { Model } from "../model/model.ts";
import type { Sae } from "../sae/sae.ts";
import { type SaeRun, seenBy, withSeen } from "./apply.ts";
import { metricValue } from "./evaluate.ts";
import type { Attribution } from "./result.ts";
import type { SaeAttribution } from "./sae_attribution.ts";

/** The checks of one SAE; keys are those of the summary's JSON. */
export interface HookCheck {
  /** Where the SAE writes. */
  readonly hook: string;
  /** Along g: |g| against (metric(x + εu) − metric(x − εu)) / 2ε, u = g / |g|, extrapolated from ε and ε/2. */
  readonly gradient_central_difference: {
    readonly analytic: number;
    readonly numeric: number;
    readonly relative_error: number;
  };
  /** metric − metric with all features at this hook set to 0 (bias and error kept), beside Σ attribution. */
  readonly joint_ablation: { readonly effect: number; readonly sum_of_attributions: number };
}

/** What {@linkcode checkAttribution} finds. */
export interface CheckSummary {
  /** One entry per SAE. */
  readonly hooks: readonly HookCheck[];
  /** By file, after the name that its model or SAE was opened by; null where a file is not local. */
  readonly file_sha256: Readonly<Record<string, string | null>>;
}

/** The central difference moves the hook's value by this part of its norm at most … */
const LARGEST_STEP = 0.02;
/** … or so that the metric should move by this part of its size, taken as at least … */
const METRIC_STEP = 0.01;
/** … this. */
const SMALLEST_METRIC = 0.05;

/**
 * Checks a run: the gradient at every SAE against a central difference, the joint effect of its features against the
 * sum of their attributions. Costs five forward passes per SAE and reading the files once.
 *
 * @example
 * ```ts
 * import { calculateFeatureAttribution, loadModel, loadSae, logitDiff } from "../../mod.ts";
 * import { checkAttribution } from "./check.ts";
 *
 * await using model = await loadModel("tiny-facts", { threads: 1 });
 * await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
 * const metric = logitDiff(" golf", " tennis");
 * const result = await calculateFeatureAttribution(model, " Tiger Woods plays the sport of", metric, { saes: [sae] });
 * const { hooks } = await checkAttribution(model, result);
 * console.assert(hooks[0].gradient_central_difference.relative_error < 0.01);
 * ```
 */
export async function checkAttribution(model: Model, result: Attribution): Promise<CheckSummary> {
  const { saes, includeErrorTerm } = result.parts;
  const hooks: HookCheck[] = [];
  for (const [hook, sae] of saes) {
    const at = (value: () => Float32Array): Promise<number> => metricWith(model, result, hook, value, includeErrorTerm);
    hooks.push({
      hook,
      gradient_central_difference: await centralDifference(sae, result.metric, includeErrorTerm, at),
      joint_ablation: {
        effect: result.metric - await at(() => withoutFeatures(sae.run, includeErrorTerm)),
        sum_of_attributions: sae.decomposition.features.reduce((a, b) => a + b, 0),
      },
    });
  }
  const hashes = [under(model.name, await model.fileHashes())];
  for (const { run: { sae } } of saes.values()) hashes.push(under(sae.source, await sae.fileHashes()));
  return { hooks, file_sha256: Object.assign({}, ...hashes) };
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
): Promise<HookCheck["gradient_central_difference"]> {
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

/** The hook's value with all features 0: bias and, with the error term, the error. */
function withoutFeatures({ saeIn, saeOut, encoded }: SaeRun, includeErrorTerm: boolean): Float32Array {
  const { bias } = encoded.normalized;
  return includeErrorTerm ? bias.map((b, i) => b + saeIn[i] - saeOut[i]) : bias.slice();
}

/**
 * The metric with what one SAE sees of its hook replaced. What the other SAEs add to the stream stays what it was, as
 * the gradient sees it.
 */
async function metricWith(
  model: Model,
  result: Attribution,
  hook: string,
  value: () => Float32Array,
  includeErrorTerm: boolean,
): Promise<number> {
  const { saes, grads, metricName } = result.parts;
  const replacements = [...saes].flatMap(([name, { run }]): Replacement[] => {
    if (name === hook) return [replaceSeen(name, run.sae, value)];
    if (includeErrorTerm) return [];
    return [replaceSeen(name, run.sae, (before) => before.map((x, i) => x + run.saeOut[i] - run.saeIn[i]))];
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

/**
 * The smallest sets of features that carry a prediction: learnt, then pruned and measured by exact runs.
 *
 * @module
 */
import { checkOptions, type OptionKinds } from "../../options.ts";
import { VARIANT_OPTIONS, type VariantOptions } from "../change/rerun.ts";
import type { Attribution } from "../result/result.ts";
import { type Ablation, ABLATIONS } from "../change/ablated.ts";
import { type Candidates, candidatesIn, findCandidates, type SetFeature } from "./candidates.ts";
import { SET_DIRECTIONS, SET_UNITS, type SetDirection, type SetUnit } from "./names.ts";
import { learnOrder } from "./learn_order.ts";
import { type CandidateSet, MaskedRun } from "./masked_run.ts";
import { ScoredSets } from "./scored_sets.ts";
import { setOfSize, smallestSet } from "./search.ts";

/** Options of {@linkcode selectFeatures}. */
export interface SelectOptions extends VariantOptions {
  /** The part of what all features do that the set keeps, or takes with it: at least this, at most 2 − this. Default 0.9. */
  readonly keep?: number;
  /** Exactly so many features, chosen to be as good as they can; instead of `keep`. */
  readonly size?: number;
  /**
   * - `sufficient` (the default): all others are ablated, and the set keeps the answer;
   * - `necessary`: the set is ablated, and the answer goes;
   * - `both`: one set that does both.
   */
  readonly direction?: SetDirection;
  /** Default `feature-position`: features at one position each. `feature`: at all positions. */
  readonly by?: SetUnit;
  /** What takes the place of an activation: `zero` (the default), or its `mean` over the prompt's positions. */
  readonly ablation?: Ablation;
  /** Decides which sizes are drawn. Default 0. */
  readonly seed?: number;
  /** Steps in which the order is learnt. Default 100. */
  readonly steps?: number;
  /** Called with how many runs from the hook upwards there were; what it throws ends it. */
  readonly onProgress?: (runs: number) => void;
}

export const SELECT_OPTIONS: OptionKinds<SelectOptions> = {
  ...VARIANT_OPTIONS,
  keep: "positive",
  size: "count",
  direction: SET_DIRECTIONS,
  by: SET_UNITS,
  ablation: ABLATIONS,
  seed: "count",
  steps: "count",
  onProgress: "any",
};

/** What a set comes to in one run, measured; shares are of what all features do, metric − metricNone. */
export interface SetFigures {
  /** The metric of the run. */
  readonly metric: number;
  /** The metric with all features ablated. */
  readonly metricNone: number;
  /** The metric with all others ablated. */
  readonly metricKept: number;
  /** The metric with the set ablated. */
  readonly metricWithout: number;
  /** (metricKept − metricNone) / (metric − metricNone) */
  readonly kept: number;
  /** (metricWithout − metricNone) / (metric − metricNone) */
  readonly left: number;
}

/** A set of features, and what it does. Plain data. */
export interface SelectedSet extends SetFigures {
  /** Where the SAE writes. */
  readonly hook: string;
  /** What was asked of it. */
  readonly direction: SetDirection;
  /** Whether its features are at one position each. */
  readonly by: SetUnit;
  /** What took the place of activations. */
  readonly ablation: Ablation;
  /** What was asked for; undefined where a size was. */
  readonly keep?: number;
  /** What decided which sizes were drawn. */
  readonly seed: number;
  /** The set, largest |attribution| first. */
  readonly features: readonly SetFeature[];
  /** How many features there were to choose from. */
  readonly candidates: number;
  /** The set has what was asked for; of a size, always. */
  readonly reached: boolean;
}

/**
 * The smallest set of an SAE's features that keeps what all of them do to the metric, or that takes it away, or both. An
 * order of the active features is learnt with gradients of the metric as a function of a mask over them
 * ({@linkcode SelectOptions.steps}); from there on only exact runs decide: what can be spared goes, others are exchanged.
 * The figures are those of a run of the set itself. The SAE's bias and, with the error term, its error stay.
 *
 * It is a small set, none of whose features can be spared where `keep` is given, and not proven to be the smallest. Other
 * sets may do as well.
 *
 * @throws {RangeError} if an option is out of range, no SAE writes at the hook, nothing is active, or all features together
 * do nothing
 *
 * @example
 * ```ts
 * import { loadModel } from "../../model/model.ts";
 * import { loadSae } from "../../sae/load.ts";
 * import { calculateFeatureAttribution } from "../attribution.ts";
 * import { logitDiff } from "../metric/metrics.ts";
 * import { selectFeatures } from "./select.ts";
 *
 * await using model = await loadModel("tiny-facts", { threads: 1 });
 * await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
 * const metric = logitDiff(" golf", " tennis");
 * const result = await calculateFeatureAttribution(model, " Tiger Woods plays the sport of", metric, { saes: [sae] });
 * const { features, kept } = await selectFeatures(result, sae.hookOut, { size: 5, steps: 20 });
 * console.assert(features.length === 5 && kept > 0.5);
 * ```
 */
export async function selectFeatures(
  result: Attribution,
  hook: string,
  options: SelectOptions = {},
): Promise<SelectedSet> {
  checkOptions("selectFeatures", options, SELECT_OPTIONS);
  checkSelectOptions(options);
  const settings = settingsOf(options);
  const candidates = await findCandidates([result], hook, settings);
  const [run] = await openRuns([result], hook, candidates, options);
  const { set, reached } = await findSet([run], candidates, { ...options, ...settings });
  return {
    hook,
    ...settings,
    features: candidatesIn(set, candidates),
    candidates: candidates.features.length,
    reached,
    ...await figuresOf(run, set),
  };
}

/** What was asked for, with what it is by default. */
export function settingsOf(
  { size, keep = KEEP, by = "feature-position", ablation = "zero", direction = "sufficient", seed = 0 }: SelectOptions,
): Pick<SelectedSet, "direction" | "by" | "ablation" | "keep" | "seed"> {
  return { direction, by, ablation, ...(size === undefined ? { keep } : {}), seed };
}

const KEEP = 0.9;
const STEPS = 100;

/** @throws {RangeError} if an option is out of range */
export function checkSelectOptions({ keep, size, steps }: SelectOptions): void {
  if (keep !== undefined && size !== undefined) throw new RangeError("`keep` and `size` are both there: give one");
  if (keep !== undefined && keep > 1) throw new RangeError(`\`keep\` is ${keep}: give a part, above 0 and at most 1`);
  if (size === 0) throw new RangeError("`size` is 0: give a whole number above 0");
  if (steps === 0) throw new RangeError("`steps` is 0: give a whole number above 0");
}

/** @throws {RangeError} if nothing is active, or all features together do nothing */
export async function openRuns(
  results: readonly Attribution[],
  hook: string,
  { features, entries }: Candidates,
  { downstreamError }: VariantOptions,
): Promise<MaskedRun[]> {
  const count = features.length;
  if (count === 0) throw new RangeError(`No feature is active at ${hook}: there is nothing to choose from`);
  const runs: MaskedRun[] = [];
  for (const [i, result] of results.entries()) {
    runs.push(await MaskedRun.open({ result, hook, entries: entries[i], count, options: { downstreamError } }));
  }
  return runs;
}

/** What learning takes. */
type Learning = SelectOptions & Pick<SelectedSet, "direction" | "seed">;

/** Learns an order and makes a set of it. */
export async function findSet(
  runs: readonly MaskedRun[],
  candidates: Candidates,
  options: Learning,
): Promise<{ set: CandidateSet; reached: boolean }> {
  const { size, keep = KEEP } = options;
  const count = candidates.features.length;
  if (size !== undefined && size >= count) return { set: candidates.features.map((_, i) => i), reached: true };
  const { sets, order } = await learn(runs, candidates, options);
  if (size !== undefined) return { set: (await setOfSize(sets, order, size)).set, reached: true };
  const found = await smallestSet(sets, order, keep);
  return { set: found?.set ?? order, reached: found !== undefined };
}

async function learn(
  runs: readonly MaskedRun[],
  { features }: Candidates,
  { direction, seed, size = 0, steps = STEPS, onProgress }: Learning,
): Promise<{ sets: ScoredSets; order: CandidateSet }> {
  const count = features.length;
  let done = 0;
  const sets = new ScoredSets(runs, count, direction, (more) => onProgress?.(done += more));
  const sizes = [Math.min(2, count), Math.min(count, Math.max(8, count / 6, 2 * size))] as const;
  const sign = Math.sign(runs.reduce((sum, { effect }) => sum + effect, 0));
  const start = features.map(({ attribution }) => sign * attribution);
  const scores = await learnOrder(sets, { steps, sizes, seed, start });
  return { sets, order: features.map((_, i) => i).sort((a, b) => scores[b] - scores[a] || a - b) };
}

/** An SAE's features at positions, in an order of which the first so many keep what all do, as far as it could be learnt. */
export async function learntOrder(result: Attribution, hook: string, options: SelectOptions): Promise<SetFeature[]> {
  const settings = settingsOf(options);
  const candidates = await findCandidates([result], hook, settings);
  const { order } = await learn(await openRuns([result], hook, candidates, options), candidates, settings);
  return order.map((i) => candidates.features[i]);
}

/** What a set comes to in a run. */
export async function figuresOf(run: MaskedRun, set: CandidateSet): Promise<SetFigures> {
  const [kept] = await run.shares([set], "kept");
  const [taken] = await run.shares([set], "taken");
  const { metric, effect } = run;
  return {
    metric,
    metricNone: metric - effect,
    metricKept: metric - effect + kept * effect,
    metricWithout: metric - taken * effect,
    kept,
    left: 1 - taken,
  };
}

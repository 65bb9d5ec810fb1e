/**
 * One set of features for many prompts, and whether it holds for others.
 *
 * @module
 */
import { checkOptions, type OptionKinds } from "../../options.ts";
import type { Attribution } from "../result/result.ts";
import { candidatesIn, findCandidates, placeCandidates } from "./candidates.ts";
import type { CandidateSet, MaskedRun } from "./masked_run.ts";
import {
  checkSelectOptions,
  figuresOf,
  findSet,
  openRuns,
  SELECT_OPTIONS,
  type SelectedSet,
  type SelectOptions,
  type SetFigures,
  settingsOf,
} from "./select.ts";

/** Options of {@linkcode selectForPrompts}. */
export interface SelectForPromptsOptions extends Omit<SelectOptions, "by"> {
  /** Results of other prompts, on which the set is measured. */
  readonly heldOut?: readonly Attribution[];
}

const { by: _, ...OPTIONS } = SELECT_OPTIONS;
const SELECT_FOR_PROMPTS_OPTIONS: OptionKinds<SelectForPromptsOptions> = { ...OPTIONS, heldOut: "list" };

/** A set of features for many prompts. Plain data. */
export interface PromptsSet extends Omit<SelectedSet, keyof SetFigures> {
  /** The figures of each prompt, in the order of the results. */
  readonly prompts: readonly SetFigures[];
  /** The mean of what is kept, prompts weighted by what all features do in them. */
  readonly kept: number;
  /** The mean of what is left. */
  readonly left: number;
  /** The same of prompts that had no part in the choice. */
  readonly heldOut: Pick<PromptsSet, "prompts" | "kept" | "left"> | null;
}

/** Steps of learning for each prompt: a step is of one prompt. */
const STEPS = 10;

/**
 * One set of features, each at all positions, for many prompts with metrics of their own: as `selectFeatures`, its score the
 * mean over the prompts, which are weighted by what all features do in each. Every figure is measured.
 *
 * @param results each of a prompt alone, from `calculateFeatureAttribution`
 * @throws {RangeError} as `selectFeatures`, of any of the prompts
 *
 * @example
 * ```ts
 * import { loadModel } from "../../model/model.ts";
 * import { loadSae } from "../../sae/load.ts";
 * import { calculateFeatureAttribution } from "../attribution.ts";
 * import { logitDiff } from "../metric/metrics.ts";
 * import { selectForPrompts } from "./select_prompts.ts";
 *
 * await using model = await loadModel("tiny-facts", { threads: 1, weights: "resident" });
 * await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
 * const attribute = (prompt: string, answer: string, other: string) =>
 *   calculateFeatureAttribution(model, prompt, logitDiff(answer, other), { saes: [sae] });
 * const golf = await attribute(" Tiger Woods plays the sport of", " golf", " tennis");
 * const tennis = await attribute(" Roger Federer plays the sport of", " tennis", " golf");
 * const { features, prompts } = await selectForPrompts([golf, tennis], sae.hookOut, { size: 8, steps: 20 });
 * console.assert(features.length === 8 && prompts.length === 2);
 * ```
 */
export async function selectForPrompts(
  results: readonly Attribution[],
  hook: string,
  options: SelectForPromptsOptions = {},
): Promise<PromptsSet> {
  checkOptions("selectForPrompts", options, SELECT_FOR_PROMPTS_OPTIONS);
  checkSelectOptions(options);
  if (results.length === 0) throw new RangeError("There are no prompts: give the results of some");
  const { heldOut = [], ...choice } = options;
  const settings = settingsOf({ ...choice, by: "feature" });
  const candidates = await findCandidates(results, hook, settings);
  const runs = await openRuns(results, hook, candidates, options);
  const steps = options.steps ?? Math.max(100, STEPS * results.length);
  const { set, reached } = await findSet(runs, candidates, { ...choice, ...settings, steps });
  const entries = await Promise.all(heldOut.map((result) => placeCandidates(result, hook, candidates, settings)));
  const others = await openRuns(heldOut, hook, { ...candidates, entries }, options);
  return {
    hook,
    ...settings,
    features: candidatesIn(set, candidates),
    candidates: candidates.features.length,
    reached,
    ...await figuresOfAll(runs, set),
    heldOut: others.length === 0 ? null : await figuresOfAll(others, set),
  };
}

async function figuresOfAll(
  runs: readonly MaskedRun[],
  set: CandidateSet,
): Promise<Pick<PromptsSet, "prompts" | "kept" | "left">> {
  const prompts: SetFigures[] = [];
  for (const run of runs) prompts.push(await figuresOf(run, set));
  const weights = runs.map(({ effect }) => Math.abs(effect));
  const total = weights.reduce((a, b) => a + b, 0);
  const mean = (of: (figures: SetFigures) => number): number =>
    prompts.reduce((sum, figures, i) => sum + weights[i] * of(figures), 0) / total;
  return { prompts, kept: mean(({ kept }) => kept), left: mean(({ left }) => left) };
}

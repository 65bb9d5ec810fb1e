/**
 * What features do together that they do not do alone: exact pair ablation, and Faith-Shapley values.
 *
 * @module
 */
import { checkOptions, type OptionKinds } from "../../options.ts";
import { effectsOfChanges } from "../change/ablation.ts";
import { runAt, VARIANT_OPTIONS, type VariantOptions } from "../change/rerun.ts";
import { placesOf, type Positions, positionsIn } from "../positions.ts";
import type { Attribution } from "../result/result.ts";
import { checkFeatureIndex, type FeatureChange } from "../run/contributions.ts";
import { findCandidates, type SetFeature } from "./candidates.ts";
import { SET_UNITS, type SetUnit } from "./names.ts";
import {
  leastSamples,
  MOST_EXACT,
  MOST_PLAYERS,
  type PairEstimate,
  pairsOf,
  playAll,
  sampleValues,
} from "./shapley.ts";
import type { Estimate, Game } from "./shapley.ts";

/** Which features. */
export interface InteractionOptions extends VariantOptions {
  /** The strongest by |attribution|. Default 20. */
  readonly top?: number;
  /** Of these features only. */
  readonly features?: readonly number[];
  /** Of these positions only. */
  readonly positions?: Positions;
  /** Default `feature`: a feature at all positions. `feature-position`: at one. */
  readonly by?: SetUnit;
  /** Called after every batch with how many effects are known and how many were asked for; what it throws ends it. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Options of {@linkcode faithShapley}. */
export interface FaithShapleyOptions extends InteractionOptions {
  /** The strongest by |attribution|. Default 10; at most 64. */
  readonly top?: number;
  /** Coalitions to play where there are more than 12 features. Default: eight for each value. */
  readonly samples?: number;
  /** Decides which. Default 0. */
  readonly seed?: number;
}

const INTERACTION_OPTIONS: OptionKinds<InteractionOptions> = {
  ...VARIANT_OPTIONS,
  top: "count",
  features: "list",
  positions: "any",
  by: SET_UNITS,
  onProgress: "any",
};

const FAITH_SHAPLEY_OPTIONS: OptionKinds<FaithShapleyOptions> = {
  ...INTERACTION_OPTIONS,
  samples: "count",
  seed: "count",
};

/** A feature, and what removing it alone does. */
export interface SingleEffect extends SetFeature {
  /** metric − metric(without it) */
  readonly effect: number;
}

/** Two features, by their number in the list of single ones. */
export interface PairEffect {
  /** The stronger. */
  readonly a: number;
  /** The other. */
  readonly b: number;
  /** metric − metric(without both) */
  readonly joint: number;
  /**
   * joint − the effects of both alone. With the joint effect's sign, each makes up for some of the other's absence
   * (redundancy); with the other sign, without one of them the other does less (synergy).
   */
  readonly interaction: number;
}

/** Pair effects at one SAE. Plain data. */
export interface Interactions {
  /** Where the SAE writes. */
  readonly hook: string;
  /** Whether features are at one position each. */
  readonly by: SetUnit;
  /** Largest |attribution| first. */
  readonly features: readonly SingleEffect[];
  /** Largest |interaction| first. */
  readonly pairs: readonly PairEffect[];
}

/** Shapley values of some features, and Faith-Shapley values of them and their pairs. Plain data. */
export interface FaithShapley {
  /** Where the SAE writes. */
  readonly hook: string;
  /** Whether features are at one position each. */
  readonly by: SetUnit;
  /** The players, largest |attribution| first. */
  readonly features: readonly SetFeature[];
  /** The metric of the run: all are there. */
  readonly metric: number;
  /** The metric without any of them; all other features stay. */
  readonly metricWithout: number;
  /** How many coalitions were played at most; undefined: all, and values are exact. */
  readonly samples?: number;
  /** What decided which; undefined: all were. */
  readonly seed?: number;
  /** By feature: its mean marginal effect over all orders. They add up to metric − metricWithout. */
  readonly shapley: readonly Estimate[];
  /** By feature, beside its pairs. With them they add up to metric − metricWithout. */
  readonly singles: readonly Estimate[];
  /** Every two features. */
  readonly pairs: readonly PairEstimate[];
}

/**
 * What removing every two of some features does, against removing them one at a time: exact ablation as in
 * `ablateJointly`, everything else as it was. For n features that is n + n (n − 1) / 2 runs from the hook upwards.
 *
 * @throws {RangeError} if no SAE writes at the hook, or a feature that was asked for is not active
 *
 * @example
 * ```ts
 * import { loadModel } from "../../model/model.ts";
 * import { loadSae } from "../../sae/load.ts";
 * import { calculateFeatureAttribution } from "../attribution.ts";
 * import { logitDiff } from "../metric/metrics.ts";
 * import { interactions } from "./interactions.ts";
 *
 * await using model = await loadModel("tiny-facts", { threads: 1 });
 * await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
 * const metric = logitDiff(" golf", " tennis");
 * const result = await calculateFeatureAttribution(model, " Tiger Woods plays the sport of", metric, { saes: [sae] });
 * const { features, pairs: [{ a, b, joint, interaction }] } = await interactions(result, sae.hookOut, { top: 5 });
 * console.assert(Math.abs(joint - features[a].effect - features[b].effect - interaction) < 1e-9);
 * ```
 */
export async function interactions(
  result: Attribution,
  hook: string,
  options: InteractionOptions = {},
): Promise<Interactions> {
  checkOptions("interactions", options, INTERACTION_OPTIONS);
  const { downstreamError, onProgress, by = "feature" } = options;
  const { features, removals } = await chosen(result, hook, options, options.top ?? 20);
  const pairs = pairsOf(features.length);
  const groups = [...removals, ...pairs.map(({ a, b }) => [...removals[a], ...removals[b]])];
  const effects = await effectsOfChanges(result.parts, hook, groups, { downstreamError, onProgress });
  const joint = effects.slice(features.length);
  const found = pairs.map(({ a, b }, i): PairEffect => (
    { a, b, joint: joint[i], interaction: joint[i] - effects[a] - effects[b] }
  ));
  return {
    hook,
    by,
    features: features.map((feature, i) => ({ ...feature, effect: effects[i] })),
    pairs: found.sort((x, y) => Math.abs(y.interaction) - Math.abs(x.interaction) || x.a - y.a || x.b - y.b),
  };
}

/**
 * Shapley values of some features, and Faith-Shapley values of order 2 of them and their pairs (Tsai, Yeh and Ravikumar
 * 2023, arXiv 2203.00870). The game is the metric with some of these features there and the others ablated; features
 * outside stay. Up to 12 features all 2^n coalitions are run, and values are exact; of more, coalitions are sampled and
 * every value has its standard error.
 *
 * @throws {RangeError} if no SAE writes at the hook, a feature that was asked for is not active, there are more than 64, or
 * samples are too few
 *
 * @example
 * ```ts
 * import { loadModel } from "../../model/model.ts";
 * import { loadSae } from "../../sae/load.ts";
 * import { calculateFeatureAttribution } from "../attribution.ts";
 * import { logitDiff } from "../metric/metrics.ts";
 * import { faithShapley } from "./interactions.ts";
 *
 * await using model = await loadModel("tiny-facts", { threads: 1 });
 * await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
 * const metric = logitDiff(" golf", " tennis");
 * const result = await calculateFeatureAttribution(model, " Tiger Woods plays the sport of", metric, { saes: [sae] });
 * const { shapley, metricWithout } = await faithShapley(result, sae.hookOut, { top: 4 });
 * const sum = shapley.reduce((total, { value }) => total + value, 0);
 * console.assert(Math.abs(sum - (result.metric - metricWithout)) < 1e-4);
 * ```
 */
export async function faithShapley(
  result: Attribution,
  hook: string,
  options: FaithShapleyOptions = {},
): Promise<FaithShapley> {
  checkOptions("faithShapley", options, FAITH_SHAPLEY_OPTIONS);
  const { downstreamError, onProgress, by = "feature", seed = 0 } = options;
  const { features, removals } = await chosen(result, hook, options, options.top ?? 10);
  const n = features.length;
  if (n > MOST_PLAYERS) throw new RangeError(`${n} features are too many for Shapley values: take ${MOST_PLAYERS}`);
  const samples = options.samples ?? 2 * leastSamples(n);
  if (n > MOST_EXACT && samples < leastSamples(n)) {
    throw new RangeError(`\`samples\` is ${samples}: of ${n} features take at least ${leastSamples(n)}`);
  }
  let metricWithout = result.metric;
  const game: Game = async (coalitions) => {
    const groups = coalitions.map((inside) => removals.filter((_, i) => inside[i] === 0).flat());
    const effects = await effectsOfChanges(result.parts, hook, groups, { downstreamError, onProgress });
    metricWithout = result.metric - effects[coalitions.findIndex((inside) => !inside.includes(1))];
    return effects.map((effect) => -effect);
  };
  const values = n > MOST_EXACT ? await sampleValues(game, n, samples, seed) : await playAll(game, n);
  const sampled = n > MOST_EXACT ? { samples, seed } : {};
  return { hook, by, features, metric: result.metric, metricWithout, ...sampled, ...values };
}

/** The features that are meant, strongest first, and what removing each changes. */
async function chosen(
  result: Attribution,
  hook: string,
  { features: only, positions, by = "feature" }: InteractionOptions,
  top: number,
): Promise<{ features: SetFeature[]; removals: FeatureChange[][] }> {
  const run = runAt(result.parts, hook);
  for (const feature of only ?? []) checkFeatureIndex(run.sae, feature);
  const at = positions === undefined ? undefined : new Set(positionsIn(positions, placesOf(result)));
  const isMeant = ({ feature, position }: FeatureChange): boolean =>
    (only?.includes(feature) ?? true) && (at?.has(position) ?? true);
  const { features, entries: [entries] } = await findCandidates([result], hook, { by, isMeant, most: top });
  if (features.length === 0) throw new RangeError(`No feature that is meant is active at ${hook}: choose others`);
  const missing = only?.find((feature) => !entries.some((entry) => entry.feature === feature));
  if (missing !== undefined) {
    throw new RangeError(`Feature ${missing} is not active ${at ? "at these positions" : "in this prompt"} at ${hook}`);
  }
  const removals = features.map((): FeatureChange[] => []);
  for (const { candidate, position, feature, by } of entries) {
    if (candidate >= 0) removals[candidate].push({ position, feature, by: -by });
  }
  return { features: [...features], removals };
}

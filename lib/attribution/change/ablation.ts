/**
 * Exact ablation: what the metric loses when features are taken away, by running the rest of the model again.
 *
 * @module
 */
import { checkOptions } from "../../options.ts";
import type { SaeRun } from "../run/sae_hooks.ts";
import {
  activationsOf,
  checkFeature,
  contributionGroups,
  type FeatureAt,
  type FeatureChange,
} from "../run/contributions.ts";
import type { Attribution } from "../result/result.ts";
import type { AttributionRow } from "../result/sae_attribution.ts";
import { EFFECT_OPTIONS, type EffectOptions, effectsOf, type Others, runAt, type RunParts } from "./rerun.ts";

/** An attribution beside the truth. */
export interface AblationRow extends AttributionRow {
  /** metric − metric(without this feature at this position, or with it as in the row's baseline) */
  readonly effect: number;
}

/** A feature that is removed, or put to a baseline's activation. */
export interface AblatedFeature extends FeatureAt {
  /** What takes the activation's place. Default 0. */
  readonly baseline?: number;
}

/**
 * What each feature's contribution at its position is worth: metric − metric(it set to 0, or to the row's baseline). The encoder and its selection
 * of the k largest do not run again and this SAE's error stays what it was; attention patterns and norms do run again.
 * All run in batches from the SAE's hook upwards, never from the prompt. With `metric`, a plain function of the logits,
 * it is what that loses.
 *
 * @param rows which; by default all that are not 0, largest attribution first
 * @returns the rows in their order, with their effects
 * @throws {RangeError} if no SAE writes at the hook
 *
 * @example
 * ```ts
 * import type { Attribution } from "../result/result.ts";
 * import { ablateFeatures } from "./ablation.ts";
 *
 * // Of the ten strongest: how far attributions are from exact effects.
 * async function differences(result: Attribution, hook: string): Promise<number[]> {
 *   const rows = await ablateFeatures(result, hook, result.rows(hook).slice(0, 10));
 *   return rows.map(({ attribution, effect }) => attribution - effect);
 * }
 * ```
 */
export async function ablateFeatures(
  result: Attribution,
  hook: string,
  rows: readonly AttributionRow[] = result.rows(hook),
  options: EffectOptions = {},
): Promise<AblationRow[]> {
  checkOptions("ablateFeatures", options, EFFECT_OPTIONS);
  const effects = await effectsOfChanges(result.parts, hook, singleAblations(rows), options);
  return rows.map((row, i) => ({ ...row, effect: effects[i] }));
}

/**
 * What groups of features are worth together: metric − metric(all of the group set to 0 or their baselines), as in
 * {@linkcode ablateFeatures}.
 *
 * @param groups features at positions, such as rows of the result; without a baseline, those that are not active change
 * nothing
 * @returns one effect per group
 * @throws {RangeError} if no SAE writes at the hook, or a position or feature does not exist
 */
export async function ablateJointly(
  result: Attribution,
  hook: string,
  groups: readonly (readonly AblatedFeature[])[],
  options: EffectOptions = {},
): Promise<number[]> {
  checkOptions("ablateJointly", options, EFFECT_OPTIONS);
  const run = runAt(result.parts, hook);
  for (const group of groups) for (const at of group) checkFeature(run, at);
  return await effectsOfChanges(result.parts, hook, groupAblations(run, groups), options);
}

/** By row, what putting its feature to 0 or to its baseline changes. */
export function singleAblations(rows: readonly AttributionRow[]): FeatureChange[][] {
  return rows.map(({ position, feature, activation, baseline = 0 }) => [
    { position, feature, by: baseline - activation },
  ]);
}

function groupAblations(run: SaeRun, groups: readonly (readonly AblatedFeature[])[]): FeatureChange[][] {
  const activation = activationsOf(run);
  return groups.map((group) => {
    const once = new Map(group.map((at) => [`${at.position} ${at.feature}`, at]));
    const changes = [...once.values()].map((at): FeatureChange => ({ ...at, by: (at.baseline ?? 0) - activation(at) }));
    return changes.filter(({ by }) => by !== 0);
  });
}

/**
 * The one engine of exact effects: metric − metric(with the changes of a group), for each group. Whatever the prompt is
 * up to the SAE's hook was computed once, by the attribution. Groups run from the hook upwards as copies in batches,
 * those that begin at one position together, so that blocks compute what comes from there on, and the last block the
 * rows that the metric reads.
 *
 * `ablateFeatures` and `ablateJointly` are this with activations put to 0; pairs, sets and their complements are groups
 * too. A large set that grows step by step is cheaper as dense changes ({@linkcode effectsOf}).
 *
 * @param groups changes of activations, new − old; at most one per feature and position in a group
 * @returns in the order of the groups
 * @throws {RangeError} if no SAE writes at the hook
 */
export async function effectsOfChanges(
  parts: RunParts,
  hook: string,
  groups: readonly (readonly FeatureChange[])[],
  { onProgress, ...options }: Omit<EffectOptions, "downstreamError"> & { readonly downstreamError?: Others } = {},
): Promise<number[]> {
  const run = runAt(parts, hook);
  const begin = groups.map((group) => group.reduce((first, { position }) => Math.min(first, position), Infinity));
  const order = [...groups.keys()].sort((a, b) => begin[b] - begin[a] || a - b);
  const sorted = contributionGroups(run, order.map((i) => groups[i]));
  const found = await effectsOf(parts, hook, sorted, {
    ...options,
    onBatch: (done) => onProgress?.(done, groups.length),
  });
  const effects = new Array<number>(groups.length);
  order.forEach((i, at) => effects[i] = found[at]);
  return effects;
}

/**
 * Which features may be in a set: those whose activation changes when they are ablated, at each position or at all.
 *
 * @module
 */
import { type Ablation, fromMeans } from "../trust/faithfulness.ts";
import type { Attribution } from "../result/result.ts";
import { runAt } from "../change/rerun.ts";
import { changesOf, type FeatureChange } from "../run/contributions.ts";

/** What a set has: features at one position each, or at all positions. */
export type SetUnit = "feature-position" | "feature";

/** The choices by name. */
export const SET_UNITS: readonly SetUnit[] = ["feature-position", "feature"];

/** A feature at a position, or at all. */
export interface SetFeature {
  /** The token, counted from 0; undefined: all positions. */
  readonly position?: number;
  /** The feature's index in the SAE. */
  readonly feature: number;
  /** What the attribution's method says of it; over several prompts, the mean. */
  readonly attribution: number;
}

/** What ablating one feature at one position takes away. */
export interface AblatedEntry extends FeatureChange {
  /** `by` · gradient. */
  readonly attribution: number;
  /** The candidate that it belongs to; −1: none. */
  readonly candidate: number;
}

/** The candidates, and where they are in each run. */
export interface Candidates {
  readonly features: readonly SetFeature[];
  /** By run, everything that changes there. */
  readonly entries: readonly (readonly AblatedEntry[])[];
}

/** Which they are. */
export interface CandidateOptions {
  readonly by: SetUnit;
  /** Default `zero`. */
  readonly ablation?: Ablation;
  /** Default: all. */
  readonly isMeant?: (at: FeatureChange) => boolean;
  /** The strongest. Default 4,096. */
  readonly most?: number;
}

/** More are not searched: the strongest are. */
const MOST = 4096;

/**
 * The features of some runs, strongest first.
 *
 * @throws {RangeError} if there is no position to take a mean over
 */
export async function findCandidates(
  results: readonly Attribution[],
  hook: string,
  { by, ablation = "zero", isMeant = () => true, most = MOST }: CandidateOptions,
): Promise<Candidates> {
  const entries = (await Promise.all(results.map((result) => entriesOf(result, hook, ablation))))
    .map((some) => some.filter(isMeant));
  const byKey = new Map<string, { -readonly [K in keyof SetFeature]: SetFeature[K] }>();
  const keyOf = ({ position, feature }: FeatureChange): string =>
    by === "feature" ? `${feature}` : `${position} ${feature}`;
  for (const entry of entries.flat()) {
    const { position, feature } = entry;
    const attribution = entry.attribution / results.length;
    const found = byKey.get(keyOf(entry));
    if (found) found.attribution += attribution;
    else byKey.set(keyOf(entry), { ...(by === "feature" ? {} : { position }), feature, attribution });
  }
  const strongest = [...byKey].sort(([, a], [, b]) =>
    Math.abs(b.attribution) - Math.abs(a.attribution) || (a.position ?? 0) - (b.position ?? 0) || a.feature - b.feature
  ).slice(0, most);
  const index = new Map(strongest.map(([key], i) => [key, i]));
  return {
    features: strongest.map(([, feature]) => feature),
    entries: entries.map((some) => some.map((entry) => ({ ...entry, candidate: index.get(keyOf(entry)) ?? -1 }))),
  };
}

async function entriesOf(
  { parts }: Attribution,
  hook: string,
  ablation: Ablation,
): Promise<Omit<AblatedEntry, "candidate">[]> {
  const run = runAt(parts, hook);
  const activations = ablation === "zero" ? run.encoded.activations : fromMeans(run);
  const gradients = await run.sae.activeGradients(
    { ...run.encoded, activations },
    parts.saes.get(hook)!.writtenGradient,
  );
  return changesOf(activations).map((change, i) => ({ ...change, attribution: Math.fround(change.by * gradients[i]) }));
}

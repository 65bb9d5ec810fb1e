/**
 * Which features may be in a set: those whose activation changes when they are ablated, at each position or at all.
 *
 * @module
 */
import { type Ablation, whatAblationTakes } from "../change/ablated.ts";
import type { Attribution } from "../result/result.ts";
import { runAt } from "../change/rerun.ts";
import { type AttributedChange, attributedChanges, type FeatureChange } from "../run/contributions.ts";
import type { SetUnit } from "./names.ts";

/** A feature at a position, or at all. */
export interface SetFeature {
  /** The token, counted from 0; undefined: all positions. */
  readonly position?: number;
  /** The feature's index in the SAE. */
  readonly feature: number;
  /** What ablating it changes, times the attribution's gradient; over several prompts, the mean. */
  readonly attribution: number;
}

/** What ablating one feature at one position takes away. */
export interface AblatedEntry extends AttributedChange {
  /** The candidate that it belongs to; −1: none. */
  readonly candidate: number;
}

/** The candidates, and where they are in each run. */
export interface Candidates {
  readonly features: readonly SetFeature[];
  /** By run, everything that changes there. */
  readonly entries: readonly (readonly AblatedEntry[])[];
}

/** Those of some candidates, in their order: strongest first. */
export function candidatesIn(set: Iterable<number>, { features }: Candidates): SetFeature[] {
  return [...set].sort((a, b) => a - b).map((i) => features[i]);
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
  for (const entry of entries.flat()) {
    const { position, feature } = entry;
    const attribution = entry.attribution / results.length;
    const found = byKey.get(keyOf(entry, by));
    if (found) found.attribution += attribution;
    else byKey.set(keyOf(entry, by), { ...(by === "feature" ? {} : { position }), feature, attribution });
  }
  const strongest = [...byKey.values()].sort((a, b) =>
    Math.abs(b.attribution) - Math.abs(a.attribution) || (a.position ?? 0) - (b.position ?? 0) || a.feature - b.feature
  ).slice(0, most);
  return { features: strongest, entries: entries.map((some) => withCandidates(some, strongest, by)) };
}

/** Where candidates of other runs are in this one. */
export async function placeCandidates(
  result: Attribution,
  hook: string,
  { features }: Pick<Candidates, "features">,
  { by, ablation = "zero" }: CandidateOptions,
): Promise<AblatedEntry[]> {
  return withCandidates(await entriesOf(result, hook, ablation), features, by);
}

function withCandidates(
  entries: readonly AttributedChange[],
  features: readonly SetFeature[],
  by: SetUnit,
): AblatedEntry[] {
  const index = new Map(features.map((feature, i) => [keyOf(feature, by), i]));
  return entries.map((entry) => ({ ...entry, candidate: index.get(keyOf(entry, by)) ?? -1 }));
}

function keyOf({ position, feature }: Pick<SetFeature, "position" | "feature">, by: SetUnit): string {
  return by === "feature" ? `${feature}` : `${position} ${feature}`;
}

function entriesOf({ parts }: Attribution, hook: string, ablation: Ablation): Promise<AttributedChange[]> {
  const run = runAt(parts, hook);
  return attributedChanges(parts.saes.get(hook)!, whatAblationTakes(run, ablation));
}

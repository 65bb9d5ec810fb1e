/**
 * What a set of features that somebody chose keeps, and what is left without it: measured, nothing is searched for.
 *
 * @module
 */
import type { Ablation } from "../change/ablated.ts";
import type { VariantOptions } from "../change/rerun.ts";
import { runAt } from "../change/rerun.ts";
import type { Attribution } from "../result/result.ts";
import { checkFeature } from "../run/contributions.ts";
import { placeCandidates, type SetFeature } from "./candidates.ts";
import { MaskedRun } from "./masked_run.ts";
import type { SetUnit } from "./names.ts";
import { figuresOf, type SetFigures } from "./select.ts";

/** How a set is measured. */
export interface MeasureOptions extends VariantOptions {
  readonly by: SetUnit;
  /** Default `zero`. */
  readonly ablation?: Ablation;
}

/** A set and its figures. */
export interface MeasuredSet extends SetFigures {
  /** Largest |attribution| first. */
  readonly features: readonly SetFeature[];
}

/**
 * The figures of a set as `selectFeatures` has them of its own: those of runs of the set itself.
 *
 * @throws {RangeError} if no SAE writes at the hook, a position or feature does not exist, or all features together do
 * nothing
 */
export async function measureSet(
  result: Attribution,
  hook: string,
  given: readonly Omit<SetFeature, "attribution">[],
  { by, ablation = "zero", downstreamError }: MeasureOptions,
): Promise<MeasuredSet> {
  const run = runAt(result.parts, hook);
  const unique = new Map(given.map(({ position, feature }) => {
    checkFeature(run, { position: position ?? 0, feature });
    const at = by === "feature" ? { feature } : { position, feature };
    return [JSON.stringify(at), { ...at, attribution: 0 }] as const;
  }));
  const members = [...unique.values()];
  const entries = await placeCandidates(result, hook, { features: members }, { by, ablation });
  const sums = new Float64Array(members.length);
  for (const { candidate, attribution } of entries) if (candidate >= 0) sums[candidate] += attribution;
  const features = members.map((at, i) => ({ ...at, attribution: sums[i] }));
  const masked = await MaskedRun.open({ result, hook, entries, count: features.length, options: { downstreamError } });
  const figures = await figuresOf(masked, features.map((_, i) => i));
  return { features: features.toSorted((a, b) => Math.abs(b.attribution) - Math.abs(a.attribution)), ...figures };
}

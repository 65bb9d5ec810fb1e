/**
 * What adds up along an answer: positions that speak for it, and features that recur.
 *
 * @module
 */
import type { AnswerAttribution } from "./answer.ts";

/**
 * Σ attribution by position over all tokens of the answer, `[position]`.
 *
 * @param hook of the SAE
 */
export function answerPositionSums(answer: AnswerAttribution, hook: string): number[] {
  const sums = new Array<number>(answer.tokens.length).fill(0);
  for (const { attribution } of answer.targets) {
    attribution.decomposition[hook].features.forEach((value, position) => sums[position] += value);
  }
  return sums;
}

/** What the answer's metrics add up to: with `logprob`, the log-probability of the tokens that are explained. */
export function answerMetricSum({ targets }: AnswerAttribution): number {
  return targets.reduce((sum, { attribution }) => sum + attribution.metric, 0);
}

/** A feature that speaks for or against several tokens. */
export interface RecurringFeature {
  /** Its index in the SAE. */
  readonly feature: number;
  /** The positions of the tokens among whose strongest features it is. */
  readonly targets: readonly number[];
  /** Σ attribution over all tokens and positions. */
  readonly attribution: number;
}

/** A token's strongest features: so many, by |Σ attribution over positions|. */
const STRONGEST = 10;

/** The features that are among the ten strongest of two tokens or more, those of most tokens first. */
export function recurringFeatures({ targets }: AnswerAttribution, hook: string): RecurringFeature[] {
  const totals = new Map<number, number>();
  const among = new Map<number, number[]>();
  for (const { position, attribution } of targets) {
    const sums = new Map<number, number>();
    for (const row of attribution.rows(hook)) sums.set(row.feature, (sums.get(row.feature) ?? 0) + row.attribution);
    for (const [feature, sum] of sums) totals.set(feature, (totals.get(feature) ?? 0) + sum);
    const strongest = [...sums].sort(([f, a], [g, b]) => Math.abs(b) - Math.abs(a) || f - g).slice(0, STRONGEST);
    for (const [feature] of strongest) among.set(feature, [...among.get(feature) ?? [], position]);
  }
  return [...among].filter(([, positions]) => positions.length > 1)
    .map(([feature, positions]) => ({ feature, targets: positions, attribution: totals.get(feature)! }))
    .sort((a, b) =>
      b.targets.length - a.targets.length || Math.abs(b.attribution) - Math.abs(a.attribution) || a.feature - b.feature
    );
}

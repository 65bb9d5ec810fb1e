/**
 * What features do over a data set, added up shard by shard: memory depends on the SAEs, not on the prompts.
 *
 * @module
 */
import type { Cell, Table } from "../../table/table.ts";

/** A prompt and a feature's attribution in it. */
export type TopPrompt = readonly [id: string, attribution: number];

/** One feature over some prompts. A prompt's attribution is the sum over its positions. */
export interface FeatureTotals {
  /** In how many prompts it is active: has an attribution that is not 0 at some position. */
  n: number;
  /** Σ attribution. */
  sum: number;
  /** Σ |attribution|. */
  sumAbs: number;
  /** In how many prompts the attribution is above 0. */
  positive: number;
  /** In how many it is below 0. */
  negative: number;
  /** The prompts with the largest |attribution|, at most {@linkcode TOP_PROMPTS}; of equal ones the first. */
  top: TopPrompt[];
}

/** Totals as plain data, by hook, features ascending. */
export type PartialTotals = Readonly<Record<string, readonly (readonly [feature: number, totals: FeatureTotals])[]>>;

/** How many prompts are kept for each feature. */
export const TOP_PROMPTS = 5;

/** Totals by hook and feature. */
export class Aggregate {
  readonly #hooks = new Map<string, Map<number, FeatureTotals>>();

  /** Adds a prompt: its attribution by feature. */
  addPrompt(hook: string, id: string, attributions: ReadonlyMap<number, number>): void {
    for (const [feature, attribution] of attributions) {
      this.#add(hook, feature, {
        n: 1,
        sum: attribution,
        sumAbs: Math.abs(attribution),
        positive: attribution > 0 ? 1 : 0,
        negative: attribution < 0 ? 1 : 0,
        top: [[id, attribution]],
      });
    }
  }

  /** Adds a shard. The order of shards decides the last digits of sums: add them in theirs. */
  addPartial(partial: PartialTotals): void {
    for (const [hook, features] of Object.entries(partial)) {
      for (const [feature, totals] of features) this.#add(hook, feature, { ...totals, ...notNull(totals) });
    }
  }

  #add(hook: string, feature: number, more: FeatureTotals): void {
    let features = this.#hooks.get(hook);
    if (features === undefined) this.#hooks.set(hook, features = new Map());
    const totals = features.get(feature);
    if (totals === undefined) {
      features.set(feature, { ...more, top: [...more.top] });
      return;
    }
    totals.n += more.n;
    totals.sum += more.sum;
    totals.sumAbs += more.sumAbs;
    totals.positive += more.positive;
    totals.negative += more.negative;
    for (const prompt of more.top) insertTop(totals.top, prompt);
  }

  /** All of it as plain data. */
  partial(): PartialTotals {
    return Object.fromEntries(
      [...this.#hooks].map(([hook, features]) => [hook, [...features].sort(([a], [b]) => a - b)]),
    );
  }

  /**
   * The table of features, largest mean |attribution| first: `n`, `fraction_active`, `mean` over all prompts (0 where
   * the feature is not active), `mean_abs`, `mean_when_active`, `sign_consistency` (the share of the commoner sign where
   * it is active, .5 to 1), `top_prompts` (a JSON array of ids) and `questions` (how many different ones all that is added up
   * over). A column `hook` comes first where there are several.
   *
   * @param prompts how many were attributed
   * @param questions how many different ones they were
   * @param labels texts for features by hook; a last column `label` where there are any
   */
  table(
    prompts: number,
    questions: number,
    labels: ReadonlyMap<string, ReadonlyMap<number, string>> = new Map(),
  ): Table {
    const several = this.#hooks.size > 1;
    const labelled = [...labels.values()].some(({ size }) => size > 0);
    const all = [...this.#hooks].flatMap(([hook, features]) =>
      [...features].map(([feature, totals]) => ({ hook, feature, totals }))
    );
    all.sort((a, b) =>
      b.totals.sumAbs - a.totals.sumAbs || (a.hook < b.hook ? -1 : a.hook > b.hook ? 1 : a.feature - b.feature)
    );
    return {
      columns: [...several ? ["hook"] : [], ...FEATURE_COLUMNS, ...labelled ? ["label"] : []],
      rows: all.map(({ hook, feature, totals }) => [
        ...several ? [hook] : [],
        ...featureCells(feature, totals, prompts),
        questions,
        ...labelled ? [labels.get(hook)?.get(feature) ?? null] : [],
      ]),
    };
  }
}

/** JSON has null for what is not finite. */
function notNull({ sum, sumAbs }: FeatureTotals): Pick<FeatureTotals, "sum" | "sumAbs"> {
  return { sum: sum ?? NaN, sumAbs: sumAbs ?? NaN };
}

const FEATURE_COLUMNS = [
  "feature",
  "n",
  "fraction_active",
  "mean",
  "mean_abs",
  "mean_when_active",
  "sign_consistency",
  "top_prompts",
  "questions",
];

function featureCells(feature: number, totals: FeatureTotals, prompts: number): Cell[] {
  const { n, sum, sumAbs, positive, negative, top } = totals;
  const signed = positive + negative;
  return [
    feature,
    n,
    n / prompts,
    sum / prompts,
    sumAbs / prompts,
    sum / n,
    signed === 0 ? null : Math.max(positive, negative) / signed,
    JSON.stringify(top.map(([id]) => id)),
  ];
}

function insertTop(top: TopPrompt[], prompt: TopPrompt): void {
  let at = top.length;
  while (at > 0 && Math.abs(prompt[1]) > Math.abs(top[at - 1][1])) at--;
  if (at >= TOP_PROMPTS) return;
  top.splice(at, 0, prompt);
  if (top.length > TOP_PROMPTS) top.pop();
}

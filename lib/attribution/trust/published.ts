/**
 * Published figures, computed again and compared.
 *
 * @module
 */
import type { Model } from "../../model/model.ts";
import type { Sae } from "../../sae/sae.ts";
import { calculateFeatureAttribution } from "../attribution.ts";
import type { PublishedFigures } from "./figures.ts";
import { logitDiff } from "../metric/metrics.ts";
import { testPrompt } from "../run/predict.ts";
import type { Attribution } from "../result/result.ts";
import type { AttributionRow } from "../result/sae_attribution.ts";

/** What a figure belongs to. */
export type FigureGroup = "tokens" | "next tokens" | "metric" | "attributions" | "features at a position";

/** One figure, as published and as computed here. */
export interface FigureComparison {
  readonly group: FigureGroup;
  /** What it says. */
  readonly figure: string;
  readonly published: string | number;
  readonly computed: string | number;
  /** How far a number may be off; null: it must be the same. */
  readonly tolerance: number | null;
  readonly agrees: boolean;
}

/**
 * Computes figures again and compares them.
 *
 * @throws {RangeError} if the model has no such token, or the SAE does not fit it
 *
 * @example
 * ```ts
 * import { loadModel } from "../../model/model.ts";
 * import { loadSae } from "../../sae/load.ts";
 * import { parseFigures } from "./figures.ts";
 * import { compareFigures } from "./published.ts";
 *
 * const [name, prompt] = ["tiny-facts", " Tiger Woods plays the sport of"];
 * const sae = `${name}/blocks.3.hook_resid_pre`;
 * const answers = { pos_token: " golf", neg_token: " tennis" };
 * const figures = parseFigures({ model: name, sae, prompt, ...answers, metric: 2.853 }, "figures.json");
 * await using model = await loadModel(figures.model, { threads: 1 });
 * await using opened = await loadSae(figures.sae);
 * const [check] = await compareFigures(model, opened, figures);
 * console.assert(check.agrees);
 * ```
 */
export async function compareFigures(model: Model, sae: Sae, published: PublishedFigures): Promise<FigureComparison[]> {
  const { prompt, prependBos, processing, includeErrorTerm, posToken, negToken, nextTokens } = published;
  const options = { saes: [sae], prependBos, processing };
  const test = await testPrompt(model, prompt, { ...options, topK: Math.max(1, nextTokens.length) });
  const result = await calculateFeatureAttribution(model, prompt, logitDiff(posToken, negToken), {
    ...options,
    includeErrorTerm,
    excludeSpecialTokens: false, // as in the notebook, which knows no such option
    diagnose: false,
  });
  const rows = result.rows(sae.hookOut);
  return [
    ...tokenChecks(published, result),
    ...nextTokenChecks(published, test.predictions),
    ...metricChecks(published, result),
    ...attributionChecks(published, rows),
    ...topChecks(published, rows),
  ];
}

function tokenChecks({ tokens }: PublishedFigures, result: Attribution): FigureComparison[] {
  if (tokens.length === 0) return [];
  const count = same("tokens", "number of tokens", tokens.length, result.tokens.length);
  return [
    count,
    ...tokens.map((text, i) => same("tokens", `token at position ${i}`, text, result.tokens[i]?.text ?? "(none)")),
  ];
}

function nextTokenChecks(
  { nextTokens, tolerances }: PublishedFigures,
  predictions: readonly { readonly token: string; readonly logit: number; readonly probability: number }[],
): FigureComparison[] {
  return nextTokens.flatMap(({ token, logit, probability }, rank) => {
    const got = predictions[rank];
    const group = "next tokens";
    return [
      ...(token === undefined ? [] : [same(group, `next token of rank ${rank}`, token, got.token)]),
      ...(logit === undefined ? [] : [close(group, `logit of rank ${rank}`, logit, got.logit, tolerances.logit)]),
      ...(probability === undefined
        ? []
        : [close(group, `probability of rank ${rank}`, probability, got.probability, tolerances.probability)]),
    ];
  });
}

function metricChecks({ metric, tolerances }: PublishedFigures, result: Attribution): FigureComparison[] {
  return metric === undefined ? [] : [close("metric", "metric", metric, result.metric, tolerances.metric)];
}

function attributionChecks(
  { attributions, tolerances }: PublishedFigures,
  rows: readonly AttributionRow[],
): FigureComparison[] {
  const byFeature = [...rows].sort((a, b) => a.feature - b.feature || a.position - b.position);
  const group = "attributions";
  return attributions.flatMap(({ position, feature, attribution, rank, row }) => {
    const isIt = (r: AttributionRow): boolean => r.position === position && r.feature === feature;
    const name = `feature ${feature} at position ${position}`;
    const got = rows.find(isIt)?.attribution ?? 0; // only what is not 0 has a row
    return [
      close(group, `attribution of ${name}`, attribution, got, tolerances.attribution),
      ...(rank === undefined ? [] : [same(group, `rank of ${name}`, rank, rows.findIndex(isIt))]),
      ...(row === undefined
        ? []
        : [close(group, `row of ${name}, by feature`, row, byFeature.findIndex(isIt), tolerances.row)]),
    ];
  });
}

function topChecks(
  { topAtPosition, tolerances }: PublishedFigures,
  rows: readonly AttributionRow[],
): FigureComparison[] {
  if (!topAtPosition) return [];
  const { position, features } = topAtPosition;
  const there = rows.filter((row) => row.position === position);
  const group = "features at a position";
  return features.flatMap(([feature, attribution], place) => [
    same(group, `feature ${place + 1} at position ${position}`, feature, there[place]?.feature ?? "(none)"),
    close(
      group,
      `attribution of feature ${place + 1} at position ${position}`,
      attribution,
      there[place]?.attribution ?? 0,
      tolerances.attribution,
    ),
  ]);
}

function same(
  group: FigureGroup,
  figure: string,
  published: string | number,
  computed: string | number,
): FigureComparison {
  return { group, figure, published, computed, tolerance: null, agrees: published === computed };
}

function close(
  group: FigureGroup,
  figure: string,
  published: number,
  computed: number,
  tolerance: number,
): FigureComparison {
  const allowed = tolerance + rounding(published);
  return { group, figure, published, computed, tolerance: allowed, agrees: Math.abs(computed - published) <= allowed };
}

/** Half a unit of the last decimal that was printed: 0.005 for 0.39. */
function rounding(printed: number): number {
  const [, decimals] = /^-?\d+\.(\d+)$/.exec(String(printed)) ?? [];
  return decimals === undefined ? 0 : 0.5 * 10 ** -decimals.length;
}

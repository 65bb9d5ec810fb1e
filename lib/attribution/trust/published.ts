/**
 * Published figures beside what was computed again.
 *
 * @module
 */
import { quote } from "../../quote.ts";
import type { Attribution } from "../result/result.ts";
import type { AttributionRow } from "../result/sae_attribution.ts";
import type { PublishedFigures } from "./figures.ts";

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
 * Compares figures with what was computed.
 *
 * @param predictions the most probable next tokens, best first
 * @throws {RangeError} if a figure is about a hook that has no SAE
 */
export function compareFigures(
  published: PublishedFigures,
  result: Attribution,
  predictions: readonly NextToken[],
): FigureComparison[] {
  return [
    ...tokenChecks(published, result),
    ...nextTokenChecks(published, predictions),
    ...metricChecks(published, result),
    ...attributionChecks(published, result),
    ...topChecks(published, result),
  ];
}

type NextToken = { readonly token: string; readonly logit: number; readonly probability: number };

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
  predictions: readonly NextToken[],
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

function attributionChecks({ attributions, tolerances }: PublishedFigures, result: Attribution): FigureComparison[] {
  const group = "attributions";
  const byHook = Map.groupBy(attributions, ({ hook = result.hooks[0] }) => hook);
  return [...byHook].flatMap(([hook, published]) => {
    const rows = rowsAt(result, hook);
    const byFeature = [...rows].sort((a, b) => a.feature - b.feature || a.position - b.position);
    return published.flatMap(({ position, feature, attribution, rank, row }) => {
      const isIt = (r: AttributionRow): boolean => r.position === position && r.feature === feature;
      const name = `feature ${feature} at position ${position}${placeOf(result, hook)}`;
      const got = rows.find(isIt)?.attribution ?? 0; // only what is not 0 has a row
      return [
        close(group, `attribution of ${name}`, attribution, got, tolerances.attribution),
        ...(rank === undefined ? [] : [same(group, `rank of ${name}`, rank, rows.findIndex(isIt))]),
        ...(row === undefined
          ? []
          : [close(group, `row of ${name}, by feature`, row, byFeature.findIndex(isIt), tolerances.row)]),
      ];
    });
  });
}

function topChecks({ topAtPosition, tolerances }: PublishedFigures, result: Attribution): FigureComparison[] {
  if (!topAtPosition) return [];
  const { hook = result.hooks[0], position, features } = topAtPosition;
  const there = rowsAt(result, hook).filter((row) => row.position === position);
  const place = `position ${position}${placeOf(result, hook)}`;
  const group = "features at a position";
  return features.flatMap(([feature, attribution], rank) => [
    same(group, `feature ${rank + 1} at ${place}`, feature, there[rank]?.feature ?? "(none)"),
    close(
      group,
      `attribution of feature ${rank + 1} at ${place}`,
      attribution,
      there[rank]?.attribution ?? 0,
      tolerances.attribution,
    ),
  ]);
}

function rowsAt(result: Attribution, hook: string): readonly AttributionRow[] {
  if (result.hooks.includes(hook)) return result.rows(hook);
  throw new RangeError(`A figure is of the hook ${quote(hook)}, and there are SAEs at ${result.hooks.join(", ")}`);
}

/** Of several SAEs, which. */
function placeOf({ hooks }: Attribution, hook: string): string {
  return hooks.length > 1 ? ` of ${hook}` : "";
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

/**
 * The parts of the summary that are about one SAE.
 *
 * @module
 */
import { neuronpediaQuickList } from "../../attribution/result/long_table.ts";
import type { Attribution } from "../../attribution/result/result.ts";
import type { AttributionRow, DirectEffect, SaeAttribution } from "../../attribution/result/sae_attribution.ts";
import type { Integration } from "../../attribution/methods/integrated_gradients.ts";
import { findMethod, type MethodName } from "../../attribution/methods/mod.ts";
import type { Sae } from "../../sae/sae.ts";
import { signed } from "../../report/figures.ts";
import { addsUpWords, errorWords, fitWords, methodTitle, tokenAt } from "../../report/words.ts";
import { bars, detail, entry, heading, labelledBars, type Page } from "./summary_layout.ts";

/** The strongest features that are shown. */
const STRONGEST = { positive: 5, negative: 3 };
/** Prompts up to this length show every position; longer ones show fewer. */
const MOST_POSITIONS = 12;
const SHOWN_POSITIONS = 8;

/** The strongest features with bars, where they are active, and what they stand for. */
export function strongest(
  result: Attribution,
  { rows }: SaeAttribution,
  labels: ReadonlyMap<number, string> | undefined,
  title: string,
  page: Page,
): string {
  const shown = strongestRows(rows);
  if (shown.length === 0) return heading(`${title}: no feature is active`, page);
  const items = shown.map(({ attribution, feature, position }) => ({
    value: attribution,
    text: `feature ${feature} at ${tokenAt(result.tokens, position)}`,
    label: labels?.get(feature),
  }));
  const what = methodTitle(result.parts.method, result.parts.baseline !== undefined);
  return `${heading(`${title}: ${what}`, page)}\n${labelledBars(items, page)}`;
}

function strongestRows(rows: readonly AttributionRow[]): AttributionRow[] {
  const positive = rows.filter(({ attribution }) => attribution > 0).slice(0, STRONGEST.positive);
  const negative = rows.filter(({ attribution }) => attribution < 0).slice(-STRONGEST.negative);
  return [...positive, ...negative];
}

/** A link to the strongest features on Neuronpedia, where the SAE has a place there; not wrapped, so that it works. */
export function quickList(sae: Sae, { rows }: SaeAttribution, name: string): string[] {
  const features = [...new Set(strongestRows(rows).map(({ feature }) => feature))];
  const url = features.length === 0 ? null : neuronpediaQuickList(sae, name, features);
  return url === null ? [] : [`Neuronpedia ${url}`];
}

/** Sums over features by position, the largest of them where there are many. */
export function perPosition(
  result: Attribution,
  { decomposition: { features } }: SaeAttribution,
  title: string,
  page: Page,
): string {
  const all = features.map((_, position) => position);
  const isLong = all.length > MOST_POSITIONS;
  const largest = all.toSorted((a, b) => Math.abs(features[b]) - Math.abs(features[a]) || a - b);
  const shown = isLong ? largest.slice(0, SHOWN_POSITIONS).sort((a, b) => a - b) : all;
  const items = shown.map((position) => ({ value: features[position], text: tokenAt(result.tokens, position) }));
  const by = findMethod(result.parts.method).exact ? `, by ${methodTitle("gradient")}` : "";
  const which = isLong ? ` (the ${SHOWN_POSITIONS} largest of ${all.length})` : "";
  return `${heading(title + by + which, page)}\n${bars(items, page)}`;
}

/** The decomposition, the fit and the error's share. */
export function accounts(
  sae: SaeAttribution,
  method: MethodName,
  name: string | undefined,
  page: Page,
): string[] {
  return [
    ...(name === undefined ? [] : [detail(name, page)]),
    entry("Adds up", addsUpWords(sae, method).split(" "), page),
    ...(sae.integration ? [entry("Integral", integrationWords(sae.integration).split(" "), page)] : []),
    ...(sae.directEffect ? [entry("Direct", directWords(sae.directEffect).split(" "), page)] : []),
    entry("SAE fit", fitWords(sae.fit).split(" "), page),
    entry("SAE error", errorWords(sae).split(" "), page),
  ];
}

function integrationWords({ steps, rule, sum, difference, converged }: Integration): string {
  const [s, d] = [sum, difference].map((value) => signed(value, Math.max(Math.abs(sum), Math.abs(difference))));
  return `${steps} steps (${rule}); attributions add up to ${s}, removing all features at once takes ${d} from the ` +
    `metric${converged ? "" : ": not converged"}`;
}

function directWords({ decomposition }: DirectEffect): string {
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  const parts = [decomposition.features, decomposition.bias, decomposition.error, decomposition.total].map(sum);
  const [f, b, e, t] = parts.map((value) => signed(value, Math.max(...parts.map(Math.abs))));
  return `features ${f}, SAE bias ${b}, SAE error ${e}: together ${t} goes straight to the metric, past later blocks`;
}

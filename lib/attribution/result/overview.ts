/**
 * A result in a few lines, for `console.log`.
 *
 * @module
 */
import type { ResultData } from "./parts.ts";

/** Characters of a text, SAEs, rows of one, and warnings that are shown. */
const [TEXT, SAES, ROWS, WARNINGS] = [72, 8, 8, 3];

/** What a result is about, and where the rest is found. */
export function overview({ metric, tokens, warnings, parts }: ResultData): Readonly<Record<string, unknown>> {
  const { method, grads: { resolvedMetric }, saes, trackHookPoints } = parts;
  const hooks = [...saes.keys()];
  const rows = (hook: string, most: number): string[] =>
    saes.get(hook)!.rows.toSorted((a, b) => Math.abs(b.attribution) - Math.abs(a.attribution)).slice(0, most).map((
      row,
    ) =>
      `${row.attribution.toPrecision(4)} of feature ${row.feature} at ` +
      `${JSON.stringify(tokens[row.position].text)} (${row.position})`
    );
  const [only] = hooks;
  return {
    metric: `${resolvedMetric.name} = ${metric.toPrecision(6)}`,
    formula: cut(resolvedMetric.formula),
    method,
    tokens: `${tokens.length}: ${cut(tokens.map((token) => token.text).join(""))}`,
    saes: some(hooks.map((hook) => `${hook}: ${saes.get(hook)!.rows.length} rows`), SAES),
    strongest: hooks.length === 1 ? rows(only, ROWS) : some(hooks.flatMap((hook) => rows(hook, 1)), SAES),
    tracked: some(trackHookPoints, WARNINGS),
    warnings: some(warnings.map(cut), WARNINGS),
    more: "rows(hook), decomposition, fit, summary()",
  };
}

function cut(text: string): string {
  return text.length > TEXT ? `${text.slice(0, TEXT)}…` : text;
}

/** Undefined where there is none. */
function some(all: readonly string[], most: number): readonly string[] | undefined {
  if (all.length === 0) return undefined;
  return all.length > most ? [...all.slice(0, most), `… and ${all.length - most} more`] : all;
}

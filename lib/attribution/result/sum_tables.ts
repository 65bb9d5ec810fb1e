/**
 * Attributions added up: by position, by feature.
 *
 * @module
 */
import { checkOptions } from "../../options.ts";
import type { Cell, Table } from "../../table/table.ts";
import { hasDirectEffects, longRows, type LongTableOptions, ownLabels } from "./long_table.ts";
import { EXACT_METHODS } from "../methods/names.ts";
import { placesOf, positionsIn } from "../positions.ts";
import type { Attribution } from "./result.ts";

/**
 * Per position: the sum over features, the SAE's bias, its error, and their total, g · (SAE input); where it was asked
 * for, the direct effect of that total too.
 *
 * @throws {RangeError} if attributions are exact effects, which do not add up
 */
export function positionTable(result: Attribution, options: Pick<LongTableOptions, "positions"> = {}): Table {
  checkOptions("positionTable", options, { positions: "any" });
  if (EXACT_METHODS.includes(result.parts.method)) {
    throw new RangeError(
      `Sums by position are of activation × gradient, and the method is ${result.parts.method}: take another`,
    );
  }
  const wanted = positionsIn(options.positions ?? {}, placesOf(result));
  const rows = result.hooks.flatMap((hook) => {
    const { features, bias, error, total } = result.decomposition[hook];
    const direct = result.parts.saes.get(hook)!.directEffect?.decomposition.total;
    return wanted.map((p): Cell[] => [
      ...[hook, p, result.tokens[p].text, features[p], bias[p], error[p], total[p]],
      ...(direct ? [direct[p]] : []),
    ]);
  });
  const directColumn = hasDirectEffects(result) ? ["direct_effect"] : [];
  const columns = ["hook", "position", "token", "features", "bias", "error", "total", ...directColumn];
  return result.hooks.length > 1
    ? { columns, rows }
    : { columns: columns.slice(1), rows: rows.map((row) => row.slice(1)) };
}

/**
 * Per feature: the sum of its attributions over positions (the notebook's last cell, for one position), how many
 * positions it has one at, and its strongest activation. Largest sum first.
 */
export async function featureTable(result: Attribution, options: LongTableOptions = {}): Promise<Table> {
  const { top, ...rest } = options;
  const totals = new Map<
    string,
    { hook: string; feature: number; sum: number; direct: number; positions: number; strongest: number }
  >();
  for (const { hook, feature, attribution, directEffect, activation, kind } of longRows(result, rest)) {
    if (kind !== "feature") continue;
    const key = `${hook} ${feature}`;
    const total = totals.get(key) ?? { hook, feature: feature!, sum: 0, direct: 0, positions: 0, strongest: 0 };
    total.sum += attribution;
    total.direct += directEffect ?? 0;
    total.positions += 1;
    if (Math.abs(activation!) > Math.abs(total.strongest)) total.strongest = activation!;
    totals.set(key, total);
  }
  let sorted = [...totals.values()];
  if (top !== undefined) sorted = sorted.sort((a, b) => Math.abs(b.sum) - Math.abs(a.sum)).slice(0, top);
  sorted.sort((a, b) => b.sum - a.sum || (a.hook < b.hook ? -1 : a.hook > b.hook ? 1 : a.feature - b.feature));
  const explanations = options.explanations ?? await ownLabels(result);
  const labelled = [...explanations.values()].some((labels) => labels.size > 0);
  const columns = [
    ...(result.hooks.length > 1 ? ["hook"] : []),
    "feature",
    "attribution",
    ...(hasDirectEffects(result) ? ["direct_effect"] : []),
    "positions",
    "max_activation",
    ...(labelled ? ["label"] : []),
  ];
  const rows = sorted.map(({ hook, feature, sum, direct, positions, strongest }) => [
    ...(result.hooks.length > 1 ? [hook] : []),
    feature,
    sum,
    ...(hasDirectEffects(result) ? [direct] : []),
    positions,
    strongest,
    ...(labelled ? [explanations.get(hook)?.get(feature) ?? null] : []),
  ]);
  return { columns, rows };
}

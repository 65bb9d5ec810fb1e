/**
 * The attribution table: rows of all hooks, filtered and sorted.
 *
 * @module
 */
import type { Attribution } from "../attribution/result.ts";
import type { AttributionRow } from "../attribution/sae_attribution.ts";
import type { Sae } from "../sae/sae.ts";
import type { Cell, Table } from "../table/table.ts";
import { type Column, type RowsRequest, sliceBounds } from "./row_options.ts";

/** A row and where it belongs. */
export interface HookRow extends AttributionRow {
  readonly hook: string;
}

/**
 * The rows asked for: largest attribution first, ties by hook, position and feature.
 *
 * @throws {RangeError} if a feature is beyond every SAE
 */
export function selectRows(result: Attribution, { positions, features, top }: RowsRequest): HookRow[] {
  checkFeatures(result, features);
  const wanted = features === undefined ? undefined : new Set(features);
  const { first, after } = sliceBounds(positions ?? { start: undefined, end: undefined }, result.tokens.length);
  const rows: HookRow[] = [];
  for (const hook of result.hooks) {
    for (const row of result.rows(hook)) {
      if (row.position < first || row.position >= after || wanted?.has(row.feature) === false) continue;
      rows.push({ ...row, hook });
    }
  }
  if (top !== undefined && top < rows.length) {
    rows.sort((a, b) => Math.abs(b.attribution) - Math.abs(a.attribution) || byPlace(a, b));
    rows.length = top;
  }
  return rows.sort((a, b) => b.attribution - a.attribution || byPlace(a, b));
}

function byPlace(a: HookRow, b: HookRow): number {
  if (a.hook !== b.hook) return a.hook < b.hook ? -1 : 1;
  return a.position - b.position || a.feature - b.feature;
}

function checkFeatures(result: Attribution, features: readonly number[] = []): void {
  const most = Math.max(0, ...result.hooks.map((hook) => result.sae(hook).config.dSae));
  const beyond = features.find((feature) => feature >= most);
  if (beyond !== undefined) {
    throw new RangeError(`There is no feature ${beyond}: the SAE has ${most}, give --features from 0 to ${most - 1}`);
  }
}

/** The rows as a table, `position, feature, attribution` unless other columns are asked for. */
export async function attributionTable(
  result: Attribution,
  rows: readonly HookRow[],
  columns: readonly Column[] = defaultColumns(result),
): Promise<Table> {
  const labels = new Map<string, ReadonlyMap<number, string>>();
  if (columns.includes("label")) {
    for (const hook of result.hooks) labels.set(hook, await result.sae(hook).labels());
  }
  const cells: Readonly<Record<Column, (row: HookRow) => Cell>> = {
    hook: ({ hook }) => hook,
    position: ({ position }) => position,
    token: ({ position }) => result.tokens[position].text,
    is_special: ({ position }) => result.tokens[position].isSpecial,
    feature: ({ feature }) => feature,
    activation: ({ activation }) => activation,
    gradient: ({ gradient }) => gradient,
    attribution: ({ attribution }) => attribution,
    label: ({ hook, feature }) => labels.get(hook)?.get(feature) ?? null,
    neuronpedia_url: ({ hook, feature }) => neuronpediaUrl(result.sae(hook), feature),
  };
  return { columns, rows: rows.map((row) => columns.map((column) => cells[column](row))) };
}

function defaultColumns({ hooks }: Attribution): Column[] {
  return [...(hooks.length > 1 ? ["hook"] as const : []), "position", "feature", "attribution"];
}

/** A feature's page, where the SAE says which it is: its id is `model/sae`. */
function neuronpediaUrl({ config: { neuronpediaId } }: Sae, feature: number): string | null {
  if (neuronpediaId === undefined || !/^[^/\s]+\/[^/\s]+$/.test(neuronpediaId)) return null;
  return `https://neuronpedia.org/${neuronpediaId}/${feature}`;
}

/**
 * Attributions as tables in pandas's long form: one row per feature, per position, or per model activation.
 *
 * @module
 */
import { quote } from "../../quote.ts";
import { checkOptions, type OptionKinds } from "../../options.ts";
import type { Sae } from "../../sae/sae.ts";
import type { Cell, Table } from "../../table/table.ts";
import { placesOf, positionNames, type Positions, positionsIn } from "../positions.ts";
import { EXACT_METHODS } from "../methods/names.ts";
import type { AttributionParts } from "./parts.ts";
import type { Attribution } from "./result.ts";

/** The columns of {@linkcode longTable}, besides `index_0`, `index_1` … of tracked activations. */
export const LONG_COLUMNS = [
  "hook",
  "kind",
  "position",
  "token",
  "is_special",
  "role",
  "feature",
  "activation",
  "baseline",
  "gradient",
  "attribution",
  "exact",
  "curvature",
  "second_order",
  "direct_effect",
  "label",
  "neuronpedia_url",
] as const;

/** A column's name. */
export type LongColumn = typeof LONG_COLUMNS[number];

/** What a row is about. */
export type RowKind = "feature" | "bias" | "error" | "activation";

/** Texts for features: by hook, then by feature. */
export type Explanations = ReadonlyMap<string, ReadonlyMap<number, string>>;

/** Which rows, and which columns. */
export interface LongTableOptions {
  /** Rows at these positions. */
  readonly positions?: Positions;
  /** Rows of these features. */
  readonly features?: readonly number[];
  /** The rows with the largest |attribution|. */
  readonly top?: number;
  /** Rows of kind `bias` and `error` too, one per position. */
  readonly includeError?: boolean;
  /**
   * Default: position, feature, attribution, and what {@linkcode addedColumns} says; the hook where there are several; the
   * kind where there are several.
   */
  readonly columns?: readonly LongColumn[];
  /** For the column `label`; default: the SAEs' own labels. */
  readonly explanations?: Explanations;
}

const LONG_TABLE_OPTIONS: OptionKinds<LongTableOptions> = {
  positions: "any",
  features: "list",
  top: "count",
  includeError: "flag",
  columns: "any",
  explanations: "any",
};

/** One row of the long table. */
export interface LongRow {
  /** Where the SAE writes, or the tracked hook. */
  readonly hook: string;
  /** What it is about. */
  readonly kind: RowKind;
  /** null where a tracked value has no position. */
  readonly position: number | null;
  /** null unless the kind is `feature`. */
  readonly feature: number | null;
  /** A tracked activation's indices after the position (head, key, dimension …). */
  readonly index: readonly number[];
  /** null for bias and error. */
  readonly activation: number | null;
  /** What the activation is compared with: 0, or the baseline's; null for bias and error. */
  readonly baseline: number | null;
  /** ∂metric/∂activation; null for bias and error. */
  readonly gradient: number | null;
  /** Gradient × (activation − baseline); never 0. */
  readonly attribution: number;
  /** The attribution is the exact effect, and no estimate. */
  readonly exact: boolean;
  /** How much the gradient changes from here to where the feature is removed; null unless that was asked for. */
  readonly curvature: number | null;
  /** The second-order estimate of the effect; null as the curvature. */
  readonly secondOrder: number | null;
  /** What of it goes straight to the metric; null unless that was asked for. */
  readonly directEffect: number | null;
}

/** What a row says that only features have. */
const NO_FEATURE = { exact: false, curvature: null, secondOrder: null } as const;

/**
 * The nonzero rows asked for: largest attribution first, ties by hook, position, feature and index.
 *
 * @throws {RangeError} if a feature is beyond every SAE, or there is none
 */
export function longRows(result: Attribution, options: LongTableOptions = {}): LongRow[] {
  checkOptions("The long table", options, LONG_TABLE_OPTIONS);
  const { positions, features, top, includeError = false } = options;
  checkFeatures(result, features);
  const wanted = features === undefined ? undefined : new Set(features);
  const inside = new Set(positionsIn(positions ?? {}, placesOf(result)));
  const rows: LongRow[] = [];
  const keep = (row: LongRow): void => {
    if (row.attribution === 0 || (wanted && (row.feature === null || !wanted.has(row.feature)))) return;
    if (row.position === null ? positions === undefined : inside.has(row.position)) rows.push(row);
  };
  for (const hook of result.hooks) {
    for (const row of result.rows(hook)) {
      const { baseline = 0, directEffect = null } = row;
      keep({ hook, kind: "feature", index: [], ...NO_FEATURE, ...row, baseline, directEffect });
    }
    if (includeError) decompositionRows(result, hook).forEach(keep);
  }
  for (const hook of Object.keys(result.modelAttributions)) trackedRows(result, hook, keep);
  if (top !== undefined && top < rows.length) {
    rows.sort((a, b) => Math.abs(b.attribution) - Math.abs(a.attribution) || byPlace(a, b));
    rows.length = top;
  }
  return rows.sort((a, b) => b.attribution - a.attribution || byPlace(a, b));
}

function byPlace(a: LongRow, b: LongRow): number {
  if (a.hook !== b.hook) return a.hook < b.hook ? -1 : 1;
  const numbers = (r: LongRow): number[] => [r.position ?? -1, r.feature ?? -1, ...r.index];
  const [x, y] = [numbers(a), numbers(b)];
  const at = x.findIndex((value, i) => value !== y[i]);
  return at < 0 ? 0 : x[at] - (y[at] ?? -1);
}

function checkFeatures(result: Attribution, features?: readonly number[]): void {
  if (features === undefined) return;
  if (result.hooks.length === 0) throw new RangeError("There is no SAE in this run: leave out `features`");
  const most = Math.max(...result.hooks.map((hook) => result.sae(hook).config.dSae));
  const beyond = features.find((feature) => feature >= most);
  if (beyond !== undefined) {
    throw new RangeError(`There is no feature ${beyond}: the SAE has ${most}, give \`features\` from 0 to ${most - 1}`);
  }
}

function decompositionRows(result: Attribution, hook: string): LongRow[] {
  const { decomposition, directEffect } = result.parts.saes.get(hook)!;
  const row = (kind: "bias" | "error") => (attribution: number, position: number): LongRow => ({
    hook,
    kind,
    position,
    feature: null,
    index: [],
    activation: null,
    baseline: null,
    gradient: null,
    attribution,
    ...NO_FEATURE,
    directEffect: directEffect?.decomposition[kind][position] ?? null,
  });
  return [...decomposition.bias.map(row("bias")), ...decomposition.error.map(row("error"))];
}

/** Every element of a tracked hook; patterns and scores `[head, query, key]` have their position second. */
function trackedRows(result: Attribution, hook: string, keep: (row: LongRow) => void): void {
  const { dims, data } = result.modelAttributions[hook];
  const { data: activations } = result.modelActivations[hook];
  const { data: gradients } = result.modelGrads[hook];
  const positionAxis = /hook_(pattern|attn_scores)$/.test(hook) ? 1 : 0;
  for (let i = 0; i < data.length; i++) {
    if (data[i] === 0) continue;
    const at = indices(i, dims);
    const [position] = at.splice(positionAxis, 1);
    keep({
      hook,
      kind: "activation",
      position,
      feature: null,
      index: at,
      activation: activations[i],
      baseline: 0,
      gradient: gradients[i],
      attribution: data[i],
      ...NO_FEATURE,
      directEffect: null,
    });
  }
}

function indices(flat: number, dims: readonly number[]): number[] {
  const at = new Array<number>(dims.length);
  for (let axis = dims.length - 1; axis >= 0; axis--) {
    at[axis] = flat % dims[axis];
    flat = Math.floor(flat / dims[axis]);
  }
  return at;
}

/**
 * The long table: `position, feature, attribution`, or the columns asked for. Tracked activations have further columns
 * `index_0`, `index_1` … for what comes after the position.
 *
 * @throws {RangeError} if a feature is beyond every SAE
 *
 * @example As CSV
 * ```ts
 * import { loadModel } from "../../model/model.ts";
 * import { loadSae } from "../../sae/load.ts";
 * import { toCsv } from "../../table/csv.ts";
 * import { calculateFeatureAttribution } from "../attribution.ts";
 * import { logitDiff } from "../metric/metrics.ts";
 * import { longTable } from "./long_table.ts";
 *
 * await using model = await loadModel("tiny-facts", { threads: 1 });
 * await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
 * const metric = logitDiff(" golf", " tennis");
 * const result = await calculateFeatureAttribution(model, " Tiger Woods plays the sport of", metric, { saes: [sae] });
 * console.assert(toCsv(await longTable(result, { top: 3 })).startsWith("position,feature,attribution\n"));
 * ```
 */
export async function longTable(result: Attribution, options: LongTableOptions = {}): Promise<Table> {
  const rows = longRows(result, options);
  const width = rows.reduce((most, { index }) => Math.max(most, index.length), 0);
  const unknown = options.columns?.find((column) => !LONG_COLUMNS.includes(column));
  if (unknown !== undefined) {
    throw new RangeError(`There is no column ${quote(unknown)}: choose of ${LONG_COLUMNS.join(", ")}`);
  }
  const columns = options.columns ?? defaultColumns(result, options);
  const explanations = options.explanations ?? (columns.includes("label") ? await ownLabels(result) : new Map());
  const cells = cellsOf(result, explanations);
  const names = columns.flatMap((column): string[] =>
    column === "feature" ? ["feature", ...Array.from({ length: width }, (_, i) => `index_${i}`)] : [column]
  );
  const cell = (row: LongRow, name: string): Cell =>
    name.startsWith("index_") ? row.index[Number(name.slice(6))] ?? null : cells[name as LongColumn](row);
  return { columns: names, rows: rows.map((row) => names.map((name) => cell(row, name))) };
}

function defaultColumns(result: Attribution, { includeError }: LongTableOptions): LongColumn[] {
  const tracked = Object.keys(result.modelAttributions).length;
  const several = result.hooks.length + tracked > 1;
  const kinds = includeError || (tracked > 0 && result.hooks.length > 0);
  return [
    ...(several ? ["hook"] as const : []),
    ...(kinds ? ["kind"] as const : []),
    "position",
    "feature",
    "attribution",
    ...addedColumns(result.parts, hasDirectEffects(result)),
  ];
}

/**
 * Columns that stand after the attribution because something was asked for: whether a row is exact, where some can be; the
 * curvature and the second-order estimate; the direct effect.
 */
export function addedColumns(
  { method, exact: { refine = 0, curvature = 0 } = {} }: Pick<AttributionParts, "method" | "exact">,
  directEffect: boolean,
): LongColumn[] {
  return [
    ...(EXACT_METHODS.includes(method) || refine > 0 ? ["exact"] as const : []),
    ...(curvature > 0 ? ["curvature", "second_order"] as const : []),
    ...(directEffect ? ["direct_effect"] as const : []),
  ];
}

/** Whether direct effects were asked for. */
export function hasDirectEffects({ parts: { saes } }: Attribution): boolean {
  return [...saes.values()].some(({ directEffect }) => directEffect !== undefined);
}

/** The labels that the SAEs come with. */
export async function ownLabels(result: Attribution): Promise<Explanations> {
  return new Map(await Promise.all(result.hooks.map(async (hook) => [hook, await result.sae(hook).labels()] as const)));
}

function cellsOf(
  result: Attribution,
  explanations: Explanations,
): Readonly<Record<LongColumn, (row: LongRow) => Cell>> {
  const names = positionNames(result.turns);
  const token = (position: number | null) => position === null ? undefined : result.tokens[position];
  return {
    hook: ({ hook }) => hook,
    kind: ({ kind }) => kind,
    position: ({ position }) => position,
    token: ({ position }) => token(position)?.text ?? null,
    is_special: ({ position }) => token(position)?.isSpecial ?? null,
    role: ({ position }) => position === null ? null : names[position] ?? null,
    feature: ({ feature }) => feature,
    activation: ({ activation }) => activation,
    baseline: ({ baseline }) => baseline,
    gradient: ({ gradient }) => gradient,
    attribution: ({ attribution }) => attribution,
    exact: ({ exact }) => exact,
    curvature: ({ curvature }) => curvature,
    second_order: ({ secondOrder }) => secondOrder,
    direct_effect: ({ directEffect }) => directEffect,
    label: ({ hook, feature }) => feature === null ? null : explanations.get(hook)?.get(feature) ?? null,
    neuronpedia_url: ({ hook, feature }) => feature === null ? null : neuronpediaUrl(result.sae(hook), feature),
  };
}

/** A Neuronpedia id: `model/sae`. */
export const NEURONPEDIA_ID = /^([^/\s]+)\/([^/\s]+)$/;

/** A feature's page, where the SAE says which it is. */
export function neuronpediaUrl({ config: { neuronpediaId } }: Sae, feature: number): string | null {
  if (neuronpediaId === undefined || !NEURONPEDIA_ID.test(neuronpediaId)) return null;
  return `https://neuronpedia.org/${neuronpediaId}/${feature}`;
}

/** A Neuronpedia list of features, as its quick-list page takes them; null where the SAE has no Neuronpedia id. */
export function neuronpediaQuickList(sae: Sae, name: string, features: readonly number[]): string | null {
  const [, modelId, layer] = NEURONPEDIA_ID.exec(sae.config.neuronpediaId ?? "") ?? [];
  if (modelId === undefined) return null;
  const list = features.map((feature) => ({ modelId, layer, index: String(feature) }));
  const query = new URLSearchParams({ name, features: JSON.stringify(list) });
  return `https://neuronpedia.org/quick-list/?${query}`;
}

/** Figures that several parts need, worked out from `ReportData`; and the long table as CSV. */
import { exactNumber } from "./format.ts";
import type { ReportData, ReportRows, ReportSae } from "../report_data.ts";

/** One feature at one position. */
export interface FeaturePlace {
  readonly position: number;
  readonly attribution: number;
  readonly activation: number;
}

/** One feature's attributions added up. */
export interface FeatureTotal {
  readonly feature: number;
  readonly sum: number;
  /** In order. */
  readonly places: readonly FeaturePlace[];
}

/** Sums of attributions per feature, over all positions (null) or at one; largest first. */
export function featureTotals({ rows }: Pick<ReportSae, "rows">, position: number | null = null): FeatureTotal[] {
  const totals = new Map<number, { feature: number; sum: number; places: FeaturePlace[] }>();
  for (let i = 0; i < rows.feature.length; i++) {
    if (position !== null && rows.position[i] !== position) continue;
    const feature = rows.feature[i];
    const total = totals.get(feature) ?? { feature, sum: 0, places: [] };
    total.sum += rows.attribution[i];
    total.places.push({ position: rows.position[i], attribution: rows.attribution[i], activation: rows.activation[i] });
    totals.set(feature, total);
  }
  const byPosition = (a: FeaturePlace, b: FeaturePlace): number => a.position - b.position;
  for (const { places } of totals.values()) places.sort(byPosition);
  return [...totals.values()].sort((a, b) => b.sum - a.sum || a.feature - b.feature);
}

/** Which rows are a feature's: their indices, in the order of positions. */
export function rowsOf({ feature: features, position }: ReportRows, feature: number): number[] {
  const found = [...features.keys()].filter((i) => features[i] === feature);
  return found.sort((i, k) => position[i] - position[k]);
}

/** The largest magnitude of some numbers, 0 for none. */
export function largestOf(values: readonly number[]): number {
  return values.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
}

/** The page of a feature on Neuronpedia, with or without its embedded form; null where the SAE has none. */
export function neuronpediaAddress(
  { neuronpediaId }: Pick<ReportSae, "neuronpediaId">,
  feature: number,
  embedded: boolean,
): string | null {
  if (neuronpediaId === null) return null;
  const [model, sae] = neuronpediaId.split("/").map(encodeURIComponent);
  const query = "?embed=true&embedexplanation=true&embedplots=true&embedtest=true&height=300";
  return `https://neuronpedia.org/${model}/${sae}/${feature}${embedded ? query : ""}`;
}

type Cell = string | number | boolean | null;

const CELLS = {
  hook: (_data, sae) => sae.hook,
  position: (_data, sae, i) => sae.rows.position[i],
  token: (data, sae, i) => data.tokens[sae.rows.position[i]].text,
  feature: (_data, sae, i) => sae.rows.feature[i],
  activation: (_data, sae, i) => sae.rows.activation[i],
  baseline: (_data, sae, i) => sae.rows.baseline?.[i] ?? 0,
  gradient: (_data, sae, i) => sae.rows.gradient[i],
  attribution: (_data, sae, i) => sae.rows.attribution[i],
  exact: (_data, sae, i) => sae.rows.exact?.[i] ?? false,
  curvature: (_data, sae, i) => sae.rows.curvature?.[i] ?? null,
  second_order: (_data, sae, i) => sae.rows.secondOrder?.[i] ?? null,
  direct_effect: (_data, sae, i) => sae.rows.directEffect?.[i] ?? null,
  label: (_data, sae, i) => sae.labels[sae.rows.feature[i]] ?? null,
  neuronpedia_url: (_data, sae, i) => neuronpediaAddress(sae, sae.rows.feature[i], false),
} satisfies Readonly<Record<string, (data: ReportData, sae: ReportSae, i: number) => Cell>>;

/** A column of the long table. */
export type DownloadColumn = keyof typeof CELLS;

/** The columns of a download, besides `hook` where there are several SAEs. */
export const DOWNLOAD_COLUMNS: readonly DownloadColumn[] = [
  "position",
  "token",
  "feature",
  "activation",
  "gradient",
  "attribution",
  "label",
];

/** Columns after the attribution, where the rows have them. */
const ADDED: readonly (readonly [keyof ReportRows, readonly DownloadColumn[]])[] = [
  ["exact", ["exact"]],
  ["curvature", ["curvature", "second_order"]],
  ["directEffect", ["direct_effect"]],
];

/** The columns of a download: the hook where there are several SAEs, baselines and direct effects where there are some. */
export function downloadColumns({ saes }: ReportData): DownloadColumn[] {
  const has = (column: keyof ReportRows): boolean => saes.some(({ rows }) => rows[column] !== undefined);
  return [
    ...(saes.length > 1 ? ["hook" as const] : []),
    ...DOWNLOAD_COLUMNS.flatMap((name): DownloadColumn[] => {
      if (name === "gradient" && has("baseline")) return ["baseline", name];
      if (name !== "attribution") return [name];
      return [name, ...ADDED.flatMap(([key, columns]) => has(key) ? columns : [])];
    }),
  ];
}

/**
 * The long table of all SAEs as CSV: what `attribute --columns …` writes, largest attribution first.
 *
 * @param columns names of columns; default: those of `downloadColumns`
 */
export function toCsvText(data: ReportData, columns: readonly DownloadColumn[] = downloadColumns(data)): string {
  const rows = data.saes.flatMap((sae) => sae.rows.feature.map((_, i): [ReportSae, number] => [sae, i]));
  const at = (
    [sae, i]: [ReportSae, number],
  ): (string | number)[] => [-sae.rows.attribution[i], sae.hook, sae.rows.position[i], sae.rows.feature[i]];
  if (data.saes.length > 1) rows.sort((a, b) => compareLists(at(a), at(b)));
  const lines = rows.map(([sae, i]) => columns.map((name) => csvField(CELLS[name](data, sae, i))).join(","));
  return [columns.join(","), ...lines].join("\n") + "\n";
}

function compareLists(a: readonly (string | number)[], b: readonly (string | number)[]): number {
  const i = a.findIndex((x, k) => x !== b[k]);
  return i < 0 ? 0 : a[i] < b[i] ? -1 : 1;
}

/** An absent value is an empty cell, the empty text `""`; a text with spaces at its ends is quoted too. */
function csvField(cell: Cell): string {
  if (cell === null) return "";
  if (typeof cell === "number") return exactNumber(cell);
  if (typeof cell === "boolean") return String(cell);
  return /^$|^\s|\s$|[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}

/** Round numbers between two values, zero among them. */
export function niceTicks(low: number, high: number, count: number): number[] {
  const span = high - low || 1;
  const rough = span / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((x) => x >= rough) ?? 10 * power;
  const ticks: number[] = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) ticks.push(k * step);
  return ticks.length > 1 ? ticks : [0, step];
}

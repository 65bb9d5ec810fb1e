/**
 * What `saes` does once its command line is understood.
 *
 * @module
 */
import { BUNDLED } from "../../../bundled.ts";
import { hasWords, indexModels, type ModelIndex } from "../../../registry/models.ts";
import { type SaeEntry, searchSaes } from "../../../registry/saes.ts";
import type { Cell, Table } from "../../../table/table.ts";
import { printNote } from "../../screen/output.ts";
import { writeTable } from "../../screen/write_table.ts";
import type { SaesRequest } from "../../commands/names/saes.ts";

/** A terminal shows no more rows than this unless a format is asked for. */
const ROWS_ON_TERMINAL = 100;

/** What a person wants to see; the other formats have all columns. */
const SHOWN = ["sae", "model", "loadable", "why_not"];

type Row = Readonly<Record<string, Cell>>;

/** Lists the SAEs that were asked for. */
export async function listSaes({ model, text, search, destination }: SaesRequest): Promise<void> {
  const isModel = text !== undefined && model === undefined && await isModelName(text);
  const rows = isModel ? await saeRows(text, search) : await saeRows(model, `${text ?? ""} ${search}`.trim());
  const isShort = destination.format === "table" && !destination.isChosen;
  const shown = isShort ? rows.slice(0, ROWS_ON_TERMINAL) : rows;
  await writeTable(toTable(shown, destination.format === "table"), destination);
  if (rows.length === 0) await printNote("No SAE fits: try fewer words, or see the models with the command models.\n");
  if (shown.length < rows.length) {
    await printNote(
      `\nThese are the first ${shown.length} of ${rows.length}: narrow them with --model and --search, ` +
        `or write all with --format csv.\n`,
    );
  }
}

/** The rows, bundled SAEs first. */
export async function saeRows(model: string | undefined, search: string): Promise<Row[]> {
  const bundled = bundledRows().filter((row) =>
    (model === undefined || row.model === model) && hasWords(`${row.sae}\n${row.model}`, search)
  );
  if (model !== undefined && Object.hasOwn(BUNDLED, model)) return bundled;
  const [index, entries] = await Promise.all([indexModels(), searchSaes({ model, text: search })]);
  return [...bundled, ...entries.map((entry) => toRow(entry, index))];
}

async function isModelName(text: string): Promise<boolean> {
  return Object.hasOwn(BUNDLED, text) || (await indexModels()).find(text) !== undefined;
}

function bundledRows(): Row[] {
  return Object.entries(BUNDLED).flatMap(([model, { saes }]) =>
    Object.entries(saes).map(([sae, { hook }]) => ({ ...EMPTY, sae, model, hook, loadable: true }))
  );
}

/** The columns in their order. */
const EMPTY: Row = {
  sae: null,
  model: null,
  hook: null,
  hook_in: null,
  neuronpedia: null,
  loadable: null,
  why_not: null,
  expected_l0: null,
  expected_variance_explained: null,
  norm_scaling_factor: null,
  config_overrides: null,
  loader: null,
  repo: null,
  path: null,
};

function toRow(entry: SaeEntry, index: ModelIndex): Row {
  const whyNot = entry.whyNot ?? whyNotItsModel(entry, index);
  const overrides = JSON.stringify(entry.configOverrides);
  return {
    sae: entry.name,
    model: entry.model ?? null,
    hook: entry.hook ?? null,
    hook_in: entry.hookIn ?? null,
    neuronpedia: entry.neuronpediaId ?? null,
    loadable: whyNot === undefined,
    why_not: whyNot ?? null,
    expected_l0: entry.expectedL0 ?? null,
    expected_variance_explained: entry.expectedVarianceExplained ?? null,
    norm_scaling_factor: entry.normScalingFactor ?? null,
    config_overrides: overrides === "{}" ? null : overrides,
    loader: entry.loader,
    repo: entry.repo,
    path: entry.path,
  };
}

function whyNotItsModel({ model }: SaeEntry, index: ModelIndex): string | undefined {
  const whyNot = model === undefined ? undefined : index.find(model)?.whyNot;
  return whyNot && `its model cannot be run: ${whyNot}`;
}

function toTable(rows: readonly Row[], isForPeople: boolean): Table {
  const columns = isForPeople ? SHOWN : Object.keys(EMPTY);
  return { columns, rows: rows.map((row) => columns.map((name) => row[name])) };
}

/**
 * What `models` does once its command line is understood.
 *
 * @module
 */
import { BUNDLED } from "../../../bundled.ts";
import { hasWords, searchModels } from "../../../registry/models.ts";
import { countSaes } from "../../../registry/saes.ts";
import type { Cell, Table } from "../../../table/table.ts";
import { printNote } from "../../screen/output.ts";
import { writeTable } from "../../screen/write_table.ts";
import type { ModelsRequest } from "../../commands/names/models.ts";

/** Lists the models that were asked for. */
export async function listModels({ search, destination }: ModelsRequest): Promise<void> {
  const rows = await modelRows(search);
  const columns = ["model", "aliases", "family", "saes", "loadable", "why_not", "repo"];
  const isForPeople = destination.format === "table";
  const table: Table = isForPeople ? { columns: columns.slice(0, -1), rows: rows.map((row) => row.slice(0, -1)) } : {
    columns,
    rows,
  };
  await writeTable(table, destination);
  if (rows.length === 0) {
    await printNote("No listed model fits: try fewer words; any Hugging Face repository can be named as owner/name.\n");
  }
}

/** The rows, bundled models first. */
export async function modelRows(search: string): Promise<(readonly Cell[])[]> {
  const [models, counts] = await Promise.all([searchModels(search), countSaes()]);
  const bundled = Object.entries(BUNDLED).filter(([name]) => hasWords(name, search));
  return [
    ...bundled.map(([name, { saes }]) => [name, "", null, Object.keys(saes).length, true, null, null]),
    ...models.map(({ name, aliases, family, supported, whyNot, repo }) => [
      name,
      aliases.join(", "),
      family ?? null,
      counts.get(name) ?? 0,
      supported,
      whyNot ?? null,
      repo ?? null,
    ]),
  ];
}

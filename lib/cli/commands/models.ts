/**
 * `models`: which models there are.
 *
 * @module
 */
import { type CommandSpec, type ParsedCommand } from "../args/args.ts";
import { type Command, defineCommand, type Given } from "../args/command.ts";
import { type Destination, FORMAT_OPTIONS, readDestination } from "../args/options.ts";
import { BUNDLED } from "../../bundled.ts";
import { hasWords, searchModels } from "../../registry/models.ts";
import { countSaes } from "../../registry/saes.ts";
import type { Cell, Table } from "../../table/table.ts";
import { printNote } from "../screen/output.ts";
import { writeTable } from "../screen/write_table.ts";

export interface ModelsRequest {
  readonly search: string;
  readonly destination: Destination;
}

const spec = {
  name: "models",
  summary: "List the models that can be named: the bundled ones, then TransformerLens's and those that SAEs are for. " +
    "Any other Hugging Face model of the same families runs as owner/name.",
  usage: "[TEXT] [--format F]",
  positionals: [{ name: "TEXT", help: "the same as --search", required: false }],
  options: {
    search: {
      kind: "string",
      placeholder: "TEXT",
      help: "only those with every word of it in their names or family",
    },
    ...FORMAT_OPTIONS,
  },
  examples: ["models pythia", "models --search 'gemma 2b' --format json"],
} satisfies CommandSpec;

export const { run, parseRequest }: Command<ModelsRequest> = defineCommand({
  spec,
  read: readRequest,
  does: listModels,
});

function readRequest(
  { positionals: [text = ""], values }: ParsedCommand<typeof spec>,
  { isTerminal }: Given,
): ModelsRequest {
  return {
    search: `${text} ${values.search ?? ""}`.trim(),
    destination: readDestination(values, isTerminal),
  };
}

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

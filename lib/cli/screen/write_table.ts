/**
 * Writing a table to standard output or a file. The formats' code is imported when it is used.
 *
 * @module
 */
import type { Table } from "../../table/table.ts";
import type { Destination, Format } from "../args/format.ts";
import { printData, type Screen } from "./output.ts";

/** Writes a table. On a screen, `bar` is the column that is drawn too. */
export async function writeTable(table: Table, to: Destination, screen: Screen, bar: string): Promise<void> {
  const encode = await ENCODERS[to.format]();
  const chunks = encode(table, to.file === undefined ? screen : undefined, bar);
  if (to.file === undefined) return await printData(chunks);
  const { writeFileAtomic } = await import("../../table/write_file.ts");
  await writeFileAtomic(to.file, chunks);
}

/** Begins to import what writes a format, while something else is waited for. */
export function importWriter(format: Format): void {
  ENCODERS[format]().catch(() => {}); // reported when it is used
}

/** A table as text; the screen is that which it goes to, if it goes to one. */
type Encode = (table: Table, screen: Screen | undefined, bar: string) => Iterable<string>;

type CsvModule = typeof import("../../table/csv.ts");

const ENCODERS: Readonly<Record<Format, () => Promise<Encode>>> = {
  // By a computed address: a command's own import does not wait until CSV's package has been looked up.
  csv: async () => (await import(new URL("../../table/csv.ts", import.meta.url).href) as CsvModule).csvChunks,
  json: async () => (await import("../../table/json.ts")).jsonChunks,
  jsonl: async () => (await import("../../table/json.ts")).jsonLinesChunks,
  table: async () => {
    const { toText } = await import("../../table/text.ts");
    return (table, screen, bar) => {
      const onScreen = screen?.isTerminal ? { width: screen.width, color: screen.color } : {};
      return [toText(table, { ...onScreen, bar: table.columns.includes(bar) ? bar : undefined })];
    };
  },
};

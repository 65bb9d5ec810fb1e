/**
 * Writing a table to standard output or a file. The formats' code is imported when it is used.
 *
 * @module
 */
import type { Table } from "../table/table.ts";
import type { Destination, Format } from "./format.ts";
import { printData, type Screen } from "./output.ts";

/** Writes a table. On a screen, `bar` is the column that is drawn too. */
export async function writeTable(table: Table, to: Destination, screen: Screen, bar: string): Promise<void> {
  const chunks = await tableChunks(table, to.format, to.file === undefined ? screen : undefined, bar);
  if (to.file === undefined) return await printData(chunks);
  const { writeFileAtomic } = await import("../table/write_file.ts");
  await writeFileAtomic(to.file, chunks);
}

async function tableChunks(
  table: Table,
  format: Format,
  screen: Screen | undefined,
  bar: string,
): Promise<Iterable<string>> {
  switch (format) {
    case "csv":
      return (await import("../table/csv.ts")).csvChunks(table);
    case "json":
      return (await import("../table/json.ts")).jsonChunks(table);
    case "jsonl":
      return (await import("../table/json.ts")).jsonLinesChunks(table);
    case "table": {
      const { toText } = await import("../table/text.ts");
      const onScreen = screen?.isTerminal ? { width: screen.width, color: screen.color } : {};
      return [toText(table, { ...onScreen, bar: table.columns.includes(bar) ? bar : undefined })];
    }
  }
}

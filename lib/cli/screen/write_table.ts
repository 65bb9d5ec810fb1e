/**
 * Writing a table to standard output or a file. The formats' code is imported when it is used.
 *
 * @module
 */
import { type TableFormat, tableWriter } from "../../table/formats.ts";
import type { Table } from "../../table/table.ts";
import type { Destination } from "../args/options.ts";
import { printData, type Screen, stdoutScreen } from "./output.ts";

/** Writes a table. On a screen, `bar` is the column that is drawn too. */
export async function writeTable(table: Table, to: Destination, bar?: string): Promise<void> {
  const encode = await encoderFor(to.format);
  await writeChunks(encode(table, to.file === undefined ? stdoutScreen() : undefined, bar), to.file);
}

/** Whether a table goes to a terminal as one that nobody asked for: some of its rows are enough there. */
export function isForReading({ file, isChosen }: Destination): boolean {
  return stdoutScreen().isTerminal && file === undefined && !isChosen;
}

/** Writes to a file, whole or not at all; undefined: to standard output. */
export async function writeChunks(chunks: Iterable<string | Uint8Array>, file: string | undefined): Promise<void> {
  if (file === undefined) return await printData(chunks);
  const { writeFileAtomic } = await import(
    new URL("../../table/write_file.ts", import.meta.url).href
  ) as typeof import("../../table/write_file.ts");
  await writeFileAtomic(file, chunks);
}

/** Begins to import what writes a format, while something else is waited for. */
export function importWriter(format: TableFormat): void {
  encoderFor(format).catch(() => {}); // reported when it is used
}

/** A table in chunks; the screen is that which it goes to, if it goes to one. */
type Encode = (table: Table, screen: Screen | undefined, bar: string | undefined) => Iterable<string | Uint8Array>;

async function encoderFor(format: TableFormat): Promise<Encode> {
  if (format !== "table") return await tableWriter(format);
  const { toText } = await import(
    new URL("../../table/text.ts", import.meta.url).href
  ) as typeof import("../../table/text.ts");
  return (table, screen, bar) => {
    const onScreen = screen?.isTerminal ? { width: screen.width, color: screen.color } : {};
    return [toText(table, { ...onScreen, bar: table.columns.find((name) => name === bar) })];
  };
}

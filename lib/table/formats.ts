/**
 * The formats of tables, and what writes each, imported when it is used.
 *
 * @module
 */
import type { RowEncoder, Table } from "./table.ts";
import { textChunks, textEncoder, type TextFormat } from "./text_format.ts";

/** Formats of text that programs read. */
const TEXT_FORMATS = ["csv", "json", "jsonl"] as const;
/** Formats that programs read. */
export const DATA_FORMATS = [...TEXT_FORMATS, "parquet"] as const;
/** All; `table` is for people. */
export const TABLE_FORMATS = [...DATA_FORMATS, "table"] as const;

/** One of {@linkcode TEXT_FORMATS}. */
export type TextFormatName = typeof TEXT_FORMATS[number];
/** One of {@linkcode DATA_FORMATS}. */
export type DataFormat = typeof DATA_FORMATS[number];
/** One of {@linkcode TABLE_FORMATS}. */
export type TableFormat = typeof TABLE_FORMATS[number];

/** By the endings of files. */
const ENDINGS: Readonly<Record<string, TableFormat>> = {
  csv: "csv",
  json: "json",
  jsonl: "jsonl",
  ndjson: "jsonl",
  parquet: "parquet",
  txt: "table",
};

/** What HTTP calls them. */
export const MEDIA_TYPES: Readonly<Record<DataFormat, string>> = {
  csv: "text/csv; charset=utf-8",
  json: "application/json",
  jsonl: "application/x-ndjson",
  parquet: "application/vnd.apache.parquet",
};

/** A file's ending, in small letters; undefined where it has none. */
export function endingOf(path: string): string | undefined {
  return /[^/\\]\.([^./\\]+)$/.exec(path)?.[1].toLowerCase();
}

/** The format that a file's ending says. */
export function formatByEnding(path: string): TableFormat | undefined {
  const ending = endingOf(path);
  return ending !== undefined && Object.hasOwn(ENDINGS, ending) ? ENDINGS[ending] : undefined;
}

type CsvModule = typeof import("./csv.ts");
/** What `parquet.ts` exports, whose package a command that writes no Parquet does not name. */
interface ParquetModule {
  parquetChunks(table: Table): Iterable<Uint8Array>;
  parquetEncoder(columns: readonly string[]): RowEncoder;
}

const TEXTS: Readonly<Record<TextFormatName, () => Promise<TextFormat>>> = {
  // By a computed address: a command's own import does not wait until CSV's package has been looked up.
  csv: async () => (await import(new URL("./csv.ts", import.meta.url).href) as CsvModule).CSV,
  json: async () => (await import(new URL("./json.ts", import.meta.url).href) as typeof import("./json.ts")).JSON_ARRAY,
  jsonl: async () =>
    (await import(new URL("./json.ts", import.meta.url).href) as typeof import("./json.ts")).JSON_LINES,
};

/** A format of text. */
export function textFormat(name: TextFormatName): Promise<TextFormat> {
  return TEXTS[name]();
}

/** By a computed address: the package is downloaded when it is needed. */
function parquet(): Promise<ParquetModule> {
  return import(new URL("./parquet.ts", import.meta.url).href);
}

/** Writes a whole table, in chunks. */
export type TableWriter = (table: Table) => Iterable<string | Uint8Array>;

/** What writes whole tables in a format. */
export async function tableWriter(format: DataFormat): Promise<TableWriter> {
  if (format === "parquet") return (await parquet()).parquetChunks;
  const text = await textFormat(format);
  return (table) => textChunks(text, table);
}

/** What writes a table with these columns, some rows at a time. */
export async function rowEncoder(format: DataFormat, columns: readonly string[]): Promise<RowEncoder> {
  return format === "parquet"
    ? (await parquet()).parquetEncoder(columns)
    : textEncoder(await textFormat(format), columns);
}

/**
 * Prompts and tables from Parquet files.
 *
 * @module
 */
import { type AsyncBuffer, parquetMetadataAsync, parquetReadObjects, parquetSchema } from "../deps/hyparquet.ts";
import { compressors } from "../deps/hyparquet_compressors.ts";
import type { Cell } from "../table/table.ts";
import { fieldColumns, type Fields, type InputRecord, toRecord } from "./record.ts";

/** A file that is read in pieces. */
interface OpenParquet extends Disposable {
  readonly buffer: AsyncBuffer;
}

async function openParquet(path: string): Promise<OpenParquet> {
  const file = await Deno.open(path);
  const { size, isDirectory } = await file.stat();
  if (isDirectory) {
    file.close();
    throw new Deno.errors.IsADirectory(`Cannot read prompts from ${path}: it is a directory, give a file`);
  }
  // One read at a time: each moves the file's position.
  let last: Promise<unknown> = Promise.resolve();
  const slice = (start: number, end: number = size): Promise<ArrayBuffer> => {
    const reading = last.then(() => readAt(file, start, end - start));
    last = reading.catch(() => {});
    return reading;
  };
  return { buffer: { byteLength: size, slice }, [Symbol.dispose]: () => file.close() };
}

async function readAt(file: Deno.FsFile, start: number, length: number): Promise<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  await file.seek(start, Deno.SeekMode.Start);
  for (let at = 0; at < length;) {
    const read = await file.read(bytes.subarray(at));
    if (read === null) throw new SyntaxError("the file ends too early");
    at += read;
  }
  return bytes.buffer;
}

/** The rows as objects, a row group at a time: one group is held. */
async function* readGroups(
  buffer: AsyncBuffer,
  wanted: (names: readonly string[]) => string[],
): AsyncGenerator<Record<string, unknown>[]> {
  const metadata = await parquetMetadataAsync(buffer);
  const columns = wanted(parquetSchema(metadata).children.map(({ element }) => element.name));
  let rowStart = 0;
  for (const { num_rows: rows } of metadata.row_groups) {
    const rowEnd = rowStart + Number(rows);
    yield await parquetReadObjects({ file: buffer, metadata, columns, compressors, rowStart, rowEnd });
    rowStart = rowEnd;
  }
}

/**
 * The prompts of a Parquet file; lines are its rows, from 1.
 *
 * @throws {SyntaxError} if it is no Parquet file, or has neither `prompt` nor `ids`
 */
export async function* readParquet(path: string): AsyncGenerator<InputRecord> {
  const fieldNames: [name: string, field: string][] = [];
  const wanted = (names: readonly string[]): string[] => {
    const columns = fieldColumns(names);
    if (columns instanceof SyntaxError) throw new SyntaxError(`it ${columns.message}`);
    if (!columns.has("prompt") && !columns.has("ids")) {
      throw new SyntaxError(`it has no column prompt or ids, but ${names.slice(0, 10).join(", ")}`);
    }
    for (const [field, i] of columns) fieldNames.push([names[i], field]);
    return fieldNames.map(([name]) => name);
  };
  let row = 0;
  try {
    using file = await openParquet(path);
    for await (const group of readGroups(file.buffer, wanted)) {
      for (const cells of group) {
        row++;
        const fields: Fields = Object.fromEntries(fieldNames.map(([name, field]) => [field, cells[name]]));
        yield toRecord(fields, row, row);
      }
    }
  } catch (error) {
    if (!(error instanceof Error) || error instanceof SyntaxError || isFileError(error)) throw error;
    throw new SyntaxError(error.message.split("\n", 1)[0], { cause: error });
  }
}

function isFileError(error: Error): boolean {
  return Object.values(Deno.errors).some((kind) => error instanceof kind);
}

/**
 * The rows of a table of ours, a row group at a time.
 *
 * @param bytes the file
 * @param columns which, in their order
 */
export async function* readTable(
  bytes: Uint8Array,
  columns: readonly string[],
): AsyncGenerator<Cell[][]> {
  const slice = (start: number, end?: number): ArrayBuffer => bytes.slice(start, end).buffer as ArrayBuffer;
  for await (const group of readGroups({ byteLength: bytes.length, slice }, () => [...columns])) {
    yield group.map((row) => columns.map((name) => (row[name] ?? null) as Cell));
  }
}

/**
 * Prompts and tables from Parquet files.
 *
 * @module
 */
import { type AsyncBuffer, parquetReadObjects } from "../../deps/hyparquet.ts";
import { excerpt } from "../../quote.ts";
import type { Cell } from "../../table/table.ts";
import { compressors } from "./parquet/decompress.ts";
import { readMetadata } from "./parquet/metadata.ts";
import { checkPages } from "./parquet/pages.ts";
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

/**
 * The rows as objects, a row group at a time: one group is held. The decoder believes what it reads, so that every page is
 * gone through before.
 */
async function* readGroups(
  buffer: AsyncBuffer,
  wanted: (names: readonly string[]) => string[],
): AsyncGenerator<Record<string, unknown>[]> {
  const { metadata, names, groups } = await readMetadata(buffer);
  const columns = wanted(names);
  let rowStart = 0;
  for (const [g, { rows, chunks }] of groups.entries()) {
    const rowEnd = rowStart + rows;
    try {
      for (const chunk of chunks.filter(({ column }) => columns.includes(column.path[0]))) {
        checkPages(new Uint8Array(await buffer.slice(chunk.start, chunk.end)), chunk);
      }
      yield await parquetReadObjects({ file: buffer, metadata, columns, compressors, rowStart, rowEnd });
    } catch (cause) {
      throw groupError(g, cause);
    }
    rowStart = rowEnd;
  }
}

function groupError(group: number, cause: unknown): unknown {
  if (!(cause instanceof Error) || isFileError(cause)) return cause;
  const isOurs = cause instanceof SyntaxError || cause instanceof RangeError && /not supported/.test(cause.message);
  const what = isOurs ? cause.message : "it is damaged, or in a form that is not supported";
  return new SyntaxError(`row group ${group + 1}: ${what}`, { cause });
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
      throw new SyntaxError(`it has no column prompt or ids, but ${excerpt(names.join(", "))}`);
    }
    for (const [field, i] of columns) fieldNames.push([names[i], field]);
    return fieldNames.map(([name]) => name);
  };
  let row = 0;
  using file = await openParquet(path);
  for await (const group of readGroups(file.buffer, wanted)) {
    for (const cells of group) {
      row++;
      const fields: Fields = Object.fromEntries(fieldNames.map(([name, field]) => [field, cells[name]]));
      yield toRecord(fields, row, row);
    }
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

import { NotFound } from "../../platform/errors.ts";
import { quote } from "../../quote.ts";
import { makeGate, settleAll } from "../../concurrency.ts";
import { nearestNames } from "../../nearest_names.ts";
import type { ByteRange } from "../files/ranges.ts";
import { FLOAT_BYTES, type FloatDtype, isFloatDtype, readFloats } from "./floats.ts";
import { countElements, readSafetensorsHeader, type TensorInfo } from "../formats/safetensors.ts";
import { readShardIndex } from "../formats/shards.ts";
import type { FileSource } from "../files/file_source.ts";

export type { Dtype, TensorInfo } from "../formats/safetensors.ts";

/** Where a tensor's bytes are, in a file of a directory or of a zip in it. */
export interface TensorPlace extends ByteRange {
  /** The files of the directory, or of the zip. */
  readonly source: FileSource;
  /** Its file among them. */
  readonly file: string;
}

/** The tensors of a directory's safetensors files, read by name, widened to float32. */
export interface TensorStore {
  /** Where the files are; closing it ends the store. */
  readonly source: FileSource;
  /** Every tensor by its name, those of integer dtypes included. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** Where a tensor's bytes are; undefined where it is made of none. Throws a RangeError where there is no such tensor. */
  place(name: string): TensorPlace | undefined;
  /**
   * Whole tensors, one after another in the order of `names` into `into` (at least the sum of their sizes) or a fresh
   * array; what is neighbouring in `names` and in a file is one read. Returns one view of the buffer per name.
   * On a local source every read is handed to the system before the call returns (up to 16 a file).
   */
  readMany(names: readonly string[], into?: Float32Array): Promise<Float32Array[]>;
  /** A whole tensor, row-major; a RangeError if it takes more than 4 GiB as float32 and `into` is not given. */
  read(name: string, into?: Float32Array): Promise<Float32Array>;
  /** Rows [start, end) of a tensor seen as [shape[0], rest]. */
  readRowRange(name: string, start: number, end: number, into?: Float32Array): Promise<Float32Array>;
  /** Columns [start, end) of a 2-D tensor, row-major [rows, end - start]. */
  readColumnRange(name: string, start: number, end: number, into?: Float32Array): Promise<Float32Array>;
  /** The rows listed (ascending, unique) of a tensor seen as [shape[0], rest], in that order. */
  readRows(name: string, rows: ArrayLike<number>, into?: Float32Array): Promise<Float32Array>;
}

/** Which files of a directory to open; the default is `model.safetensors`, else the shards of an index. */
export interface SafetensorsOptions {
  /** The index of a sharded model; default `model.safetensors.index.json`. */
  readonly index?: string;
  /** A single file, for example `sae_weights.safetensors`. */
  readonly file?: string;
}

const SINGLE = "model.safetensors";
const INDEX = "model.safetensors.index.json";

/**
 * Opens a directory's safetensors files: reads and checks their headers, no numbers yet. The store lives as long as
 * its source.
 */
export async function openSafetensors(source: FileSource, options: SafetensorsOptions = {}): Promise<TensorStore> {
  const files = await chooseFiles(source, options);
  const gate = makeGate(8);
  const headers = await settleAll(files.map((file) => gate(() => readSafetensorsHeader(source, file))));
  return makeStore(source, new Map(headers.flat().map((info) => [info.name, info])));
}

/** The order is transformers': a single file goes before an index, which saving in one file leaves behind. */
async function chooseFiles(source: FileSource, { file, index }: SafetensorsOptions): Promise<readonly string[]> {
  if (file !== undefined && index !== undefined) {
    throw new TypeError(`Cannot open both the file ${file} and the index ${index}: give one of them`);
  }
  if (file !== undefined) return [file];
  if (index !== undefined) return await readShardIndex(source, index);
  if (await source.size(SINGLE) !== undefined) return [SINGLE];
  if (await source.size(INDEX) !== undefined) return await readShardIndex(source, INDEX);
  throw new NotFound(`Cannot open ${source.location}: it has neither ${SINGLE} nor ${INDEX}`);
}

function makeStore(source: FileSource, tensors: ReadonlyMap<string, TensorInfo>): TensorStore {
  const find = (name: string): FloatTensor => findTensor(source, tensors, name);
  return {
    source,
    tensors,
    place: (name) => {
      const { file, offset, byteLength: length } = find(name);
      return { source, file, offset, length };
    },
    // Async functions, so that a wrong argument is a rejection; none awaits before it reads.
    readMany: async (names, into) => await readMany(source, names.map(find), into),
    read: async (name, into) => (await readMany(source, [find(name)], into))[0],
    readRowRange: async (name, start, end, into) => await readRowRange(source, find(name), start, end, into),
    readColumnRange: async (name, start, end, into) => await readColumnRange(source, find(name), start, end, into),
    readRows: async (name, rows, into) => await readRows(source, find(name), rows, into),
  };
}

type FloatTensor = TensorInfo & { readonly dtype: FloatDtype };

function findTensor(source: FileSource, tensors: ReadonlyMap<string, TensorInfo>, name: string): FloatTensor {
  const info = tensors.get(name);
  if (!info) {
    const nearest = nearestNames(name, tensors.keys()).map((near) => quote(near)).join(", ");
    const advice = nearest === "" ? "there is none at all" : `the nearest names are ${nearest}`;
    throw new RangeError(`Cannot find tensor ${quote(name)} in ${source.location}: ${advice}`);
  }
  if (!isFloat(info)) {
    throw new TypeError(`Cannot read tensor ${quote(name)} as float32: its dtype is ${info.dtype}`);
  }
  return info;
}

function isFloat(info: TensorInfo): info is FloatTensor {
  return isFloatDtype(info.dtype);
}

/** Neighbours in a file, one read: `start` and `end` in the destination. */
interface Run extends ByteRange {
  readonly file: string;
  readonly dtype: FloatDtype;
  readonly start: number;
  readonly end: number;
}

async function readMany(
  source: FileSource,
  infos: readonly FloatTensor[],
  into?: Float32Array,
): Promise<Float32Array[]> {
  const sizes = infos.map((info) => countElements(info.shape));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const buffer = destinationFor(infos.map(({ name }) => name).join(", "), total, into);
  const runs: Run[] = [];
  const views: Float32Array[] = [];
  let start = 0;
  for (const [i, { file, dtype, offset, byteLength: length }] of infos.entries()) {
    const end = start + sizes[i];
    const last = runs.at(-1);
    views.push(buffer.subarray(start, end));
    if (last && last.file === file && last.dtype === dtype && last.offset + last.length === offset) {
      runs[runs.length - 1] = { ...last, length: last.length + length, end };
    } else runs.push({ file, dtype, offset, length, start, end });
    start = end;
  }
  await settleAll(
    runs.map((run) => readFloats(source, run.file, run.dtype, [run], buffer.subarray(run.start, run.end))),
  );
  return views;
}

async function readRowRange(
  source: FileSource,
  info: FloatTensor,
  start: number,
  end: number,
  into?: Float32Array,
): Promise<Float32Array> {
  const { rows, width } = asRows(info);
  checkSpan(info, "rows", start, end, rows);
  const buffer = destinationFor(info.name, (end - start) * width, into);
  await readFloats(source, info.file, info.dtype, [rowBytes(info, width, start, end)], buffer);
  return buffer;
}

async function readColumnRange(
  source: FileSource,
  info: FloatTensor,
  start: number,
  end: number,
  into?: Float32Array,
): Promise<Float32Array> {
  if (info.shape.length !== 2) {
    throw new RangeError(
      `Cannot read columns of tensor "${info.name}": its shape is [${info.shape.join(", ")}], not 2-D`,
    );
  }
  const [rows, columns] = info.shape;
  checkSpan(info, "columns", start, end, columns);
  const buffer = destinationFor(info.name, rows * (end - start), into);
  if (buffer.length === 0) return buffer;
  const bytes = FLOAT_BYTES[info.dtype];
  const parts = Array.from({ length: rows }, (_, row) => ({
    offset: info.offset + (row * columns + start) * bytes,
    length: (end - start) * bytes,
  }));
  await readFloats(source, info.file, info.dtype, parts, buffer);
  return buffer;
}

async function readRows(
  source: FileSource,
  info: FloatTensor,
  wanted: ArrayLike<number>,
  into?: Float32Array,
): Promise<Float32Array> {
  const { rows, width } = asRows(info);
  const parts: ByteRange[] = [];
  for (let i = 0, previous = -1; i < wanted.length; previous = wanted[i++]) {
    checkSpan(info, "rows", wanted[i], wanted[i] + 1, rows);
    if (wanted[i] <= previous) {
      throw new RangeError(
        `Cannot read rows of tensor "${info.name}": row ${
          wanted[i]
        } follows ${previous}; give them ascending, each once`,
      );
    }
    parts.push(rowBytes(info, width, wanted[i], wanted[i] + 1));
  }
  const buffer = destinationFor(info.name, wanted.length * width, into);
  await readFloats(source, info.file, info.dtype, parts, buffer);
  return buffer;
}

/** A tensor of any rank as a matrix: [shape[0], rest]; a single number is one row. */
function asRows({ shape }: TensorInfo): { rows: number; width: number } {
  const rows = shape.length === 0 ? 1 : shape[0];
  return { rows, width: rows === 0 ? 0 : countElements(shape) / rows };
}

function rowBytes({ offset, dtype }: FloatTensor, width: number, start: number, end: number): ByteRange {
  const bytes = width * FLOAT_BYTES[dtype];
  return { offset: offset + start * bytes, length: (end - start) * bytes };
}

function checkSpan({ name, shape }: TensorInfo, what: string, start: number, end: number, size: number): void {
  if (Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && start <= end && end <= size) return;
  throw new RangeError(
    `Cannot read ${what} ${start} to ${end} of tensor "${name}": its shape is [${shape.join(", ")}]`,
  );
}

/** As much as WebAssembly can address. Nothing that runs needs more of a tensor at once. */
const MAX_BYTES = 2 ** 32;

/**
 * The first `length` numbers of `into`, or a fresh array where there is none.
 *
 * @throws {RangeError} if they are too many at once
 */
function destinationFor(name: string, length: number, into?: Float32Array): Float32Array {
  if (into === undefined) {
    const tooMuch = (limit: string): string =>
      `Cannot read tensor ${name} at once: its ${length} numbers take ${
        (length * 4 / 1e9).toFixed(1)
      } GB as float32, ` +
      `${limit}: read it in parts (readRowRange, readColumnRange, readRows)`;
    if (length * 4 > MAX_BYTES) throw new RangeError(tooMuch("more than 4.3 GB"));
    try {
      return new Float32Array(length);
    } catch (error) {
      throw new RangeError(tooMuch("more than there is memory"), { cause: error });
    }
  }
  if (into.length < length) {
    throw new RangeError(`Cannot read tensor ${name}: ${length} numbers do not fit into an array of ${into.length}`);
  }
  return into.subarray(0, length);
}

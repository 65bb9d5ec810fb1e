import { NotFound } from "../../platform/errors.ts";
import { quote } from "../../quote.ts";
import { isRecord, parseUniqueObject } from "../json/json.ts";
import type { FileSource } from "../files/file_source.ts";
import { decodeText } from "../files/text.ts";

/** The element types of a safetensors file. */
export type Dtype =
  | "BOOL"
  | "F4"
  | "F6_E2M3"
  | "F6_E3M2"
  | "U8"
  | "I8"
  | "F8_E5M2"
  | "F8_E4M3"
  | "F8_E8M0"
  | "I16"
  | "U16"
  | "F16"
  | "BF16"
  | "I32"
  | "U32"
  | "F32"
  | "C64"
  | "F64"
  | "I64"
  | "U64";

/** Bits of one element by dtype, as in the format's reference implementation. */
const DTYPE_BITS: Readonly<Record<Dtype, number>> = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
};

/** Where a tensor lies and what it is; checked against its file when the header was read. */
export interface TensorInfo {
  /** As the file spells it. */
  readonly name: string;
  /** The element type. */
  readonly dtype: Dtype;
  /** Sizes, slowest first; empty for a single number. */
  readonly shape: readonly number[];
  /** Columns, not rows, lie one after another in the file. */
  readonly turned?: boolean;
  /** The file's path in its source. */
  readonly file: string;
  /** The first byte in the file (not in the data section). */
  readonly offset: number;
  /** How many bytes it takes. */
  readonly byteLength: number;
}

/** The reference implementation's own limit. */
const MAX_HEADER_BYTES = 100_000_000;

/**
 * Reads and checks the header of one safetensors file: what it returns lies inside the file and does not overlap.
 * Throws a `SyntaxError` for a file that is malformed or cut.
 */
export async function readSafetensorsHeader(source: FileSource, file: string): Promise<TensorInfo[]> {
  const fileSize = await source.size(file);
  if (fileSize === undefined) throw new NotFound(`Cannot read ${source.location}/${file}: no such file`);
  if (fileSize < 8) throw headerError(file, `the file has ${fileSize} bytes, a header needs at least 8`);
  const prefix = await source.read(file, 0, 8);
  const length = Number(new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true));
  if (length > MAX_HEADER_BYTES) throw headerError(file, `length ${length} exceeds the limit of ${MAX_HEADER_BYTES}`);
  if (8 + length > fileSize) throw headerError(file, `length ${length} exceeds file size ${fileSize}`);
  const header = parseUniqueObject(
    decodeText(file, await source.read(file, 8, length)),
    `safetensors header of ${file}`,
  );
  const tensors: TensorInfo[] = [];
  for (const [name, entry] of Object.entries(header)) {
    if (name !== "__metadata__") tensors.push(checkEntry(name, entry, file, 8 + length));
  }
  checkLayout(tensors, file, fileSize);
  return tensors;
}

/** One entry of the header, its offsets made absolute: `dataStart` is where the data section begins. */
function checkEntry(name: string, entry: unknown, file: string, dataStart: number): TensorInfo {
  const fail = (what: string): SyntaxError => headerError(file, `tensor ${quote(name)} ${what}`);
  if (!isRecord(entry)) throw fail("is not described by an object");
  const { dtype, shape, data_offsets: offsets } = entry;
  if (!isDtype(dtype)) throw fail(`has the unknown dtype ${quote(dtype)}`);
  if (!isCounts(shape)) throw fail(`has the shape ${quote(shape)}, not a list of whole numbers`);
  if (!isCounts(offsets) || offsets.length !== 2 || offsets[0] > offsets[1]) {
    throw fail(`has data_offsets ${quote(offsets)}, not a start and an end`);
  }
  const byteLength = offsets[1] - offsets[0];
  const wanted = countElements(shape) * DTYPE_BITS[dtype] / 8;
  if (!Number.isSafeInteger(wanted) || wanted !== byteLength) {
    throw fail(`needs ${wanted} bytes for ${dtype} ${quote(shape)}, data_offsets give ${byteLength}`);
  }
  const offset = dataStart + offsets[0];
  if (!Number.isSafeInteger(offset + byteLength)) throw fail(`has data_offsets ${quote(offsets)}: too large`);
  return { name, dtype, shape: Object.freeze([...shape]), file, offset, byteLength };
}

/** Every tensor inside the file, and none on another. */
function checkLayout(tensors: readonly TensorInfo[], file: string, fileSize: number): void {
  const filled = tensors.filter((tensor) => tensor.byteLength > 0).sort((a, b) => a.offset - b.offset);
  let end = 0;
  for (const tensor of tensors) end = Math.max(end, tensor.offset + tensor.byteLength);
  if (end > fileSize) {
    throw new SyntaxError(`Cannot read ${file}: its header expects ${end} bytes, the file has ${fileSize}: it is cut`);
  }
  for (let i = 1; i < filled.length; i++) {
    const [before, after] = [filled[i - 1], filled[i]];
    if (after.offset < before.offset + before.byteLength) {
      throw headerError(file, `tensors ${quote(before.name)} and ${quote(after.name)} overlap`);
    }
  }
}

/** How many numbers a tensor of this shape has; the empty shape is one number. */
export function countElements(shape: readonly number[]): number {
  if (shape.includes(0)) return 0;
  return shape.reduce((product, size) => product * size, 1);
}

function headerError(file: string, what: string): SyntaxError {
  return new SyntaxError(`Cannot read safetensors header of ${file}: ${what}`);
}

function isDtype(value: unknown): value is Dtype {
  return typeof value === "string" && Object.hasOwn(DTYPE_BITS, value);
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

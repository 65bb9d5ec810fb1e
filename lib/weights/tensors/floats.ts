import type { FileSource } from "../files/file_source.ts";
import { batchParts, type ByteRange, joinParts, STAGING_BYTES } from "../files/ranges.ts";
import type { Dtype } from "../formats/safetensors.ts";

/**
 * Reads parts of a file that hold numbers of one dtype, one after another into `into`, which they fill exactly.
 *
 * Nothing is awaited before the first read is asked for, and parts that follow each other are one read: then the
 * system goes on reading while the caller blocks the event loop.
 */
export async function readFloats(
  source: FileSource,
  path: string,
  dtype: FloatDtype,
  parts: readonly ByteRange[],
  into: Float32Array,
): Promise<void> {
  if (into.length === 0) return;
  if (dtype === "F64") return await readDoubles(source, path, parts, into);
  await readBytes(source, path, parts, bytesToFill(dtype, into));
  widenInPlace(dtype, into);
}

/** Narrows float64 to float32 through one buffer of bounded size. */
async function readDoubles(
  source: FileSource,
  path: string,
  parts: readonly ByteRange[],
  into: Float32Array,
): Promise<void> {
  const staging = new Uint8Array(Math.min(into.length * FLOAT_BYTES.F64, STAGING_BYTES));
  let done = 0;
  for (const batch of batchParts(parts, STAGING_BYTES)) {
    const bytes = batch.reduce((sum, { length }) => sum + length, 0);
    await readBytes(source, path, batch, staging.subarray(0, bytes));
    into.set(new Float64Array(staging.buffer, 0, bytes / FLOAT_BYTES.F64), done);
    done += bytes / FLOAT_BYTES.F64;
  }
}

async function readBytes(
  source: FileSource,
  path: string,
  parts: readonly ByteRange[],
  into: Uint8Array,
): Promise<void> {
  const runs = joinParts(parts, 0);
  if (runs.length > 1 && source.readParts) return await source.readParts(path, parts, into);
  for (const { offset, length, destination } of runs) {
    await source.read(path, offset, length, into.subarray(destination, destination + length));
  }
}

/** The dtypes that the float readers read. */
export type FloatDtype = "F64" | "F32" | "F16" | "BF16";

/** Bytes of one element. */
export const FLOAT_BYTES: Readonly<Record<FloatDtype, number>> = { F64: 8, F32: 4, F16: 2, BF16: 2 };

/** Whether the float readers read this dtype. */
export function isFloatDtype(dtype: Dtype): dtype is FloatDtype {
  return Object.hasOwn(FLOAT_BYTES, dtype);
}

/**
 * The bytes of a float32 destination into which a file's bytes are read before {@linkcode widenInPlace}: all of them
 * for F32, the last half for F16 and BF16.
 */
export function bytesToFill(dtype: Exclude<FloatDtype, "F64">, into: Float32Array): Uint8Array {
  const bytes = into.length * FLOAT_BYTES[dtype];
  return new Uint8Array(into.buffer, into.byteOffset + into.byteLength - bytes, bytes);
}

/**
 * Widens, exactly, what was read into {@linkcode bytesToFill}. No second buffer: number i is written at byte 4i, and
 * the first half-precision number not yet read lies at byte 2n + 2(i + 1) ≥ 4(i + 1).
 * Bits are moved as integers, so that a NaN keeps its payload. Deno runs on little-endian machines only.
 */
export function widenInPlace(dtype: Exclude<FloatDtype, "F64">, into: Float32Array): void {
  if (dtype === "F32") return;
  const n = into.length;
  const wide = new Uint32Array(into.buffer, into.byteOffset, n);
  const half = new Uint16Array(into.buffer, into.byteOffset + 2 * n, n);
  if (dtype === "BF16") {
    for (let i = 0; i < n; i++) wide[i] = half[i] << 16;
    return;
  }
  halfTable ??= makeHalfTable();
  const table = halfTable;
  for (let i = 0; i < n; i++) wide[i] = table[half[i]];
}

/** float32 bits of every float16: twice as fast as the engine's own Float16Array, and Deno 2.5 has none. */
let halfTable: Uint32Array | undefined;

function makeHalfTable(): Uint32Array {
  return Uint32Array.from({ length: 65_536 }, (_, bits) => {
    const sign = (bits & 0x8000) << 16;
    const exponent = (bits >> 10) & 0x1f;
    const fraction = bits & 0x3ff;
    if (exponent === 0x1f) return sign | 0x7f800000 | (fraction << 13);
    if (exponent !== 0) return sign | ((exponent + 112) << 23) | (fraction << 13); // 112 = 127 - 15, the biases
    if (fraction === 0) return sign;
    // Subnormal: fraction · 2^-24, whose highest bit becomes the implied one.
    const top = 31 - Math.clz32(fraction);
    return sign | ((top + 103) << 23) | ((fraction << (23 - top)) & 0x7fffff); // 103 = 127 - 24
  });
}

/** Memory for numbers. */
export interface FloatMemory {
  /** An array; what it holds is not said. */
  allocate(length: number): Float32Array;
  /** Gives an array back, which nobody reads or writes any more. */
  release(array: Float32Array): void;
}

/** Our own memory, which gives back by itself. */
export const OWN_MEMORY: FloatMemory = { allocate: (length) => new Float32Array(length), release: () => {} };

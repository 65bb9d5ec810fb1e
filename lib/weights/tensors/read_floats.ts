import { batchParts, type ByteRange, joinParts, STAGING_BYTES } from "../files/ranges.ts";
import type { FileSource } from "../files/file_source.ts";
import { bytesToFill, FLOAT_BYTES, type FloatDtype, widenInPlace } from "./widen.ts";

/**
 * Reads parts of a file that hold numbers of one dtype, one after another into `into`, which they fill exactly.
 *
 * Nothing is awaited before the first read is asked for, and parts that follow each other are one read: then the
 * system goes on reading while the caller blocks the event loop.
 *
 * @example
 * ```ts
 * import { openSource } from "../files/source.ts";
 *
 * const directory = await Deno.makeTempDir();
 * await Deno.writeFile(`${directory}/a.bin`, new Uint8Array([0, 0, 0x80, 0x3f, 0, 0]));
 *
 * await using source = openSource(directory);
 * const into = new Float32Array(1);
 * await readFloats(source, "a.bin", "BF16", [{ offset: 2, length: 2 }], into);
 * console.log(into); // [1]
 * ```
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

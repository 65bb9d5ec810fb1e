import { NotFound } from "../../platform/errors.ts";
import { quote } from "../../quote.ts";
import { countElements, type Dtype, type TensorInfo } from "./safetensors.ts";
import type { FileSource } from "../files/file_source.ts";
import { decodeText } from "../files/text.ts";
import type { ZipSource } from "./zip_source.ts";

/** A tensor and how its numbers follow each other. */
export interface ArrayInfo extends TensorInfo {
  /** As numpy says it: C has the last index running fastest, F the first; other: neither. */
  readonly order: "C" | "F" | "other";
}

/** numpy's little-endian types. */
const DTYPES: Readonly<Record<string, Dtype>> = {
  "<f8": "F64",
  "<f4": "F32",
  "<f2": "F16",
  "<i8": "I64",
  "<i4": "I32",
  "<i2": "I16",
  "|i1": "I8",
  "<u8": "U64",
  "<u4": "U32",
  "<u2": "U16",
  "|u1": "U8",
  "|b1": "BOOL",
};
const BYTES: Readonly<Record<string, number>> = {
  F64: 8,
  F32: 4,
  F16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  U64: 8,
  U32: 4,
  U16: 2,
};
const MAX_HEADER_BYTES = 64 * 2 ** 10;
const MAX_RANK = 32;

/**
 * Lists the arrays of an `.npz` file, a zip of `.npy` files. Their `file` is the entry's name.
 *
 * @throws {SyntaxError} if an entry is malformed or cut
 * @throws {RangeError} if an array holds Python objects, or numbers of a kind that is not supported
 */
export async function readNpz(zip: ZipSource): Promise<ArrayInfo[]> {
  const arrays: ArrayInfo[] = [];
  for (const entry of zip.entries.keys()) {
    if (entry.endsWith(".npy")) arrays.push({ ...await readNpyHeader(zip, entry), name: entry.slice(0, -4) });
  }
  return arrays;
}

/**
 * Reads the header of an `.npy` file, versions 1 to 3.
 *
 * @throws {SyntaxError} if it is malformed, or the file has not as many bytes as it says
 * @throws {RangeError} if it holds Python objects, or numbers of a kind that is not supported
 */
export async function readNpyHeader(source: FileSource, file: string): Promise<ArrayInfo> {
  const fail = (what: string): SyntaxError => new SyntaxError(`Cannot read the array ${file}: ${what}`);
  const fileSize = await source.size(file);
  if (fileSize === undefined) throw new NotFound(`Cannot read ${source.location}/${file}: no such file`);
  const start = await source.read(file, 0, Math.min(12, fileSize));
  if (start.length < 12 || start[0] !== 0x93 || decode(start.subarray(1, 6)) !== "NUMPY") {
    throw fail("it is no .npy file");
  }
  const version = start[6];
  if (version < 1 || version > 3) throw new RangeError(`Cannot read the array ${file}: its version is ${version}`);
  const [prefix, length] = version === 1
    ? [10, start[8] | start[9] << 8]
    : [12, (start[8] | start[9] << 8 | start[10] << 16 | start[11] << 24) >>> 0];
  if (length > MAX_HEADER_BYTES) throw fail(`a header of ${length} bytes exceeds the limit of ${MAX_HEADER_BYTES}`);
  if (prefix + length > fileSize) throw fail("it is cut within its header");
  const { descr, fortran, shape } = parseHeader(decodeText(file, await source.read(file, prefix, length)), fail);
  if (!Object.hasOwn(DTYPES, descr)) {
    const why = /O/.test(descr) ? "it holds Python objects" : `its numbers are of the kind ${quote(descr)}`;
    throw new RangeError(`Cannot read the array ${file}: ${why}; supported are ${Object.keys(DTYPES).join(", ")}`);
  }
  const dtype = DTYPES[descr];
  const byteLength = countElements(shape) * (BYTES[dtype] ?? 1);
  const offset = prefix + length;
  if (!Number.isSafeInteger(byteLength) || offset + byteLength !== fileSize) {
    throw fail(`its header expects ${offset + byteLength} bytes, it has ${fileSize}`);
  }
  const order = fortran && shape.length > 1 ? "F" : "C";
  return { name: file, dtype, shape: Object.freeze(shape), order, file, offset, byteLength };
}

/** A Python dict with these three keys in any order, and nothing else. */
function parseHeader(
  text: string,
  fail: (what: string) => SyntaxError,
): { descr: string; fortran: boolean; shape: number[] } {
  const malformed = (): SyntaxError => fail(`its header is ${quote(text)}`);
  const dict = text.trim();
  if (!dict.startsWith("{") || !dict.endsWith("}")) throw malformed();
  const body = dict.slice(1, -1).trim().replace(/,$/, "");
  const item =
    /\s*(['"])(descr|fortran_order|shape)\1\s*:\s*('[^'"]*'|"[^'"]*"|True|False|\([\d\s,L]*\)|\[[^\]]*\])\s*(,|$)/y;
  const values = new Map<string, string>();
  while (item.lastIndex < body.length) {
    const match = item.exec(body);
    if (!match || values.has(match[2])) throw malformed();
    values.set(match[2], match[3]);
  }
  const [descr, fortran, shape] = ["descr", "fortran_order", "shape"].map((key) => values.get(key));
  if (descr === undefined || !/^True$|^False$/.test(fortran ?? "") || !/^\(/.test(shape ?? "")) throw malformed();
  const sizes = shape!.slice(1, -1).split(",").map((size) => size.trim().replace(/L$/, "")).filter((size) =>
    size !== ""
  );
  if (sizes.length > MAX_RANK || !sizes.every((size) => /^\d{1,15}$/.test(size))) throw malformed();
  return { descr: descr.replace(/^['"]|['"]$/g, ""), fortran: fortran === "True", shape: sizes.map(Number) };
}

function decode(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

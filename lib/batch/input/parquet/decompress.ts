/**
 * Decompression of Parquet's pages: to a size that is known before, and no further.
 *
 * @module
 */
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from "node:zlib";
import { Bytes, damaged } from "./bytes.ts";

/** Decompresses to so many bytes, at least one. */
type Decompress = (bytes: Uint8Array, size: number) => Uint8Array;

/** By the name of Parquet's codec. */
const CODECS: Readonly<Record<string, Decompress>> = {
  UNCOMPRESSED: (bytes) => bytes,
  SNAPPY: snappy,
  GZIP: (bytes, size) => gunzipSync(bytes, { maxOutputLength: size }),
  BROTLI: (bytes, size) => brotliDecompressSync(bytes, { maxOutputLength: size }),
  ZSTD: (bytes, size) => zstdDecompressSync(bytes, { maxOutputLength: size }),
  LZ4: lz4Hadoop,
  LZ4_RAW: lz4,
};

/** The codecs as hyparquet takes them. */
export const compressors: Readonly<Record<string, Decompress>> = Object.fromEntries(
  Object.keys(CODECS).map((codec) => [codec, (bytes, size) => decompress(codec, bytes, size)]),
);

/**
 * A page's bytes.
 *
 * @throws {SyntaxError} if they are not what the codec makes, or not so many
 * @throws {RangeError} if the codec is not supported
 */
export function decompress(codec: string, bytes: Uint8Array, size: number): Uint8Array {
  if (!Object.hasOwn(CODECS, codec)) {
    const known = Object.keys(CODECS).join(", ");
    throw new RangeError(`its compression ${codec} is not supported: write it with one of ${known}`);
  }
  if (size === 0) return new Uint8Array();
  let page: Uint8Array;
  try {
    page = CODECS[codec](bytes, size);
  } catch (cause) {
    if (cause instanceof SyntaxError) throw cause;
    throw new SyntaxError(`it is damaged: a page is not what ${codec} makes`, { cause });
  }
  if (page.length !== size) throw damaged(`a page has ${page.length} bytes, ${size} are expected`);
  return page;
}

/** A page while it is made. */
class Output {
  readonly bytes: Uint8Array;
  #length = 0;

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
  }

  literal(part: Uint8Array): void {
    if (this.#length + part.length > this.bytes.length) throw damaged("a page is larger than it is said to be");
    this.bytes.set(part, this.#length);
    this.#length += part.length;
  }

  /** What was written `offset` bytes ago, which may overlap with what it becomes. */
  copy(offset: number, length: number): void {
    if (offset < 1 || offset > this.#length || this.#length + length > this.bytes.length) {
      throw damaged("a page repeats what is not in it");
    }
    for (const end = this.#length + length; this.#length < end; this.#length++) {
      this.bytes[this.#length] = this.bytes[this.#length - offset];
    }
  }

  get done(): Uint8Array {
    return this.bytes.subarray(0, this.#length);
  }
}

function littleEndian(input: Bytes, bytes: number): number {
  let value = 0;
  for (let i = 0; i < bytes; i++) value += input.byte() * 2 ** (8 * i);
  return value;
}

/** Snappy's raw format (google/snappy, format_description.txt). */
function snappy(bytes: Uint8Array, size: number): Uint8Array {
  const [input, output] = [new Bytes(bytes), new Output(size)];
  input.varint(); // the size
  while (input.left > 0) {
    const tag = input.byte();
    const kind = tag & 3;
    const number = tag >> 2;
    if (kind === 0) output.literal(input.take(number < 60 ? number + 1 : littleEndian(input, number - 59) + 1));
    else if (kind === 1) output.copy((tag >> 5) * 256 + input.byte(), (number & 7) + 4);
    else output.copy(littleEndian(input, kind === 2 ? 2 : 4), number + 1);
  }
  return output.done;
}

/** An LZ4 block (lz4/lz4, lz4_Block_format.md). */
function lz4(bytes: Uint8Array, size: number): Uint8Array {
  const output = new Output(size);
  lz4Block(new Bytes(bytes), output);
  return output.done;
}

function lz4Block(input: Bytes, output: Output): void {
  const length = (nibble: number): number => {
    let sum = nibble;
    for (let byte = nibble === 15 ? 255 : 0; byte === 255; sum += byte) byte = input.byte();
    return sum;
  };
  while (input.left > 0) {
    const token = input.byte();
    output.literal(input.take(length(token >> 4)));
    if (input.left === 0) return; // the last sequence is literals alone
    const offset = littleEndian(input, 2);
    output.copy(offset, length(token & 15) + 4);
  }
}

/** Blocks with their sizes before them, as Hadoop frames them; files without frames have the same name. */
function lz4Hadoop(bytes: Uint8Array, size: number): Uint8Array {
  const output = new Output(size);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length;) {
    const length = at + 8 <= bytes.length ? view.getUint32(at + 4) : Infinity;
    if (at + 8 + length > bytes.length) return lz4(bytes, size);
    lz4Block(new Bytes(bytes.subarray(at + 8, at + 8 + length)), output);
    at += 8 + length;
  }
  return output.done;
}

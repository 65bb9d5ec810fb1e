import { NotFound } from "../../platform/errors.ts";
import { quote } from "../../quote.ts";
import { crc32 } from "./crc32.ts";
import { checkPath } from "../files/places.ts";
import { type ByteRange, checkParts, checkRange, destinationFor } from "../files/ranges.ts";
import type { FileSource } from "../files/file_source.ts";
import { checkWholeSize, decodeText, MAX_TEXT_BYTES } from "../files/text.ts";
import { readZip, type ZipEntry } from "./zip.ts";

/** Deflated entries are kept inflated up to this sum; larger ones are inflated anew by every read, piece by piece. */
const MAX_KEPT_BYTES = 128 * 2 ** 20;
/** Stored entries up to this size are read as a whole and kept too, for their CRC; of larger ones parts may be wanted. */
const MAX_CHECKED_BYTES = 4 * 2 ** 20;
/** Read and inflated at a time: of 16 KiB deflate makes at most 16.5 MB. Little is wanted of most entries, at first. */
const [FIRST_PIECE_BYTES, PIECE_BYTES] = [512, 16 * 2 ** 10];

/** The entries of a zip file as files. */
export interface ZipSource extends FileSource {
  /** What is in it, by name. */
  readonly entries: ReadonlyMap<string, ZipEntry>;
}

/** Opens a zip file of a source. Its stored entries are read in place; closing it leaves the source open. */
export async function openZip(source: FileSource, file: string): Promise<ZipSource> {
  return new EntrySource(source, file, await readZip(source, file));
}

class EntrySource implements ZipSource {
  readonly location: string;
  readonly entries: ReadonlyMap<string, ZipEntry>;
  #source: FileSource;
  #file: string;
  #kept = new Map<string, Promise<Uint8Array>>();
  #keptBytes = 0;

  constructor(source: FileSource, file: string, entries: ReadonlyMap<string, ZipEntry>) {
    this.#source = source;
    this.#file = file;
    this.entries = entries;
    this.location = `${source.location}/${file}`;
  }

  size(path: string): Promise<number | undefined> {
    checkPath(path);
    return Promise.resolve(this.entries.get(path)?.size);
  }

  // Async, yet with nothing awaited before a stored entry's read is handed on.
  async read(path: string, offset: number, length: number, into?: Uint8Array): Promise<Uint8Array> {
    const entry = this.#find(path);
    checkRange(path, offset, length, entry.size);
    const destination = destinationFor(path, length, into);
    await this.#readParts(entry, [{ offset, length }], destination);
    return destination;
  }

  async readParts(path: string, parts: readonly ByteRange[], into: Uint8Array): Promise<void> {
    const entry = this.#find(path);
    checkParts(path, parts, entry.size, into);
    await this.#readParts(entry, parts, into);
  }

  async #readParts(entry: ZipEntry, parts: readonly ByteRange[], into: Uint8Array): Promise<void> {
    const end = parts.reduce((most, { offset, length }) => Math.max(most, offset + length), 0);
    const whole = this.#whole(entry, end);
    if (whole) return copyParts(await whole, parts, into);
    if (entry.method === "deflated") return await this.#pick(entry, parts, end, into);
    if (parts.length === 1) {
      const [{ offset, length }] = parts;
      return void await this.#source.read(this.#file, entry.offset + offset, length, into);
    }
    const moved = parts.map(({ offset, length }) => ({ offset: entry.offset + offset, length }));
    if (this.#source.readParts) return await this.#source.readParts(this.#file, moved, into);
    let done = 0;
    for (const { offset, length } of moved) {
      await this.#source.read(this.#file, offset, length, into.subarray(done, done += length));
    }
  }

  async readText(path: string, maxBytes: number = MAX_TEXT_BYTES): Promise<string> {
    const { size } = this.#find(path);
    checkWholeSize(path, size, maxBytes);
    return decodeText(path, await this.read(path, 0, size));
  }

  /** Undefined where the zip's own source has none: nothing is fetched then. */
  get cost(): FileSource["cost"] {
    const source = this.#source;
    return source.cost && ((path, parts) => source.cost!(this.#file, this.#moved(path, parts)));
  }

  /** The same. */
  get fetch(): FileSource["fetch"] {
    const source = this.#source;
    return source.fetch && ((path, parts, signal) => source.fetch!(this.#file, this.#moved(path, parts), signal));
  }

  /** Where parts of an entry lie in the zip: a deflated one is read from its beginning. */
  #moved(path: string, parts: readonly ByteRange[]): ByteRange[] {
    const { method, offset: start, compressedSize } = this.#find(path);
    if (method === "deflated") return [{ offset: start, length: compressedSize }];
    return parts.map(({ offset, length }) => ({ offset: start + offset, length }));
  }

  close(): Promise<void> {
    this.#kept.clear();
    this.#keptBytes = 0;
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #find(path: string): ZipEntry {
    checkPath(path);
    const entry = this.entries.get(path);
    if (!entry) throw new NotFound(`Cannot read ${this.location}: it has no entry ${quote(path)}`);
    return entry;
  }

  /**
   * All of an entry, where it is kept or will be. The first bytes alone are asked for when a header is read: they say
   * whether the rest is wanted.
   */
  #whole(entry: ZipEntry, end: number): Promise<Uint8Array> | undefined {
    const { name, size, method } = entry;
    const kept = this.#kept.get(name);
    if (kept || (end <= PIECE_BYTES && end < size)) return kept;
    if (this.#keptBytes + size > MAX_KEPT_BYTES || (method === "stored" && size > MAX_CHECKED_BYTES)) return undefined;
    this.#keptBytes += size;
    const reading = this.#readWhole(entry);
    this.#kept.set(name, reading);
    reading.catch(() => {
      if (this.#kept.delete(name)) this.#keptBytes -= size;
    });
    return reading;
  }

  async #readWhole(entry: ZipEntry): Promise<Uint8Array> {
    const bytes = new Uint8Array(entry.size);
    if (entry.method === "deflated") await this.#pick(entry, [{ offset: 0, length: entry.size }], entry.size, bytes);
    else {
      await this.#source.read(this.#file, entry.offset, entry.size, bytes);
      checkCrc(this.#file, entry, crc32(bytes));
    }
    return bytes;
  }

  /** Inflates an entry up to `end`, and keeps only the parts. */
  async #pick(entry: ZipEntry, parts: readonly ByteRange[], end: number, into: Uint8Array): Promise<void> {
    let destination = 0;
    const waiting = parts.map((part) => ({ ...part, destination: (destination += part.length) - part.length }))
      .sort((a, b) => a.offset - b.offset);
    let first = 0;
    let at = 0;
    if (end === 0) return;
    for await (const piece of inflate(this.#source, this.#file, entry)) {
      while (first < waiting.length && waiting[first].offset + waiting[first].length <= at) first++;
      for (let i = first; i < waiting.length && waiting[i].offset < at + piece.length; i++) {
        const { offset, length, destination } = waiting[i];
        const from = Math.max(offset, at);
        const to = Math.min(offset + length, at + piece.length);
        if (from < to) into.set(piece.subarray(from - at, to - at), destination + from - offset);
      }
      at += piece.length;
      if (at >= end && at < entry.size) return;
    }
  }
}

function copyParts(bytes: Uint8Array, parts: readonly ByteRange[], into: Uint8Array): void {
  let done = 0;
  for (const { offset, length } of parts) {
    into.set(bytes.subarray(offset, offset + length), done);
    done += length;
  }
}

function checkCrc(file: string, { name, crc }: ZipEntry, found: number): void {
  if (crc === found || crc === 0) return; // torch leaves it out on demand (set_crc32_options)
  const [wanted, got] = [crc, found].map((value) => value.toString(16).padStart(8, "0"));
  throw new SyntaxError(
    `Cannot read entry ${quote(name)} of ${file}: its CRC is ${got}, the zip says ${wanted}: damaged`,
  );
}

/** An entry's bytes, piece by piece; never more than it is said to have, and at its end with the CRC that it is said to have. */
async function* inflate(source: FileSource, file: string, entry: ZipEntry): AsyncGenerator<Uint8Array> {
  let at = 0;
  let failure: { error: unknown } | undefined;
  const deflated = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      const length = Math.min(Math.max(FIRST_PIECE_BYTES, Math.min(at, PIECE_BYTES)), entry.compressedSize - at);
      if (length === 0) return controller.close();
      try {
        controller.enqueue((await source.read(file, entry.offset + at, length)).slice());
        at += length;
      } catch (error) {
        failure = { error };
        throw error;
      }
    },
  });
  const fail = (what: string, cause?: unknown): SyntaxError =>
    new SyntaxError(`Cannot inflate entry ${quote(entry.name)} of ${file}: ${what}`, { cause });
  let [total, crc] = [0, 0];
  const reader = deflated.pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  try {
    while (true) {
      const { done, value } = await reader.read().catch((cause) => {
        throw failure ? failure.error : fail("its bytes are not deflated data", cause);
      });
      if (done) break;
      total += value.length;
      if (total > entry.size) throw fail(`it is larger than the ${entry.size} bytes that the zip says`);
      crc = crc32(value, crc);
      yield value;
    }
    if (total < entry.size) throw fail(`it ends after ${total} of ${entry.size} bytes`);
    checkCrc(file, entry, crc);
  } finally {
    await reader.cancel().catch(() => {});
  }
}

import { quote } from "../quote.ts";
import { checkPath } from "./paths.ts";
import { type ByteRange, checkParts, checkRange, destinationFor } from "./ranges.ts";
import type { FileSource } from "./source.ts";
import { checkWholeSize, decodeText, MAX_TEXT_BYTES } from "./text.ts";
import { readZip, type ZipEntry } from "./zip.ts";

/** Deflated entries are kept inflated up to this sum; larger ones are inflated anew by every read, piece by piece. */
const MAX_KEPT_BYTES = 128 * 2 ** 20;
/** Read and inflated at a time: of 16 KiB deflate makes at most 16.5 MB. */
const PIECE_BYTES = 16 * 2 ** 10;

/** The entries of a zip file as files. */
export interface ZipSource extends FileSource {
  /** What is in it, by name. */
  readonly entries: ReadonlyMap<string, ZipEntry>;
}

/**
 * Opens a zip file of a source. Its stored entries are read in place; closing it leaves the source open.
 *
 * @example
 * ```ts
 * import { openSource } from "./source.ts";
 *
 * const directory = await Deno.makeTempDir();
 * await Deno.writeFile(`${directory}/empty.zip`, new Uint8Array([0x50, 0x4b, 5, 6, ...new Uint8Array(18)]));
 *
 * await using source = openSource(directory);
 * const zip = await openZip(source, "empty.zip");
 * console.log(await zip.size("a.npy")); // undefined
 * ```
 */
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
    if (entry.method === "stored") {
      return await this.#source.read(this.#file, entry.offset + offset, length, destination);
    }
    await this.#inflateParts(entry, [{ offset, length }], destination);
    return destination;
  }

  async readParts(path: string, parts: readonly ByteRange[], into: Uint8Array): Promise<void> {
    const entry = this.#find(path);
    checkParts(path, parts, entry.size, into);
    if (entry.method === "deflated") return await this.#inflateParts(entry, parts, into);
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
    if (!entry) throw new Deno.errors.NotFound(`Cannot read ${this.location}: it has no entry ${quote(path)}`);
    return entry;
  }

  async #inflateParts(entry: ZipEntry, parts: readonly ByteRange[], into: Uint8Array): Promise<void> {
    const end = parts.reduce((most, { offset, length }) => Math.max(most, offset + length), 0);
    // The first bytes alone are asked for when a header is read: they say whether the rest is wanted.
    const whole = this.#kept.get(entry.name) ?? (end > PIECE_BYTES ? this.#keep(entry) : undefined);
    if (!whole) return await this.#pick(entry, parts, end, into);
    const bytes = await whole;
    let done = 0;
    for (const { offset, length } of parts) {
      into.set(bytes.subarray(offset, offset + length), done);
      done += length;
    }
  }

  #keep(entry: ZipEntry): Promise<Uint8Array> | undefined {
    if (this.#keptBytes + entry.size > MAX_KEPT_BYTES) return undefined;
    this.#keptBytes += entry.size;
    const bytes = new Uint8Array(entry.size);
    const inflating = this.#pick(entry, [{ offset: 0, length: entry.size }], entry.size, bytes).then(() => bytes);
    this.#kept.set(entry.name, inflating);
    inflating.catch(() => {
      if (this.#kept.delete(entry.name)) this.#keptBytes -= entry.size;
    });
    return inflating;
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

/** An entry's bytes, piece by piece; never more than it is said to have. */
async function* inflate(source: FileSource, file: string, entry: ZipEntry): AsyncGenerator<Uint8Array> {
  let at = 0;
  let failure: { error: unknown } | undefined;
  const deflated = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      const length = Math.min(PIECE_BYTES, entry.compressedSize - at);
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
  let total = 0;
  const reader = deflated.pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  try {
    while (true) {
      const { done, value } = await reader.read().catch((cause) => {
        throw failure ? failure.error : fail("its bytes are not deflated data", cause);
      });
      if (done) break;
      total += value.length;
      if (total > entry.size) throw fail(`it is larger than the ${entry.size} bytes that the zip says`);
      yield value;
    }
    if (total < entry.size) throw fail(`it ends after ${total} of ${entry.size} bytes`);
  } finally {
    await reader.cancel().catch(() => {});
  }
}

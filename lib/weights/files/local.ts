import { BadResource, isAbsence, NotCapable, NotFound, PermissionDenied } from "../../platform/errors.ts";
import { fileSystem, FROM_START, type OpenFile } from "../../platform/files.ts";
import { fileError } from "../../platform/file_error.ts";
import { makeGate, settleAll } from "../../concurrency.ts";
import { checkPath } from "./places.ts";
import {
  type Block,
  type ByteRange,
  checkParts,
  checkRange,
  destinationFor,
  joinParts,
  scatterBlock,
  STAGING_BYTES,
} from "./ranges.ts";
import type { FileSource } from "./file_source.ts";
import { checkWholeSize, decodeText, MAX_TEXT_BYTES } from "./text.ts";

/** Reading and dropping this many bytes costs about as much as one more seek and read (2 µs). */
const MAX_GAP = 8 * 2 ** 10;
/** Synchronous reads let the event loop turn after this many bytes. */
const SYNC_BYTES = 32 * 2 ** 20;
const MAX_HANDLES = 16;
const MAX_FILES = 32;

/**
 * Opens a local directory. Files stay open from their first read until `close()` (at most 32 of them).
 *
 * A `read` of an open file is handed to the system before the call returns, straight into the caller's array:
 * it goes on while wasm blocks the event loop. Many small parts are read synchronously, which is ten times faster.
 */
export function openLocalSource(directory: string): FileSource {
  return new LocalSource(directory);
}

class LocalSource implements FileSource {
  readonly location: string;
  #files = new Map<string, LocalFile>();
  /** Ends when the files that made room have finished their reads. */
  #evicted: Promise<unknown> = Promise.resolve();
  #staging: Uint8Array | undefined;
  #closed = false;

  constructor(directory: string) {
    this.location = directory.length > 1 ? directory.replace(/(?<=[^:])[/\\]+$/, "") : directory;
  }

  async size(path: string): Promise<number | undefined> {
    this.#check(path);
    try {
      const info = await fileSystem.stat(this.#join(path));
      return info.isFile ? info.size : undefined;
    } catch (error) {
      if (isAbsence(error) && faultOf(this.location) === undefined) return undefined;
      throw explain(error, this.location, path);
    }
  }

  // Async, yet with nothing awaited before the read is handed to the system: see openLocalSource.
  async read(path: string, offset: number, length: number, into?: Uint8Array): Promise<Uint8Array> {
    const file = this.#open(path);
    checkRange(path, offset, length, file.size);
    const destination = destinationFor(path, length, into);
    await file.read(offset, destination);
    return destination;
  }

  async readParts(path: string, parts: readonly ByteRange[], into: Uint8Array): Promise<void> {
    checkParts(path, parts, this.#open(path).size, into);
    let readSync = 0;
    for (const block of joinParts(parts, MAX_GAP)) {
      if (block.length > STAGING_BYTES) { // without gaps, then
        await this.read(path, block.offset, block.length, into.subarray(block.destination));
        continue;
      }
      if (readSync > SYNC_BYTES) {
        await new Promise((resolve) => setTimeout(resolve));
        readSync = 0;
      }
      readSync += block.length;
      this.#readBlock(path, block, into);
    }
  }

  async readText(path: string, maxBytes: number = MAX_TEXT_BYTES): Promise<string> {
    const { size } = this.#open(path);
    checkWholeSize(path, size, maxBytes);
    return decodeText(path, await this.read(path, 0, size));
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#staging = undefined;
    const files = [...this.#files.values()];
    this.#files.clear();
    await settleAll([this.#evicted, ...files.map((file) => file.close())]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #readBlock(path: string, block: Block, into: Uint8Array): void {
    const file = this.#open(path);
    if (block.whole) {
      return file.readSync(block.offset, into.subarray(block.destination, block.destination + block.length));
    }
    this.#staging ??= new Uint8Array(STAGING_BYTES);
    const bytes = this.#staging.subarray(0, block.length);
    file.readSync(block.offset, bytes);
    scatterBlock(block, bytes, into);
  }

  #join(path: string): string {
    return /[/\\]$/.test(this.location) ? this.location + path : `${this.location}/${path}`;
  }

  #check(path: string): void {
    checkPath(path);
    if (this.#closed) throw new BadResource(`Cannot read ${path}: the source ${this.location} is closed`);
  }

  #open(path: string): LocalFile {
    this.#check(path);
    let file = this.#files.get(path);
    if (file) this.#files.delete(path);
    else {
      try {
        file = new LocalFile(this.#join(path));
      } catch (error) {
        throw explain(error, this.location, path);
      }
    }
    // Last in the map = used last; the file used longest ago makes room. Its reads under way are finished first.
    this.#files.set(path, file);
    if (this.#files.size > MAX_FILES) {
      const [oldest, old] = this.#files.entries().next().value!;
      this.#files.delete(oldest);
      this.#evicted = settleAll([this.#evicted, old.close()]);
    }
    return file;
  }
}

/** One file and its handles: Deno has no read at a position, so that each handle serves one read at a time. */
class LocalFile {
  readonly size: number;
  #path: string;
  #idle: OpenFile[] = [];
  readonly #gate = makeGate(MAX_HANDLES);
  #pending = new Set<Promise<void>>();
  #sync: OpenFile | undefined;
  #closed = false;

  constructor(path: string) {
    // Looked at first: opening a pipe would wait for its other end.
    const info = fileSystem.statSync(path);
    if (!info.isFile) throw new NotFound("it is not a file");
    this.#path = path;
    this.size = info.size;
    this.#sync = fileSystem.openSync(path);
  }

  read(offset: number, into: Uint8Array): Promise<void> {
    const reading = this.#gate(() => this.#readNow(offset, into));
    this.#pending.add(reading);
    const done = (): boolean => this.#pending.delete(reading);
    reading.then(done, done);
    return reading;
  }

  async #readNow(offset: number, into: Uint8Array): Promise<void> {
    const handle = this.#idle.pop() ?? fileSystem.openSync(this.#path);
    try {
      handle.seekSync(offset, FROM_START);
      for (let done = 0; done < into.length;) {
        const count = await handle.read(done === 0 ? into : into.subarray(done));
        if (count === null) throw this.#endedEarly(offset + done, offset + into.length);
        done += count;
      }
    } finally {
      this.#idle.push(handle);
    }
  }

  readSync(offset: number, into: Uint8Array): void {
    this.#sync ??= fileSystem.openSync(this.#path);
    this.#sync.seekSync(offset, FROM_START);
    for (let done = 0; done < into.length;) {
      const count = this.#sync.readSync(done === 0 ? into : into.subarray(done));
      if (count === null) throw this.#endedEarly(offset + done, offset + into.length);
      done += count;
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#sync?.close();
    await Promise.allSettled(this.#pending);
    for (const handle of this.#idle) handle.close();
  }

  #endedEarly(at: number, wanted: number): RangeError {
    return new RangeError(
      `Cannot read ${this.#path}: it ended at byte ${at}, before ${wanted}: it was cut after opening`,
    );
  }
}

/** What is wrong with a directory in which a file was not found; undefined where nothing is. */
function faultOf(directory: string): string | undefined {
  try {
    return fileSystem.statSync(directory).isDirectory ? undefined : "it is a file, not a directory";
  } catch (error) {
    return isAbsence(error) ? "no such directory" : undefined;
  }
}

/** Says which file, and what to do about it. */
function explain(error: unknown, directory: string, path: string): unknown {
  const full = `${directory}/${path}`;
  if (error instanceof NotCapable) {
    return new NotCapable(`Cannot read ${full}: not allowed; pass --allow-read=${directory}`, {
      cause: error,
    });
  }
  if (error instanceof PermissionDenied) {
    const message =
      `Cannot read ${full}: the system denies it; check its permissions, and pass --allow-read=${directory}`;
    return new PermissionDenied(message, { cause: error });
  }
  if (!isAbsence(error)) return fileError("read", full, error);
  const fault = faultOf(directory);
  const what = fault === undefined ? `${full}: no such file` : `${directory}: ${fault}`;
  return new NotFound(`Cannot read ${what}`, { cause: error });
}

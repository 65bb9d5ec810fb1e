import { fileSystem, FROM_START, type OpenFile } from "../../../platform/files.ts";
import { dirname, join } from "../../../platform/path.ts";
import type { FileSource } from "../../files/file_source.ts";
import { openLocalSource } from "../../files/local.ts";
import type { ByteRange } from "../../files/ranges.ts";
import { findHashError } from "../cache/content_hash.ts";
import {
  lstatIfThere,
  makeDirectory,
  openToWrite,
  readIfThere,
  removeIfThere,
  replaceText,
  statIfThere,
  writing,
} from "../cache/disk.ts";
import { PARTIAL_ENDING } from "../cache/layout.ts";
import { withFileLock } from "../cache/lock.ts";
import { isRecord } from "../../json/json.ts";
import type { RangeStore } from "./range_store.ts";
import { addSpan, areSpans, type Span } from "./spans.ts";

const DATA = "data";
const INDEX = "index.json";

/** Which file's parts these are. */
export interface RangeKey {
  readonly repo: string;
  readonly path: string;
  readonly etag: string;
  readonly size: number;
}

/**
 * The parts of a large file that have been read so far, in a file with holes and an index of what is filled. A part
 * is listed only once it is on the disk; processes that fill the same file write the same bytes.
 */
export class RangeFile implements RangeStore {
  readonly #source: FileSource;
  #directory: string;
  #key: RangeKey;
  #file: Promise<OpenFile> | undefined;
  #spans: Span[];

  private constructor(directory: string, key: RangeKey, spans: Span[]) {
    this.#source = openLocalSource(directory);
    this.#directory = directory;
    this.#key = key;
    this.#spans = spans;
  }

  /** Opens what earlier runs left; makes the file if need be. */
  static async open(directory: string, key: RangeKey): Promise<RangeFile> {
    const data = join(directory, DATA);
    const info = await lstatIfThere(data);
    if (info?.isFile && info.size === key.size) return new RangeFile(directory, key, await readIndex(directory, key));
    await makeDirectory(directory);
    await fileSystem.remove(join(directory, INDEX)).catch(() => {}); // of data that is gone
    using file = await openToWrite(data);
    await writing(data, () => file.truncate(key.size));
    return new RangeFile(directory, key, []);
  }

  get spans(): readonly Span[] {
    return this.#spans;
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    const path = join(this.#directory, DATA);
    await writing(path, async () => {
      const file = await (this.#file ??= openToWrite(path));
      file.seekSync(offset, FROM_START); // at once with the write: other parts come in between
      for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
    });
  }

  // Besides those that other processes have listed meanwhile.
  async keep(spans: readonly Span[], signal: AbortSignal): Promise<void> {
    await (await this.#file)?.syncData();
    await withFileLock(join(this.#directory, "lock"), signal, async () => {
      const there = await readIndex(this.#directory, this.#key);
      for (const span of [...there, ...spans]) this.#spans = addSpan(this.#spans, span);
      const index = { ...this.#key, spans: this.#spans };
      await replaceText(join(this.#directory, INDEX), `${JSON.stringify(index)}\n`);
    });
  }

  async read(offset: number, into: Uint8Array): Promise<boolean> {
    await this.#source.read(DATA, offset, into.length, into);
    return true;
  }

  async readParts(parts: readonly ByteRange[], into: Uint8Array): Promise<boolean> {
    await this.#source.readParts!(DATA, parts, into);
    return true;
  }

  async close(): Promise<void> {
    (await this.#file?.catch(() => undefined))?.close();
    this.#file = undefined;
    await this.#source.close();
  }
}

/** Whether earlier runs left anything in a directory. */
export async function hasRanges(directory: string): Promise<boolean> {
  return (await statIfThere(join(directory, INDEX)))?.isFile === true;
}

/**
 * Makes the file a blob if its hash is right, all of it having been filled. Its directory is gone afterwards.
 *
 * @returns whether it was right
 */
export async function moveToBlob(directory: string, blob: string, etag: string): Promise<boolean> {
  const partial = blob + PARTIAL_ENDING;
  await makeDirectory(dirname(blob));
  await removeIfThere(partial);
  await writing(partial, async () => { // another file system, maybe
    const to = await openToWrite(partial);
    await (await fileSystem.open(join(directory, DATA))).readable.pipeTo(to.writable);
  }).catch(async (error) => {
    await removeIfThere(partial);
    throw error;
  });
  const isRight = await findHashError(partial, etag) === undefined;
  if (isRight) await writing(blob, () => fileSystem.rename(partial, blob));
  else await removeIfThere(partial);
  await removeIfThere(directory).catch(() => {}); // in use, on Windows
  return isRight;
}

/** An index that cannot be read lists nothing: its parts are fetched again. */
async function readIndex(directory: string, key: RangeKey): Promise<Span[]> {
  const text = await readIfThere(join(directory, INDEX));
  try {
    const value: unknown = JSON.parse(text ?? "null");
    if (!isRecord(value) || value.etag !== key.etag || value.size !== key.size) return [];
    return areSpans(value.spans, key.size) ? value.spans : [];
  } catch {
    return [];
  }
}

import { fileSystem, FROM_START, type OpenFile } from "../../../platform/files.ts";
import { join } from "../../../platform/path.ts";
import type { FileSource } from "../../files/file_source.ts";
import { openLocalSource } from "../../files/local.ts";
import {
  lstatIfThere,
  makeDirectory,
  openToWrite,
  readIfThere,
  replaceText,
  statIfThere,
  writing,
} from "../cache/disk.ts";
import { withFileLock } from "../cache/lock.ts";
import { isRecord } from "../../json/json.ts";

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
 *
 * @example
 * ```ts
 * const directory = await Deno.makeTempDir();
 * const key = { repo: "owner/name", path: "a.safetensors", etag: "12ab", size: 8 };
 * const file = await RangeFile.open(directory, key);
 * await file.write(4, new Uint8Array([1, 2]));
 * await file.keep([[4, 6]], new AbortController().signal);
 * console.log(file.spans, await file.source.read(file.name, 4, 2)); // [[4, 6]] [1, 2]
 * await file.close();
 * ```
 */
export class RangeFile {
  /** Reads what is filled, under {@linkcode name}. */
  readonly source: FileSource;
  /** The file's name in the source. */
  readonly name: string = DATA;
  #directory: string;
  #key: RangeKey;
  #file: Promise<OpenFile> | undefined;
  #spans: Span[];

  private constructor(directory: string, key: RangeKey, spans: Span[]) {
    this.source = openLocalSource(directory);
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

  /** Where the bytes are. */
  get path(): string {
    return join(this.#directory, DATA);
  }

  /** What is filled. */
  get spans(): readonly Span[] {
    return this.#spans;
  }

  /** Fills a part. It counts once it is kept. */
  async write(offset: number, bytes: Uint8Array): Promise<void> {
    const file = await (this.#file ??= openToWrite(this.path));
    file.seekSync(offset, FROM_START); // at once with the write: other parts come in between
    for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
  }

  /** Lists parts that have been filled, besides those that other processes have listed meanwhile. */
  async keep(spans: readonly Span[], signal: AbortSignal): Promise<void> {
    await (await this.#file)?.syncData();
    await withFileLock(join(this.#directory, "lock"), signal, async () => {
      const there = await readIndex(this.#directory, this.#key);
      for (const span of [...there, ...spans]) this.#spans = addSpan(this.#spans, span);
      const index = { ...this.#key, spans: this.#spans };
      await replaceText(join(this.#directory, INDEX), `${JSON.stringify(index)}\n`);
    });
  }

  /** Idempotent. */
  async close(): Promise<void> {
    (await this.#file?.catch(() => undefined))?.close();
    this.#file = undefined;
    await this.source.close();
  }
}

/**
 * Whether earlier runs left anything in a directory.
 *
 * @example
 * ```ts
 * console.log(await hasRanges("/no/such/directory")); // false
 * ```
 */
export async function hasRanges(directory: string): Promise<boolean> {
  return (await statIfThere(join(directory, INDEX)))?.isFile === true;
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

/** Bytes from the first to before the second number. */
export type Span = readonly [start: number, end: number];

/**
 * Adds a span to spans that are ascending and apart; so is the result.
 *
 * @example
 * ```ts
 * console.log(addSpan([[0, 4], [8, 9]], [4, 6])); // [[0, 6], [8, 9]]
 * ```
 */
export function addSpan(spans: readonly Span[], [start, end]: Span): Span[] {
  if (start >= end) return [...spans];
  const before = spans.filter((span) => span[1] < start);
  const after = spans.filter((span) => span[0] > end);
  const touching = spans.slice(before.length, spans.length - after.length);
  const joined: Span = [Math.min(start, touching[0]?.[0] ?? start), Math.max(end, touching.at(-1)?.[1] ?? end)];
  return [...before, joined, ...after];
}

/**
 * What of a span is not in spans that are ascending and apart.
 *
 * @example
 * ```ts
 * console.log(missingSpans([[2, 4]], [0, 6])); // [[0, 2], [4, 6]]
 * ```
 */
export function missingSpans(spans: readonly Span[], [start, end]: Span): Span[] {
  const missing: Span[] = [];
  let at = start;
  for (const [from, to] of spans) {
    if (to <= at) continue;
    if (from >= end) break;
    if (from > at) missing.push([at, from]);
    at = to;
  }
  if (at < end) missing.push([at, end]);
  return missing;
}

/**
 * Whether a value is a list of spans, ascending and apart, of a file of `size` bytes.
 *
 * @example
 * ```ts
 * console.log(areSpans([[0, 4]], 8), areSpans([[0, 9]], 8)); // true false
 * ```
 */
export function areSpans(value: unknown, size: number): value is Span[] {
  if (!Array.isArray(value)) return false;
  let last = -1;
  return value.every((span) => {
    if (!Array.isArray(span) || span.length !== 2 || !span.every(Number.isSafeInteger)) return false;
    const [start, end] = span;
    const isNext = start > last && end > start && end <= size;
    last = end;
    return isNext;
  });
}

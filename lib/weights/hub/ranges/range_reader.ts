import { fileSystem } from "../../../platform/files.ts";
import { dirname } from "../../../platform/path.ts";
import { makeGate, settleAll } from "../../../concurrency.ts";
import { badRange, changedEtag, shortBody } from "../../http/answers.ts";
import { type ByteRange, joinParts } from "../../files/ranges.ts";
import type { RemoteFile, Wanted } from "../requests/answers.ts";
import { findHashError } from "../cache/content_hash.ts";
import { makeDirectory, openToWrite, removeIfThere, writing } from "../cache/disk.ts";
import { PARTIAL_ENDING } from "../cache/layout.ts";
import type { DownloadTrack, ProgressMeter } from "../progress.ts";
import { missingSpans, RangeFile, type Span } from "./range_file.ts";
import type { HubRequests } from "../requests/requests.ts";
import type { Try } from "../../http/retry.ts";

/** Downloading and keeping this many bytes costs less than one more request. */
const MAX_GAP = 256 * 2 ** 10;
/** Parts begin and end at multiples of this: a file's header comes with its first bytes. */
const GRAIN = 64 * 2 ** 10;
const CONCURRENCY = 6;

/** The server sends whole files only. */
export class NoRanges extends Error {}

/** What is read in parts, and where they are kept. */
export interface RangeReaderOptions {
  readonly requests: HubRequests;
  readonly wanted: Wanted;
  readonly file: RemoteFile & { readonly size: number };
  /** What the hub said of the file in an earlier run: it is asked again before anything is fetched. */
  readonly isRemembered: boolean;
  readonly directory: string;
  readonly meter: ProgressMeter;
}

/**
 * Reads parts of a file of the hub, each fetched once and kept in the program's own cache.
 *
 * @example
 * ```ts
 * import type { RangeReader } from "./range_reader.ts";
 *
 * const readHeader = (reader: RangeReader) => reader.read(0, new Uint8Array(8));
 * console.log(typeof readHeader);
 * ```
 */
export class RangeReader {
  #options: RangeReaderOptions;
  #file: RangeFile;
  #gate = makeGate(CONCURRENCY);
  /** As the storage gives it, which may be another than the hub's. */
  #storageEtag: string | undefined;
  #fresh: Promise<RemoteFile> | undefined;
  /** Bytes over the network. */
  #came = 0;
  #coming: { readonly span: Span; readonly done: Promise<void> }[] = [];

  private constructor(options: RangeReaderOptions, file: RangeFile) {
    this.#options = options;
    this.#file = file;
  }

  /** Of the file in bytes. */
  get size(): number {
    return this.#options.file.size;
  }

  /** Opens what earlier runs left. */
  static async open(options: RangeReaderOptions): Promise<RangeReader> {
    const { wanted: { repo }, file: { path, etag, size } } = options;
    return new RangeReader(options, await RangeFile.open(options.directory, { repo, path, etag, size }));
  }

  /** Fills `into` from `offset`; throws `NoRanges` if the server sends whole files only. */
  async read(offset: number, into: Uint8Array): Promise<void> {
    await this.#ensure([{ offset, length: into.length }]);
    await this.#file.source.read(this.#file.name, offset, into.length, into);
  }

  /** Reads many parts, one after another into `into`. */
  async readParts(parts: readonly ByteRange[], into: Uint8Array): Promise<void> {
    await this.#ensure(joinParts(parts, MAX_GAP));
    await this.#file.source.readParts!(this.#file.name, parts, into);
  }

  /**
   * Fetches all that is missing, and makes the file a blob if its hash is right. Returns the bytes that came, or
   * undefined if it is not: the parts are thrown away then.
   */
  async moveTo(blob: string): Promise<number | undefined> {
    const { directory, file: { etag, size } } = this.#options;
    const before = this.#came;
    await this.#ensure([{ offset: 0, length: size }]);
    const partial = blob + PARTIAL_ENDING;
    await makeDirectory(dirname(blob));
    await removeIfThere(partial);
    await writing(partial, async () => { // another file system, maybe
      const to = await openToWrite(partial);
      await (await fileSystem.open(this.#file.path)).readable.pipeTo(to.writable);
    }).catch(async (error) => {
      await removeIfThere(partial);
      throw error;
    });
    const isRight = await findHashError(partial, etag) === undefined;
    if (isRight) await writing(blob, () => fileSystem.rename(partial, blob));
    else await removeIfThere(partial);
    await removeIfThere(directory).catch(() => {}); // in use, on Windows
    return isRight ? this.#came - before : undefined;
  }

  /** Gives back the file's handles. */
  close(): Promise<void> {
    return this.#file.close();
  }

  /** Fetches what is not there; what another read is fetching is waited for. */
  async #ensure(ranges: readonly ByteRange[]): Promise<void> {
    const { size } = this.#options.file;
    const wanted = ranges.filter(({ length }) => length > 0).map(({ offset, length }): Span => [
      Math.floor(offset / GRAIN) * GRAIN,
      Math.min(size, Math.ceil((offset + length) / GRAIN) * GRAIN),
    ]);
    const overlaps = ([start, end]: Span): boolean => wanted.some((span) => span[0] < end && start < span[1]);
    // A read that this one waits for may fail for its own reasons: what it leaves is then fetched here.
    for (let missing = this.#missing(wanted); missing.length > 0; missing = this.#missing(wanted)) {
      const others = this.#coming.filter(({ span }) => overlaps(span)).map(({ done }) => done.catch(() => {}));
      const free = missing.flatMap((span) => this.#unclaimed(span));
      if (free.length > 0) await this.#fetch(free);
      await Promise.all(others);
    }
  }

  #missing(wanted: readonly Span[]): Span[] {
    return wanted.flatMap((span) => missingSpans(this.#file.spans, span));
  }

  #unclaimed(span: Span): Span[] {
    return this.#coming.reduce(
      (rest, { span: [start, end] }) => rest.flatMap((piece) => missingSpans([[start, end]], piece)),
      [span],
    );
  }

  async #fetch(spans: readonly Span[]): Promise<void> {
    const { meter, file: { path } } = this.#options;
    const { promise: done, resolve } = Promise.withResolvers<void>();
    const claims = spans.map((span) => ({ span, done }));
    this.#coming.push(...claims);
    const track = meter(path, spans.reduce((sum, [start, end]) => sum + end - start, 0));
    const filled = spans.map((): number => 0);
    try {
      await settleAll(
        spans.map((span, i) => this.#gate(() => this.#fetchSpan(span, track, (count) => filled[i] = count))),
      );
    } finally {
      try {
        await this.#keep(spans.map(([start], i): Span => [start, start + filled[i]]));
      } finally {
        track.end();
        this.#coming = this.#coming.filter((claim) => !claims.includes(claim));
        resolve();
      }
    }
  }

  async #keep(spans: readonly Span[]): Promise<void> {
    const came = spans.filter(([start, end]) => end > start);
    // Not cut off by closing: these bytes have been paid for.
    if (came.length > 0) await this.#file.keep(came, new AbortController().signal);
  }

  async #fetchSpan([start, end]: Span, track: DownloadTrack, report: (filled: number) => void): Promise<void> {
    const { requests, directory } = this.#options;
    const { file: { location } } = this.#options;
    let at = start;
    await requests.run(location, async (watch) => {
      if (watch.number > 0) this.#fresh = undefined;
      const file = await this.#address(watch.number);
      const response = await this.#open(file, { start: at, end: end - 1 }, watch);
      const began = at;
      for await (const bytes of response.body ?? []) {
        watch.tick();
        if (bytes.length > end - at) {
          report(began - start); // none of this answer is to be trusted
          throw badRange(location, response, `bytes=${began}-${end - 1}`, "more bytes");
        }
        await writing(directory, () => this.#file.write(at, bytes));
        at += bytes.length;
        this.#came += bytes.length;
        report(at - start);
        track.add(bytes.length);
        watch.reached(at);
      }
      if (at < end) throw shortBody(location, at - start, end - start);
    });
  }

  async #open(file: RemoteFile, range: { start: number; end: number }, watch: Try): Promise<Response> {
    const { requests, wanted } = this.#options;
    const response = await requests.open(wanted, file, range, watch, this.#storageEtag);
    if (response.status === 200) {
      await response.body?.cancel();
      throw new NoRanges(`Cannot read ${file.path} in parts: the server sends whole files only`);
    }
    const etag = response.headers.get("etag");
    // A weak ETag never matches.
    if (etag !== null && !etag.startsWith("W/")) {
      const before = this.#storageEtag;
      if (before !== undefined && before !== etag) {
        throw changedEtag(file.location, before, etag);
      }
      this.#storageEtag = etag;
    }
    return response;
  }

  /** The file's address, asked for again where it may not be good any more. */
  #address(tries: number): Promise<RemoteFile> {
    if (tries === 0 && !this.#options.isRemembered) return Promise.resolve(this.#options.file);
    const asking = this.#fresh ??= this.#refresh();
    asking.catch(() => this.#fresh = undefined);
    return asking;
  }

  async #refresh(): Promise<RemoteFile> {
    const { requests, wanted, file } = this.#options;
    const now = await requests.metadata({ ...wanted, path: file.path });
    if (now.etag !== file.etag) throw changedEtag(now.location, file.etag, now.etag);
    return now;
  }
}

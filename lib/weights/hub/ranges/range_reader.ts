import { makeGate, settleAll } from "../../../concurrency.ts";
import { badRange, changedEtag, passingChunks, shortBody } from "../../http/answers.ts";
import { batchParts, type ByteRange, joinParts } from "../../files/ranges.ts";
import type { ReadCost } from "../../files/file_source.ts";
import type { RemoteFile, Wanted } from "../requests/answers.ts";
import type { DownloadTrack, ProgressMeter } from "../progress.ts";
import type { RangeStore } from "./range_store.ts";
import { addSpan, missingSpans, type Span } from "./spans.ts";
import type { AskedRange, HubRequests } from "../requests/requests.ts";
import type { Try } from "../../http/retry.ts";

/** How a file is cut into requests, in bytes. */
export interface Cuts {
  /** Downloading and keeping this many bytes costs less than one more request. */
  readonly maxGap: number;
  /** Parts begin and end at multiples of this: a file's header comes with its first bytes. */
  readonly grain: number;
  /** A longer part is more than one request, and what came is kept as often. */
  readonly longest: number;
}

/** What suits a disk, whose files are written in place. */
export const DISK_CUTS: Cuts = { maxGap: 256 * 2 ** 10, grain: 64 * 2 ** 10, longest: Infinity };
const CONCURRENCY = 6;

/** The server sends whole files only. */
export class NoRanges extends Error {}

/** Another part failed, or nobody wants this any more: why is said there. */
class Stopped extends Error {}

/** What is read in parts, and where they are kept. */
export interface RangeReaderOptions {
  readonly requests: HubRequests;
  readonly wanted: Wanted;
  readonly file: RemoteFile & { readonly size: number };
  /** What the hub said of the file before: it is asked where it is before anything is fetched. */
  readonly isRemembered: boolean;
  /** Asks the hub where the file's bytes are now. */
  readonly locate: () => Promise<RemoteFile>;
  readonly store: RangeStore;
  readonly cuts: Cuts;
  readonly meter: ProgressMeter;
}

/** Reads parts of a file of the hub, each fetched once and kept in a store. */
export class RangeReader {
  #options: RangeReaderOptions;
  #gate = makeGate(CONCURRENCY);
  /** As the storage gives it, which may be another than the hub's. */
  #storageEtag: string | undefined;
  #fresh: Promise<RemoteFile> | undefined;
  /** Bytes over the network. */
  #came = 0;
  #coming: { readonly span: Span; readonly done: Promise<void> }[] = [];

  /** Nothing is asked for yet; the reader closes the store. */
  constructor(options: RangeReaderOptions) {
    this.#options = options;
  }

  /** Of the file in bytes. */
  get size(): number {
    return this.#options.file.size;
  }

  /** Whether all of the file is there. */
  get isComplete(): boolean {
    return this.#missing([[0, this.size]]).length === 0;
  }

  /** Fills `into` from `offset`; throws `NoRanges` if the server sends whole files only. */
  async read(offset: number, into: Uint8Array): Promise<void> {
    const { store } = this.#options;
    do await this.#ensure([{ offset, length: into.length }]); while (!await store.read(offset, into));
  }

  /** Reads many parts, one after another into `into`. */
  async readParts(parts: readonly ByteRange[], into: Uint8Array): Promise<void> {
    const { store, cuts: { maxGap } } = this.#options;
    do await this.#ensure(joinParts(parts, maxGap)); while (!await store.readParts(parts, into));
  }

  /** What reading parts would fetch, with what surrounds them. */
  cost(parts: readonly ByteRange[]): ReadCost {
    const lengthOf = (spans: readonly Span[]): number => spans.reduce((sum, [start, end]) => sum + end - start, 0);
    const wanted = this.#spansOf(joinParts(parts, this.#options.cuts.maxGap));
    const missing = lengthOf(this.#missing(wanted));
    return { missing, there: lengthOf(wanted) - missing };
  }

  /** Fetches parts of which many or all will be read. */
  async fetch(parts: readonly ByteRange[], signal?: AbortSignal): Promise<void> {
    await this.#ensure(joinParts(parts, this.#options.cuts.maxGap), signal);
  }

  /** Fetches all that is missing; returns how many bytes came. */
  async complete(): Promise<number> {
    const before = this.#came;
    await this.#ensure([{ offset: 0, length: this.size }]);
    return this.#came - before;
  }

  /** Gives back the file's handles. */
  close(): Promise<void> {
    return this.#options.store.close();
  }

  /** Fetches what is not there; what another read is fetching is waited for. */
  async #ensure(ranges: readonly ByteRange[], signal?: AbortSignal): Promise<void> {
    const wanted = this.#spansOf(ranges);
    const overlaps = ([start, end]: Span): boolean => wanted.some((span) => span[0] < end && start < span[1]);
    // A read that this one waits for may fail for its own reasons: what it leaves is then fetched here.
    for (let missing = this.#missing(wanted); missing.length > 0; missing = this.#missing(wanted)) {
      const others = this.#coming.filter(({ span }) => overlaps(span)).map(({ done }) => done.catch(() => {}));
      const free = missing.flatMap((span) => this.#unclaimed(span));
      if (free.length > 0) await this.#fetch(free, signal);
      await Promise.all(others);
    }
  }

  /** The spans that are fetched for ranges, ascending and apart. */
  #spansOf(ranges: readonly ByteRange[]): Span[] {
    const { cuts: { grain } } = this.#options;
    return ranges.filter(({ length }) => length > 0).map(({ offset, length }): Span => [
      Math.floor(offset / grain) * grain,
      Math.min(this.size, Math.ceil((offset + length) / grain) * grain),
    ]).reduce(addSpan, [] as Span[]);
  }

  #missing(wanted: readonly Span[]): Span[] {
    return wanted.flatMap((span) => missingSpans(this.#options.store.spans, span));
  }

  #unclaimed(span: Span): Span[] {
    return this.#coming.reduce(
      (rest, { span: [start, end] }) => rest.flatMap((piece) => missingSpans([[start, end]], piece)),
      [span],
    );
  }

  /** The first failure, or the signal, ends all of it: what came is kept. */
  async #fetch(missing: readonly Span[], signal?: AbortSignal): Promise<void> {
    const { meter, file: { path }, cuts: { longest } } = this.#options;
    const batches = batchSpans(missing, longest);
    const { promise: done, resolve } = Promise.withResolvers<void>();
    const claims = batches.flat().map((span) => ({ span, done }));
    this.#coming.push(...claims);
    const track = meter(path, missing.reduce((sum, [start, end]) => sum + end - start, 0));
    const stop = new AbortController();
    const cancel = (): void => stop.abort(signal!.reason);
    if (signal?.aborted) cancel();
    signal?.addEventListener("abort", cancel);
    try {
      await settleAll(batches.map((batch) => this.#fetchBatch(batch, track, stop)));
    } catch (error) {
      throw stop.signal.aborted ? stop.signal.reason : error;
    } finally {
      signal?.removeEventListener("abort", cancel);
      track.end();
      this.#coming = this.#coming.filter((claim) => !claims.includes(claim));
      resolve();
    }
  }

  /** What came is kept, be it not all. */
  async #fetchBatch(spans: readonly Span[], track: DownloadTrack, stop: AbortController): Promise<void> {
    const filled = spans.map((): number => 0);
    const fill = async (span: Span, i: number): Promise<void> => {
      try {
        await this.#fillSpan(span, track, (count) => filled[i] = count, stop.signal);
      } catch (error) {
        stop.abort(error); // the first reason stays
        throw error;
      }
    };
    try {
      await settleAll(spans.map((span, i) => this.#gate(() => fill(span, i))));
    } finally {
      const came = spans.map(([start], i): Span => [start, start + filled[i]]).filter(([start, end]) => end > start);
      // Not cut off by closing: these bytes have been paid for.
      if (came.length > 0) await this.#options.store.keep(came, new AbortController().signal);
    }
  }

  async #fillSpan(
    [start, end]: Span,
    track: DownloadTrack,
    report: (filled: number) => void,
    stop: AbortSignal,
  ): Promise<void> {
    const { requests, store, file: { location } } = this.#options;
    const isAll = start === 0 && end === this.size;
    let at = start;
    await requests.run(location, async (watch) => {
      if (stop.aborted) throw new Stopped();
      if (watch.number > 0) this.#fresh = undefined;
      const file = await this.#address(watch.number);
      // A whole file needs no range, which servers may not know of small ones.
      const response = await this.#open(file, isAll && at === 0 ? undefined : { start: at, end: end - 1 }, watch);
      if (response.status === 200) {
        if (!isAll) {
          await response.body?.cancel();
          throw new NoRanges(`Cannot read ${file.path} in parts: the server sends whole files only`);
        }
        track.skip(start - at);
        at = start;
      }
      const began = at;
      for await (const bytes of passingChunks(response)) {
        watch.tick();
        if (stop.aborted) throw new Stopped();
        if (bytes.length > end - at) {
          report(began - start); // none of this answer is to be trusted
          throw badRange(location, response, `bytes=${began}-${end - 1}`, "more bytes");
        }
        await store.write(at, bytes, [start, end]);
        at += bytes.length;
        this.#came += bytes.length;
        report(at - start);
        track.add(bytes.length);
        watch.reached(at);
      }
      if (at < end) throw shortBody(location, at - start, end - start);
    });
  }

  async #open(file: RemoteFile, range: AskedRange | undefined, watch: Try): Promise<Response> {
    const { requests, wanted } = this.#options;
    const response = await requests.open(wanted, file, range, watch, this.#storageEtag);
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
    const { locate, file } = this.#options;
    const now = await locate();
    if (now.etag !== file.etag) throw changedEtag(now.location, file.etag, now.etag);
    return now;
  }
}

/** Batches of at most so many bytes. */
function batchSpans(spans: readonly Span[], most: number): Span[][] {
  const parts = spans.map(([start, end]) => ({ offset: start, length: end - start }));
  return [...batchParts(parts, most)].map((batch) =>
    batch.map(({ offset, length }): Span => [offset, offset + length])
  );
}

import { BadResource, NotFound } from "../../platform/errors.ts";
import { fileSystem } from "../../platform/files.ts";
import { cached, makeGate, settleAll } from "../../concurrency.ts";
import { sha256 } from "../files/hash.ts";
import { openLocalSource } from "../files/local.ts";
import { type ByteRange, checkParts, checkRange, destinationFor } from "../files/ranges.ts";
import type { FileSource } from "../files/file_source.ts";
import { checkWholeSize, MAX_TEXT_BYTES } from "../files/text.ts";
import type { RemoteFile } from "./requests/answers.ts";
import { statIfThere } from "./cache/disk.ts";
import { findHashError, isHash } from "./cache/content_hash.ts";
import { downloadBlob } from "./cache/download.ts";
import type { DownloadedFile, HubOptions, HubSource } from "./repository.ts";
import { PARTIAL_ENDING, rangesDirectory } from "./cache/layout.ts";
import { withFileLock } from "./cache/lock.ts";
import { type HubFile, listLocal, listRemote } from "./requests/listing.ts";
import { checkHubPath, formatHubName } from "./names.ts";
import { type Place, Places } from "./requests/places.ts";
import { makeProgressMeter, type ProgressMeter } from "./progress.ts";
import { hasRanges, moveToBlob, RangeFile } from "./ranges/range_file.ts";
import { DISK_CUTS, NoRanges, RangeReader } from "./ranges/range_reader.ts";
import { remember, type RememberedFile } from "./requests/remembered.ts";
import { HubRequests } from "./requests/requests.ts";
import { type HubSettings, readToken } from "./settings.ts";
import { Snapshots } from "./cache/snapshots.ts";

/** Downloads at a time. */
const CONCURRENCY = 4;
const WHOLE_BELOW = 2 ** 20;

/** The options of `openHub` with nothing left out that matters. */
export type HubSourceOptions = HubOptions & HubSettings & { readonly revision: string };

/** What `openHub` returns. */
export class HubFileSource implements HubSource {
  readonly repo: string;
  readonly location: string;
  #options: HubSourceOptions;
  #requests: HubRequests;
  #snapshots: Snapshots;
  #places: Places;
  #meter: ProgressMeter;
  #local: FileSource | undefined;
  /** Files that can be read at once. */
  #ready = new Set<string>();
  #downloads = new Map<string, Promise<DownloadedFile>>();
  #readers = new Map<string, Promise<RangeReader>>();
  #gate = makeGate(CONCURRENCY);
  #closed = false;

  /** Nothing is asked for yet. */
  constructor(options: HubSourceOptions) {
    const { repo, revision, path } = options;
    this.#options = options;
    this.repo = repo;
    this.location = formatHubName({ repo, revision, path });
    this.#requests = new HubRequests({ ...options, token: () => readToken(options) });
    this.#snapshots = new Snapshots(options.cacheDirectory, repo, options.symlinks);
    this.#places = new Places({ ...options, settings: options, requests: this.#requests, snapshots: this.#snapshots });
    this.#meter = makeProgressMeter(options.onProgress ?? ((): void => {}));
  }

  get revision(): string | undefined {
    return this.#places.commit;
  }

  async size(path: string): Promise<number | undefined> {
    const full = this.#full(path);
    const place = await this.#places.find(full);
    if (place === undefined) return undefined;
    if (place.kind === "cached") return place.size;
    return place.file.size ?? (await this.#download(full)).size;
  }

  // Async, yet a file that is at hand is handed to the system before the call returns: see openLocalSource.
  async read(path: string, offset: number, length: number, into?: Uint8Array): Promise<Uint8Array> {
    const full = this.#full(path);
    if (this.#ready.has(full)) return await this.#local!.read(full, offset, length, into);
    const reader = await this.#prepare(full);
    if (reader === undefined) return await this.#local!.read(full, offset, length, into);
    checkRange(path, offset, length, reader.size);
    const destination = destinationFor(path, length, into);
    return await this.#orWhole(
      full,
      async () => (await reader.read(offset, destination), destination),
      (local) => local.read(full, offset, length, into),
    );
  }

  async readParts(path: string, parts: readonly ByteRange[], into: Uint8Array): Promise<void> {
    const full = this.#full(path);
    const reader = this.#ready.has(full) ? undefined : await this.#prepare(full);
    if (reader === undefined) return await this.#local!.readParts!(full, parts, into);
    checkParts(path, parts, reader.size, into);
    await this.#orWhole(full, () => reader.readParts(parts, into), (local) => local.readParts!(full, parts, into));
  }

  async readText(path: string, maxBytes: number = MAX_TEXT_BYTES): Promise<string> {
    const full = this.#full(path);
    if (!this.#ready.has(full)) {
      const place = await this.#find(full);
      checkWholeSize(path, (place.kind === "cached" ? place.size : place.file.size) ?? 0, maxBytes);
      await this.#makeReady(full, maxBytes);
    }
    return await this.#local!.readText(full, maxBytes);
  }

  async list(): Promise<HubFile[]> {
    const { revision, offline, path } = this.#options;
    const prefix = path === undefined ? "" : `${path}/`;
    const files = offline ? await this.#listCached() : await this.#listHub(this.revision ?? revision);
    return files.filter((file) => file.path.startsWith(prefix)).map(({ path, size }) => ({
      path: path.slice(prefix.length),
      size,
    }));
  }

  async download(path: string): Promise<DownloadedFile> {
    return await this.#download(this.#full(path));
  }

  async sha256(path: string): Promise<string | undefined> {
    const full = this.#full(path);
    const place = await this.#find(full);
    if (place.kind === "remote" && this.#places.unreachable !== undefined) return undefined;
    await this.#makeReady(full);
    const commit = this.#places.commit!;
    const etag = await this.#snapshots.etag(commit, full);
    const wrong = etag === undefined ? undefined : await findHashError(this.#snapshots.path(commit, full), etag);
    if (wrong !== undefined) {
      const what = `Cannot trust ${full} of ${this.repo} in the cache`;
      throw new Error(`${what}: ${wrong}; remove the repository from the cache and run again`);
    }
    return await sha256(this.#local!, full);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#requests.close();
    await Promise.allSettled(this.#downloads.values());
    const readers = await Promise.allSettled(this.#readers.values());
    await settleAll(
      readers.map(async (reader) => reader.status === "fulfilled" ? await reader.value.close() : undefined),
    );
    await this.#local?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The path in the repository. */
  #full(path: string): string {
    checkHubPath(path);
    if (this.#closed) throw new BadResource(`Cannot read ${path}: the source ${this.location} is closed`);
    return this.#options.path === undefined ? path : `${this.#options.path}/${path}`;
  }

  async #find(full: string): Promise<Place> {
    const place = await this.#places.find(full);
    if (place !== undefined) return place;
    const { unreachable } = this.#places;
    const name = formatHubName({ repo: this.repo, revision: this.#options.revision, path: full });
    const why = unreachable === undefined ? "no such file" : `it is not in the cache, and ${unreachable}`;
    throw new NotFound(`Cannot read ${name}: ${why}`);
  }

  /** Gets a file ready to be read from the cache, or returns what reads its parts. */
  async #prepare(full: string): Promise<RangeReader | undefined> {
    const place = await this.#find(full);
    if (place.kind === "remote" && this.#options.weights === "ranges") {
      const { file } = place;
      const isLarge = (file.size ?? 0) > (this.#options.wholeBelow ?? WHOLE_BELOW);
      if (hasSize(file) && isLarge && !await statIfThere(this.#snapshots.blob(file.etag))) {
        return await this.#reader(full, file, place.isRemembered);
      }
    }
    await this.#makeReady(full);
  }

  /** Reads in parts, or, where the server does not send any, downloads the file and reads there. */
  async #orWhole<T>(full: string, parts: () => Promise<T>, whole: (local: FileSource) => Promise<T>): Promise<T> {
    try {
      return await parts();
    } catch (error) {
      if (!(error instanceof NoRanges)) throw error;
      await this.#makeReady(full);
      return await whole(this.#local!);
    }
  }

  #reader(full: string, file: RememberedFile, isRemembered: boolean): Promise<RangeReader> {
    return cached(this.#readers, full, () => this.#openReader(file, isRemembered));
  }

  async #openReader(file: RememberedFile, isRemembered: boolean): Promise<RangeReader> {
    const { repo, rangesDirectory: root } = this.#options;
    if (!isRemembered) await remember(root, repo, file);
    const directory = await rangesDirectory(root, repo, file.path, file.etag);
    const wanted = { repo, revision: file.commit };
    const [requests, meter] = [this.#requests, this.#meter];
    const store = await RangeFile.open(directory, { ...file, repo });
    const locate = (): Promise<RemoteFile> => requests.metadata({ ...wanted, path: file.path });
    return new RangeReader({ requests, wanted, file, isRemembered, locate, store, cuts: DISK_CUTS, meter });
  }

  async #makeReady(full: string, maxBytes?: number): Promise<void> {
    await this.#download(full, maxBytes);
    this.#local ??= openLocalSource(this.#snapshots.directory(this.#places.commit!));
    this.#ready.add(full);
  }

  #download(full: string, maxBytes?: number): Promise<DownloadedFile> {
    return cached(this.#downloads, full, () => this.#gate(() => this.#downloadNow(full, maxBytes)));
  }

  async #downloadNow(full: string, maxBytes: number | undefined): Promise<DownloadedFile> {
    const place = await this.#find(full);
    if (place.kind === "cached") {
      return { path: this.#snapshots.path(place.commit, full), size: place.size, came: 0 };
    }
    const { file } = place;
    const lock = this.#snapshots.lock(file.etag);
    const came = await withFileLock(lock, this.#requests.signal, () => this.#downloadLocked(full, file, maxBytes));
    this.#places.forget(full);
    const path = this.#snapshots.path(file.commit, full);
    return { path, size: (await fileSystem.stat(path)).size, came };
  }

  async #downloadLocked(full: string, file: RemoteFile, maxBytes: number | undefined): Promise<number> {
    const { repo, revision, freeSpace } = this.#options;
    if (await this.#snapshots.size(file.commit, full) !== undefined) return 0; // another process was faster
    const [requests, meter, blob] = [this.#requests, this.#meter, this.#snapshots.blob(file.etag)];
    const wanted = { repo, revision: file.commit };
    const came = await statIfThere(blob) ? 0 : await this.#completeParts(full, file, blob) ??
      await downloadBlob({ requests, wanted, file, blob, meter, freeSpace, maxBytes });
    await this.#snapshots.add(file.commit, revision, full, file.etag);
    return came;
  }

  /** What has been read in parts is not downloaded again; undefined: there is nothing of use. */
  async #completeParts(full: string, file: RemoteFile, blob: string): Promise<number | undefined> {
    const directory = await rangesDirectory(this.#options.rangesDirectory, this.repo, full, file.etag);
    if (!hasSize(file) || !isHash(file.etag) || !await hasRanges(directory)) return undefined;
    if (await statIfThere(blob + PARTIAL_ENDING)) return undefined; // this has been begun
    const wasRead = this.#readers.has(full);
    let came: number;
    try {
      came = await (await this.#reader(full, file, true)).complete();
    } catch (error) {
      if (error instanceof NoRanges) return undefined;
      throw error;
    }
    if (await moveToBlob(directory, blob, file.etag)) return came;
    if (!wasRead) return undefined;
    const what = `Cannot trust the parts of ${full} of ${this.repo} that were read`;
    throw new Error(`${what}: the whole does not have the hub's hash; they are thrown away, run again`);
  }

  async #listCached(): Promise<HubFile[]> {
    const commit = await this.#places.pinToCache();
    if (commit === undefined || !await this.#snapshots.hasCommit(commit)) {
      throw new NotFound(`Cannot list ${this.location}: it is not in the cache, and HF_HUB_OFFLINE is set`);
    }
    return await listLocal(this.#snapshots.directory(commit));
  }

  async #listHub(revision: string): Promise<readonly HubFile[]> {
    const { commit, files } = await listRemote(this.#requests, this.repo, revision);
    this.#places.pin(commit);
    return files;
  }
}

function hasSize(file: RemoteFile): file is RememberedFile {
  return file.size !== undefined;
}

import { cached } from "../../../concurrency.ts";
import { BadResource } from "../../../platform/errors.ts";
import { makeHash } from "../../../platform/hash.ts";
import type { ByteStorage } from "../../../platform/storage.ts";
import type { ReadCost } from "../../files/file_source.ts";
import { type ByteRange, checkParts, checkRange, destinationFor } from "../../files/ranges.ts";
import { checkWholeSize, decodeText, MAX_TEXT_BYTES } from "../../files/text.ts";
import { checkHubPath, formatHubName } from "../names.ts";
import { makeProgressMeter, type ProgressMeter } from "../progress.ts";
import { type Cuts, RangeReader } from "../ranges/range_reader.ts";
import type { DownloadedFile, HubOptions, HubSource } from "../repository.ts";
import type { HubFile } from "../requests/listing.ts";
import type { RemoteFile } from "../requests/answers.ts";
import { HubRequests } from "../requests/requests.ts";
import { type HubSettings, readToken } from "../settings.ts";
import { KeptParts } from "./kept_parts.ts";
import { type KnownFile, KnownFiles } from "./known_files.ts";

/** The options of a page's source with nothing left out that matters. */
export type PageSourceOptions = Omit<HubOptions, "storage"> & HubSettings & {
  readonly revision: string;
  /** Where parts of files, and lists of files, are kept. */
  readonly storage: Promise<ByteStorage>;
};

/**
 * Rows that are wanted lie apart: what lies between them is fetched where that is little. Every part is a file, and
 * opening hundreds of small ones takes a browser longer than reading them.
 */
const ROWS: Cuts = { maxGap: 32 * 2 ** 10, grain: 4 * 2 ** 10, longest: 4 * 2 ** 20 };
const WHOLE_BELOW = 2 ** 20;
const BLOCK = 4 * 2 ** 20;

/**
 * A repository of the hub by the rules that a browser has for pages: one list of files with sizes and hashes from the
 * API, and then bytes, in ranges, each fetched once and kept. Small files are fetched whole and have the hash that the
 * list says, as has a large one once all of it is there; a part of a large one has the right length, and no more can
 * be known of it.
 */
export class PageHubSource implements HubSource {
  readonly repo: string;
  readonly location: string;
  readonly #options: PageSourceOptions;
  readonly #requests: HubRequests;
  readonly #known: KnownFiles;
  readonly #meter: ProgressMeter;
  readonly #files = new Map<string, Promise<PageFile>>();
  #closed = false;

  /** Nothing is asked for yet. */
  constructor(options: PageSourceOptions) {
    const { repo, revision, path } = options;
    this.#options = options;
    this.repo = repo;
    this.location = formatHubName({ repo, revision, path });
    this.#requests = new HubRequests({ ...options, token: () => readToken(options), isPlain: true });
    this.#known = new KnownFiles({ ...options, requests: this.#requests });
    this.#meter = makeProgressMeter(options.onProgress ?? ((): void => {}));
  }

  get revision(): string | undefined {
    return this.#known.commit;
  }

  async size(path: string): Promise<number | undefined> {
    return (await this.#known.find(this.#full(path)))?.size;
  }

  async read(path: string, offset: number, length: number, into?: Uint8Array): Promise<Uint8Array> {
    const file = await this.#open(path);
    checkRange(path, offset, length, file.size);
    const destination = destinationFor(path, length, into);
    await this.#checked(path, file, () => file.reader.read(offset, destination));
    return destination;
  }

  async readParts(path: string, parts: readonly ByteRange[], into: Uint8Array): Promise<void> {
    const file = await this.#open(path);
    checkParts(path, parts, file.size, into);
    await this.#checked(path, file, () => file.reader.readParts(parts, into));
  }

  async cost(path: string, parts: readonly ByteRange[]): Promise<ReadCost> {
    return (await this.#open(path)).reader.cost(parts);
  }

  async fetch(path: string, parts: readonly ByteRange[], signal?: AbortSignal): Promise<void> {
    const file = await this.#open(path);
    await this.#checked(path, file, () => file.reader.fetch(parts, signal));
  }

  async readText(path: string, maxBytes: number = MAX_TEXT_BYTES): Promise<string> {
    const { size } = await this.#open(path);
    checkWholeSize(path, size, maxBytes);
    return decodeText(path, await this.read(path, 0, size));
  }

  async list(): Promise<HubFile[]> {
    const { path } = this.#options;
    const prefix = path === undefined ? "" : `${path}/`;
    const files = await this.#known.all();
    return files.filter((file) => file.path.startsWith(prefix))
      .map((file) => ({ ...file, path: file.path.slice(prefix.length) }));
  }

  async download(path: string): Promise<DownloadedFile> {
    const file = await this.#open(path);
    let came = 0;
    await this.#checked(path, file, async () => void (came = await file.reader.complete()));
    return { path: file.key, size: file.size, came };
  }

  /** Undefined also where not all of the file is there: a page fetches nothing for its hash. */
  async sha256(path: string): Promise<string | undefined> {
    const file = await this.#open(path);
    if (file.isSmall) await this.download(path);
    if (!file.reader.isComplete) return undefined;
    await this.#checked(path, file, () => Promise.resolve());
    return await hashOf(file, "sha256");
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#requests.close();
    const files = await Promise.allSettled(this.#files.values());
    for (const file of files) if (file.status === "fulfilled") await file.value.reader.close();
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

  #open(path: string): Promise<PageFile> {
    const full = this.#full(path);
    return cached(this.#files, full, () => this.#openNow(full));
  }

  async #openNow(full: string): Promise<PageFile> {
    const known = await this.#known.need(full);
    const { hash, size } = known;
    const [requests, meter, storage] = [this.#requests, this.#meter, await this.#options.storage];
    const key = `${this.repo}@${hash}/${full}`;
    const wanted = { repo: this.repo, revision: this.#known.commit!, path: full };
    const file = { path: full, commit: wanted.revision, etag: hash, size, location: requests.resolveUrl(wanted) };
    // What is in git itself is small, and the hub's own.
    const isOwn = hash.length === 40;
    const locate = async (): Promise<RemoteFile> => ({ ...file, location: await requests.locate(wanted) });
    const isSmall = isOwn || size <= (this.#options.wholeBelow ?? WHOLE_BELOW);
    const cuts = isSmall ? { maxGap: 0, grain: Math.max(1, size), longest: Infinity } : ROWS;
    const reader = new RangeReader({
      requests,
      wanted,
      file,
      isRemembered: !isOwn,
      locate: isOwn ? () => Promise.resolve(file) : locate,
      store: await KeptParts.open(storage, key),
      cuts,
      meter,
    });
    return { ...known, key, isSmall, reader, checked: undefined };
  }

  /** Reads, and checks the hash once all of the file is there: what is wrong is thrown away. */
  async #checked(path: string, file: PageFile, read: () => Promise<void>): Promise<void> {
    await read();
    if (!file.reader.isComplete) return;
    file.checked ??= this.#check(file);
    if (await file.checked) return;
    this.#files.delete(this.#full(path));
    const what = `Cannot trust ${file.path} of ${this.repo}: the whole has not the hash that the hub has listed`;
    throw new Error(`${what} (${file.hash}); it is thrown away, run again`);
  }

  /** A large file that was right once is not hashed again, so that a visit does not begin with that. */
  async #check(file: PageFile): Promise<boolean> {
    const storage = await this.#options.storage;
    const mark = `${file.key}#checked`;
    if (!file.isSmall && await storage.get(mark) !== undefined) return true;
    const isRight = await hashOf(file, file.hash.length === 40 ? "sha1" : "sha256") === file.hash;
    if (!isRight) await storage.clear(`${file.key}#`);
    else if (!file.isSmall) await storage.put(mark, []);
    return isRight;
  }
}

interface PageFile extends KnownFile {
  readonly key: string;
  readonly isSmall: boolean;
  readonly reader: RangeReader;
  /** Whether the whole has the hash that it should have. */
  checked: Promise<boolean> | undefined;
}

/** As the hub makes it: git's SHA-1, or SHA-256. */
async function hashOf({ reader, size }: PageFile, algorithm: "sha1" | "sha256"): Promise<string> {
  const hash = await makeHash(algorithm);
  if (algorithm === "sha1") hash.update(`blob ${size}\0`);
  const buffer = new Uint8Array(Math.min(size, BLOCK));
  for (let offset = 0; offset < size; offset += BLOCK) {
    const block = buffer.subarray(0, Math.min(BLOCK, size - offset));
    await reader.read(offset, block);
    hash.update(block);
  }
  return hash.digest("hex");
}

import { NotFound } from "../../platform/errors.ts";
import { cached, makeGate, settleAll } from "../../concurrency.ts";
import { noRanges } from "./answers.ts";
import { type HttpOptions, HttpRequests } from "./requests.ts";
import { checkPath, shownName } from "../files/places.ts";
import { type ByteRange, checkParts, checkRange, destinationFor, joinParts, scatterBlock } from "../files/ranges.ts";
import type { FileSource } from "../files/file_source.ts";
import { checkWholeSize, decodeText, MAX_TEXT_BYTES } from "../files/text.ts";

export type { HttpOptions } from "./requests.ts";

/** Downloading and dropping this many bytes costs less than one more request. */
const MAX_GAP = 256 * 2 ** 10;
/** A server without range requests may send files up to this size whole; they are kept, the latest up to a sum. */
const MAX_WHOLE_BYTES = 64 * 2 ** 20;
const MAX_KEPT_BYTES = 256 * 2 ** 20;
const CONCURRENCY = 6;

/** What the server's first answer said about a file; `ranges`: whether it answers range requests. */
interface RemoteFile {
  readonly size: number;
  readonly ranges: boolean;
}

/**
 * Opens a directory behind http(s), read with range requests, at most 6 at a time. Network errors, 429 and 5xx are
 * tried again three times; a file whose ETag or size changes in between is an error.
 */
export function openHttpSource(location: string | URL, options: HttpOptions = {}): FileSource {
  if (!URL.canParse(location)) throw new RangeError(`Cannot open ${shownName(location)}: it is not a URL`);
  const base = new URL(location);
  if (base.username === "" && base.password === "") return new HttpSource(base, options);
  const credentials = new TextEncoder().encode(`${decoded(base.username)}:${decoded(base.password)}`);
  base.username = base.password = "";
  const authorization = `Basic ${btoa(String.fromCharCode(...credentials))}`;
  return new HttpSource(base, { ...options, headers: { authorization, ...options.headers } });
}

/** As it was typed, where a % in it stands for itself. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

class HttpSource implements FileSource {
  readonly location: string;
  #base: URL;
  #requests: HttpRequests;
  #files = new Map<string, Promise<RemoteFile | undefined>>();
  #whole = new Map<string, Uint8Array>();
  #gate = makeGate(CONCURRENCY);

  constructor(base: URL, options: HttpOptions) {
    this.#base = base;
    this.location = shownName(base).replace(/(?<=[^/])\/+$/, "");
    this.#requests = new HttpRequests(options);
  }

  async size(path: string): Promise<number | undefined> {
    return (await this.#look(path))?.size;
  }

  async read(path: string, offset: number, length: number, into?: Uint8Array): Promise<Uint8Array> {
    const { size } = await this.#find(path);
    checkRange(path, offset, length, size);
    const destination = destinationFor(path, length, into);
    await this.#fill(path, offset, destination);
    return destination;
  }

  async readParts(path: string, parts: readonly ByteRange[], into: Uint8Array): Promise<void> {
    const { size } = await this.#find(path);
    checkParts(path, parts, size, into);
    // A gate of its own around buffer and request: the buffers exist only while their request runs.
    const gate = makeGate(CONCURRENCY);
    await settleAll(
      joinParts(parts, MAX_GAP).map((block) =>
        gate(async () => {
          if (block.whole) {
            return await this.#fill(
              path,
              block.offset,
              into.subarray(block.destination, block.destination + block.length),
            );
          }
          const bytes = new Uint8Array(block.length);
          await this.#fill(path, block.offset, bytes);
          scatterBlock(block, bytes, into);
        })
      ),
    );
  }

  async readText(path: string, maxBytes: number = MAX_TEXT_BYTES): Promise<string> {
    const url = this.#url(path);
    const kept = this.#whole.get(path);
    const bytes = kept ?? await this.#gate(() => this.#requests.getWhole(url, maxBytes));
    if (bytes === undefined) throw new NotFound(`Cannot read ${this.location}/${path}: no such file`);
    checkWholeSize(path, bytes.length, maxBytes);
    return decodeText(path, bytes);
  }

  close(): Promise<void> {
    this.#files.clear();
    this.#whole.clear();
    return this.#requests.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The directory's own query stays on every file's URL. */
  #url(path: string): URL {
    checkPath(path);
    const url = new URL(this.#base);
    url.hash = "";
    url.pathname = `${url.pathname.replace(/\/+$/, "")}/${path.split("/").map(encodeURIComponent).join("/")}`;
    return url;
  }

  /** Asked once a file, unless it fails. */
  #look(path: string): Promise<RemoteFile | undefined> {
    return cached(this.#files, path, () => this.#lookNow(path));
  }

  async #lookNow(path: string): Promise<RemoteFile | undefined> {
    const url = this.#url(path);
    const answer = await this.#gate(() => this.#requests.look(url, MAX_WHOLE_BYTES));
    if (answer?.whole) this.#keep(path, answer.whole);
    return answer && { size: answer.size, ranges: answer.ranges };
  }

  async #find(path: string): Promise<RemoteFile> {
    const file = await this.#look(path);
    if (!file) throw new NotFound(`Cannot read ${this.location}/${path}: no such file`);
    return file;
  }

  async #fill(path: string, offset: number, into: Uint8Array): Promise<void> {
    if (into.length === 0) return;
    const { size, ranges } = await this.#find(path);
    const url = this.#url(path);
    let whole = this.#whole.get(path);
    if (!whole) {
      if (!ranges && size > MAX_WHOLE_BYTES) throw noRanges(url, MAX_WHOLE_BYTES);
      whole = await this.#gate(() => this.#requests.fill(url, offset, into, size, MAX_WHOLE_BYTES));
      if (!whole) return;
      this.#keep(path, whole);
    }
    into.set(whole.subarray(offset, offset + into.length));
  }

  #keep(path: string, bytes: Uint8Array): void {
    this.#whole.set(path, bytes);
    let total = 0;
    for (const kept of this.#whole.values()) total += kept.length;
    for (const [oldest, kept] of this.#whole) {
      if (total <= MAX_KEPT_BYTES) break;
      this.#whole.delete(oldest);
      total -= kept.length;
    }
  }
}

import { quote } from "../../../quote.ts";
import { badRange, changed, changedEtag, collect, contentRange, shownUrl, TransientError } from "../../http/answers.ts";
import { shownName } from "../../files/places.ts";
import type { Watch } from "../../http/watch.ts";
import { parseJson } from "../../json/json.ts";
import {
  AnswerHeaders,
  HubError,
  hubFailure,
  normalizeEtag,
  readMetadata,
  type RemoteFile,
  type Wanted,
} from "./answers.ts";
import { type Patience, type Try, withRetries } from "../../http/retry.ts";

/** Whom to ask, and as whom. */
export interface RequestOptions extends Patience {
  readonly endpoint: string;
  /** Nothing is asked for: every request is an error. */
  readonly offline?: boolean;
  /** Asked for at the first request. */
  readonly token: () => Promise<string | undefined>;
  /**
   * Only what a browser lets a page do: redirects are followed unseen, and what may lead to another host has no header
   * of ours but `Range`, since a request that has to be asked for beforehand fails there.
   */
  readonly isPlain?: boolean;
}

/** A range of a file's bytes; `end` is the last byte, undefined: the file's. */
export interface AskedRange {
  readonly start: number;
  readonly end?: number;
}

const MAX_REDIRECTS = 10;
/** A list of 60,000 files. */
const MAX_JSON_BYTES = 16 * 2 ** 20;
const REDIRECTS = [301, 302, 303, 307, 308];

/** The last answer of a chain of redirects. */
interface Answer {
  readonly response: Response;
  readonly url: URL;
  /** Where it leads, if it is a redirect that was not followed. */
  readonly next: URL | undefined;
  readonly headers: AnswerHeaders;
  /** Whether every address so far was the hub's own. */
  readonly trusted: boolean;
}

/** Requests by the hub's protocol: redirects are looked at, and the token goes to the hub's own address alone. */
export class HubRequests {
  #endpoint: URL;
  #options: RequestOptions;
  #token: Promise<string | undefined> | undefined;
  #closing = new AbortController();
  #pending = new Set<Promise<unknown>>();

  /** Nothing is asked for yet. */
  constructor(options: RequestOptions) {
    if (!URL.canParse(options.endpoint) || !/^https?:/.test(options.endpoint)) {
      throw new RangeError(`HF_ENDPOINT is ${quote(shownName(options.endpoint))}: give an http(s) address`);
    }
    this.#endpoint = new URL(options.endpoint);
    this.#options = options;
  }

  /** Aborted by {@linkcode close}. */
  get signal(): AbortSignal {
    return this.#closing.signal;
  }

  /** The hub's host, for messages. */
  get host(): string {
    return this.#endpoint.host;
  }

  /** What the hub says of a file. Throws a `HubError` where it has none. */
  metadata(wanted: Wanted, patience?: Patience): Promise<RemoteFile> {
    const url = this.resolveUrl(wanted);
    return this.run(url, async (watch) => {
      // A redirect to another host that tells of the file is where the bytes are; another is a mirror's.
      const answer = await this.#send("HEAD", url, {}, watch, (headers) => headers.get("x-linked-etag") !== undefined);
      const { response, headers, next } = answer;
      if (next === undefined) await this.#check(wanted, answer);
      return readMetadata(wanted, headers, response, next ?? answer.url);
    }, patience);
  }

  /** Where a file's bytes are, found out by its first byte: the token goes to the hub, and no further. */
  locate(wanted: Required<Wanted>): Promise<URL> {
    const url = this.resolveUrl(wanted);
    return this.run(url, async (watch) => {
      const answer = await this.#send("GET", url, { range: "bytes=0-0" }, watch);
      await this.#check(wanted, answer);
      await answer.response.body?.cancel();
      return answer.url;
    });
  }

  /** The hub's own address for a file. */
  resolveUrl({ repo, revision, path = "" }: Wanted): URL {
    const parts = path.split("/").map(encodeURIComponent).join("/");
    return this.#url(`${repo}/resolve/${encodeURIComponent(revision)}/${parts}`);
  }

  /** A document of the hub's API. */
  json(
    wanted: Wanted,
    path: string,
    query: Readonly<Record<string, string>> = {},
    patience?: Patience,
  ): Promise<unknown> {
    const url = this.#url(`api/${path}`);
    url.search = String(new URLSearchParams(query));
    return this.run(url, async (watch) => {
      const answer = await this.#send("GET", url, {}, watch);
      await this.#check(wanted, answer);
      const bytes = await collect(url, answer.response, MAX_JSON_BYTES, watch);
      if (bytes === undefined) {
        throw new RangeError(`Cannot read ${shownUrl(url)}: the answer is longer than ${MAX_JSON_BYTES} bytes`);
      }
      return parseJson(new TextDecoder().decode(bytes), shownUrl(url));
    }, patience);
  }

  /**
   * The bytes of a file: an answer with status 206, or 200 where all was asked for or the server ignores ranges.
   * `ifMatch` is the ETag that the storage gave before, as it gave it.
   */
  async open(
    wanted: Wanted,
    file: RemoteFile,
    range: AskedRange | undefined,
    watch: Watch,
    ifMatch?: string,
  ): Promise<Response> {
    const asked = range && `bytes=${range.start}-${range.end ?? ""}`;
    const { isPlain = false } = this.#options;
    const headers = { ...(asked && { range: asked }), ...(ifMatch && !isPlain && { "if-match": ifMatch }) };
    const answer = await this.#send("GET", file.location, headers, watch);
    const { response, url, trusted } = answer;
    if (response.status === 412) throw changed(url, `its ETag is no more ${ifMatch?.slice(0, 80)}`);
    if (!trusted && response.status >= 400 && response.status < 500 && ![408, 416, 429].includes(response.status)) {
      // The storage's addresses are good for some time only: the next try asks the hub for a new one.
      throw new TransientError(`Cannot read ${shownUrl(url)}: HTTP ${response.status} ${response.statusText}`.trim());
    }
    if (response.status !== 416) await this.#check({ ...wanted, path: file.path }, answer);
    const etag = normalizeEtag(response.headers.get("etag"));
    if (trusted && etag !== undefined && etag !== file.etag) {
      throw changedEtag(url, file.etag, etag);
    }
    if (range === undefined && response.status === 200) return response;
    if (range !== undefined && [200, 206].includes(response.status)) {
      // A page may not be shown which range it is: then the number of bytes is all there is to check.
      const isHidden = isPlain && !response.headers.has("content-range");
      if (response.status === 206 && !isHidden) checkRangeAnswer(url, file, range, response, asked!);
      return response;
    }
    throw badRange(url, response, asked ?? "all of it");
  }

  /** Runs something with new tries; cut off by {@linkcode close}. */
  async run<T>(url: URL, attempt: (now: Try) => Promise<T>, patience: Patience = this.#options): Promise<T> {
    if (this.#options.offline) {
      const advice = "HF_HUB_OFFLINE is set; unset it, or download the file before with pull";
      throw new HubError(`Cannot read ${shownUrl(url)}: it is not in the cache, and ${advice}`, { status: 0 });
    }
    const running = withRetries(url, { ...this.#options, ...patience }, this.#closing.signal, attempt);
    this.#pending.add(running);
    try {
      return await running;
    } finally {
      this.#pending.delete(running);
    }
  }

  /** Cuts off what is under way, and waits for its end. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled(this.#pending);
  }

  #url(path: string): URL {
    const url = new URL(this.#endpoint);
    url.pathname = `${url.pathname.replace(/\/+$/, "")}/${path}`;
    return url;
  }

  #getToken(): Promise<string | undefined> {
    return this.#token ??= this.#options.token();
  }

  async #check(wanted: Wanted, { response, url }: Answer): Promise<void> {
    const failure = hubFailure(wanted, response, url, await this.#getToken() !== undefined);
    if (failure === undefined) return;
    await response.body?.cancel();
    throw failure;
  }

  /** One request, redirects followed unless they lead to another host and `isEnough` says so. */
  async #send(
    method: "GET" | "HEAD",
    start: URL,
    headers: Readonly<Record<string, string>>,
    { signal }: Watch,
    isEnough: (headers: AnswerHeaders) => boolean = () => false,
  ): Promise<Answer> {
    const seen = new AnswerHeaders();
    if (this.#options.isPlain) return await this.#sendPlain(start, headers, signal, seen);
    let url = start;
    let trusted = true;
    for (let count = 0; count <= MAX_REDIRECTS; count++) {
      trusted &&= url.origin === this.#endpoint.origin;
      const token = trusted ? await this.#getToken() : undefined;
      // Compressed, a size would not be the file's.
      const sent = { ...headers, "accept-encoding": "identity", ...(token && { authorization: `Bearer ${token}` }) };
      const response = await fetch(url, { method, headers: sent, redirect: "manual", signal });
      seen.add(response.headers);
      const next = REDIRECTS.includes(response.status) ? redirectTarget(url, response) : undefined;
      if (next === undefined) return { response, url, next, headers: seen, trusted };
      await response.body?.cancel();
      if (next.origin !== url.origin && isEnough(seen)) return { response, url, next, headers: seen, trusted };
      url = next;
    }
    throw new Error(`Cannot read ${shownUrl(start)}: more than ${MAX_REDIRECTS} redirects`);
  }

  /** The same by a browser's rules. The storage holds what has been read: the browser's own cache need not. */
  async #sendPlain(
    start: URL,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
    seen: AnswerHeaders,
  ): Promise<Answer> {
    const isOwn = (url: URL): boolean => url.origin === this.#endpoint.origin;
    const token = isOwn(start) ? await this.#getToken() : undefined;
    const sent = { ...headers, ...(token && { authorization: `Bearer ${token}` }) };
    const response = await fetch(start, { headers: sent, signal, cache: "no-store", credentials: "omit" });
    seen.add(response.headers);
    const url = new URL(response.url);
    return { response, url, next: undefined, headers: seen, trusted: isOwn(url) };
  }
}

function redirectTarget(url: URL, { headers }: Response): URL | undefined {
  const location = headers.get("location");
  if (location === null) return undefined;
  const fail = (what: string): Error => new Error(`Cannot read ${shownUrl(url)}: it leads to ${what}`);
  if (!URL.canParse(location, url)) throw fail("what is no address");
  const next = new URL(location, url);
  if (!/^https?:$/.test(next.protocol)) throw fail(`the protocol ${next.protocol}`);
  if (url.protocol === "https:" && next.protocol === "http:") throw fail(`${next.host} without encryption`);
  return next;
}

function checkRangeAnswer(url: URL, file: RemoteFile, range: AskedRange, response: Response, asked: string): void {
  const { start, end, size } = contentRange(response);
  if (file.size !== undefined && size !== undefined && size !== file.size) {
    throw changed(url, `its size was ${file.size} and is ${size}`);
  }
  const last = range.end ?? (file.size ?? size ?? 0) - 1;
  if (start !== range.start || end !== last) throw badRange(url, response, asked);
}

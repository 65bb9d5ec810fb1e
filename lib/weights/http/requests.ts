import {
  badRange,
  changed,
  changedEtag,
  chunksOf,
  collect,
  contentLength,
  contentRange,
  noRanges,
  retryAfter,
  shortBody,
  shownUrl,
  TransientError,
} from "./answers.ts";
import { type Patience, withRetries } from "./retry.ts";
import type { Watch } from "./watch.ts";
import { checkWholeSize } from "../files/text.ts";

/** How to ask; the defaults suit a server on the internet. */
export interface HttpOptions extends Patience {
  /** Sent with every request, for example an Authorization. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** What a first request finds out; `whole` is there when the server sent a small file instead of a range of it. */
export interface HttpAnswer {
  /** Of the whole file, in bytes. */
  readonly size: number;
  /** Whether the server answers range requests. */
  readonly ranges: boolean;
  /** The file itself. */
  readonly whole?: Uint8Array;
}

/**
 * The requests below {@linkcode openHttpSource}: tried again where that may help, checked against the first answer's
 * ETag, with errors that name the URL without its query.
 */
export class HttpRequests {
  #options: HttpOptions;
  #headers: Headers;
  #closing = new AbortController();
  #pending = new Set<Promise<unknown>>();
  #etags = new Map<string, string>();

  /** Nothing is asked for yet. */
  constructor(options: HttpOptions) {
    this.#options = options;
    try {
      this.#headers = new Headers(options.headers);
    } catch { // what the engine says may show it
      throw new TypeError("A header cannot be sent: its name or value has a character that no header has");
    }
  }

  /** Size and abilities, by asking for the first byte; `undefined` where there is no such file. */
  look(url: URL, maxWhole: number): Promise<HttpAnswer | undefined> {
    return this.#run(url, async (watch) => {
      const response = await this.#ask(url, "bytes=0-0", watch);
      if (!response) return undefined;
      const { size, end } = contentRange(response);
      const ranged = response.status === 206 && end === 0 || response.status === 416 && size === 0;
      if (ranged && size !== undefined) return { size, ranges: true };
      if (response.status !== 200) throw badRange(url, response, "bytes=0-0");
      const length = contentLength(response);
      if (length !== undefined && length > maxWhole) return { size: length, ranges: false };
      const whole = await collect(url, response, maxWhole, watch);
      if (!whole) throw noRanges(url, maxWhole);
      return { size: whole.length, ranges: false, whole };
    });
  }

  /** Fills `into` from `offset`, going on where a cut connection stopped; a server that ignores ranges: the file. */
  fill(
    url: URL,
    offset: number,
    into: Uint8Array,
    size: number,
    maxWhole: number,
  ): Promise<Uint8Array | undefined> {
    let filled = 0;
    return this.#run(url, async (watch) => {
      const range = `bytes=${offset + filled}-${offset + into.length - 1}`;
      const response = await this.#ask(url, range, watch);
      if (!response) throw changed(url, "it is gone");
      if (response.status === 200) {
        if (size > maxWhole) throw noRanges(url, maxWhole);
        const whole = await collect(url, response, size, watch);
        if (whole?.length !== size) throw changed(url, `its size was ${size} and is ${whole?.length ?? "more"}`);
        return whole;
      }
      const part = contentRange(response);
      if (part.size !== size) throw changed(url, `its size was ${size} and is ${part.size}`);
      if (part.start !== offset + filled || part.end !== offset + into.length - 1) throw badRange(url, response, range);
      for await (const chunk of chunksOf(response)) {
        watch.tick();
        if (filled + chunk.length > into.length) throw badRange(url, response, range, "more bytes");
        into.set(chunk, filled);
        filled += chunk.length;
      }
      if (filled < into.length) throw shortBody(url, filled, into.length);
      return undefined;
    });
  }

  /** A whole file of at most `maxBytes`; `undefined` where there is no such file. */
  getWhole(url: URL, maxBytes: number): Promise<Uint8Array | undefined> {
    return this.#run(url, async (watch) => {
      const response = await this.#ask(url, undefined, watch);
      if (!response) return undefined;
      checkWholeSize(shownUrl(url), contentLength(response) ?? 0, maxBytes);
      const whole = await collect(url, response, maxBytes, watch);
      checkWholeSize(shownUrl(url), whole?.length ?? Infinity, maxBytes);
      return whole;
    });
  }

  /** Cuts off what is under way, and waits for its end. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled(this.#pending);
  }

  async #run<T>(url: URL, attempt: (watch: Watch) => Promise<T>): Promise<T> {
    const running = withRetries(url, this.#options, this.#closing.signal, attempt);
    this.#pending.add(running);
    try {
      return await running;
    } finally {
      this.#pending.delete(running);
    }
  }

  /** One request; `undefined` for 404 and 410. A status that is of no use is an error. */
  async #ask(url: URL, range: string | undefined, { signal }: Watch): Promise<Response | undefined> {
    // Compressed, the bytes of a range would not be the file's.
    const headers = new Headers(this.#headers);
    headers.set("accept-encoding", "identity");
    if (range) headers.set("range", range);
    const response = await fetch(url, { headers, signal });
    const { status, statusText } = response;
    if (status === 404 || status === 410) return undefined;
    const message = `Cannot read ${shownUrl(url)}: HTTP ${status}${statusText && ` ${statusText}`}`;
    if (status === 408 || status === 429 || status >= 500) throw new TransientError(message, retryAfter(response));
    if (status === 401 || status === 403) throw new Error(`${message}: the server wants other credentials`);
    if (status !== 200 && !(range && (status === 206 || status === 416))) throw new Error(message);
    if (status !== 416) this.#checkEtag(url, response);
    return response;
  }

  #checkEtag(url: URL, response: Response): void {
    // Weak where a server compressed the file, whose bytes are the same here.
    const etag = response.headers.get("etag")?.replace(/^W\//, "");
    if (etag === undefined) return;
    const first = this.#etags.get(url.href);
    if (first === undefined) this.#etags.set(url.href, etag);
    else if (first !== etag) throw changedEtag(url, first, etag);
  }
}

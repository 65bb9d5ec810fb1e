import { BadResource, ConnectionReset, Http, NotCapable, UnexpectedEof } from "../../platform/errors.ts";
import type { Watch } from "./watch.ts";
import { shownName } from "../files/places.ts";
import { withoutSecrets } from "../../quote.ts";

const MAX_RETRY_AFTER = 10_000;

/** A failure that may be gone at the next try. */
export class TransientError extends Error {
  /** Milliseconds that the server asks to wait. */
  readonly retryAfter: number;
  /** It was tried as often as it may: whoever tries what it was a part of does not begin again. */
  isGivenUp = false;

  /** The message names the URL. */
  constructor(message: string, retryAfter: number = 0) {
    super(message);
    this.retryAfter = retryAfter;
  }
}

/** Servers choose where they redirect to. */
const MOST_SHOWN = 140;

/** A URL for messages: as {@linkcode shownName} shows it, and of a long one the beginning and the end. */
export function shownUrl(url: URL): string {
  const name = shownName(url);
  return name.length > MOST_SHOWN ? `${name.slice(0, MOST_SHOWN - 60)}…${name.slice(-60)}` : name;
}

/** The length that an answer announces for its body, unless the body is compressed. */
export function contentLength({ headers }: Response): number | undefined {
  const value = headers.get("content-length");
  const encoding = headers.get("content-encoding") ?? "identity";
  if (value === null || !/^\d+$/.test(value) || encoding !== "identity") return undefined;
  return Number.isSafeInteger(Number(value)) ? Number(value) : undefined;
}

/**
 * The chunks of a body as they come, where bodies cannot be iterated over too (Safari). Whoever stops before the end
 * ends the body.
 */
export async function* chunksOf({ body }: Response): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const reader = body?.getReader();
  if (reader === undefined) return;
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
  } finally {
    await reader.cancel().catch(() => {}); // what went wrong with it has been thrown already
  }
}

/** Bytes that are read at a time into one buffer. */
const PASSING_BYTES = 256 * 2 ** 10;

/**
 * The same, each chunk in the one buffer where the engine can: it must be copied before the next one is asked for. A
 * download of hundreds of megabytes is no garbage then.
 */
export async function* passingChunks(response: Response): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const reader = byteReader(response);
  if (reader === undefined) return yield* chunksOf(response);
  let buffer = new ArrayBuffer(PASSING_BYTES);
  try {
    while (true) {
      const { value, done } = await reader.read(new Uint8Array(buffer));
      if (done) return;
      yield value;
      buffer = value.buffer;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

function byteReader({ body }: Response): ReadableStreamBYOBReader | undefined {
  try {
    return body?.getReader({ mode: "byob" });
  } catch {
    return undefined; // the engine's bodies are no streams of bytes
  }
}

/** The bytes that an answer holds, and the size of the file. */
export interface ContentRange {
  /** The first byte. */
  readonly start: number | undefined;
  /** The last byte. */
  readonly end: number | undefined;
  /** Of the whole file. */
  readonly size: number | undefined;
}

/** Parses `content-range`; what it does not say is `undefined`. */
export function contentRange({ headers }: Response): ContentRange {
  const match = /^bytes (?:(\d+)-(\d+)|\*)\/(?:(\d+)|\*)$/.exec(headers.get("content-range") ?? "");
  const [start, end, size] = [1, 2, 3].map((group) => {
    const value = match?.[group];
    return value !== undefined && Number.isSafeInteger(Number(value)) ? Number(value) : undefined;
  });
  return { start, end, size };
}

/**
 * The whole body, or `undefined` when it is longer than `maxBytes`. Memory grows with what comes, not with what is
 * announced; a body shorter than announced is a {@linkcode TransientError}.
 */
export async function collect(
  url: URL,
  response: Response,
  maxBytes: number,
  watch: Watch,
): Promise<Uint8Array | undefined> {
  const announced = contentLength(response);
  if (announced !== undefined && announced > maxBytes) return undefined;
  const chunks: Uint8Array[] = [];
  let total = 0;
  for await (const chunk of chunksOf(response)) {
    watch.tick();
    chunks.push(chunk);
    total += chunk.length;
    if (total > maxBytes) return undefined;
  }
  if (announced !== undefined && total !== announced) throw shortBody(url, total, announced);
  const whole = new Uint8Array(total);
  let start = 0;
  for (const chunk of chunks) {
    whole.set(chunk, start);
    start += chunk.length;
  }
  return whole;
}

/** How long an answer asks to wait, in milliseconds, at most 10 s. */
export function retryAfter({ headers }: Response): number {
  const seconds = Number(headers.get("retry-after") ?? 0);
  return seconds > 0 ? Math.min(seconds * 1000, MAX_RETRY_AFTER) : 0; // a date is no number: not waited for
}

/** What went wrong in `fetch` or while its body came, as an error that names the URL. */
export function describeFailure(url: URL, error: unknown): Error {
  if (error instanceof NotCapable) {
    const message = `Cannot read ${shownUrl(url)}: not allowed; pass --allow-net=${url.host}`;
    return new NotCapable(message, { cause: error });
  }
  const isNetwork = error instanceof TypeError || error instanceof Http ||
    error instanceof ConnectionReset || error instanceof UnexpectedEof;
  if (!isNetwork) return error instanceof Error ? error : new Error(String(error));
  // The engine's reason stands in its cause; not passed on as ours, since it may show the URL with its query.
  const { message } = error.cause instanceof Error ? error.cause : error;
  const reason = engineReason(withoutSecrets(message));
  if (!NO_CONNECTION.test(message)) return new TransientError(`Cannot read ${shownUrl(url)}: ${reason}`);
  const advice = "check the network and the address, or give files on this machine";
  return new TransientError(`Cannot read ${shownUrl(url)}: no connection to ${url.host} (${reason}), ${advice}`);
}

/** What the engines say where no server answers: Deno, Chromium, Firefox, WebKit. */
const NO_CONNECTION =
  /client error \(Connect\)|dns error|tcp connect error|^Failed to fetch|^NetworkError when|^Load failed/;

/** The engine's reason without the address, which stands before it, and without the system's numbers. */
function engineReason(message: string): string {
  const [first] = message.split("\n", 1);
  return first.replace(/^error sending request .*?: (?:client error \(\w+\): )?/, "").replace(
    / \(os error -?\d+\)/g,
    "",
  );
}

/** Fewer bytes came than were announced. */
export function shortBody(url: URL, came: number, wanted: number): TransientError {
  return new TransientError(`Cannot read ${shownUrl(url)}: only ${came} of ${wanted} bytes came`);
}

/** The server answered with other bytes than those asked for. */
export function badRange(
  url: URL,
  { status, headers }: Response,
  asked: string,
  got: string = headers.get("content-range")?.slice(0, 60) ?? "no content-range",
): Error {
  return new Error(`Cannot read ${shownUrl(url)}: the server answered ${asked} with HTTP ${status} and ${got}`);
}

/** The server sends whole files only. */
export function noRanges(url: URL, maxWhole: number): Error {
  return new Error(
    `Cannot read ${shownUrl(url)}: the server does not support range requests, and the file is longer than the ` +
      `${maxWhole} bytes that are fetched whole; download the files and open their local directory`,
  );
}

/** The file is not what it was at the first request. */
export function changed(url: URL, how: string): Error {
  return new Error(`Cannot read ${shownUrl(url)}: the file changed while it was read: ${how}; open it anew`);
}

/** The file's ETag is not what it was; of long ones the beginnings are shown. */
export function changedEtag(url: URL, before: string, now: string): Error {
  const [was, is] = [before, now].map((etag) => etag.length > 24 ? `${etag.slice(0, 24)}…` : etag);
  return changed(url, `its ETag was ${was} and is ${is}`);
}

/** The source was closed before or while something was read. */
export function closed(url: URL): Error {
  return new BadResource(`Cannot read ${shownUrl(url)}: the source is closed`);
}

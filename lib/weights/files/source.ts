import { fromFileUrl } from "./file_url.ts";
import { openHttpSource } from "../http/http.ts";
import { openLocalSource } from "./local.ts";
import type { ByteRange } from "./ranges.ts";
import { shownName } from "./shown_name.ts";

/** Random access to the files under one directory, local or behind http(s). */
export interface FileSource extends AsyncDisposable {
  /** The directory, for messages and provenance; a URL's credentials and query are left out. */
  readonly location: string;
  /**
   * The size of a file in bytes, `undefined` where there is no such file.
   * A `path` is relative with `/` between its parts, here and below: one that leaves the directory is a `RangeError`.
   */
  size(path: string): Promise<number | undefined>;
  /** Reads exactly `length` bytes at `offset` into `into` (or a fresh array). Throws RangeError past the end. */
  read(path: string, offset: number, length: number, into?: Uint8Array): Promise<Uint8Array>;
  /**
   * Reads many small parts of one file, one after another into `into`: faster than as many calls of `read`.
   * A source without it is read part by part.
   */
  readParts?(path: string, parts: readonly ByteRange[], into: Uint8Array): Promise<void>;
  /** The whole file as text, refused with RangeError above `maxBytes` (256 MiB). Throws NotFound where there is none. */
  readText(path: string, maxBytes?: number): Promise<string>;
  /** SHA-256 of a file in hexadecimal, of sources that get missing bytes for it; undefined where that is not possible. */
  sha256?(path: string): Promise<string | undefined>;
  /** Gives back file handles and connections; idempotent. A local read under way is waited for, one over http(s) is cut off. */
  close(): Promise<void>;
}

/**
 * Opens a directory of files: a local path, a `file:` URL, or an http(s) URL. Nothing is read until it is asked for.
 *
 * A query in an http(s) URL (a token, say) is sent with every request below it, and never shown.
 *
 * @example Read a file of the working directory
 * ```ts
 * import { openSource } from "./source.ts";
 *
 * await using source = openSource(".");
 * console.log(await source.size("no-such-file.json")); // undefined
 * ```
 */
export function openSource(location: string | URL): FileSource {
  const text = String(location);
  if (text === "") throw new RangeError("Cannot open a source: the location is empty");
  if (/^https?:/i.test(text)) return openHttpSource(text);
  if (/^file:/i.test(text)) return openLocalSource(fromFileUrl(text));
  if (location instanceof URL || /^[a-z][a-z0-9+.-]+:\/\//i.test(text)) {
    throw new RangeError(`Cannot open ${shownName(text)}: give a local directory, a file: URL or an http(s) URL`);
  }
  return openLocalSource(text);
}

import type { ByteRange } from "./ranges.ts";

/** Bytes that reading something would fetch, and those of it that are here. */
export interface ReadCost {
  /** Those to fetch. */
  readonly missing: number;
  /** Those that are here. */
  readonly there: number;
}

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
  /** What reading parts of a file would cost; a source without it fetches nothing that it keeps. */
  cost?(path: string, parts: readonly ByteRange[]): Promise<ReadCost>;
  /** Fetches parts that will all be read, sooner than if they are asked for one after another. */
  fetch?(path: string, parts: readonly ByteRange[], signal?: AbortSignal): Promise<void>;
  /** SHA-256 of a file in hexadecimal, of sources that get missing bytes for it; undefined where that is not possible. */
  sha256?(path: string): Promise<string | undefined>;
  /** Gives back file handles and connections; idempotent. A local read under way is waited for, one over http(s) is cut off. */
  close(): Promise<void>;
}

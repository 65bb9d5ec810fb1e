/**
 * A repository of the hub as a source of files: what it can do, and how it is opened.
 *
 * @module
 */
import type { ByteStorage } from "../../platform/storage.ts";
import type { FileSource } from "../files/file_source.ts";
import type { DownloadProgress } from "./progress.ts";
import type { HubFile } from "./requests/listing.ts";
import type { Patience } from "../http/retry.ts";
import type { HubSettings } from "./settings.ts";

/** What of a repository to open, and how; what is left out comes from the environment. */
export interface HubOptions extends Partial<HubSettings>, Patience {
  /** `owner/name`. */
  readonly repo: string;
  /** A branch, tag or commit; default `main`. */
  readonly revision?: string;
  /** A directory inside, which the source is then of. */
  readonly path?: string;
  /**
   * How `read` and `readParts` get a file that is not in the cache. `whole` (the default) downloads all of it into
   * the shared cache: right where all tensors are needed. `ranges` fetches what is asked for into the program's own
   * cache: right for a few tensors of a large file. `readText` always takes the whole file.
   */
  readonly weights?: "whole" | "ranges";
  /** With `ranges`, files up to this size are downloaded whole all the same; default 1 MiB. */
  readonly wholeBelow?: number;
  /** Called at most ten times a second while files are downloaded. */
  readonly onProgress?: (progress: DownloadProgress) => void;
  /**
   * Where what came is kept, in parts of any file, with requests as a browser lets a page make them; default: the cache
   * on the disk, or in a browser its storage for the page's origin.
   */
  readonly storage?: ByteStorage;
  /** Aborted: what is under way is cut off, and the source is closed. */
  readonly signal?: AbortSignal;
  /** Bytes that the disk has room for; default: as the system says. */
  readonly freeSpace?: (directory: string) => Promise<number | undefined>;
}

/** A file that is in the cache now. */
export interface DownloadedFile {
  /** Where it is. */
  readonly path: string;
  /** In bytes. */
  readonly size: number;
  /** Bytes that came over the network for it. */
  readonly came: number;
}

/** A repository of the hub, or a directory of one. */
export interface HubSource extends FileSource {
  /** `owner/name`. */
  readonly repo: string;
  /** The commit that all files come from; undefined before the first file is asked for. */
  readonly revision: string | undefined;
  /** Every file, in the cache alone if there is no network. Names are as the hub gives them: they may be hostile. */
  list(): Promise<HubFile[]>;
  /** Makes sure that a file is in the cache. */
  download(path: string): Promise<DownloadedFile>;
  /**
   * SHA-256 of a file in hexadecimal, computed from its bytes, of which those that are missing are downloaded; undefined
   * where they cannot be. A file that has not the hub's hash is an error.
   */
  sha256(path: string): Promise<string | undefined>;
}

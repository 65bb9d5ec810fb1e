import type { FileSource } from "../files/source.ts";
import { HubFileSource } from "./hub_source.ts";
import type { HubFile } from "./requests/listing.ts";
import { checkHubPath, checkRepo, checkRevision } from "./names.ts";
import type { DownloadProgress } from "./progress.ts";
import type { Patience } from "./requests/retry.ts";
import { type HubSettings, readHubSettings } from "./settings.ts";

export type { FileSource } from "../files/source.ts";
export type { HubFile } from "./requests/listing.ts";
export type { DownloadProgress } from "./progress.ts";
export type { Patience } from "./requests/retry.ts";
export type { HubSettings } from "./settings.ts";
export { formatHubName, type HubName, parseHubName } from "./names.ts";

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

/**
 * Opens a repository of the Hugging Face hub. Files are read from the cache that Python's huggingface_hub uses too,
 * and downloaded into it where they are not there. Nothing is asked for until a file is.
 *
 * @throws {RangeError} if a name is not allowed
 *
 * @example
 * ```ts
 * await using source = openHub({ repo: "openai-community/gpt2" });
 * console.log(source.location); // "hf:openai-community/gpt2@main"
 * ```
 */
export function openHub(options: HubOptions): HubSource {
  const { repo, revision = "main", path } = options;
  checkRepo(repo);
  checkRevision(revision);
  if (path !== undefined) checkHubPath(path);
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  return new HubFileSource({ ...readHubSettings(), ...given, repo, revision });
}

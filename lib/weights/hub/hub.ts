import { withoutUndefined } from "../../options.ts";
import { OS } from "../../platform/environment.ts";
import { openStorage } from "../../platform/open_storage.ts";
import type { ByteStorage } from "../../platform/storage.ts";
import { HubFileSource } from "./hub_source.ts";
import { PageHubSource } from "./page/page_source.ts";
import type { HubOptions, HubSource } from "./repository.ts";
import { checkHubPath, checkRepo, checkRevision } from "./names.ts";
import { readHubSettings } from "./settings.ts";

export type { FileSource } from "../files/file_source.ts";
export type { HubFile } from "./requests/listing.ts";
export type { DownloadProgress } from "./progress.ts";
export type { Patience } from "../http/retry.ts";
export type { DownloadedFile, HubOptions, HubSource } from "./repository.ts";
export type { HubSettings } from "./settings.ts";
export { formatHubName, type HubName, parseHubName } from "./names.ts";

/**
 * Opens a repository of the Hugging Face hub. Files are read from the cache that Python's huggingface_hub uses too,
 * and downloaded into it where they are not there. Nothing is asked for until a file is.
 *
 * In a browser, or with a `storage`, requests keep to a browser's rules, and what came is kept in the storage.
 *
 * @throws {RangeError} if a name is not allowed
 */
export function openHub(options: HubOptions): HubSource {
  const { repo, revision = "main", path } = options;
  checkRepo(repo);
  checkRevision(revision);
  if (path !== undefined) checkHubPath(path);
  const settings = { ...readHubSettings(), ...withoutUndefined(options), repo, revision };
  const storage = options.storage ?? (OS === "browser" ? browserStorage() : undefined);
  const source = storage === undefined
    ? new HubFileSource(settings)
    : new PageHubSource({ ...settings, storage: Promise.resolve(storage) });
  const { signal } = options;
  if (signal?.aborted) void source.close();
  signal?.addEventListener("abort", () => void source.close(), { once: true });
  return source;
}

let opened: Promise<ByteStorage> | undefined;

/** What a page has fetched, for its size and to empty it: the same storage for all sources of a worker. */
export function browserStorage(): Promise<ByteStorage> {
  return opened ??= openStorage();
}

import { HubFileSource } from "./hub_source.ts";
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

import { listLocal } from "../requests/listing.ts";
import { isCommit } from "../names.ts";
import type { HubSettings } from "../settings.ts";
import { Snapshots } from "./snapshots.ts";

/**
 * Of several names of one repository, which the cache has a directory each for, the one whose directory has the model:
 * `gpt2` was downloaded as `openai-community/gpt2`, or the other way round. The first where that decides nothing.
 *
 * @example
 * ```ts
 * const settings = { cacheDirectory: "/no/cache", symlinks: true };
 * console.log(await cachedName(["gpt2", "openai-community/gpt2"], "main", settings)); // "gpt2"
 * ```
 */
export async function cachedName(
  repos: readonly [string, ...string[]],
  revision: string,
  settings: Pick<HubSettings, "cacheDirectory" | "symlinks">,
): Promise<string> {
  const filled = await Promise.all(repos.map((repo) => measure(repo, revision, settings)));
  return repos[filled.indexOf(Math.max(...filled))];
}

/** 0: nothing of use; 1: a configuration; 2: weights too. */
async function measure(
  repo: string,
  revision: string,
  { cacheDirectory, symlinks }: Pick<HubSettings, "cacheDirectory" | "symlinks">,
): Promise<number> {
  const snapshots = new Snapshots(cacheDirectory, repo, symlinks);
  const commit = isCommit(revision) ? revision : await snapshots.readRef(revision);
  if (commit === undefined || !await snapshots.hasCommit(commit)) return 0;
  const names = (await listLocal(snapshots.directory(commit))).map(({ path }) => path);
  if (!names.includes("config.json")) return 0;
  return names.some((name) => name.endsWith(".safetensors")) ? 2 : 1;
}

import { type DirectoryEntry, fileSystem } from "../../../platform/files.ts";
import { join } from "../../../platform/path.ts";
import { removeIfThere, statIfThere } from "./disk.ts";
import { folderRepo, repoFolder, type RepoLayout, repoLayout } from "./layout.ts";
import { Snapshots } from "./snapshots.ts";
import { checkRepo, isCommit } from "../names.ts";
import { listLocal } from "../requests/listing.ts";
import type { HubSettings } from "../settings.ts";

/** What the caches have of one repository. */
export interface CachedRepo {
  readonly repo: string;
  /** Its directory in the shared cache. */
  readonly path: string;
  /** Commits that files are there of. */
  readonly commits: number;
  /** Complete files, each content once. */
  readonly files: number;
  readonly bytes: number;
  /** Of downloads that were cut off, by any program. */
  readonly partialBytes: number;
  /** In the program's own cache of parts of files. */
  readonly rangeBytes: number;
}

/** Where the caches are. */
export type CacheDirectories = Pick<HubSettings, "cacheDirectory" | "rangesDirectory">;

/** The models in the caches, by name. */
export async function listCachedRepos(directories: CacheDirectories): Promise<CachedRepo[]> {
  const { cacheDirectory, rangesDirectory } = directories;
  const folders = new Set([...await namesIn(cacheDirectory), ...await namesIn(rangesDirectory)]);
  const repos = [...folders].map(folderRepo).filter((repo) => repo !== undefined).sort();
  return await Promise.all(repos.map((repo) => measure(directories, repo)));
}

/**
 * Removes all that the caches have of a repository; returns what that was, `undefined` if nothing.
 *
 * @throws {RangeError} if the name is no repository's
 */
export async function removeCachedRepo(directories: CacheDirectories, repo: string): Promise<CachedRepo | undefined> {
  const layout = repoLayout(directories.cacheDirectory, checkRepo(repo));
  const ranges = join(directories.rangesDirectory, repoFolder(repo));
  if (!await statIfThere(layout.directory) && !await statIfThere(ranges)) return undefined;
  const removed = await measure(directories, repo);
  for (const directory of [ranges, layout.directory, layout.locks]) await removeIfThere(directory);
  return removed;
}

async function measure({ cacheDirectory, rangesDirectory }: CacheDirectories, repo: string): Promise<CachedRepo> {
  const layout = repoLayout(cacheDirectory, repo);
  const { files, bytes, partialBytes } = await measureFiles(layout);
  const commits = (await namesIn(layout.snapshots)).length;
  const rangeBytes = await allocated(join(rangesDirectory, repoFolder(repo)));
  return { repo, path: layout.directory, commits, files, bytes, partialBytes, rangeBytes };
}

/** Blobs, and the files that stand in snapshots where there are no links. */
async function measureFiles(layout: RepoLayout): Promise<{ files: number; bytes: number; partialBytes: number }> {
  let [files, bytes, partialBytes] = [0, 0, 0];
  for (const name of await namesIn(layout.blobs)) {
    const size = (await statIfThere(join(layout.blobs, name)))?.size ?? 0;
    if (name.endsWith(".incomplete")) partialBytes += size;
    else [files, bytes] = [files + 1, bytes + size];
  }
  for (const path of await filesBelow(layout.snapshots)) {
    const { isFile, size } = await fileSystem.lstat(path);
    if (isFile) [files, bytes] = [files + 1, bytes + size];
  }
  return { files, bytes, partialBytes };
}

/** What files take on the disk: those with holes less than their size. */
async function allocated(directory: string): Promise<number> {
  let bytes = 0;
  for (const path of await filesBelow(directory)) {
    const { size, blocks } = await fileSystem.lstat(path);
    bytes += Math.min(size, blocks === null ? size : blocks * 512);
  }
  return bytes;
}

async function filesBelow(directory: string): Promise<string[]> {
  const paths: string[] = [];
  for (const { name, isDirectory } of await entriesOf(directory)) {
    const path = join(directory, name);
    paths.push(...isDirectory ? await filesBelow(path) : [path]);
  }
  return paths;
}

async function namesIn(directory: string): Promise<string[]> {
  return (await entriesOf(directory)).map(({ name }) => name);
}

/** Nothing where there is no such directory. */
async function entriesOf(directory: string): Promise<DirectoryEntry[]> {
  if (!(await statIfThere(directory))?.isDirectory) return [];
  return await Array.fromAsync(fileSystem.readDir(directory));
}

/**
 * Of several names of one repository, which the cache has a directory each for, the one whose directory has the model:
 * `gpt2` was downloaded as `openai-community/gpt2`, or the other way round. The first where that decides nothing.
 */
export async function cachedName(
  repos: readonly [string, ...string[]],
  revision: string,
  settings: Pick<HubSettings, "cacheDirectory" | "symlinks">,
): Promise<string> {
  const filled = await Promise.all(repos.map((repo) => filling(repo, revision, settings)));
  return repos[filled.indexOf(Math.max(...filled))];
}

/** 0: nothing of use; 1: a configuration; 2: weights too. */
async function filling(
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

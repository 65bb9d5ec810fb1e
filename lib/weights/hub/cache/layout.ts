/**
 * Where things are in the cache that is shared with Python's huggingface_hub.
 *
 * @module
 */
import { join } from "../../../platform/path.ts";
import { hashText } from "../../../platform/hash.ts";

/** The paths of one repository in the cache. */
export interface RepoLayout {
  /** All of it but the locks. */
  readonly directory: string;
  /** The files' contents, by ETag. */
  readonly blobs: string;
  /** The files by commit and name. */
  readonly snapshots: string;
  /** The commit of each branch and tag. */
  readonly refs: string;
  /** Empty files for what a commit does not have. */
  readonly absent: string;
  /** Held while a blob is made. */
  readonly locks: string;
}

/** The ending of our own unfinished downloads; Python's end with `.incomplete` after other names. */
export const PARTIAL_ENDING = ".sae-attribution.incomplete";

/** A repository's directory name. */
export function repoFolder(repo: string): string {
  return `models--${repo.replace("/", "--")}`;
}

/** The repository that a directory name stands for, if it is one of a model. */
export function folderRepo(folder: string): string | undefined {
  return folder.startsWith("models--") ? folder.slice("models--".length).replace("--", "/") : undefined;
}

/** The paths of a repository. */
export function repoLayout(cacheDirectory: string, repo: string): RepoLayout {
  const folder = repoFolder(repo);
  const directory = join(cacheDirectory, folder);
  return {
    directory,
    blobs: join(directory, "blobs"),
    snapshots: join(directory, "snapshots"),
    refs: join(directory, "refs"),
    absent: join(directory, ".no_exist"),
    locks: join(cacheDirectory, ".locks", folder),
  };
}

/** The directory of a file's parts in the program's own cache: by repository, ETag and name. */
export async function rangesDirectory(root: string, repo: string, path: string, etag: string): Promise<string> {
  return join(root, repoFolder(repo), `${etag}-${await shortHash(path)}`);
}

/** Where it is written down, for a run without a network, which ETag a file read in parts has at a commit. */
export async function rememberedPath(root: string, repo: string, commit: string, path: string): Promise<string> {
  return join(root, repoFolder(repo), "commits", commit, `${await shortHash(path)}.json`);
}

async function shortHash(path: string): Promise<string> {
  return (await hashText(path)).slice(0, 16);
}

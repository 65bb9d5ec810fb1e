import { AlreadyExists } from "../../../platform/errors.ts";
import { fileSystem } from "../../../platform/files.ts";
import { dirname, join, relative } from "../../../platform/path.ts";
import { makeDirectory, readIfThere, removeIfThere, replaceText, statIfThere, writing } from "./disk.ts";
import { type RepoLayout, repoLayout } from "./layout.ts";
import { isCommit } from "../names.ts";

const TAG = `Signature: 8a477f597d28d172789f06886806bc55
# This file is a cache directory tag created by huggingface_hub.
# For information about cache directory tags, see:
#\thttps://bford.info/cachedir/
`;

/** One repository in the cache that is shared with Python's huggingface_hub: what is there, and adding to it. */
export class Snapshots {
  /** Its paths. */
  readonly layout: RepoLayout;
  #cache: string;
  #symlinks: boolean;
  /** What commits do not have, to be written down once one of their files is there. */
  #absent = new Set<string>();

  /** `symlinks`: otherwise files are moved and copied. */
  constructor(cacheDirectory: string, repo: string, symlinks: boolean) {
    this.layout = repoLayout(cacheDirectory, repo);
    this.#cache = cacheDirectory;
    this.#symlinks = symlinks;
  }

  /** The directory of a commit's files. */
  directory(commit: string): string {
    return join(this.layout.snapshots, commit);
  }

  /** Where a file is or will be. */
  path(commit: string, path: string): string {
    return join(this.directory(commit), ...path.split("/"));
  }

  /** Where a file's content is or will be. */
  blob(etag: string): string {
    return join(this.layout.blobs, etag);
  }

  /** Held while a blob is made; the same file as Python's. */
  lock(etag: string): string {
    return join(this.layout.locks, `${etag}.lock`);
  }

  /** The commit that a branch or tag stood for when it was last asked for. */
  async readRef(revision: string): Promise<string | undefined> {
    const commit = (await readIfThere(join(this.layout.refs, ...revision.split("/"))))?.trim();
    return commit !== undefined && isCommit(commit) ? commit : undefined;
  }

  /** A file's size, `undefined` if it is not there. */
  async size(commit: string, path: string): Promise<number | undefined> {
    const info = await statIfThere(this.path(commit, path));
    return info?.isFile ? info.size : undefined;
  }

  /** Whether any of a commit's files is there. */
  async hasCommit(commit: string): Promise<boolean> {
    return (await statIfThere(this.directory(commit)))?.isDirectory === true;
  }

  /** Whether it is written down that a commit has no such file. */
  async isAbsent(commit: string, path: string): Promise<boolean> {
    return this.#absent.has(`${commit}/${path}`) ||
      (await statIfThere(join(this.layout.absent, commit, ...path.split("/"))))?.isFile === true;
  }

  /** Notes that a commit has no such file. */
  noteAbsent(commit: string, path: string): void {
    this.#absent.add(`${commit}/${path}`);
  }

  /** The name of the blob that a file is linked to: its ETag. */
  async etag(commit: string, path: string): Promise<string | undefined> {
    try {
      return (await fileSystem.readLink(this.path(commit, path))).split(/[/\\]/).at(-1);
    } catch {
      return undefined; // no link
    }
  }

  /** Gives a blob its name in a commit, and the commit its branch or tag. The caller holds the blob's lock. */
  async add(commit: string, revision: string, path: string, etag: string): Promise<void> {
    await this.#link(this.blob(etag), this.path(commit, path));
    if (revision !== commit && await this.readRef(revision) !== commit) {
      await replaceText(join(this.layout.refs, ...revision.split("/")), commit);
    }
    const tag = join(this.#cache, "CACHEDIR.TAG");
    if (!await statIfThere(tag)) await replaceText(tag, TAG);
    for (const name of this.#absent) {
      await replaceText(join(this.layout.absent, ...name.split("/")), "");
      this.#absent.delete(name);
    }
  }

  async #link(blob: string, pointer: string): Promise<void> {
    await makeDirectory(dirname(pointer));
    await removeIfThere(pointer); // a link into nothing
    if (this.#symlinks && await makeLink(relative(dirname(pointer), blob), pointer)) return;
    // As in Python: without links there is no blob, the file itself stands in the commit's directory.
    await writing(pointer, () => fileSystem.rename(blob, pointer));
  }
}

async function makeLink(target: string, pointer: string): Promise<boolean> {
  try {
    await fileSystem.symlink(target, pointer, { type: "file" });
    return true;
  } catch (error) {
    if (error instanceof AlreadyExists) return true; // another process, the same file
    return false; // the file system has no links, or they are not allowed
  }
}

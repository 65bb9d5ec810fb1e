import { fileSystem } from "../../../platform/files.ts";
import { join } from "../../../platform/path.ts";
import { isRecord } from "../../json/json.ts";
import type { Patience } from "../../http/retry.ts";
import { isHash } from "../cache/content_hash.ts";
import { isCommit } from "../names.ts";
import type { HubRequests } from "./requests.ts";

/** A file of a repository, as the hub lists it: the name is not to be trusted. */
export interface HubFile {
  /** In the repository. */
  readonly path: string;
  /** In bytes; undefined where the list does not say. */
  readonly size: number | undefined;
  /** SHA-256 of a large file, git's hash of a small one; undefined where the list does not say. */
  readonly hash?: string;
}

/** A commit and its files. */
export interface HubListing {
  readonly commit: string;
  readonly files: readonly HubFile[];
}

/** Lists a repository's files by the hub's API. */
export async function listRemote(
  requests: HubRequests,
  repo: string,
  revision: string,
  patience?: Patience,
): Promise<HubListing> {
  const path = `models/${repo}/revision/${encodeURIComponent(revision)}`;
  const answer = await requests.json({ repo, revision }, path, { blobs: "true" }, patience);
  return readListing(answer, `Cannot list ${repo} on ${requests.host}`);
}

/**
 * Reads a listing as the API gives it.
 *
 * @param what cannot be done if it is no listing
 * @throws {SyntaxError} if it is none
 */
export function readListing(answer: unknown, what: string): HubListing {
  const fail = (): Error => new SyntaxError(`${what}: the answer is not understood`);
  if (!isRecord(answer) || typeof answer.sha !== "string" || !isCommit(answer.sha)) throw fail();
  if (!Array.isArray(answer.siblings)) throw fail();
  const files = answer.siblings.map((entry): HubFile => {
    if (!isRecord(entry) || typeof entry.rfilename !== "string") throw fail();
    const { rfilename: path, size, blobId, lfs } = entry;
    const hash = isRecord(lfs) ? lfs.sha256 : blobId;
    const isSize = Number.isSafeInteger(size) && (size as number) >= 0;
    return {
      path,
      size: isSize ? size as number : undefined,
      hash: typeof hash === "string" && isHash(hash) ? hash : undefined,
    };
  });
  return { commit: answer.sha, files };
}

/** The same the other way. */
export function writeListing({ commit, files }: HubListing): Readonly<Record<string, unknown>> {
  const siblings = files.map(({ path, size, hash }) => ({ rfilename: path, size, blobId: hash }));
  return { sha: commit, siblings };
}

/** Lists what is in a directory and those below it. */
export async function listLocal(directory: string, prefix: string = ""): Promise<HubFile[]> {
  const files: HubFile[] = [];
  for await (const { name, isDirectory } of fileSystem.readDir(directory)) {
    const path = join(directory, name);
    if (isDirectory) files.push(...await listLocal(path, `${prefix}${name}/`));
    else {
      const info = await fileSystem.stat(path).catch(() => undefined); // a link into nothing is no file
      if (info?.isFile) files.push({ path: prefix + name, size: info.size });
    }
  }
  return files.sort((a, b) => a.path < b.path ? -1 : 1);
}

import { fileSystem } from "../../../platform/files.ts";
import { join } from "../../../platform/path.ts";
import { isRecord } from "../../json/json.ts";
import { isCommit } from "../names.ts";
import type { HubRequests } from "./requests.ts";

/** A file of a repository, as the hub lists it: the name is not to be trusted. */
export interface HubFile {
  /** In the repository. */
  readonly path: string;
  /** In bytes; undefined where the list does not say. */
  readonly size: number | undefined;
}

/** A commit and its files. */
export interface HubListing {
  readonly commit: string;
  readonly files: readonly HubFile[];
}

/**
 * Lists a repository's files by the hub's API.
 *
 * @example
 * ```ts
 * import type { HubRequests } from "./requests.ts";
 *
 * const count = async (requests: HubRequests) => (await listRemote(requests, "owner/name", "main")).files.length;
 * console.log(typeof count);
 * ```
 */
export async function listRemote(requests: HubRequests, repo: string, revision: string): Promise<HubListing> {
  const path = `models/${repo}/revision/${encodeURIComponent(revision)}`;
  const answer = await requests.json({ repo, revision }, path, { blobs: "true" });
  const fail = (): Error => new SyntaxError(`Cannot list ${repo} on ${requests.host}: the answer is not understood`);
  if (!isRecord(answer) || typeof answer.sha !== "string" || !isCommit(answer.sha)) throw fail();
  if (!Array.isArray(answer.siblings)) throw fail();
  const files = answer.siblings.map((entry): HubFile => {
    if (!isRecord(entry) || typeof entry.rfilename !== "string") throw fail();
    return { path: entry.rfilename, size: Number.isSafeInteger(entry.size) ? entry.size as number : undefined };
  });
  return { commit: answer.sha, files };
}

/**
 * Lists what is in a directory and those below it.
 *
 * @example
 * ```ts
 * const directory = await Deno.makeTempDir();
 * await Deno.writeTextFile(`${directory}/config.json`, "{}");
 * console.log(await listLocal(directory)); // [{ path: "config.json", size: 2 }]
 * ```
 */
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

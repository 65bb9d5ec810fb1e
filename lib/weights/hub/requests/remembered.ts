import { isRecord } from "../../json/json.ts";
import type { RemoteFile, Wanted } from "./answers.ts";
import { normalizeEtag } from "./answers.ts";
import { readIfThere, replaceText } from "../cache/disk.ts";
import { rememberedPath } from "../cache/layout.ts";

/** A file that parts are kept of. */
export type RememberedFile = RemoteFile & { readonly size: number };

/** Notes what the hub said of a file that is read in parts: the same commit always has the same file. */
export async function remember(root: string, repo: string, file: RememberedFile): Promise<void> {
  const { path, commit, etag, size } = file;
  await replaceText(await rememberedPath(root, repo, commit, path), `${JSON.stringify({ path, etag, size })}\n`);
}

/** What an earlier run noted, if any did. The location is the hub's own address for the file. */
export async function recall(
  root: string,
  { repo, revision: commit, path }: Required<Wanted>,
  endpoint: string,
): Promise<RememberedFile | undefined> {
  const text = await readIfThere(await rememberedPath(root, repo, commit, path));
  try {
    const value: unknown = JSON.parse(text ?? "null");
    if (!isRecord(value) || value.path !== path || typeof value.etag !== "string") return undefined;
    const { etag, size } = value;
    if (normalizeEtag(etag) !== etag || !Number.isSafeInteger(size) || (size as number) < 0) return undefined;
    const location = new URL(
      `${endpoint}/${repo}/resolve/${commit}/${path.split("/").map(encodeURIComponent).join("/")}`,
    );
    return { path, commit, etag, size: size as number, location };
  } catch {
    return undefined;
  }
}

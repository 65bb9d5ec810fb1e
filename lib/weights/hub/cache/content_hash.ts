import { fileSystem } from "../../../platform/files.ts";
import { makeHash } from "../../../platform/hash.ts";

const BLOCK = 4 * 2 ** 20;

/**
 * Checks a file on disk against its ETag where that is a hash: the SHA-256 of a large file, or git's SHA-1 of a small
 * one. Returns what is wrong, or `undefined`.
 */
export async function findHashError(path: string, etag: string): Promise<string | undefined> {
  const kind = hashKind(etag);
  if (kind === undefined) return undefined;
  const hash = await makeHash(kind);
  using file = await fileSystem.open(path);
  if (kind === "sha1") hash.update(`blob ${(await file.stat()).size}\0`);
  const buffer = new Uint8Array(BLOCK);
  for (let count = await file.read(buffer); count !== null; count = await file.read(buffer)) {
    hash.update(buffer.subarray(0, count));
  }
  const found = hash.digest("hex");
  const name = kind === "sha1" ? "git hash" : "SHA-256";
  return found === etag ? undefined : `its ${name} is ${found}, the hub's is ${etag}`;
}

/** Whether a file can be checked against its ETag. */
export function isHash(etag: string): boolean {
  return hashKind(etag) !== undefined;
}

function hashKind(etag: string): "sha1" | "sha256" | undefined {
  if (/^[0-9a-f]{64}$/.test(etag)) return "sha256";
  return /^[0-9a-f]{40}$/.test(etag) ? "sha1" : undefined;
}

/**
 * File hashes, for provenance.
 *
 * @module
 */
import { NotFound } from "../../platform/errors.ts";
import { makeHash } from "../../platform/hash.ts";
import type { FileSource } from "./file_source.ts";

const BLOCK = 4 * 2 ** 20;

/**
 * SHA-256 of a file, in hexadecimal; reads all of it.
 *
 * @throws {Deno.errors.NotFound} if there is no such file
 */
export async function sha256(source: FileSource, path: string): Promise<string> {
  const size = await source.size(path);
  if (size === undefined) throw new NotFound(`Cannot read ${source.location}/${path}: no such file`);
  const hash = await makeHash("sha256");
  const buffer = new Uint8Array(Math.min(size, BLOCK));
  for (let offset = 0; offset < size; offset += BLOCK) {
    hash.update(await source.read(path, offset, Math.min(BLOCK, size - offset), buffer));
  }
  return hash.digest("hex");
}

/**
 * SHA-256 of some files by their paths within the source; null where they would have to be downloaded for it.
 */
export async function hashFiles(source: FileSource, paths: readonly string[]): Promise<Record<string, string | null>> {
  const local = !/^https?:/.test(source.location);
  const hashes: Record<string, string | null> = {};
  for (const path of paths) {
    hashes[path] = source.sha256 ? await source.sha256(path) ?? null : local ? await sha256(source, path) : null;
  }
  return hashes;
}

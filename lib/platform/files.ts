/**
 * The files of this machine.
 *
 * @module
 */
import { NotSupported } from "./errors.ts";
import type { FileSystem } from "./file_system.ts";
import { nodeFiles } from "./node_files.ts";

export * from "./file_system.ts";

/** Where a program has no files, a page say, or not this of them: whatever is asked fails. */
const noFiles = new Proxy({}, {
  get: (_, name) => () => {
    const error = new NotSupported("There are no local files here: give an http(s) URL");
    if (/Sync$|^readDir$/.test(String(name))) throw error;
    return Promise.reject(error);
  },
}) as FileSystem;

/** The files. */
export const fileSystem: FileSystem = typeof Deno === "undefined"
  ? Object.setPrototypeOf(nodeFiles() ?? {}, noFiles)
  : Deno;

/** Whether a file may be written there without asking anybody. */
export async function mayWrite(path: string): Promise<boolean> {
  return (await Deno.permissions.query({ name: "write", path })).state === "granted";
}

/** Bytes that may still be written below a directory that exists; `undefined` where the system does not tell. */
export async function freeSpace(directory: string): Promise<number | undefined> {
  try {
    const { statfs } = await import(`node:${"fs/promises"}`) as typeof import("node:fs/promises");
    const { bavail, bsize } = await statfs(directory);
    return bavail > 0 ? bavail * bsize : undefined; // some file systems tell 0 for "unknown"
  } catch {
    return undefined;
  }
}

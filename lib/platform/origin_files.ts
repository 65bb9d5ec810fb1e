/**
 * Bytes by key in a browser's origin private file system: a file each, written by a synchronous handle, which only a
 * dedicated worker has, and read as a File, which any number of tabs may do at once.
 *
 * @see https://fs.spec.whatwg.org/
 * @module
 */
import { type ByteStorage, type StoredBytes, sumOf } from "./storage.ts";

interface SyncHandle {
  write(bytes: Uint8Array, options: { readonly at: number }): number;
  truncate(size: number): void | Promise<void>;
  close(): void | Promise<void>;
}

interface FileHandle {
  readonly kind: "file";
  getFile(): Promise<Blob>;
  createSyncAccessHandle?(): Promise<SyncHandle>;
}

interface Directory {
  readonly kind: "directory";
  getFileHandle(name: string, options?: { readonly create: boolean }): Promise<FileHandle>;
  getDirectoryHandle(name: string, options?: { readonly create: boolean }): Promise<Directory>;
  removeEntry(name: string, options?: { readonly recursive: boolean }): Promise<void>;
  entries(): AsyncIterable<[string, FileHandle | Directory]>;
}

/** Below the origin's root, which is not ours alone. */
const FOLDER = "sae-attribution";

/** The storage; where there is none, why. */
export async function openOriginFiles(): Promise<ByteStorage | string> {
  const { storage } = (globalThis.navigator ?? {}) as { storage?: { getDirectory?(): Promise<Directory> } };
  if (storage?.getDirectory === undefined) return "this browser keeps no files for pages";
  try {
    const root = await storage.getDirectory();
    const folder = await root.getDirectoryHandle(FOLDER, { create: true });
    return new OriginFiles(folder);
  } catch {
    return "this browser keeps no files for pages in private windows";
  }
}

class OriginFiles implements ByteStorage {
  readonly passing = undefined;
  readonly #folder: Directory;
  readonly #directories = new Map<string, Promise<Directory>>();
  /** Those read last: opening a file takes longer than reading a few rows of it. */
  readonly #files = new Map<string, Blob>();

  constructor(folder: Directory) {
    this.#folder = folder;
  }

  async get(key: string, offset = 0, length?: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    try {
      const file = this.#files.get(key) ?? await (await this.#handle(key, false)).getFile();
      const end = length === undefined ? file.size : offset + length;
      if (end > file.size) return undefined;
      this.#remember(key, file);
      return new Uint8Array(await file.slice(offset, end).arrayBuffer());
    } catch (error) {
      this.#files.delete(key);
      if (isAbsence(error)) return undefined;
      throw error;
    }
  }

  async put(key: string, chunks: readonly Uint8Array[]): Promise<void> {
    this.#files.delete(key);
    const file = await this.#handle(key, true);
    if (file.createSyncAccessHandle === undefined) throw new Error("only a worker may write");
    const handle = await file.createSyncAccessHandle();
    let at = 0;
    try {
      await handle.truncate(0);
      // A tab that is closed here leaves a shorter file, which whoever knows its size tells from a whole one.
      for (const chunk of chunks) {
        const written = handle.write(chunk, { at });
        if (written !== chunk.length) throw Object.assign(new Error("disk full"), { name: "QuotaExceededError" });
        at += written;
      }
    } catch (error) {
      await handle.truncate(0);
      throw error;
    } finally {
      await handle.close();
    }
  }

  async list(prefix: string = ""): Promise<StoredBytes[]> {
    const from = prefix.slice(0, prefix.lastIndexOf("/") + 1);
    const found: StoredBytes[] = [];
    try {
      await walk(await this.#directory(from, false), from, prefix, async (key, handle) => {
        found.push({ key, size: (await handle.getFile()).size });
      });
    } catch (error) {
      if (!isAbsence(error)) throw error;
    }
    return found;
  }

  async size(): Promise<number> {
    return sumOf(await this.list());
  }

  async clear(prefix: string = ""): Promise<void> {
    this.#files.clear();
    this.#directories.clear();
    if (prefix === "") {
      for await (const [name] of this.#folder.entries()) await this.#folder.removeEntry(name, { recursive: true });
      return;
    }
    for (const { key } of await this.list(prefix)) {
      const { directory, name } = split(key);
      await (await this.#directory(directory, false)).removeEntry(name);
    }
  }

  #remember(key: string, file: Blob): void {
    this.#files.delete(key);
    this.#files.set(key, file);
    if (this.#files.size > 256) this.#files.delete(this.#files.keys().next().value!);
  }

  async #handle(key: string, create: boolean): Promise<FileHandle> {
    const { directory, name } = split(key);
    const open = async (): Promise<FileHandle> =>
      await (await this.#directory(directory, create)).getFileHandle(name, { create });
    return await open().catch(async (error) => {
      if (!create || !isAbsence(error)) throw error;
      this.#directories.clear(); // another tab has removed them
      return await open();
    });
  }

  /** By its path, which ends with `/` unless it is empty. */
  #directory(path: string, create: boolean): Promise<Directory> {
    if (path === "") return Promise.resolve(this.#folder);
    let opening = this.#directories.get(path);
    if (!opening) {
      const { directory, name } = split(path.slice(0, -1));
      opening = this.#directory(directory, create).then((parent) => parent.getDirectoryHandle(name, { create }));
      this.#directories.set(path, opening);
      opening.catch(() => this.#directories.delete(path));
    }
    return opening;
  }
}

/** A key's directory, and its name as it may stand in a file system. */
function split(key: string): { readonly directory: string; readonly name: string } {
  const end = key.lastIndexOf("/") + 1;
  // A dot alone is no name there.
  return { directory: key.slice(0, end), name: encodeURIComponent(key.slice(end)).replaceAll(".", "%2E") };
}

/** The files below a directory whose key, which begins with the directory's, begins with `prefix`. */
async function walk(
  directory: Directory,
  path: string,
  prefix: string,
  visit: (key: string, handle: FileHandle) => Promise<void>,
): Promise<void> {
  for await (const [encoded, handle] of directory.entries()) {
    const key = path + decodeURIComponent(encoded);
    if (handle.kind === "file") {
      if (key.startsWith(prefix)) await visit(key, handle);
    } else if (`${key}/`.startsWith(prefix) || prefix.startsWith(`${key}/`)) {
      await walk(handle, `${key}/`, prefix, visit);
    }
  }
}

function isAbsence(error: unknown): boolean {
  return error instanceof Error && ["NotFoundError", "NotReadableError", "TypeMismatchError"].includes(error.name);
}

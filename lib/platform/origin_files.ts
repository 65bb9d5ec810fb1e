/**
 * Bytes by key in a browser's origin private file system: a file each, read and written by a synchronous handle, which
 * only a dedicated worker has, and one of all tabs at a time; others read it as a File.
 *
 * @see https://fs.spec.whatwg.org/
 * @module
 */
import { cached } from "../concurrency.ts";
import { type ByteStorage, type StoredBytes, sumOf } from "./storage.ts";

interface SyncHandle {
  read(into: Uint8Array, options: { readonly at: number }): number;
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
  /** Files that have been read: a question reads hundreds, the next one the same. */
  readonly #files = new Map<string, FileHandle>();

  constructor(folder: Directory) {
    this.#folder = folder;
  }

  async get(key: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    try {
      const file = await (await this.#handle(key, false)).getFile();
      return new Uint8Array(await file.arrayBuffer());
    } catch (error) {
      if (isAbsence(error)) return undefined;
      throw error;
    }
  }

  async read(key: string, offset: number, into: Uint8Array): Promise<boolean> {
    try {
      const file = this.#files.get(key) ?? await this.#handle(key, false);
      this.#files.set(key, file);
      return await readSync(file, offset, into) ?? await readBlob(await file.getFile(), offset, into);
    } catch (error) {
      this.#files.delete(key);
      if (isAbsence(error)) return false;
      throw error;
    }
  }

  async put(key: string, chunks: readonly Uint8Array[]): Promise<void> {
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
    this.#directories.clear();
    this.#files.clear();
    if (prefix === "") {
      for await (const [name] of this.#folder.entries()) await this.#folder.removeEntry(name, { recursive: true });
      return;
    }
    for (const { key } of await this.list(prefix)) {
      const { directory, name } = split(key);
      await (await this.#directory(directory, false)).removeEntry(name);
    }
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
    return cached(this.#directories, path, async () => {
      const { directory, name } = split(path.slice(0, -1));
      return await (await this.#directory(directory, create)).getDirectoryHandle(name, { create });
    });
  }
}

/**
 * Straight into its place, where a new array for every read is garbage as fast as the disk reads. Undefined where that is
 * not possible: outside of workers, and while another tab reads it.
 */
async function readSync(file: FileHandle, offset: number, into: Uint8Array): Promise<boolean | undefined> {
  const handle = await file.createSyncAccessHandle?.().catch((error) => {
    if (error?.name === "NoModificationAllowedError") return undefined;
    throw error;
  });
  if (handle === undefined) return undefined;
  try {
    return handle.read(into, { at: offset }) === into.length;
  } finally {
    await handle.close();
  }
}

async function readBlob(file: Blob, offset: number, into: Uint8Array): Promise<boolean> {
  if (offset + into.length > file.size) return false;
  into.set(new Uint8Array(await file.slice(offset, offset + into.length).arrayBuffer()));
  return true;
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

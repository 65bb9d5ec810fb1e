/**
 * Bytes that stay when a page is closed.
 *
 * @module
 */
import { openOriginFiles } from "./origin_files.ts";
import { type ByteStorage, memoryStorage, type StoredBytes, sumOf } from "./storage.ts";

/** The storage that a browser has for this page's origin, else memory. What no longer fits is kept in memory too. */
export async function openStorage(): Promise<ByteStorage> {
  const lasting = await openOriginFiles();
  return typeof lasting === "string" ? memoryStorage(lasting) : new OverflowingStorage(lasting);
}

/** What a storage has no room for is kept in memory: what has come over the network is not fetched twice. */
class OverflowingStorage implements ByteStorage {
  readonly #lasting: ByteStorage;
  readonly #memory = memoryStorage("");
  #passing: string | undefined;

  constructor(lasting: ByteStorage) {
    this.#lasting = lasting;
  }

  get passing(): string | undefined {
    return this.#passing;
  }

  async get(key: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    return await this.#memory.get(key) ?? await this.#lasting.get(key);
  }

  async read(key: string, offset: number, into: Uint8Array): Promise<boolean> {
    return await this.#memory.read(key, offset, into) || await this.#lasting.read(key, offset, into);
  }

  async put(key: string, chunks: readonly Uint8Array[]): Promise<void> {
    try {
      await this.#lasting.put(key, chunks);
    } catch (error) {
      const { name, message } = error instanceof Error ? error : new Error(String(error));
      if (name === "QuotaExceededError") this.#passing ??= "the browser has no room left for this page";
      // Another tab that writes it writes the same.
      else if (name !== "NoModificationAllowedError") this.#passing ??= `the browser does not keep it (${message})`;
      await this.#memory.put(key, chunks);
    }
  }

  async list(prefix?: string): Promise<StoredBytes[]> {
    return [...await this.#lasting.list(prefix), ...await this.#memory.list(prefix)];
  }

  async size(): Promise<number> {
    return sumOf(await this.list());
  }

  async clear(prefix?: string): Promise<void> {
    await this.#memory.clear(prefix);
    await this.#lasting.clear(prefix);
    this.#passing = undefined;
  }
}

/**
 * Bytes by key, where there are no local files.
 *
 * @module
 */

/** What is kept under a key. */
export interface StoredBytes {
  readonly key: string;
  /** In bytes. */
  readonly size: number;
}

/** A store of bytes by key. A key's parts are separated by `/`, of which none is empty. */
export interface ByteStorage {
  /** Why it is all gone when the page is closed; undefined: it stays. */
  readonly passing: string | undefined;
  /** All bytes; undefined where there is no such key. */
  get(key: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Fills `into` with bytes from `offset` on; false where there is no such key, or less under it. */
  read(key: string, offset: number, into: Uint8Array): Promise<boolean>;
  /** Keeps the chunks, one after another; what was there is replaced. */
  put(key: string, chunks: readonly Uint8Array[]): Promise<void>;
  /** What begins with a text, in no order. */
  list(prefix?: string): Promise<StoredBytes[]>;
  /** Of all in bytes. */
  size(): Promise<number>;
  /** Removes what begins with a text; default all. */
  clear(prefix?: string): Promise<void>;
}

/**
 * Keeps bytes in memory.
 *
 * @param why what to say of that
 */
export function memoryStorage(why: string): ByteStorage {
  const kept = new Map<string, Uint8Array<ArrayBuffer>>();
  const list = (prefix = ""): StoredBytes[] =>
    [...kept].filter(([key]) => key.startsWith(prefix)).map(([key, { length: size }]) => ({ key, size }));
  // Async, so that whoever calls it finds nothing here that the other storages do not do.
  return {
    passing: why,
    get: async (key) => await kept.get(key)?.slice(),
    read: async (key, offset, into) => {
      const bytes = await kept.get(key);
      if (bytes === undefined || offset + into.length > bytes.length) return false;
      into.set(bytes.subarray(offset, offset + into.length));
      return true;
    },
    put: async (key, chunks) => {
      kept.set(key, new Uint8Array(await new Blob(chunks as Uint8Array<ArrayBuffer>[]).arrayBuffer()));
    },
    list: (prefix) => Promise.resolve(list(prefix)),
    size: () => Promise.resolve(sumOf(list())),
    clear: (prefix) => {
      for (const { key } of list(prefix)) kept.delete(key);
      return Promise.resolve();
    },
  };
}

/** Bytes of all of them. */
export function sumOf(stored: readonly StoredBytes[]): number {
  return stored.reduce((sum, { size }) => sum + size, 0);
}

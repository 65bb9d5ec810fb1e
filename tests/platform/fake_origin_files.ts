/** An origin private file system in memory, with the calls that a worker has, a quota, and locks. */

type Entry = FakeFile | FakeDirectory;

function fault(name: string): Error {
  return Object.assign(new Error(name), { name });
}

/** What all directories of one origin share. */
export interface Disk {
  /** Bytes that there is room for. */
  room: number;
  /** Every file open for writing fails after so many bytes; Infinity: none does. */
  breakAfter: number;
}

class FakeFile {
  readonly kind = "file";
  bytes = new Uint8Array(0);
  isLocked = false;
  readonly #disk: Disk;

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  getFile(): Promise<Blob> {
    return Promise.resolve(new Blob([this.bytes]));
  }

  createSyncAccessHandle(): Promise<unknown> {
    if (this.isLocked) return Promise.reject(fault("NoModificationAllowedError"));
    this.isLocked = true;
    return Promise.resolve({
      read: (into: Uint8Array, { at }: { at: number }): number => {
        into.set(this.bytes.subarray(at, at + into.length));
        return Math.min(into.length, this.bytes.length - at);
      },
      truncate: (size: number): void => {
        this.#disk.room += this.bytes.length - size;
        this.bytes = this.bytes.slice(0, size);
      },
      write: (chunk: Uint8Array, { at }: { at: number }): number => {
        if (at + chunk.length > this.#disk.breakAfter) throw fault("InvalidStateError");
        if (chunk.length > this.#disk.room) throw fault("QuotaExceededError");
        this.#disk.room -= chunk.length;
        const longer = new Uint8Array(at + chunk.length);
        longer.set(this.bytes);
        longer.set(chunk, at);
        this.bytes = longer;
        return chunk.length;
      },
      close: (): void => void (this.isLocked = false),
    });
  }
}

/** A directory. */
export class FakeDirectory {
  readonly kind = "directory";
  readonly children = new Map<string, Entry>();
  readonly #disk: Disk;
  #isGone = false;

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  getFileHandle(name: string, options?: { readonly create: boolean }): Promise<FakeFile> {
    return this.#get(name, "file", () => new FakeFile(this.#disk), options) as Promise<FakeFile>;
  }

  getDirectoryHandle(name: string, options?: { readonly create: boolean }): Promise<FakeDirectory> {
    return this.#get(name, "directory", () => new FakeDirectory(this.#disk), options) as Promise<FakeDirectory>;
  }

  removeEntry(name: string): Promise<void> {
    const entry = this.children.get(name);
    if (entry instanceof FakeDirectory) entry.#remove();
    return this.children.delete(name) ? Promise.resolve() : Promise.reject(fault("NotFoundError"));
  }

  async *entries(): AsyncGenerator<[string, Entry]> {
    yield* await Promise.resolve([...this.children]);
  }

  /** Handles that others have are of no use any more. */
  #remove(): void {
    this.#isGone = true;
    for (const child of this.children.values()) if (child instanceof FakeDirectory) child.#remove();
  }

  #get(name: string, kind: string, make: () => Entry, { create = false } = {}): Promise<Entry> {
    // https://fs.spec.whatwg.org/#valid-file-name
    if (name === "" || name === "." || name === ".." || /[/\\]/.test(name)) {
      return Promise.reject(new TypeError(`${name} is no name`));
    }
    if (this.#isGone) return Promise.reject(fault("NotFoundError"));
    let entry = this.children.get(name);
    if (entry === undefined && create) this.children.set(name, entry = make());
    if (entry === undefined) return Promise.reject(fault("NotFoundError"));
    return entry.kind === kind ? Promise.resolve(entry) : Promise.reject(fault("TypeMismatchError"));
  }
}

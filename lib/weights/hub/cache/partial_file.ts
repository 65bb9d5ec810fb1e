import { BadResource } from "../../../platform/errors.ts";
import { FROM_END, type OpenFile } from "../../../platform/files.ts";
import { openToWrite, removeIfThere, writing } from "./disk.ts";

/** A download that is not complete yet: bytes are added at its end, and an interrupted one goes on there later. */
export class PartialFile {
  /** Where it is. */
  readonly path: string;
  #file: OpenFile;
  #length: number;

  private constructor(path: string, file: OpenFile, length: number) {
    this.path = path;
    this.#file = file;
    this.#length = length;
  }

  /** Opens what an earlier run left, or an empty file. */
  static async open(path: string): Promise<PartialFile> {
    const file = await openAtEnd(path);
    return new PartialFile(path, file, (await file.stat()).size);
  }

  /** Bytes that are there. */
  get length(): number {
    return this.#length;
  }

  /** Adds bytes at the end. */
  async append(bytes: Uint8Array): Promise<void> {
    await writing(this.path, async () => {
      for (let done = 0; done < bytes.length;) {
        const count = await this.#file.write(bytes.subarray(done));
        done += count;
        this.#length += count;
      }
    });
  }

  /** Begins anew, in a new file: should a lock have failed, another process's file stays as it is. */
  async restart(): Promise<void> {
    this.#file.close();
    await removeIfThere(this.path);
    this.#file = await openAtEnd(this.path);
    this.#length = 0;
  }

  /** Makes sure that the bytes are on the disk. */
  sync(): Promise<void> {
    return writing(this.path, () => this.#file.syncData());
  }

  /** Idempotent. */
  close(): void {
    try {
      this.#file.close();
    } catch (error) {
      if (!(error instanceof BadResource)) throw error;
    }
  }
}

async function openAtEnd(path: string): Promise<OpenFile> {
  const file = await openToWrite(path);
  await file.seek(0, FROM_END);
  return file;
}

/**
 * What a system with files offers.
 *
 * @module
 */

/** What is known of a file, a directory or a link; null where the system does not tell. */
export type FileInfo = Pick<
  Deno.FileInfo,
  | "isFile"
  | "isDirectory"
  | "isSymlink"
  | "isFifo"
  | "isSocket"
  | "size"
  | "mtime"
  | "mode"
  | "uid"
  | "gid"
  | "ino"
  | "dev"
  | "blocks"
>;

/** An entry of a directory. */
export type DirectoryEntry = Pick<Deno.DirEntry, "name" | "isFile" | "isDirectory">;

/** From where an open file's position counts. */
export const [FROM_START, FROM_END] = [0, 2];

/** An open file. */
export interface OpenFile extends Disposable {
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly writable: WritableStream<Uint8Array<ArrayBufferLike>>;
  read(into: Uint8Array): Promise<number | null>;
  readSync(into: Uint8Array): number | null;
  write(bytes: Uint8Array): Promise<number>;
  writeSync(bytes: Uint8Array): number;
  seek(offset: number, from: number): Promise<number>;
  seekSync(offset: number, from: number): number;
  stat(): Promise<FileInfo>;
  truncate(size: number): Promise<void>;
  sync(): Promise<void>;
  syncData(): Promise<void>;
  /** Whether nobody else holds its lock; it is held until the file is closed. */
  tryLock(exclusive: boolean): Promise<boolean>;
  close(): void;
}

/** What a file is opened for; the default: to be read. */
export type OpenOptions = Pick<Deno.OpenOptions, "read" | "write" | "append" | "create" | "createNew">;

/** What is done with files. Errors are those of {@linkcode ./errors.ts}. */
export interface FileSystem {
  stat(path: string): Promise<FileInfo>;
  statSync(path: string): FileInfo;
  lstat(path: string): Promise<FileInfo>;
  open(path: string, options?: OpenOptions): Promise<OpenFile>;
  openSync(path: string, options?: OpenOptions): OpenFile;
  readTextFile(path: string): Promise<string>;
  readTextFileSync(path: string): string;
  writeTextFile(path: string, text: string, options?: { readonly createNew?: boolean }): Promise<void>;
  readDir(path: string): AsyncIterable<DirectoryEntry>;
  readDirSync(path: string): Iterable<DirectoryEntry>;
  mkdir(path: string, options?: { readonly recursive?: boolean }): Promise<void>;
  remove(path: string, options?: { readonly recursive?: boolean }): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  chmod(path: string, mode: number): Promise<void>;
  realPath(path: string): Promise<string>;
  readLink(path: string): Promise<string>;
  symlink(target: string, path: string, options?: { readonly type: "file" }): Promise<void>;
}

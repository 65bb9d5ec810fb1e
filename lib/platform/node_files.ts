/**
 * Node's files, to be read: models, SAEs, settings.
 *
 * @module
 */
import type * as NodeFs from "node:fs";
import { IsADirectory, NotADirectory, NotFound, PermissionDenied } from "./errors.ts";
import { type FileInfo, type FileSystem, FROM_START, type OpenFile } from "./file_system.ts";

type Fs = typeof NodeFs;

/** An open file, of which nothing is written. */
type ReadFile =
  & Pick<OpenFile, "readable" | "read" | "readSync" | "seek" | "seekSync" | "stat" | "close">
  & Disposable;

/** What reads files. */
export interface ReadingFiles extends Pick<FileSystem, "stat" | "statSync" | "readTextFile" | "readTextFileSync"> {
  open(path: string): Promise<ReadFile>;
  openSync(path: string): ReadFile;
}

/** The files where this is Node (20.16, 22.3 or later), else undefined. */
export function nodeFiles(): ReadingFiles | undefined {
  const { process } = globalThis as { process?: { getBuiltinModule?(name: "node:fs"): Fs } };
  const fs = process?.getBuiltinModule?.("node:fs");
  if (fs === undefined) return undefined;
  const statSync = (path: string): FileInfo => infoOf(named(() => fs.statSync(path)));
  const openSync = (path: string): ReadFile => openFile(fs, named(() => fs.openSync(path, "r")));
  const readTextFileSync = (path: string): string => named(() => fs.readFileSync(path, "utf8"));
  return {
    statSync,
    openSync,
    readTextFileSync,
    stat: (path) => later(() => statSync(path)),
    open: (path) => later(() => openSync(path)),
    readTextFile: (path) => later(() => readTextFileSync(path)),
  };
}

/** A result as a promise, what is thrown as its rejection. */
function later<T>(get: () => T): Promise<T> {
  return new Promise((resolve) => resolve(get()));
}

function openFile(fs: Fs, handle: number): ReadFile {
  let position = 0;
  let isOpen = true;
  const readSync = (into: Uint8Array): number | null => {
    const count = fs.readSync(handle, into, 0, into.length, position);
    position += count;
    return count === 0 && into.length > 0 ? null : count;
  };
  const seekSync = (offset: number, from: number): number =>
    position = offset + (from === FROM_START ? 0 : fs.fstatSync(handle).size);
  const close = (): void => {
    if (isOpen) fs.closeSync(handle);
    isOpen = false;
  };
  const readable = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      const bytes = new Uint8Array(64 * 1024);
      const count = readSync(bytes);
      if (count !== null) return controller.enqueue(bytes.subarray(0, count));
      close();
      controller.close();
    },
    cancel: close,
  }, { highWaterMark: 0 }); // nothing is read before it is asked for
  return {
    readable,
    readSync,
    seekSync,
    close,
    read: (into) => later(() => readSync(into)),
    seek: (offset, from) => later(() => seekSync(offset, from)),
    stat: () => later(() => infoOf(fs.fstatSync(handle))),
    [Symbol.dispose]: close,
  };
}

function infoOf(stats: NodeFs.Stats): FileInfo {
  const { size, mtime, mode, uid, gid, ino, dev, blocks } = stats;
  return {
    isFile: stats.isFile(),
    isDirectory: stats.isDirectory(),
    isSymlink: stats.isSymbolicLink(),
    isFifo: stats.isFIFO(),
    isSocket: stats.isSocket(),
    ...{ size, mtime, mode, uid, gid, ino, dev, blocks },
  };
}

const CLASSES = new Map([
  ["ENOENT", NotFound],
  ["ENOTDIR", NotADirectory],
  ["EISDIR", IsADirectory],
  ["EACCES", PermissionDenied],
]);

/** Errors of the classes that Deno has, with the system's code. */
function named<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    const { code, message } = error as Error & { code: string };
    const Class = CLASSES.get(code);
    throw Class === undefined ? error : Object.assign(new Class(message, { cause: error }), { code });
  }
}

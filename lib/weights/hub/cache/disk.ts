/**
 * Small file operations whose errors say what to do.
 *
 * @module
 */
import { AlreadyExists, isAbsence, NotCapable, NotFound, PermissionDenied } from "../../../platform/errors.ts";
import { type FileInfo, fileSystem, type OpenFile } from "../../../platform/files.ts";
import { dirname } from "../../../platform/path.ts";

/** An index of the parts of a file of 100 GB, all of them apart, takes 20 MB. */
const MOST_TEXT = 64 * 2 ** 20;
/** Processes that start together meet once or twice. */
const MOST_OPENS = 20;

/** Runs a file operation; its error becomes one line that names the file and what to do. */
export async function writing<T>(path: string, operation: () => Promise<T> | T): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    throw writeError(path, error);
  }
}

function writeError(path: string, error: unknown): unknown {
  const cannot = `Cannot write ${path}:`;
  const elsewhere = "set HF_HOME and SAE_ATTRIBUTION_CACHE to directories that you may write to";
  const options = { cause: error };
  if (error instanceof NotCapable) {
    return new NotCapable(`${cannot} not allowed; pass --allow-write=${dirname(path)}`, options);
  }
  if (error instanceof PermissionDenied) {
    return new PermissionDenied(`${cannot} the system denies it; ${elsewhere}`, options);
  }
  if (!(error instanceof Error)) return error;
  const code = "code" in error ? String(error.code) : undefined;
  // Deno gives a code to some of the system's errors only.
  if (/^(ENOSPC|EDQUOT|EFBIG)$/.test(code ?? "") || /\(os error (27|28|69|122)\)/.test(error.message)) {
    return new Error(
      `${cannot} the disk is full; free some space or set HF_HOME to another disk; a new try goes on where this stopped`,
      options,
    );
  }
  return new Error(
    `${cannot} ${error.message.split("\n", 1)[0].replace(/ \(os error \d+\)/, "")}; ${elsewhere}`,
    options,
  );
}

/**
 * Makes a directory of the cache. No link below a repository's directory is followed: in a cache that others may write
 * to it would lead our writes elsewhere.
 */
export async function makeDirectory(path: string): Promise<void> {
  await writing(path, async () => {
    await refuseLinks(path);
    await fileSystem.mkdir(path, { recursive: true });
  });
}

/**
 * Opens a file of the cache to be written, made if need be. What is no file, such as a link to one elsewhere, is removed
 * and not written through.
 */
export async function openToWrite(path: string): Promise<OpenFile> {
  return await writing(path, async () => {
    await refuseLinks(dirname(path));
    for (let tries = 0; tries < MOST_OPENS; tries++) {
      const file = await openOnce(path);
      if (file !== undefined) return file;
    }
    throw new Error("something else is put there again and again");
  });
}

/** Undefined: another process made, removed or replaced it meanwhile. */
async function openOnce(path: string): Promise<OpenFile | undefined> {
  try {
    const there = await lstatIfThere(path);
    if (there?.isFile !== true) {
      if (there !== undefined) await fileSystem.remove(path);
      return await fileSystem.open(path, { read: true, write: true, createNew: true }); // never through a link
    }
    const file = await fileSystem.open(path, { read: true, write: true });
    const { ino, dev } = await file.stat();
    if (ino === there.ino && dev === there.dev) return file;
    file.close();
  } catch (error) {
    if (!(error instanceof NotFound || error instanceof AlreadyExists)) throw error;
  }
}

/** The repository's own directory may be a link: people put large ones on other disks. */
async function refuseLinks(directory: string): Promise<void> {
  const parts = directory.split(/(?<=[/\\])/);
  const repo = parts.findLastIndex((part) => part.startsWith("models--"));
  if (repo < 0) return;
  for (let end = repo + 2; end <= parts.length; end++) {
    const part = parts.slice(0, end).join("").replace(/[/\\]$/, "");
    if ((await lstatIfThere(part))?.isSymlink) throw new Error(`${part} is a link, which is not written through`);
  }
}

/** What is at a path itself, be it a link; `undefined` where there is nothing. */
export async function lstatIfThere(path: string): Promise<FileInfo | undefined> {
  try {
    return await fileSystem.lstat(path);
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw error;
  }
}

/** What is at a path, links followed; `undefined` where there is nothing. */
export async function statIfThere(path: string): Promise<FileInfo | undefined> {
  try {
    return await fileSystem.stat(path);
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw error;
  }
}

/** A text file of the cache, `undefined` where there is none, or what is there is no file or too long to be ours. */
export async function readIfThere(path: string): Promise<string | undefined> {
  const there = await statIfThere(path);
  return there?.isFile && there.size <= MOST_TEXT ? await fileSystem.readTextFile(path) : undefined;
}

/** Removes a file or a directory with all in it, if it is there. */
export async function removeIfThere(path: string): Promise<void> {
  try {
    await fileSystem.remove(path, { recursive: true });
  } catch (error) {
    if (!isAbsence(error)) throw writeError(path, error);
  }
}

/** Writes a small file so that a reader sees the old text or the new. */
export async function replaceText(path: string, text: string): Promise<void> {
  // The form of Python's huggingface_hub, which knows such a file for what it is.
  const temporary = `${path}.${crypto.randomUUID().slice(0, 8)}.tmp`;
  await writing(path, async () => {
    await makeDirectory(dirname(path));
    try {
      await fileSystem.writeTextFile(temporary, text, { createNew: true });
      await fileSystem.rename(temporary, path);
    } catch (error) {
      await fileSystem.remove(temporary).catch(() => {}); // it may never have been made
      throw error;
    }
  });
}

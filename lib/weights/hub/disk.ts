/**
 * Small file operations whose errors say what to do.
 *
 * @module
 */
import { statfs } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Runs a file operation; its error becomes one line that names the file and what to do.
 *
 * @example
 * ```ts
 * console.log(await writing("/cache/a", () => Promise.resolve(1))); // 1
 * ```
 */
export async function writing<T>(path: string, operation: () => Promise<T> | T): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    throw writeError(path, error);
  }
}

const { NotCapable, PermissionDenied } = Deno.errors;

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
  const code = "code" in error ? error.code : undefined;
  if (code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG") {
    return new Error(
      `${cannot} the disk is full; free some space or set HF_HOME to another disk; a new try goes on where this stopped`,
      options,
    );
  }
  return new Error(`${cannot} ${error.message.split("\n", 1)[0]}; ${elsewhere}`, options);
}

/**
 * What is at a path, links followed; `undefined` where there is nothing.
 *
 * @example
 * ```ts
 * console.log(await statIfThere("/no/such/file")); // undefined
 * ```
 */
export async function statIfThere(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw error;
  }
}

/**
 * A small text file, `undefined` where there is none.
 *
 * @example
 * ```ts
 * console.log(await readIfThere("/no/such/file")); // undefined
 * ```
 */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (isAbsence(error) || error instanceof Deno.errors.IsADirectory) return undefined;
    throw error;
  }
}

/**
 * Removes a file or a directory with all in it, if it is there.
 *
 * @example
 * ```ts
 * await removeIfThere("/no/such/file");
 * ```
 */
export async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!isAbsence(error)) throw writeError(path, error);
  }
}

/**
 * Writes a small file so that a reader sees the old text or the new.
 *
 * @example
 * ```ts
 * const directory = await Deno.makeTempDir();
 * await replaceText(`${directory}/refs/main`, "0123");
 * ```
 */
export async function replaceText(path: string, text: string): Promise<void> {
  // The form of Python's huggingface_hub, which knows such a file for what it is.
  const temporary = `${path}.${crypto.randomUUID().slice(0, 8)}.tmp`;
  await writing(path, async () => {
    await Deno.mkdir(dirname(path), { recursive: true });
    try {
      await Deno.writeTextFile(temporary, text);
      await Deno.rename(temporary, path);
    } catch (error) {
      await Deno.remove(temporary).catch(() => {}); // it may never have been made
      throw error;
    }
  });
}

/**
 * Bytes that may still be written below a directory that exists; `undefined` where the system does not tell.
 *
 * @example
 * ```ts
 * console.log(await freeSpace("."));
 * ```
 */
export async function freeSpace(directory: string): Promise<number | undefined> {
  try {
    const { bavail, bsize } = await statfs(directory);
    return bavail > 0 ? bavail * bsize : undefined; // some file systems tell 0 for "unknown"
  } catch {
    return undefined;
  }
}

function isAbsence(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory;
}

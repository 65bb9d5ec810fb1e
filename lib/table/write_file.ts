/**
 * Writing a file whole or not at all.
 *
 * @module
 */
import { dirname, join, resolve } from "node:path";

/**
 * Writes a file atomically: the chunks go to a temporary file in the same directory that takes the file's place at
 * the end, so that a reader sees the old content or the new, and an error (of the disk or of what makes the chunks)
 * leaves neither a half-written file nor the temporary. A link is followed and the replaced file's mode kept; what is
 * no regular file (a pipe, `/dev/stdout`) is written directly. Errors say in one line what to do.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { writeFileAtomic } from "./write_file.ts";
 *
 * const directory = await Deno.makeTempDir();
 * await writeFileAtomic(`${directory}/table.csv`, ["feature\n", "1\n"]);
 * assert.equal(await Deno.readTextFile(`${directory}/table.csv`), "feature\n1\n");
 * await Deno.remove(directory, { recursive: true });
 * ```
 */
export async function writeFileAtomic(
  path: string,
  chunks: Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>,
): Promise<void> {
  if (path === "") throw new RangeError("Cannot write a file: its name is empty, give one");
  const existing = await clearly(path, () => statOrUndefined(path));
  if (existing?.isDirectory) throw new Deno.errors.IsADirectory(`Cannot write ${path}: it is a directory, give a file`);
  if (existing !== undefined && (!existing.isFile || isDevice(path))) {
    return await writeAll(path, path, chunks, { append: true });
  }

  const target = existing === undefined ? path : await clearly(path, () => Deno.realPath(path));
  const temporary = join(dirname(target), `.${crypto.randomUUID()}.tmp`);
  try {
    await writeAll(path, temporary, chunks, { createNew: true });
    if (existing?.mode != null && Deno.build.os !== "windows") {
      await clearly(path, () => Deno.chmod(temporary, existing.mode! & 0o777));
    }
    await clearly(path, () => Deno.rename(temporary, target));
  } catch (error) {
    await Deno.remove(temporary).catch(() => {}); // it may never have been made
    throw error;
  }
}

/** `/dev/stdout` may lead to a regular file that the shell holds open: replacing that one would lose the output. */
function isDevice(path: string): boolean {
  return /^\/(dev|proc)\//.test(resolve(path));
}

async function statOrUndefined(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Writes `chunks` to `file`; errors of writing name `path`, errors of making the chunks pass as they are. */
async function writeAll(
  path: string,
  file: string,
  chunks: Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>,
  options: { append?: boolean; createNew?: boolean },
): Promise<void> {
  const encoder = new TextEncoder();
  using handle = await clearly(path, () => Deno.open(file, { write: true, ...options }));
  for await (const chunk of chunks) {
    let rest = typeof chunk === "string" ? encoder.encode(chunk) : chunk;
    while (rest.length > 0) {
      const written = await clearly(path, () => handle.write(rest));
      rest = rest.subarray(written);
    }
  }
}

/** Runs one file operation; its error becomes one of the same class that says what to do. */
async function clearly<T>(path: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    throw explained(path, error);
  }
}

const { NotCapable, PermissionDenied, NotFound, NotADirectory, BrokenPipe } = Deno.errors;

function explained(path: string, error: unknown): unknown {
  const cannot = `Cannot write ${path}:`;
  const options = { cause: error };
  if (error instanceof BrokenPipe) return error; // the reader of a pipe has had enough: the caller's to judge
  if (error instanceof NotCapable) {
    return new NotCapable(`${cannot} Deno was not allowed to, run it with --allow-read and --allow-write`, options);
  }
  if (error instanceof PermissionDenied) {
    return new PermissionDenied(`${cannot} permission denied, choose a place you may write to`, options);
  }
  if (error instanceof NotFound) {
    return new NotFound(`${cannot} the directory ${dirname(path)} does not exist, make it first`, options);
  }
  if (error instanceof NotADirectory) {
    return new NotADirectory(`${cannot} ${dirname(path)} is no directory, choose another place`, options);
  }
  if (error instanceof Error && "code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT")) {
    return new Error(`${cannot} the disk is full, free some space or choose another place`, options);
  }
  const reason = error instanceof Error ? error.message : String(error);
  return new Error(`${cannot} ${reason.split("\n", 1)[0]}, choose another place`, options);
}

/**
 * Writing a file whole or not at all.
 *
 * @module
 */
import { isAbsence, IsADirectory, NotADirectory } from "../platform/errors.ts";
import { type FileInfo, fileSystem, mayWrite } from "../platform/files.ts";
import { OS } from "../platform/environment.ts";
import { dirname, join, resolve } from "../platform/path.ts";
import { fileError } from "../platform/file_error.ts";

/** How a file is written. */
export interface WriteOptions {
  /** Wait until the disk has it, before and after it takes its place: a loss of power leaves the old file or the new. */
  readonly isDurable?: boolean;
  /** Put the file in a link's place, instead of writing where it leads. */
  readonly replacesLinks?: boolean;
  /** The file's name until it is whole; one that is left from before is removed. Default: a name that nobody has. */
  readonly temporary?: string;
}

/**
 * Writes a file atomically: the chunks go to a temporary file in the same directory that takes the file's place at
 * the end, so that a reader sees the old content or the new, and an error (of the disk or of what makes the chunks)
 * leaves neither a half-written file nor the temporary. A link is followed and the replaced file's mode kept; what is
 * no regular file (a pipe, `/dev/stdout`) is written directly. Errors say in one line what to do.
 */
export async function writeFileAtomic(
  path: string,
  chunks: Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>,
  options: WriteOptions = {},
): Promise<void> {
  const { isDurable } = options;
  const { existing, target, temporary } = await placeOf(path, options);
  if (temporary === undefined) return await writeAll(path, path, chunks, { append: true });
  try {
    if (options.temporary !== undefined) await fileSystem.remove(temporary).catch(() => {}); // mostly it is not there
    await writeAll(path, temporary, chunks, { createNew: true, isDurable });
    if (existing?.isFile && existing.mode !== null && OS !== "windows") {
      await clearly(path, () => fileSystem.chmod(temporary, existing.mode! & 0o777));
    }
    await clearly(path, () => fileSystem.rename(temporary, target));
    if (isDurable) await syncDirectory(dirname(target));
  } catch (error) {
    await fileSystem.remove(temporary).catch(() => {}); // it may never have been made
    throw error;
  }
}

/**
 * Refuses a file that {@linkcode writeFileAtomic} could not write, with its error, before there is anything to write. An
 * empty temporary file is made and removed: no other test knows of every way in which a system says no.
 */
export async function checkWritable(path: string, options: Pick<WriteOptions, "temporary"> = {}): Promise<void> {
  const { existing, temporary } = await placeOf(path, options);
  if (temporary !== undefined) return await tryFile(path, temporary);
  if (existing?.isFifo || existing?.isSocket) return; // opening a pipe would wait for its other end
  await clearly(path, async () => (await fileSystem.open(path, { write: true, append: true })).close());
}

/**
 * The same of a directory into which files will be written, and which is made with those above it if it is not there.
 */
export async function checkWritableDirectory(path: string): Promise<void> {
  if (path === "") throw new RangeError("Cannot write into a directory: its name is empty, give one");
  let place = resolve(path);
  let existing = await clearly(path, () => statOrUndefined(place));
  while (existing === undefined) {
    place = dirname(place);
    existing = await clearly(path, () => statOrUndefined(place));
  }
  if (!existing.isDirectory) {
    throw new NotADirectory(`Cannot write ${path}: ${place} is no directory, choose another place`);
  }
  // Where only the directory itself may be written, it cannot be tried before it is made.
  if (place !== resolve(path) && await mayWrite(path) && !await mayWrite(place)) return;
  await tryFile(path, temporaryIn(place));
}

async function tryFile(path: string, temporary: string): Promise<void> {
  await clearly(path, async () => (await fileSystem.open(temporary, { write: true, create: true })).close());
  await fileSystem.remove(temporary).catch(() => {}); // another process that tries the same name may have done so
}

/** Where a file's content goes: to `temporary` first, which then takes the place of `target`; or straight to the file. */
interface Place {
  readonly existing: FileInfo | undefined;
  readonly target: string;
  /** Undefined for what is no regular file. */
  readonly temporary: string | undefined;
}

async function placeOf(path: string, { replacesLinks, temporary }: WriteOptions = {}): Promise<Place> {
  if (path === "") throw new RangeError("Cannot write a file: its name is empty, give one");
  const existing = await clearly(path, () => statOrUndefined(path, replacesLinks ? fileSystem.lstat : fileSystem.stat));
  if (existing?.isDirectory) throw new IsADirectory(`Cannot write ${path}: it is a directory, give a file`);
  if (existing !== undefined && !existing.isSymlink && (!existing.isFile || isDevice(path))) {
    return { existing, target: path, temporary: undefined };
  }
  const target = existing === undefined || replacesLinks ? path : await clearly(path, () => fileSystem.realPath(path));
  const name = temporary === undefined ? temporaryIn(dirname(target)) : join(dirname(target), temporary);
  return { existing, target, temporary: name };
}

function temporaryIn(directory: string): string {
  return join(directory, `.${crypto.randomUUID()}.tmp`);
}

/** `/dev/stdout` may lead to a regular file that the shell holds open: replacing that one would lose the output. */
function isDevice(path: string): boolean {
  return /^\/(dev|proc)\//.test(resolve(path));
}

/** Undefined where there is nothing, also because what stands above it is no directory. */
async function statOrUndefined(path: string, stat = fileSystem.stat): Promise<FileInfo | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw error;
  }
}

/** Writes `chunks` to `file`; errors of writing name `path`, errors of making the chunks pass as they are. */
async function writeAll(
  path: string,
  file: string,
  chunks: Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>,
  { isDurable, ...options }: { append?: boolean; createNew?: boolean; isDurable?: boolean },
): Promise<void> {
  const encoder = new TextEncoder();
  using handle = await clearly(path, () => fileSystem.open(file, { write: true, ...options }));
  for await (const chunk of chunks) {
    let rest = typeof chunk === "string" ? encoder.encode(chunk) : chunk;
    while (rest.length > 0) {
      const written = await clearly(path, () => handle.write(rest));
      rest = rest.subarray(written);
    }
  }
  if (isDurable) await clearly(path, () => handle.sync());
}

/** The name is on the disk too; where directories cannot be opened (Windows) the system sees to that. */
async function syncDirectory(directory: string): Promise<void> {
  try {
    using handle = await fileSystem.open(directory);
    await handle.sync();
  } catch {
    // as above
  }
}

/** Runs one file operation; its error becomes one of the same class that says what to do. */
async function clearly<T>(path: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    throw fileError("write", path, error);
  }
}

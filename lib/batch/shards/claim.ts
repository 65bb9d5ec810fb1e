/**
 * Who works in a run's directory: one process alone, or several that share its shards. A lock of the system says it, which
 * goes with its process however that ends.
 *
 * @module
 */
import { join } from "node:path";
import { fileError } from "../../platform/file_error.ts";
import { LOCK } from "./layout.ts";

/** A directory that this process may work in until the claim is disposed of. */
export interface Claim extends Disposable {
  /** Made anew with the directory: what is meant for another one at the same place, or of the same run, has another. */
  readonly id: string;
  /** No other process works in it. */
  readonly isAlone: boolean;
  /** Lets others that share their work in; waits while one of them has the directory alone. */
  share(): Promise<void>;
  /** Waits until no other process works in it. */
  takeAlone(): Promise<void>;
  /** Leaves the directory as it was found, apart from what others have put into it. */
  undo(): Promise<void>;
}

/** How a directory is claimed. */
export interface ClaimOptions {
  /** Work beside others that share their work too. Where it is the first, it has the directory alone until it shares it. */
  readonly isShared?: boolean;
  /** Called once if another process must be waited for. */
  readonly onWait?: () => void;
  /** Ends the waiting. */
  readonly signal?: AbortSignal;
}

const WAIT_MS = 200;

/**
 * Claims a directory, which is made if it is not there.
 *
 * @throws {Deno.errors.Busy} if another process has it alone, or anyone works in it and it is not to be shared
 */
export async function claimDirectory(
  directory: string,
  { isShared = false, onWait, signal }: ClaimOptions = {},
): Promise<Claim> {
  const wasThere = await Deno.stat(directory).then(() => true, () => false);
  for (let waits = 0;; waits++) {
    signal?.throwIfAborted();
    const alone = await lock(directory, true);
    const file = alone ?? (isShared ? await lock(directory, false) : undefined);
    // Of a sharer that finds others the directory has an id; without, its maker was killed in between.
    const { id, isNew = false } = alone !== undefined
      ? await ensureId(alone, directory)
      : { id: file && parseId(await readText(file)) };
    if (file !== undefined && id !== undefined) {
      return claimOf({ directory, wasThere, isNew, file, id }, alone !== undefined);
    }
    file?.close();
    if (!isShared) {
      throw new Deno.errors.Busy(
        `Another process is at work in ${directory}: wait until it has ended, or choose another directory`,
      );
    }
    if (waits === 0) onWait?.();
    await new Promise((wake) => setTimeout(wake, WAIT_MS));
  }
}

function claimOf(
  { directory, wasThere, isNew, file, id }: {
    directory: string;
    wasThere: boolean;
    isNew: boolean;
    file: Deno.FsFile;
    id: string;
  },
  isAlone: boolean,
): Claim {
  return {
    id,
    get isAlone() {
      return isAlone;
    },
    async share() {
      isAlone = false;
      await file.lock(false);
    },
    async takeAlone() {
      await file.lock(true);
      isAlone = true;
    },
    async undo() {
      if (!isAlone || !isNew) return;
      // Windows removes no file that is open, and nobody a directory with something in it: then they stay.
      await Deno.remove(join(directory, LOCK)).then(() => wasThere ? undefined : Deno.remove(directory)).catch(
        () => {},
      );
    },
    [Symbol.dispose]: () => file.close(),
  };
}

/** The lock's file, held; undefined if others are in the way. */
async function lock(directory: string, isExclusive: boolean): Promise<Deno.FsFile | undefined> {
  const path = join(directory, LOCK);
  for (;;) {
    const file = await make(directory).then(() => open(path));
    if (file === undefined) continue;
    if (!await tryLock(file, directory, isExclusive)) {
      file.close();
      return undefined;
    }
    // One that gave the directory up may have removed the file that was opened.
    const [held, there] = [await file.stat(), await Deno.stat(path).catch(() => undefined)];
    if (there !== undefined && there.ino === held.ino && there.dev === held.dev) return file;
    file.close();
  }
}

async function make(directory: string): Promise<void> {
  try {
    await Deno.mkdir(directory, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw fileError("write", directory, error);
    throw new Deno.errors.NotADirectory(`Cannot write into ${directory}: it is no directory, choose another place`);
  }
}

/** Undefined if its directory was removed in between. */
async function open(path: string): Promise<Deno.FsFile | undefined> {
  const { isSymlink = false } = await Deno.lstat(path).catch(() => ({ isSymlink: false }));
  if (isSymlink) throw new Error(`${path} is a link: remove it, or choose another directory`);
  try {
    return await Deno.open(path, { read: true, write: true, create: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw fileError("write", path, error);
  }
}

async function tryLock(file: Deno.FsFile, directory: string, isExclusive: boolean): Promise<boolean> {
  try {
    return await file.tryLock(isExclusive);
  } catch (error) {
    file.close();
    throw new Error(`${directory} cannot be locked: choose a directory on a file system with locks`, { cause: error });
  }
}

const MOST_BYTES = 100;

async function readText(file: Deno.FsFile): Promise<string> {
  const bytes = new Uint8Array(MOST_BYTES);
  await file.seek(0, Deno.SeekMode.Start);
  const length = await file.read(bytes) ?? 0;
  return new TextDecoder().decode(bytes.subarray(0, length));
}

/** The id in a lock's file. */
export function parseId(text: string): string | undefined {
  return /^[0-9a-f-]{36}(?= )/.exec(text)?.[0];
}

/** Gives the directory an id if it has none of its own, as where it is a copy; the file must be held alone. */
async function ensureId(file: Deno.FsFile, directory: string): Promise<{ id: string; isNew: boolean }> {
  const { ino } = await Deno.stat(directory);
  const before = await readText(file);
  const known = parseId(before);
  if (known !== undefined && before === textOf(known, ino)) return { id: known, isNew: false };
  const id = crypto.randomUUID();
  await file.truncate();
  await file.seek(0, Deno.SeekMode.Start);
  await file.write(new TextEncoder().encode(textOf(id, ino)));
  await file.sync();
  return { id, isNew: known === undefined };
}

function textOf(id: string, ino: number | null): string {
  return `${id} ${ino ?? ""}\n`;
}

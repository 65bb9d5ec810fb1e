import { fileSystem, type OpenFile } from "../../../platform/files.ts";
import { dirname } from "../../../platform/path.ts";
import { pause } from "../../http/watch.ts";
import { makeDirectory, openToWrite } from "./disk.ts";

const POLL_MS = 100;

/**
 * Runs a task while no other process (ours or Python's huggingface_hub) holds the lock file. The system gives a lock
 * back when its process dies. Where the file system knows no locks the task runs without: what it writes must be
 * right even so.
 */
export async function withFileLock<T>(path: string, signal: AbortSignal, task: () => Promise<T>): Promise<T> {
  const file = await acquire(path, signal);
  try {
    return await task();
  } finally {
    file.close(); // and with it the lock
  }
}

async function acquire(path: string, signal: AbortSignal): Promise<OpenFile> {
  await makeDirectory(dirname(path));
  while (true) {
    const file = await openToWrite(path);
    try {
      if (!(await hold(file, signal)) || await isStillAt(path, file)) return file;
    } catch (error) {
      file.close();
      throw error;
    }
    file.close(); // its last holder removed it: lock the one that is there now
  }
}

/** False where locks are not supported. */
async function hold(file: OpenFile, signal: AbortSignal): Promise<boolean> {
  while (true) {
    signal.throwIfAborted();
    try {
      if (await file.tryLock(true)) return true;
    } catch {
      return false;
    }
    await pause(POLL_MS, signal);
  }
}

async function isStillAt(path: string, file: OpenFile): Promise<boolean> {
  const held = await file.stat();
  const there = await fileSystem.stat(path).catch(() => undefined);
  return there !== undefined && (held.ino === null || (held.ino === there.ino && held.dev === there.dev));
}

/**
 * What the system says of a file, in words.
 *
 * @module
 */
import { BrokenPipe, IsADirectory, NotADirectory, NotCapable, NotFound, PermissionDenied } from "./errors.ts";
import { dirname } from "./path.ts";
import { plainMessage } from "./plain_message.ts";

/** What was to be done with a file. */
export type FileAction = "read" | "write";

type Reason = string | ((path: string) => string);

/** By the system's code, why it could not be done and what to do. */
const REASONS: Readonly<Record<FileAction, Readonly<Record<string, Reason>>>> = {
  read: {
    ENOENT: "there is no such file",
    ENOTDIR: "there is no such file, a part of its path is no directory",
    EISDIR: "it is a directory, give a file",
    EACCES: "permission denied, give a file that you may read",
    NotCapable: "Deno was not allowed to, run it with --allow-read",
  },
  write: {
    ENOENT: (path) => `the directory ${dirname(path)} does not exist, make it first`,
    ENOTDIR: (path) => `${dirname(path)} is no directory, choose another place`,
    EISDIR: "it is a directory, give a file",
    EACCES: "permission denied, choose a place you may write to",
    EROFS: "the disk is read-only, choose another place",
    ENOSPC: "the disk is full, free some space or choose another place",
    EDQUOT: "the disk is full, free some space or choose another place",
    NotCapable: "Deno was not allowed to, run it with --allow-read and --allow-write",
  },
};

/** The same whatever was to be done. */
const COMMON: Readonly<Record<string, Reason>> = {
  ENAMETOOLONG: "its name is too long, give a shorter one",
  ELOOP: "its links lead in a circle, give another one",
  EMFILE: "too many files are open, close some or raise the limit (ulimit -n)",
  ENFILE: "too many files are open, close some or raise the limit (ulimit -n)",
};

const CLASSES = [NotCapable, NotFound, NotADirectory, IsADirectory, PermissionDenied];

/**
 * An error of the system about a file as one of the same class whose message is one line that says what to do; an error
 * that is not the system's, or that says that a pipe's reader has gone, is returned as it is.
 *
 * @param what of what, such as `prompts from`; empty: of the file itself
 */
export function fileError(action: FileAction, path: string, error: unknown, what: string = ""): unknown {
  const code = codeOf(error);
  if (code === undefined || error instanceof BrokenPipe) return error;
  const found = REASONS[action][code === "EPERM" ? "EACCES" : code] ?? COMMON[code];
  const reason = typeof found === "function" ? found(path) : found ?? systemReason(error as Error);
  const Class = CLASSES.find((one) => error instanceof one) ?? Error;
  return new Class(`Cannot ${action} ${what === "" ? "" : `${what} `}${path}: ${reason}`, { cause: error });
}

/** The system's code, if the error is the system's. */
function codeOf(error: unknown): string | undefined {
  if (error instanceof NotCapable) return "NotCapable";
  const isOurs = !(error instanceof Error) || !("code" in error) || typeof error.code !== "string";
  return isOurs || !/^E[A-Z0-9]+$/.test(error.code as string) ? undefined : error.code as string;
}

/** The system's own words, without its number and the call: for what has no words of ours. */
function systemReason({ message }: Error): string {
  const [first] = message.split("\n", 1);
  return plainMessage(new Error(first.replace(/(\(os error \d+\)).*$/, "$1")));
}

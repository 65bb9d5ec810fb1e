import { OS } from "../../platform/environment.ts";
import { quote } from "../../quote.ts";
import { checkPath } from "../files/places.ts";

/** A place on the hub: a repository, and what of it is meant. */
export interface HubName {
  /** `owner/name`, or `name` alone for the few old repositories without an owner. */
  readonly repo: string;
  /** A branch, tag or commit; undefined: the main branch. */
  readonly revision: string | undefined;
  /** A file or directory inside; undefined: all of it. */
  readonly path: string | undefined;
}

const REPO = /^[A-Za-z0-9][A-Za-z0-9._-]*(?:\/[A-Za-z0-9][A-Za-z0-9._-]*)?$/;
/** Names that Windows gives to devices, whatever follows after a dot. */
const DEVICE = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|$)/i;

/**
 * Reads `owner/name` or `hf:owner/name[@revision][:path]`; `undefined` for a text of another form.
 *
 * @throws {RangeError} if the form is right and a part is not allowed
 */
export function parseHubName(text: string): HubName | undefined {
  if (!text.startsWith("hf:")) {
    const isRepo = REPO.test(text) && text.includes("/");
    return isRepo ? { repo: checkRepo(text), revision: undefined, path: undefined } : undefined;
  }
  const [, repo, , revision, , path] = /^hf:(?:\/\/)?([^@:]*)(@([^:]*))?(:(.*))?$/s.exec(text)!;
  checkRepo(repo);
  if (revision !== undefined) checkRevision(revision);
  const inside = path?.replace(/\/+$/, "");
  if (inside === undefined || inside === "" || inside === ".") return { repo, revision, path: undefined };
  checkHubPath(inside);
  return { repo, revision, path: inside };
}

/** Writes a place as {@linkcode parseHubName} reads it. */
export function formatHubName({ repo, revision, path }: HubName): string {
  return `hf:${repo}${revision === undefined ? "" : `@${revision}`}${path === undefined ? "" : `:${path}`}`;
}

/** Refuses what is no repository's name, with a `RangeError`: it becomes a directory's name. */
export function checkRepo(repo: string): string {
  const bad = !REPO.test(repo) || repo.length > 96 || /--|\.\./.test(repo) ||
    repo.split("/").some((part) => /[.-]$/.test(part) || part.endsWith(".git"));
  if (bad) throw new RangeError(`${quote(repo)} is no repository of the hub: write owner/name`);
  return repo;
}

/** Refuses what is no branch, tag or commit, with a `RangeError`: it becomes a file's name. */
export function checkRevision(revision: string): string {
  try {
    checkHubPath(revision);
  } catch (cause) {
    throw new RangeError(`${quote(revision)} is no revision: give a branch, a tag or a commit`, { cause });
  }
  return revision;
}

/**
 * Refuses a path that could leave the repository's directory, or that the system would take for something else:
 * besides what {@linkcode checkPath} refuses, control characters, and on Windows devices and streams.
 */
export function checkHubPath(path: string, os: string = OS): void {
  checkPath(path);
  // deno-lint-ignore no-control-regex
  const bad = /[\x00-\x1f\x7f]/.test(path) ||
    (os === "windows" && path.split("/").some((part) => /[<>:"|?*]|[. ]$/.test(part) || DEVICE.test(part)));
  if (bad) throw new RangeError(`Cannot read ${quote(path)}: the name is not allowed on this system`);
}

/** Whether a revision is a full commit hash, which never changes what it means. */
export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}

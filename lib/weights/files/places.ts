/**
 * Telling places from names.
 *
 * @module
 */
import { OS } from "../../platform/environment.ts";
import { fileSystem } from "../../platform/files.ts";
import { quote } from "../../quote.ts";

/** Whether a text is written as a URL or a path. It is not looked whether anything is there. */
export function looksLikePlace(text: string): boolean {
  return /^(?:https?:|[a-z][a-z0-9+.-]+:\/\/)/i.test(text) || looksLikePath(text);
}

/** Whether a text is written as a path, there or not. */
export function looksLikePath(text: string): boolean {
  return /^(?:[.~]{0,2}[/\\]|[a-z]:[/\\]|\.{1,2}$)/i.test(text);
}

/** Whether a text is a URL or a path, rather than a name to look up: it has a scheme, looks like a path, or exists. */
export async function isPlace(text: string): Promise<boolean> {
  if (looksLikePlace(text)) return true;
  return await fileSystem.stat(text).then(() => true, () => false);
}

/** Refuses a path that is not relative or that could leave its directory: absolute, with a drive, `..`, `\` or NUL. */
export function checkPath(path: string): void {
  if (typeof path !== "string") throw new TypeError(`Cannot read a file: its path is a ${typeof path}, not a string`);
  const bad = path.includes("\0") || path.includes("\\") || /^[A-Za-z]:/.test(path) ||
    path.split("/").some((part) => part === "" || part === "." || part === "..");
  if (bad) throw new RangeError(`Cannot read ${quote(path)}: give a relative path inside the directory`);
}

/** Whether a name that a file gives is that of a file directly beside it: short, and without control characters. */
export function isPlainName(name: string): boolean {
  return name !== "." && name !== ".." && /^[^/\\\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]{1,100}$/u.test(name) &&
    !/^[A-Za-z]:/.test(name);
}

/** The path that a `file:` URL names, on Windows too (`file:///C:/a` is `C:\a`, `file://host/a` is `\\host\a`). */
export function fromFileUrl(url: string | URL, os: string = OS): string {
  const { protocol, hostname, pathname } = new URL(url);
  if (protocol !== "file:") throw new TypeError(`Cannot turn ${url} into a path: it is not a file: URL`);
  // A lone "%" is no escape: it stands for itself, where decodeURIComponent would throw.
  const escaped = pathname.replace(/%(?![0-9A-Fa-f]{2})/g, "%25");
  if (os !== "windows") return decodeURIComponent(escaped);
  const path = decodeURIComponent(escaped.replaceAll("/", "\\")).replace(/^\\*([A-Za-z]:)(\\|$)/, "$1\\");
  return hostname === "" ? path : `\\\\${hostname}${path}`;
}

/** What begins like an address of a server, also without its colon; `np:` and `hf:` names and paths do not. */
const ADDRESS = /^(?:[a-z][a-z0-9+.-]+:\/\/|https?(?::|\/\/))/i;

/**
 * The name under which a model or an SAE is shown and written down: an address is its origin and path, since its
 * credentials, query and fragment may be secrets. Of an address that cannot be understood nothing is shown but how it
 * begins. Other names stay as they are.
 */
export function shownName(source: string | URL): string {
  const text = String(source);
  const [scheme] = ADDRESS.exec(text) ?? [];
  if (scheme === undefined || !/[@?#\\]/.test(text)) return text;
  if (!URL.canParse(text)) return `${scheme}…`;
  const { protocol, host, pathname } = new URL(text);
  return `${protocol}//${host}${pathname}`;
}

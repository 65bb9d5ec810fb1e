import { OS } from "../../platform/environment.ts";

/**
 * The path that a `file:` URL names, on Windows too (`file:///C:/a` is `C:\a`, `file://host/a` is `\\host\a`).
 *
 * @example
 * ```ts
 * console.log(fromFileUrl("file:///models/my%20gpt2", "linux")); // "/models/my gpt2"
 * console.log(fromFileUrl("file:///C:/models", "windows")); // "C:\\models"
 * ```
 */
export function fromFileUrl(url: string | URL, os: string = OS): string {
  const { protocol, hostname, pathname } = new URL(url);
  if (protocol !== "file:") throw new TypeError(`Cannot turn ${url} into a path: it is not a file: URL`);
  // A lone "%" is no escape: it stands for itself, where decodeURIComponent would throw.
  const escaped = pathname.replace(/%(?![0-9A-Fa-f]{2})/g, "%25");
  if (os !== "windows") return decodeURIComponent(escaped);
  const path = decodeURIComponent(escaped.replaceAll("/", "\\")).replace(/^\\*([A-Za-z]:)(\\|$)/, "$1\\");
  return hostname === "" ? path : `\\\\${hostname}${path}`;
}

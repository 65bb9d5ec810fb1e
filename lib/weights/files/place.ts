/**
 * Telling places from names.
 *
 * @module
 */
import { fileSystem } from "../../platform/files.ts";

/**
 * Whether a text is written as a URL or a path. It is not looked whether anything is there.
 *
 * @example
 * ```ts
 * console.log(looksLikePlace("./gpt2"), looksLikePlace("owner/name")); // true false
 * ```
 */
export function looksLikePlace(text: string): boolean {
  return /^(?:https?:|[a-z][a-z0-9+.-]+:\/\/)/i.test(text) || looksLikePath(text);
}

/**
 * Whether a text is written as a path, there or not.
 *
 * @example
 * ```ts
 * import { looksLikePath } from "./place.ts";
 *
 * console.assert(looksLikePath("./gpt2") && !looksLikePath("gpt2"));
 * ```
 */
export function looksLikePath(text: string): boolean {
  return /^(?:[.~]{0,2}[/\\]|[a-z]:[/\\]|\.{1,2}$)/i.test(text);
}

/**
 * Whether a text is a URL or a path, rather than a name to look up: it has a scheme, looks like a path, or exists.
 *
 * @example
 * ```ts
 * import { isPlace } from "./place.ts";
 *
 * console.assert(await isPlace("https://example.com/gpt2") && await isPlace("./gpt2"));
 * console.assert(!await isPlace("np:gpt2-small/10-res-jb"));
 * ```
 */
export async function isPlace(text: string): Promise<boolean> {
  if (looksLikePlace(text)) return true;
  return await fileSystem.stat(text).then(() => true, () => false);
}

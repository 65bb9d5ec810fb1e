/** What begins like an address of a server; `np:` and `hf:` names and paths do not. */
const ADDRESS = /^(?:[a-z][a-z0-9+.-]+:\/\/|https?:)/i;

/**
 * The name under which a model or an SAE is shown and written down: an address is its origin and path, since its
 * credentials, query and fragment may be secrets. Of an address that cannot be understood nothing is shown but how it
 * begins. Other names stay as they are.
 *
 * @example
 * ```ts
 * console.log(shownName("https://me:secret@example.com/gpt2?sig=secret")); // "https://example.com/gpt2"
 * console.log(shownName("hf:owner/name@main:a/b")); // "hf:owner/name@main:a/b"
 * ```
 */
export function shownName(source: string | URL): string {
  const text = String(source);
  const [scheme] = ADDRESS.exec(text) ?? [];
  if (scheme === undefined || !/[@?#\\]/.test(text)) return text;
  if (!URL.canParse(text)) return `${scheme}…`;
  const { protocol, host, pathname } = new URL(text);
  return `${protocol}//${host}${pathname}`;
}

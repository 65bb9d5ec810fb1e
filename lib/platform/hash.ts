/**
 * Digests, in hexadecimal.
 *
 * @module
 */

/** Takes bytes one after another. */
export interface Hash {
  update(bytes: Uint8Array | string): unknown;
  digest(encoding: "hex"): string;
}

/** A hash that takes bytes as they come. Its module is imported here, which takes 3 to 6 ms. */
export async function makeHash(algorithm: "sha1" | "sha256"): Promise<Hash> {
  if (typeof Deno === "undefined") {
    const { makeSha } = await import(new URL("sha.ts", import.meta.url).href) as typeof import("./sha.ts");
    return makeSha(algorithm);
  }
  const { createHash } = await import(`node:${"crypto"}`) as typeof import("node:crypto");
  return createHash(algorithm);
}

/** SHA-256 of a text. */
export async function hashText(text: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** About how many characters a writer hands over at a time. */
export const CHUNK_LENGTH = 65_536;

/**
 * Joins small strings to chunks of about 64 KB, so that neither a write per row nor one giant string is needed.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { joinToChunks } from "./chunks.ts";
 *
 * assert.deepEqual([...joinToChunks(["a\n", "b\n"])], ["a\nb\n"]);
 * ```
 */
export function* joinToChunks(lines: Iterable<string>): Generator<string> {
  let chunk = "";
  for (const line of lines) {
    chunk += line;
    if (chunk.length >= CHUNK_LENGTH) {
      yield chunk;
      chunk = "";
    }
  }
  if (chunk !== "") yield chunk;
}

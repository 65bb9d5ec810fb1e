import { NotFound } from "../../platform/errors.ts";
import type { FileSource } from "./file_source.ts";

/**
 * A text file of at most `maxBytes`, `undefined` where there is none. The file is asked for and not its size: a source
 * that is not told the size has to download a file to know it, and would do so without this limit.
 *
 * @example
 * ```ts
 * import { openSource } from "./source.ts";
 *
 * await using source = openSource(".");
 * console.log(await readTextIfThere(source, "no-such-file.json", 1024)); // undefined
 * ```
 */
export async function readTextIfThere(
  source: FileSource,
  path: string,
  maxBytes: number,
): Promise<string | undefined> {
  try {
    return await source.readText(path, maxBytes);
  } catch (error) {
    // What is not there may be more than the file: only the source can tell.
    if (error instanceof NotFound && await source.size(path) === undefined) return undefined;
    throw error;
  }
}

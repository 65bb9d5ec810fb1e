import { NotFound } from "../../platform/errors.ts";
import { fromFileUrl, shownName } from "./places.ts";
import type { FileSource } from "./file_source.ts";
import { openHttpSource } from "../http/http.ts";
import { openLocalSource } from "./local.ts";

export type { FileSource } from "./file_source.ts";

/**
 * Opens a directory of files: a local path, a `file:` URL, or an http(s) URL. Nothing is read until it is asked for.
 *
 * A query in an http(s) URL (a token, say) is sent with every request below it, and never shown.
 */
export function openSource(location: string | URL): FileSource {
  const text = String(location);
  if (text === "") throw new RangeError("Cannot open a source: the location is empty");
  if (/^https?:/i.test(text)) return openHttpSource(text);
  if (/^file:/i.test(text)) return openLocalSource(fromFileUrl(text));
  const open = schemes.get(/^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1] ?? "");
  if (open !== undefined) return open(text);
  if (location instanceof URL || /^[a-z][a-z0-9+.-]+:\/\//i.test(text)) {
    throw new RangeError(`Cannot open ${shownName(text)}: give a local directory, a file: URL or an http(s) URL`);
  }
  return openLocalSource(text);
}

const schemes = new Map<string, (location: string) => FileSource>();

/** Opens locations `SCHEME://…` from now on, where there is more than directories and addresses: see `chosen.ts`. */
export function addScheme(scheme: string, open: (location: string) => FileSource): void {
  schemes.set(scheme, open);
}

/**
 * A text file of at most `maxBytes`, `undefined` where there is none. The file is asked for and not its size: a source
 * that is not told the size has to download a file to know it, and would do so without this limit.
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

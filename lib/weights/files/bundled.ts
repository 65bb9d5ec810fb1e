import { bundledUrl } from "../../bundled.ts";
import type { FileSource } from "./file_source.ts";
import { openPacked } from "./packed.ts";
import { openSource } from "./source.ts";

/** The files of a bundled model or SAE. */
export function openBundled(
  { directory, packed }: { readonly directory: string; readonly packed?: boolean },
): FileSource {
  const files = openSource(bundledUrl(directory));
  return packed ? openPacked(files) : files;
}

/**
 * The file formats of SAEs that can be opened.
 *
 * @module
 */
import { excerpt } from "../../quote.ts";
import type { SaeFiles } from "./files.ts";
import type { FoundSae, LoadSaeOptions, SaeFormat } from "./format.ts";
import { saeLens } from "./sae_lens.ts";

export { SaeFiles } from "./files.ts";
export type { FoundSae, LoadSaeOptions, SaeFormat } from "./format.ts";

/**
 * Opens an SAE of whatever format; of a cross-layer transcoder, every layer. SAELens's format is tried first.
 *
 * @throws {Deno.errors.NotFound} if it is of none that is known
 */
export async function openSaes(files: SaeFiles, options: LoadSaeOptions): Promise<readonly FoundSae[]> {
  const found = await openAs([saeLens], files, options) ??
    await openAs((await import("./others.ts")).OTHER_FORMATS, files, options);
  if (!found) throw await unknown(files);
  return found;
}

/** As the first of the formats that it has; undefined if it has none of them. */
async function openAs(
  formats: readonly SaeFormat[],
  files: SaeFiles,
  options: LoadSaeOptions,
): Promise<readonly FoundSae[] | undefined> {
  for (const format of formats) {
    const found = await format.open(files, options);
    if (found) return [found].flat();
  }
  return undefined;
}

async function unknown(files: SaeFiles): Promise<Error> {
  if (files.named !== undefined) {
    const names = excerpt([...(await files.tensors(files.named)).keys()].join(", ")) || "none at all";
    return new RangeError(`${files.location} has the tensors of no SAE format that is known: ${names}`);
  }
  return new Deno.errors.NotFound(
    `${files.location} has no cfg.json with sae_weights.safetensors, nor the files of another SAE format: ` +
      "is it the directory of an SAE? A single file (.npz, .safetensors, .pt) is given by its own path",
  );
}

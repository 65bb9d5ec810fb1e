/**
 * The file formats of SAEs that can be opened.
 *
 * @module
 */
import { NotFound } from "../../platform/errors.ts";
import type { SaeFiles } from "./files.ts";
import type { FoundSae, LoadSaeOptions, SaeFormat } from "./format.ts";
import { saeLens } from "./sae_lens.ts";
import { tensorShapes } from "../tensor_shapes.ts";
import { excerpt } from "../../quote.ts";

export { SaeFiles } from "./files.ts";
export type { FoundSae, LoadSaeOptions, SaeFormat } from "./format.ts";

/**
 * Opens an SAE of whatever format; of a cross-layer transcoder, every layer. SAELens's format is tried first.
 *
 * @throws {Deno.errors.NotFound} if it is of none that is known
 */
export async function openSaes(files: SaeFiles, options: LoadSaeOptions): Promise<readonly FoundSae[]> {
  const found = await openAs([saeLens], files, options) ??
    await openAs(
      (await import(new URL("./others.ts", import.meta.url).href) as typeof import("./others.ts")).OTHER_FORMATS,
      files,
      options,
    );
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
    await files.forget();
    const found = await format.open(files, options);
    if (found) return await withoutRest([found].flat(), format, files);
  }
  return undefined;
}

/**
 * What the files have beside what was read: tensors that could change a number are an error, as SAELens loads strictly;
 * the others and settings are noted.
 */
async function withoutRest(
  found: readonly FoundSae[],
  { harmless }: SaeFormat,
  files: SaeFiles,
): Promise<readonly FoundSae[]> {
  const { tensors, settings } = await files.unread();
  const views = found.flatMap(({ config, store }) => {
    const used = tensorShapes(config);
    return [...store.tensors.keys()].filter((name) => !Object.hasOwn(used, name));
  });
  const rest = [...new Set([...tensors, ...views])];
  const strange = rest.filter((name) => !harmless?.test(name));
  if (strange.length > 0) {
    throw new RangeError(
      `${files.location} has tensors that are not used here and may change what the SAE computes: ` +
        excerpt(strange.join(", ")),
    );
  }
  return found.map((sae) => ({ ...sae, unused: [...rest, ...sae.unused ?? settings] }));
}

async function unknown(files: SaeFiles): Promise<Error> {
  if (files.named !== undefined) {
    const names = excerpt([...(await files.tensors(files.named)).keys()].join(", ")) || "none at all";
    return new RangeError(`${files.location} has the tensors of no SAE format that is known: ${names}`);
  }
  return new NotFound(
    `${files.location} has no cfg.json with sae_weights.safetensors, nor the files of another SAE format: ` +
      "is it the directory of an SAE? A single file (.npz, .safetensors, .pt) is given by its own path",
  );
}

/**
 * Opening an SAE.
 *
 * @module
 */
import { fileSystem } from "../platform/files.ts";
import { checkOptions, type OptionKinds, withoutUndefined } from "../options.ts";
import { findBundledSae } from "../bundled.ts";
import { openBundled } from "../weights/files/bundled.ts";
import { isRecord, parseUniqueObject } from "../weights/json/json.ts";
import { MAX_TEXT_BYTES } from "../weights/files/text.ts";
import { isPlace, shownName } from "../weights/files/places.ts";
import { type FileSource, openSource, readTextIfThere } from "../weights/files/source.ts";
import type { OpenOptions } from "../registry/open.ts";
import type { SaeOverrides } from "./config.ts";
import { openSaes, SaeFiles } from "./formats/mod.ts";
import { type Sae, TensorSae } from "./sae.ts";

/**
 * Opens an SAE by bundled name, by a public name (`RELEASE/SAE_ID`, `np:MODEL/SAE`, `hf:owner/repo:path`), or from a directory, a URL, or the path of a single file (`.npz`, `.safetensors`,
 * `.pt`) in any of the {@linkcode ./formats/mod.ts formats}. What its files do not say is taken from the options, and
 * where they are silent too from the directories' names, as releases have them.
 *
 * @throws {RangeError} if its architecture, format or a setting is not supported, or an option is missing
 * @throws {TypeError | SyntaxError} if a file is malformed or a tensor is missing or of the wrong shape
 *
 * @example A bundled SAE
 * ```ts
 * import { loadSae } from "./load.ts";
 *
 * await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
 * console.assert(sae.hookOut === "blocks.3.hook_resid_pre");
 * ```
 */
export async function loadSae(source: string | URL, options: LoadSaeSettings = {}): Promise<Sae> {
  const saes = await loadSaes(source, options);
  if (saes.length === 1) return saes[0];
  await Promise.all(saes.map((sae) => sae.close()));
  throw new RangeError(
    `${shownName(source)} is a cross-layer transcoder of ${saes.length} layers: open them together, with loadSaes`,
  );
}

/**
 * Opens everything that one source holds: an SAE as {@linkcode loadSae} does, or the layers of a cross-layer transcoder,
 * lowest first. What a layer's features attribute to depends on all layers that they write at, so a run wants all of
 * them. A cross-layer transcoder's `hook` and `hookIn`, where its files do not say them or something else, are names in a
 * block: `hook_mlp_out`.
 *
 * @throws {RangeError} if its architecture, format or a setting is not supported, or an option is missing
 * @throws {TypeError | SyntaxError} if a file is malformed or a tensor is missing or of the wrong shape
 *
 * @example
 * ```ts
 * import { loadSaes } from "./load.ts";
 *
 * const saes = await loadSaes("tiny-facts/blocks.3.hook_resid_pre");
 * console.assert(saes.length === 1);
 * await Promise.all(saes.map((sae) => sae.close()));
 * ```
 */
export async function loadSaes(source: string | URL, options: LoadSaeSettings = {}): Promise<Sae[]> {
  checkOptions("loadSae", options, LOAD_OPTIONS);
  const { revision, onProgress, isPublic, weights, ...settings } = options;
  const name = shownName(source);
  const { files, file, overrides, resolved } = await locate(source, { revision, onProgress, isPublic });
  try {
    const found = await openSaes(new SaeFiles(files, file), { ...overrides, ...withoutUndefined(settings) });
    const labels = found.length > 1 ? undefined : () => readLabels(files);
    const isResident = weights === "resident";
    const close = closeWithLast(files, found.length);
    return found.map(({ config, store, unused }) =>
      new TensorSae(config, store, name, { labels, resolved, unused, isResident, close: close() })
    );
  } catch (error) {
    await files.close();
    throw error;
  }
}

/** Makes as many closing functions: files that are shared close when the last of their users does. */
function closeWithLast(files: FileSource, users: number): () => () => Promise<void> {
  return () => {
    let isOpen = true;
    return async () => {
      if (isOpen) users--;
      isOpen = false;
      if (users === 0) await files.close();
    };
  };
}

/** Options of {@linkcode loadSae}. */
export interface LoadSaeSettings extends SaeOverrides, OpenOptions {
  /** Features kept per position, for a top-k SAE whose files do not say it. */
  readonly k?: number;
  /** Default `streamed`: read whenever they are used. `resident` keeps them in memory, for many prompts. */
  readonly weights?: "streamed" | "resident";
}

const LOAD_OPTIONS: OptionKinds<LoadSaeSettings> = {
  revision: "any",
  onProgress: "any",
  isPublic: "flag",
  hook: "any",
  hookIn: "any",
  normScalingFactor: "any",
  listed: "any",
  k: "count",
  weights: ["streamed", "resident"],
};

interface Located {
  readonly files: FileSource;
  readonly file?: string;
  readonly overrides?: SaeOverrides;
  readonly resolved?: string;
}

/** A bundled SAE, a path or URL, or a name in the directory of public SAEs. */
async function locate(source: string | URL, options: OpenOptions): Promise<Located> {
  const name = String(source);
  const bundled = source instanceof URL ? undefined : findBundledSae(name);
  if (bundled) return { files: openBundled(bundled) };
  if (!options.isPublic && (source instanceof URL || await isPlace(name))) {
    const { directory, file } = await splitFile(source);
    return { files: openSource(directory), file };
  }
  const { openSaeByName } = await import(new URL("../registry/open.ts", import.meta.url).href) as Registry;
  return await openSaeByName(name, options);
}

type Registry = typeof import("../registry/open.ts");

/** A file of weights is the directory that it is in, and its name; Llama Scope's lies in one deeper than its settings. */
async function splitFile(source: string | URL): Promise<{ directory: string | URL; file?: string }> {
  const text = String(source);
  const isUrl = /^[a-z][a-z0-9+.-]+:\/\//i.test(text);
  const path = isUrl ? new URL(text).pathname : text;
  const found = /^(.*?)(?:[/\\]|^)(checkpoints[/\\]final\.safetensors|[^/\\]+\.(?:npz|safetensors|pth?))$/i.exec(path);
  if (!found || (!isUrl && await isDirectory(text))) return { directory: source };
  const [, parent, name] = found;
  const file = name.replaceAll("\\", "/");
  if (!isUrl) return { directory: parent || (/^[/\\]/.test(path) ? "/" : "."), file };
  const url = new URL(text);
  url.pathname = `${parent}/`;
  return { directory: url, file: decodeURIComponent(file) };
}

async function isDirectory(path: string): Promise<boolean> {
  return await fileSystem.stat(path).then(({ isDirectory }) => isDirectory, () => false);
}

/** `labels.json` beside the weights: what each feature stands for, where somebody has written it down. */
async function readLabels(files: FileSource): Promise<ReadonlyMap<number, string>> {
  const text = await readTextIfThere(files, "labels.json", MAX_TEXT_BYTES);
  if (text === undefined) return new Map();
  const { features } = parseUniqueObject(text, "labels.json");
  if (!isRecord(features)) throw new SyntaxError('Cannot read labels.json: its "features" is no object');
  return new Map(
    Object.entries(features).flatMap(([feature, entry]): [number, string][] =>
      isRecord(entry) && typeof entry.label === "string" ? [[Number(feature), entry.label]] : []
    ),
  );
}

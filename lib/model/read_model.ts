/**
 * Where a model's files are, and what they say.
 *
 * @module
 */
import type { Architecture } from "../../models/family.ts";
import { openArchitecture } from "../../models/mod.ts";
import { findBundledModel } from "../bundled.ts";
import { openBundled } from "../weights/files/bundled.ts";
import { NotFound } from "../platform/errors.ts";
import type { OpenOptions } from "../registry/open.ts";
import { isPlace, shownName } from "../weights/files/places.ts";
import { type FileSource, openSource, readTextIfThere } from "../weights/files/source.ts";
import { parseJsonObject } from "../weights/json/json.ts";
import { ReadSettings } from "../weights/json/read_settings.ts";
import type { TensorStore } from "../weights/tensors/tensors.ts";
import { openWeights } from "./weights/open_weights.ts";

/** A model's files, and what outputs call it. */
export interface Located {
  readonly files: FileSource;
  readonly description?: string;
  readonly resolved?: string;
}

type Registry = typeof import("../registry/open.ts");

/** A bundled model, a path or URL, or a public name. */
export async function locate(source: string | URL, options: OpenOptions): Promise<Located> {
  const name = String(source);
  const bundled = source instanceof URL ? undefined : findBundledModel(name);
  const isHere = bundled !== undefined || (!options.isPublic && (source instanceof URL || await isPlace(name)));
  if (isHere && options.revision !== undefined) {
    throw new RangeError(
      `A revision is for models from the hub, and ${shownName(name)} is none: leave out \`revision\``,
    );
  }
  if (bundled) return { files: openBundled(bundled), description: bundled.description };
  if (isHere) return { files: openSource(source) };
  const { openModelByName } = await import(new URL("../registry/open.ts", import.meta.url).href) as Registry;
  return await openModelByName(name, { revision: options.revision, onProgress: options.onProgress });
}

/** What a model's files say. */
export interface ReadModel {
  readonly architecture: Architecture;
  /** `config.json`. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Its tensors under the architecture's names. */
  readonly store: TensorStore;
  /** Names what of its files is not used. */
  readonly unused: () => readonly string[];
}

/** Reads the configuration, and where tensors lie. */
export async function readModel(source: FileSource, name: string): Promise<ReadModel> {
  const text = await readTextIfThere(source, "config.json", 2 ** 22);
  if (text === undefined) {
    throw new NotFound(
      `${source.location} has no config.json: is it the directory of a Hugging Face model?`,
    );
  }
  const settings = new ReadSettings(parseJsonObject(text, "config.json"));
  const config = settings.value;
  const architecture = await openArchitecture(config);
  const { store, unused } = await openWeights(source, architecture, config, name);
  return { architecture, config, store, unused: () => [...unused, ...settings.unread()] };
}

/**
 * The registry's files. They are read when something is looked up, not when this module is imported.
 *
 * @module
 */
import { OS } from "../platform/environment.ts";
import { openSource } from "../weights/files/source.ts";

const LISTS = new URL("../../models/registry/", import.meta.url);

/** One SAE; names as in SAELens's directory. */
export interface DirectorySae {
  readonly id: string;
  readonly path: string | number;
  readonly neuronpedia?: string;
  readonly l0?: number;
  readonly variance_explained?: number;
  readonly norm_scaling_factor?: number;
}

/** A release of SAEs. */
export interface DirectoryRelease {
  readonly repo_id: string;
  readonly model: string;
  /** Which loader reads its files; null: SAELens's own format. */
  readonly conversion_func: string | null;
  /** Settings that go over those of its files. */
  readonly config_overrides?: Readonly<Record<string, unknown>>;
  readonly links?: Readonly<Record<string, string>>;
  readonly saes: readonly DirectorySae[];
}

/** `saes.json.gz`. */
export interface SaeData {
  /** Which version of SAELens it was made from. */
  readonly source: string;
  /** How many SAEs there are. */
  readonly saes: number;
  /** Digest of the directory. */
  readonly sha256: string;
  readonly releases: Readonly<Record<string, DirectoryRelease>>;
}

/** A model in `models.json`. */
export interface ModelFacts {
  /** The `model_type` of its `config.json`. */
  readonly type?: string;
  /** Why nothing but TransformerLens runs it. */
  readonly problem?: string;
  readonly aliases?: readonly string[];
  /** Other names of its repository on the hub. */
  readonly other_repos?: readonly string[];
}

/** `models.json`: models by TransformerLens's official name. */
export interface ModelData {
  readonly source: string;
  readonly models: Readonly<Record<string, ModelFacts>>;
}

/** SAELens's public directory. */
export function readSaeData(): Promise<SaeData> {
  return saeData ??= readPacked("saes.json.gz");
}

let saeData: Promise<SaeData> | undefined;

/** TransformerLens's models, and those that SAEs are for. */
export async function readModelData(): Promise<ModelData> {
  if (OS === "browser") { // not all of them import JSON
    await using lists = openSource(LISTS);
    return JSON.parse(await lists.readText("models.json")) as ModelData;
  }
  // By a computed address: a literal one would make the data part of every program that imports this module.
  const { href } = new URL("models.json", LISTS);
  return (await import(href, { with: { type: "json" } })).default as ModelData;
}

async function readPacked<T>(file: string): Promise<T> {
  await using lists = openSource(LISTS);
  const bytes = await lists.read(file, 0, await lists.size(file) ?? 0);
  const text = new Blob([bytes as BlobPart]).stream().pipeThrough(new DecompressionStream("gzip"));
  return await new Response(text).json() as T;
}

/**
 * The registry's files. They are read when something is looked up, not when this module is imported.
 *
 * @module
 */

/** What is said of a release that its SAEs share; names as in SAELens's directory. */
export interface ReleaseFacts {
  readonly repo_id: string;
  readonly model: string;
  /** Which loader reads its files; null: SAELens's own format. */
  readonly conversion_func: string | null;
  /** Settings that go over those of its files. */
  readonly config_overrides?: Readonly<Record<string, unknown>>;
  readonly links?: Readonly<Record<string, string>>;
}

/** A release as `saes.json` has it: its SAEs are columns. */
export interface PackedRelease extends ReleaseFacts {
  readonly columns: Readonly<Record<string, string>>;
  readonly integer_paths?: boolean;
  /** Fields that no column takes, by row. */
  readonly extra?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** `saes.json`. */
export interface SaeData {
  /** Which version of SAELens it was made from. */
  readonly source: string;
  /** How many SAEs there are. */
  readonly saes: number;
  /** Digest of the directory that the releases expand to. */
  readonly sha256: string;
  readonly releases: Readonly<Record<string, PackedRelease>>;
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
  return readJson("saes.json");
}

/** TransformerLens's models, and those that SAEs are for. */
export function readModelData(): Promise<ModelData> {
  return readJson("models.json");
}

/** By a computed address: a literal one would make the data part of every program that imports this module. */
async function readJson<T>(file: string): Promise<T> {
  const { href } = new URL(`../../models/registry/${file}`, import.meta.url);
  return (await import(href, { with: { type: "json" } })).default as T;
}

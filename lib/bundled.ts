/**
 * The models and SAEs that come with the program, in `models/bundled`.
 *
 * @module
 */
import index from "../models/bundled/index.json" with { type: "json" };

/** A bundled SAE. */
export interface BundledSae {
  readonly directory: string;
  /** Whether its files are packed, as a site has them. */
  readonly packed?: boolean;
  readonly hook: string;
}

/** A bundled model with its SAEs by name, `model/hook`. */
export interface BundledModel {
  readonly directory: string;
  /** Whether its files are packed, as a site has them. */
  readonly packed?: boolean;
  /** What every output says of it. */
  readonly description: string;
  readonly parameters: number;
  readonly default_sae: string;
  readonly saes: Readonly<Record<string, BundledSae>>;
}

/** The model that is used when none is named. */
export const DEFAULT_MODEL = "tiny-facts";

const ROOT = new URL("../models/bundled/", import.meta.url);

/** What is bundled, by name. */
export const BUNDLED: Readonly<Record<string, BundledModel>> = index;

/** Where a bundled directory is, on disk or at the URL that this module came from. */
export function bundledUrl(directory: string): URL {
  return new URL(`${directory}/`, ROOT);
}

/** A bundled model by name, if there is one. */
export function findBundledModel(name: string): BundledModel | undefined {
  return Object.hasOwn(BUNDLED, name) ? BUNDLED[name] : undefined;
}

/** A bundled SAE by name, if there is one. */
export function findBundledSae(name: string): BundledSae | undefined {
  const saes = Object.values(BUNDLED).map((model) => model.saes).find((all) => Object.hasOwn(all, name));
  return saes?.[name];
}

/**
 * A listed SAE with everything that is known of it before its files are read.
 *
 * @module
 */
import type { HubName } from "../weights/hub/names.ts";
import { type Hooks, hooksOf } from "./hooks.ts";
import { LOADERS } from "./loaders.ts";
import type { DirectoryRelease, DirectorySae } from "./data.ts";

/** SAELens's own format: `cfg.json` and `sae_weights.safetensors`. */
const DEFAULT_LOADER = "sae_lens";

/** What a directory of releases says of an SAE beside its files. */
export interface ListedSettings {
  /** Settings that go over those of the files. */
  readonly configOverrides: Readonly<Record<string, unknown>>;
  /** What `expected_average_only_in` multiplies activations by; ignored with other normalisations, as by SAELens. */
  readonly normScalingFactor?: number;
  /** Its Neuronpedia id, `model/sae`, where the files have none. */
  readonly neuronpediaId?: string;
}

/** What an SAE's name stands for. */
export interface SaeEntry extends Hooks, ListedSettings {
  /** `RELEASE/SAE_ID`, or `hf:owner/repo[@revision]:path` as given. */
  readonly name: string;
  /** The repository on the Hugging Face hub. */
  readonly repo: string;
  /** A branch, tag or commit; undefined: what the caller takes by default. */
  readonly revision?: string;
  /** The directory or file in it; empty: the whole repository. */
  readonly path: string;
  /** Which of SAELens's loaders reads its files. */
  readonly loader: string;
  /** The model that it is for, as the directory calls it. */
  readonly model?: string;
  /** Active features per token, as its makers report it. */
  readonly expectedL0?: number;
  /** As its makers report it, up to 1. */
  readonly expectedVarianceExplained?: number;
  /** Whether this program reads its files. */
  readonly supported: boolean;
  /** Why it is not supported. */
  readonly whyNot?: string;
  /** For `hf:` names: the listed SAEs that are the same files. Their settings are not used. */
  readonly listedAs?: readonly string[];
}

/** The directory names another model than these SAEs' loader (gemma_2) does, which reads it off the repository. */
const MODELS: Readonly<Record<string, string>> = { "gemma-scope-9b-it-res": "gemma-2-9b-it" };

/** The model that a release is for. */
export function modelOf(name: string, { model }: { readonly model: string }): string {
  return Object.hasOwn(MODELS, name) ? MODELS[name] : model;
}

/** An SAE of a release. */
export function toEntry(name: string, release: DirectoryRelease, sae: DirectorySae): SaeEntry {
  const loader = release.conversion_func ?? DEFAULT_LOADER;
  const [repo, path] = [release.repo_id, String(sae.path)];
  return {
    name: `${name}/${sae.id}`,
    repo,
    path,
    loader,
    model: modelOf(name, release),
    ...hooksOf(loader, { repo, id: sae.id, path }),
    neuronpediaId: sae.neuronpedia,
    normScalingFactor: sae.norm_scaling_factor,
    configOverrides: release.config_overrides ?? {},
    expectedL0: sae.l0,
    expectedVarianceExplained: sae.variance_explained,
    ...supportPart(loader, repo),
  };
}

/** Files on the hub, read as the listed ones of the same repository are. */
export function hubEntry(name: string, { repo, revision, path = "" }: HubName, inRepo: readonly SaeEntry[]): SaeEntry {
  const loader = inRepo[0]?.loader ?? DEFAULT_LOADER;
  const same = inRepo.filter((entry) => entry.path === path);
  const [{ model, hook, hookIn }] = [...same, { model: inRepo[0]?.model, hook: undefined, hookIn: undefined }];
  const listedAs = same.map((entry) => entry.name);
  return { name, repo, revision, path, loader, model, hook, hookIn, configOverrides: {}, ...support(loader), listedAs };
}

/** What is listed of a cross-layer transcoder are its layers, whose features write at other layers too. */
function supportPart(loader: string, repo: string): Pick<SaeEntry, "supported" | "whyNot"> {
  if (!Object.hasOwn(LOADERS, loader) || !LOADERS[loader].whole) return support(loader);
  return { supported: false, whyNot: `it is one layer of a cross-layer transcoder: open all of it, hf:${repo}` };
}

function support(loader: string): Pick<SaeEntry, "supported" | "whyNot"> {
  const known = Object.hasOwn(LOADERS, loader) ? LOADERS[loader] : undefined;
  if (known?.format !== undefined) return { supported: true };
  return { supported: false, whyNot: known?.why ?? `files for SAELens's loader ${loader} are not supported` };
}

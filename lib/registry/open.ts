/**
 * From the name of a public model or SAE to its files on the hub. Imported only when a name is neither bundled nor a
 * path nor a URL.
 *
 * @module
 */
import { OS } from "../platform/environment.ts";
import { cachedName } from "../weights/hub/cache/cached_repos.ts";
import { type DownloadProgress, openHub } from "../weights/hub/hub.ts";
import { readHubSettings } from "../weights/hub/settings.ts";
import type { FileSource } from "../weights/files/file_source.ts";
import { describeModel, findModel } from "./models.ts";
import { describeSae, findSae, type ListedSettings } from "./saes.ts";

/** How files are fetched. */
export interface OpenOptions {
  /** A branch, tag or commit; default: what the name says, else `main`. */
  readonly revision?: string;
  /** Called while files are downloaded. */
  readonly onProgress?: (progress: DownloadProgress) => void;
  /** The name comes from outside: only bundled and public ones are opened, no place on this machine or address. */
  readonly isPublic?: boolean;
}

/** Files on the hub, and what the name resolved to in one line. */
export interface OpenedName {
  readonly files: FileSource & { readonly revision: string | undefined };
  readonly resolved: string;
}

/**
 * Opens a model by TransformerLens's or Hugging Face's name. Nothing is downloaded before a file is asked for.
 *
 * @throws {RangeError} if there is no such model, or its family is not supported
 */
export async function openModelByName(name: string, options: OpenOptions = {}): Promise<OpenedName> {
  const entry = await findModel(name);
  if (!entry.supported || entry.repo === undefined) {
    throw new RangeError(`${entry.name} cannot be run: ${entry.whyNot ?? "it has no repository on the hub"}`);
  }
  const { path, otherRepos = [] } = entry;
  const revision = options.revision ?? entry.revision;
  const repos = [entry.repo, ...otherRepos] as const;
  const repo = OS === "browser" ? entry.repo : await cachedName(repos, revision ?? "main", readHubSettings());
  const files = openHub({ repo, path, revision, onProgress: options.onProgress });
  return { files, resolved: describeModel(name, { ...entry, repo }) };
}

/** An SAE's files, and what the directory of releases says beside them. */
export interface OpenedSae extends OpenedName {
  /** The file that is meant, where it is one of a directory's. */
  readonly file?: string;
  readonly overrides: { readonly hook?: string; readonly hookIn?: string; readonly listed: ListedSettings };
}

/**
 * Opens an SAE by `RELEASE/SAE_ID`, `np:MODEL/SAE` or `hf:owner/repo:path`. Only what is needed is fetched.
 *
 * @throws {RangeError} if there is no such SAE, or its format is not supported
 */
export async function openSaeByName(name: string, options: OpenOptions = {}): Promise<OpenedSae> {
  const entry = await findSae(name);
  if (!entry.supported) throw new RangeError(`${entry.name} cannot be loaded: ${entry.whyNot ?? "not supported"}`);
  // SAELens reads paths of its own format as directories, whatever they end in.
  const single = entry.loader === "sae_lens"
    ? null
    : /^(?:(.*)\/)?([^/]+\.(?:npz|safetensors|pth?))$/i.exec(entry.path);
  const files = openHub({
    repo: entry.repo,
    path: (single ? single[1] : entry.path) || undefined,
    revision: options.revision ?? entry.revision,
    weights: "ranges",
    onProgress: options.onProgress,
  });
  const { configOverrides, normScalingFactor, neuronpediaId } = entry;
  const ownHooks = entry.loader === "sae_lens" ? {} : { hook: entry.hook, hookIn: entry.hookIn };
  return {
    files,
    file: single?.[2],
    overrides: { ...ownHooks, listed: { configOverrides, normScalingFactor, neuronpediaId } },
    resolved: describeSae(entry),
  };
}

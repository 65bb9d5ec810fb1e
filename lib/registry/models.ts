/**
 * Models by name: TransformerLens's names and aliases, and Hugging Face's.
 *
 * @module
 */
import { quote } from "../quote.ts";
import { FAMILIES } from "../../models/mod.ts";
import { BUNDLED } from "../bundled.ts";
import { formatHubName, parseHubName } from "../weights/hub/names.ts";
import { shownName } from "../weights/files/places.ts";
import { nearestNames } from "../nearest_names.ts";
import { type ModelData, type ModelFacts, readModelData } from "./data.ts";

/** What a model's name stands for. */
export interface ModelEntry {
  /** TransformerLens's official name, which is the repository's name. */
  readonly name: string;
  /** The repository on the Hugging Face hub; undefined where there is none. */
  readonly repo?: string;
  /** A branch, tag or commit; undefined: what the caller takes by default. */
  readonly revision?: string;
  /** The directory of the repository that it is in; undefined: the top. */
  readonly path?: string;
  /** Other names of the same repository: the hub answers to all, its cache has a directory for each. */
  readonly otherRepos?: readonly string[];
  /** TransformerLens's other names. */
  readonly aliases: readonly string[];
  /** The `model_type` of its `config.json`; undefined where that is not known without reading it. */
  readonly family?: string;
  /** Whether this program runs its family; also true for a model that is not listed: its `config.json` will tell. */
  readonly supported: boolean;
  /** Why it is not supported. */
  readonly whyNot?: string;
}

/** All names, ready for looking up. */
export interface ModelIndex {
  /** In TransformerLens's order, then those that only SAEs name. */
  readonly models: readonly ModelEntry[];
  /** The model that a name, an alias or a repository's name without its owner stands for, in any case. */
  find(name: string): ModelEntry | undefined;
}

/**
 * Finds a model by TransformerLens's or Hugging Face's name, or `hf:owner/name[@revision][:path]`. A
 * repository that is not listed passes through.
 *
 * @throws {RangeError} if no model has the name; the message has the nearest ones
 */
export async function findModel(name: string): Promise<ModelEntry> {
  const index = await indexModels();
  const hub = parseHubName(name);
  const found = hub?.path === undefined ? index.find(hub?.repo ?? name) : undefined;
  if (found) return hub?.revision === undefined ? found : { ...found, revision: hub.revision };
  if (hub) return { ...hub, name: hub.repo, aliases: [], supported: true };
  const names = [...Object.keys(BUNDLED), ...index.models.flatMap((model) => [model.name, ...model.aliases])];
  const nearest = nearestNames(name, names).join(", ");
  throw new RangeError(
    `Unknown model ${
      quote(shownName(name))
    }: the nearest are ${nearest}; owner/name takes any other, a path or URL a directory`,
  );
}

/** The listed models whose names have every word of a text, in any case; no text: all. */
export async function searchModels(text: string = ""): Promise<ModelEntry[]> {
  const { models } = await indexModels();
  const fits = wordTest(text);
  return models.filter(({ name, aliases, family }) => fits([name, ...aliases, family ?? ""].join("\n")));
}

/** Whether every word of a text is somewhere in another. */
export function hasWords(content: string, text: string): boolean {
  return wordTest(text)(content);
}

/** Tests whether every word of a text is somewhere in another. */
export function wordTest(text: string): (content: string) => boolean {
  const words = text.toLowerCase().split(/\s+/);
  return (content) => {
    const lower = content.toLowerCase();
    return words.every((word) => lower.includes(word));
  };
}

/** What a name stands for, in one line. */
export function describeModel(given: string, { name, repo = name, revision, path, family }: ModelEntry): string {
  const place = formatHubName({ repo, revision, path }).slice("hf:".length);
  return `${given} is ${place}${family === undefined ? "" : ` (${family})`}`;
}

let indexed: ModelIndex | undefined;

/** Reads the list and indexes its names, once. */
export async function indexModels(): Promise<ModelIndex> {
  const data = await readModelData();
  return indexed ??= makeIndex(data);
}

function makeIndex({ models }: ModelData): ModelIndex {
  const entries = Object.entries(models).map(([name, facts]) => toEntry(name, facts));
  const byName = new Map<string, ModelEntry>();
  const add = (name: string, entry: ModelEntry): void => {
    if (!byName.has(name.toLowerCase())) byName.set(name.toLowerCase(), entry);
  };
  for (const entry of entries) for (const name of [entry.name, ...entry.aliases]) add(name, entry);
  for (const entry of entries) {
    // As it was asked for: the hub's cache has a directory for each name.
    const repos = [entry.name, ...models[entry.name].other_repos ?? []];
    for (const repo of repos.slice(1)) {
      add(repo, { ...entry, repo, otherRepos: repos.filter((other) => other !== repo) });
    }
    add(entry.name.slice(entry.name.indexOf("/") + 1), entry);
  }
  return { models: entries, find: (name) => byName.get(name.toLowerCase()) };
}

function toEntry(name: string, { type, problem, aliases = [], other_repos }: ModelFacts): ModelEntry {
  const isFamily = type !== undefined && Object.hasOwn(FAMILIES, type);
  const whyNot = isFamily ? undefined : problem ?? `models of type ${type} are not supported`;
  const isOnHub = name.includes("/") || type !== undefined;
  return {
    name,
    repo: isOnHub ? name : undefined,
    otherRepos: other_repos,
    aliases,
    family: type,
    supported: whyNot === undefined,
    whyNot,
  };
}

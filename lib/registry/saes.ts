/**
 * Public SAEs by name: SAELens's directory.
 *
 * @module
 */
import { quote } from "../quote.ts";
import { BUNDLED } from "../bundled.ts";
import { formatHubName, parseHubName } from "../weights/hub/names.ts";
import { nearestNames } from "../nearest_names.ts";
import { readSaeData, type SaeData } from "./data.ts";
import { hubEntry, modelOf, type SaeEntry, toEntry } from "./entry.ts";
import { findModel, indexModels, wordTest } from "./models.ts";

export type { ListedSettings, SaeEntry } from "./entry.ts";
export type { Hooks } from "./hooks.ts";

const NEURONPEDIA = "np:";
const HUB = "hf:";

/** What {@linkcode searchSaes} looks for; everything that is given must fit. */
export interface SaeQuery {
  /** A model by any of its names. */
  readonly model?: string;
  /** Words that are somewhere in its names, model, hook, repository or Neuronpedia id, in any case. */
  readonly text?: string;
}

/**
 * Finds an SAE by `RELEASE/SAE_ID` as SAELens calls it, by Neuronpedia id (`np:gpt2-small/10-res-jb`), or on the
 * Hugging Face hub (`hf:owner/repo[@revision]:path`, which passes through: the directory's settings are not applied).
 *
 * @throws {RangeError} if no SAE has the name; the message has the nearest ones
 */
export async function findSae(name: string): Promise<SaeEntry> {
  const data = await readSaeData();
  if (name.startsWith(NEURONPEDIA)) return findByNeuronpediaId(data, name.slice(NEURONPEDIA.length));
  if (name.startsWith(HUB)) return findOnHub(data, name);
  const slash = name.indexOf("/");
  const release = slash < 0 ? name : name.slice(0, slash);
  if (!Object.hasOwn(data.releases, release)) throw unknownRelease(data, name, release);
  const saes = entriesOf(data, release);
  const found = saes.find((entry) => entry.name === name);
  if (found) return found;
  if (slash < 0) {
    throw new RangeError(`${release} is a release of ${saes.length} SAEs: name one, as in ${saes[0].name}`);
  }
  const nearest = nearestNames(name, saes.map((entry) => entry.name)).join(", ");
  throw new RangeError(
    `The release ${release} has no SAE ${quote(name.slice(slash + 1))}: the nearest are ${nearest}`,
  );
}

/** What a name stands for, in one line. */
export function describeSae(entry: SaeEntry): string {
  const {
    name,
    repo,
    revision,
    path,
    loader,
    model,
    hook,
    neuronpediaId,
    normScalingFactor,
    configOverrides,
    listedAs,
  } = entry;
  const facts = [
    loader,
    ...(model === undefined ? [] : [`for ${model}`]),
    ...(hook === undefined ? [] : [hook]),
    ...(neuronpediaId === undefined ? [] : [`np:${neuronpediaId}`]),
    ...(normScalingFactor === undefined ? [] : [`norm_scaling_factor ${normScalingFactor}`]),
    ...Object.entries(configOverrides).map(([key, value]) => `${key} ${JSON.stringify(value)}`),
  ];
  const place = formatHubName({ repo, revision, path: path === "" ? undefined : path }).slice("hf:".length);
  const listed = listedAs?.length ? `; listed as ${listedAs.join(", ")}, whose settings are not used` : "";
  return `${name} is ${place} (${facts.join(", ")})${listed}`;
}

/**
 * The listed SAEs that fit a query, in the directory's order, those first whose own name has the words.
 *
 * @throws {RangeError} if the model is unknown
 */
export async function searchSaes({ model, text = "" }: SaeQuery = {}): Promise<SaeEntry[]> {
  const all = await indexEntries();
  const isOfModel = model === undefined ? () => true : await modelTest(model);
  const hasWords = wordTest(text);
  const found = all.filter(({ entry, content }) => isOfModel(entry.model!) && hasWords(content));
  const isNamed = found.map(({ entry: { name } }) => hasWords(name));
  return [...found.filter((_, i) => isNamed[i]), ...found.filter((_, i) => !isNamed[i])].map(({ entry }) => entry);
}

/** An SAE, and what it is found by. */
interface Searchable {
  readonly entry: SaeEntry;
  readonly content: string;
}

let entries: readonly Searchable[] | undefined;

/** Made once: a server is asked often. */
async function indexEntries(): Promise<readonly Searchable[]> {
  const data = await readSaeData();
  return entries ??= allEntries(data).map((entry) => ({ entry, content: searchable(entry).toLowerCase() }));
}

/** How many SAEs are listed for each model, by its official name. */
export async function countSaes(): Promise<ReadonlyMap<string, number>> {
  const [{ releases }, index] = await Promise.all([readSaeData(), indexModels()]);
  const counts = new Map<string, number>();
  for (const [name, release] of Object.entries(releases)) {
    const model = modelOf(name, release);
    const official = index.find(model)?.name ?? model;
    counts.set(official, (counts.get(official) ?? 0) + release.saes.length);
  }
  return counts;
}

function searchable({ name, repo, path, model, hook, neuronpediaId }: SaeEntry): string {
  return [name, repo, path, model, hook, neuronpediaId].join("\n");
}

/** Whether one of the directory's names for models is a name of this model. */
async function modelTest(model: string): Promise<(name: string) => boolean> {
  const index = await indexModels();
  const official = (name: string): string => (index.find(name)?.name ?? name).toLowerCase();
  const wanted = (await findModel(model)).name.toLowerCase();
  return (name) => official(name) === wanted;
}

function entriesOf(data: SaeData, release: string): SaeEntry[] {
  const listed = data.releases[release];
  return listed.saes.map((sae) => toEntry(release, listed, sae));
}

function allEntries(data: SaeData): SaeEntry[] {
  return Object.keys(data.releases).flatMap((release) => entriesOf(data, release));
}

function findByNeuronpediaId(data: SaeData, id: string): SaeEntry {
  const entries = allEntries(data);
  const found = entries.find(({ neuronpediaId }) => neuronpediaId === id);
  if (found) return found;
  const known = entries.flatMap(({ neuronpediaId }) =>
    neuronpediaId === undefined ? [] : [NEURONPEDIA + neuronpediaId]
  );
  throw unknown(NEURONPEDIA + id, `the nearest are ${nearestNames(NEURONPEDIA + id, known).join(", ")}`);
}

function findOnHub(data: SaeData, name: string): SaeEntry {
  const hub = parseHubName(name)!; // undefined only for names without hf:
  const releases = Object.keys(data.releases).filter((release) => data.releases[release].repo_id === hub.repo);
  return hubEntry(name, hub, releases.flatMap((release) => entriesOf(data, release)));
}

function unknownRelease(data: SaeData, name: string, release: string): RangeError {
  if (allEntries(data).some(({ neuronpediaId }) => neuronpediaId === name)) {
    return unknown(name, `it is a Neuronpedia id, write ${NEURONPEDIA}${name}`);
  }
  const models = Object.keys(BUNDLED);
  const bundled = models.flatMap((model) => Object.keys(BUNDLED[model].saes));
  const [nearest, ...others] = nearestNames(release, [...models, ...Object.keys(data.releases)], 4);
  if (models.includes(nearest) || (name !== "" && bundled.some((sae) => sae.includes(name)))) {
    return unknown(name, `it is no directory here, and the nearest are ${nearestNames(name, bundled).join(", ")}`);
  }
  const parts = allEntries(data).map((entry) => entry.name).filter((whole) => whole.includes(name));
  if (name !== "" && parts.length > 0) {
    return unknown(name, `it is a part of a name, such as ${parts.slice(0, 3).join(", ")}`);
  }
  const releases = [nearest, ...others].filter((one) => !models.includes(one)).slice(0, 3).join(", ");
  return unknown(name, `it is no directory here, and the nearest releases are ${releases}`);
}

function unknown(name: string, advice: string): RangeError {
  return new RangeError(`Unknown SAE ${quote(name)}: ${advice}; the command "saes" finds more`);
}

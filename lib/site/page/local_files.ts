/**
 * What the user's own files are: models, SAEs, and what lies beside them.
 *
 * @module
 */
import { isRecord } from "../../weights/json/json.ts";
import { chosenFiles, offerFiles } from "../../weights/files/chosen.ts";
import type { Choice } from "../../web/catalog.ts";
import type { LocalChoices, LocalFile } from "../../web/page/engine.ts";

/** Choices, and files by the locations by which they are opened. */
export interface FoundFiles extends LocalChoices {
  readonly offers: ReadonlyMap<string, ReadonlyMap<string, Blob>>;
}

const MODEL_WEIGHTS = /^(?:model(?:-\d+-of-\d+)?\.safetensors|pytorch_model(?:-\d+-of-\d+)?\.bin)(?:\.index\.json)?$/;
const SAE_WEIGHTS = /\.(?:safetensors|npz|pth?)$/i;
/** Beside an SAE's weights they say what it is. */
const SAE_SETTINGS = /\.(?:json|ya?ml)$/i;
/** Read beside what they belong to: no SAE has these names. */
const BESIDES_A_MODEL = /^(?:chat_template\.jinja|tokenizer\.json|tokenizer_config\.json|special_tokens_map\.json)$/;
const BESIDES_AN_SAE = /^labels\.json$/;
const MOST_CONFIG_BYTES = 2 ** 22;

/**
 * Finds models and SAEs among files. A file on its own that belongs to one, such as `chat_template.jinja` or
 * `labels.json`, is read beside it where there is no doubt to which.
 */
export async function findLocalFiles(local: readonly LocalFile[]): Promise<FoundFiles> {
  const { name, files } = await chosenFiles(local.map(({ path, file }) => named(file, path)));
  const directories = Map.groupBy(files.keys(), directoryOf);
  const models: string[] = [];
  const saes: string[] = [];
  const loose: string[] = [];
  const ignored: string[] = [];
  for (const [directory, paths] of directories) {
    const names = paths.map((path) => path.slice(directory.length));
    if (names.includes("config.json") && names.some((one) => MODEL_WEIGHTS.test(one))) models.push(directory);
    else if (names.some((one) => SAE_WEIGHTS.test(one))) saes.push(...saesIn(directory, names));
    else loose.push(...paths);
  }
  const all = new Map(files);
  for (const path of loose) {
    const file = path.slice(directoryOf(path).length);
    const owners = BESIDES_A_MODEL.test(file) ? models : BESIDES_AN_SAE.test(file) ? saes.map(directoryOf) : [];
    const [owner, ...others] = new Set(owners);
    if (owner !== undefined && others.length === 0 && !all.has(owner + file)) all.set(owner + file, files.get(path)!);
    else ignored.push(`${path}: ${whyIgnored(file, owners.length)}`);
  }
  if (models.length + saes.length === 0) return { models: [], saes: [], ignored, offers: new Map() };
  const location = offerFiles({ name, files: all }).replace(/^(chosen:\/\/[^/]*).*$/, "$1");
  const choice = async (path: string): Promise<Choice> => ({
    name: [location, ...path.split("/").filter(Boolean).map(encodeURIComponent)].join("/"),
    description: await describe(all.get(`${path}config.json`)),
    local: true,
  });
  return {
    models: await Promise.all(models.map(choice)),
    saes: await Promise.all(saes.map(choice)),
    ignored,
    offers: new Map([[location, all]]),
  };
}

/** A directory of SAE weights with settings is one SAE; without, each file is one. */
function saesIn(directory: string, names: readonly string[]): string[] {
  if (names.some((name) => SAE_SETTINGS.test(name) && !BESIDES_AN_SAE.test(name))) return [directory];
  return names.filter((name) => SAE_WEIGHTS.test(name)).map((name) => directory + name);
}

function directoryOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/") + 1);
}

function whyIgnored(file: string, owners: number): string {
  if (owners > 1) return "it may belong to several: drop it with one of them";
  if (BESIDES_A_MODEL.test(file)) return "there is no model that it belongs to: drop it with its model's directory";
  if (BESIDES_AN_SAE.test(file)) return "there is no SAE that it belongs to: drop it with its SAE's directory";
  return "it is no part of a model or an SAE";
}

/** A model's family. */
async function describe(config: Blob | undefined): Promise<string> {
  if (config === undefined || config.size > MOST_CONFIG_BYTES) return "from your files";
  try {
    const settings: unknown = JSON.parse(await config.text());
    const type = isRecord(settings) ? settings.model_type : undefined;
    return typeof type === "string" ? `${type}, from your files` : "from your files";
  } catch {
    return "from your files"; // opening it says what is wrong
  }
}

function named(file: Blob, path: string): Blob & { readonly name: string; readonly webkitRelativePath: string } {
  return Object.assign(file.slice(), { name: path.slice(directoryOf(path).length), webkitRelativePath: path });
}

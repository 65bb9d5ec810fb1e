/**
 * What a run's result depends on, written down before the first shard, so that nothing else is mixed in later.
 *
 * @module
 */
import { processingFlags, resolvePrependBos, resolveProcessing } from "../../attribution/run/processing.ts";
import type { Model } from "../../model/model.ts";
import type { Sae } from "../../sae/sae.ts";
import { VERSION } from "../../version.ts";
import { isRecord } from "../../weights/json/json.ts";
import { MANIFEST } from "./layout.ts";
import { type InputPlan, isInputPlan } from "./plan.ts";
import { DATA_FORMATS } from "../../table/formats.ts";
import type { BatchSettings } from "../settings.ts";
import { type Store, textOf } from "./store.ts";

/** SHA-256 by file; null where a file is not local. */
type FileHashes = Readonly<Record<string, string | null>>;

/** The model, the SAEs and the program. */
export interface Identity {
  /** The model that was opened. */
  readonly model: {
    readonly name: string;
    readonly revision: string | null;
    readonly family: string;
    readonly sha256: FileHashes;
  };
  /** The SAEs that were opened. */
  readonly saes: readonly {
    readonly source: string;
    readonly hook: string;
    readonly hook_in: string;
    readonly architecture: string;
    readonly d_sae: number;
    readonly sha256: FileHashes;
  }[];
  /** TransformerLens's flags of the model's form. */
  readonly processing: Readonly<Record<string, boolean>>;
  /** Whether BOS comes first; null: the family's default. */
  readonly prepend_bos: boolean | null;
  /** What the model runs on. */
  readonly device: string;
  /** What computes. */
  readonly versions: Readonly<Record<string, string>>;
}

/** `manifest.json`. */
export interface Manifest extends Identity {
  /** Of this file. */
  readonly schema_version: 3;
  /** What was asked for. */
  readonly settings: BatchSettings;
  /** What was read. */
  readonly input: InputPlan;
}

/** Where there are answers, the columns that say of which token; of a prompt that has none they are empty. */
const TARGET_COLUMNS = ["target_position", "target_token"] as const;

/** Those of a run: whether any of its prompts has an answer is known before the first shard. */
export function targetColumns({ settings, input }: Pick<Manifest, "settings" | "input">): readonly string[] {
  return settings.answer === undefined && input.answers === undefined ? [] : TARGET_COLUMNS;
}

/** The columns of a run's rows. */
export function allColumns(manifest: Pick<Manifest, "settings" | "input">): readonly string[] {
  return ["prompt_id", ...targetColumns(manifest), ...manifest.settings.rows.columns];
}

/**
 * Describes an opened model and SAEs; reads all their files once, for the hashes.
 *
 * @throws {RangeError} if the SAEs disagree about the form of the model
 */
export async function identify(model: Model, saes: readonly Sae[], settings: BatchSettings): Promise<Identity> {
  const { processing, processingFlags: flags, prependBos } = settings;
  return {
    model: {
      name: model.name,
      revision: model.revision,
      family: model.architecture.family,
      sha256: await model.fileHashes(),
    },
    saes: await Promise.all(saes.map(async (sae) => ({
      source: sae.source,
      hook: sae.hookOut,
      hook_in: sae.hookIn,
      architecture: sae.config.architecture,
      d_sae: sae.config.dSae,
      sha256: await sae.fileHashes(),
    }))),
    processing: processingFlags(resolveProcessing(model.architecture, saes, processing, flags)),
    prepend_bos: resolvePrependBos(saes, prependBos) ?? null,
    device: model.runtime.device,
    versions: { "sae-attribution": VERSION, ...Object.fromEntries([model.runtime.version]) },
  };
}

/**
 * The manifest in a store, if there is one.
 *
 * @throws {SyntaxError} if it is none
 */
export async function readManifest(store: Store): Promise<Manifest | undefined> {
  const text = textOf(await store.read(MANIFEST));
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // reported below
  }
  const isFormat = (name: unknown): boolean => DATA_FORMATS.some((format) => format === name);
  if (
    isRecord(value) && value.schema_version === 3 && isRecord(value.settings) &&
    isFormat(value.settings.format) && isInputPlan(value.input)
  ) {
    return value as unknown as Manifest;
  }
  throw new SyntaxError(
    `${store.location}/${MANIFEST} is not a manifest of this version of the program: choose another directory`,
  );
}

/** Writes the manifest. */
export async function writeManifest(store: Store, manifest: Manifest): Promise<void> {
  await store.write(MANIFEST, [new TextEncoder().encode(`${JSON.stringify(manifest, null, 2)}\n`)]);
}

/** The first thing in which two parts of a manifest differ. */
export function firstDifference(before: unknown, now: unknown): string | undefined {
  const [was, is] = [before, now].map((value) => flattened(plain(value)));
  for (const path of new Set([...was.keys(), ...is.keys()])) {
    const [a, b] = [was.get(path), is.get(path)];
    if (a !== b) return `${path} was ${a ?? "not given"} and is now ${b ?? "not given"}`;
  }
  return undefined;
}

/** As it comes back from JSON. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

function flattened(value: unknown, path = "", into = new Map<string, string>()): Map<string, string> {
  if (typeof value !== "object" || value === null || (Array.isArray(value) && !value.some(isRecord))) {
    return into.set(path, JSON.stringify(value));
  }
  for (const [key, inner] of Object.entries(value)) flattened(inner, path === "" ? key : `${path}.${key}`, into);
  return into;
}

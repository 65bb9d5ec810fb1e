/**
 * A run over a data set, from its input to what is left to do.
 *
 * @module
 */
import type { Claim } from "./shards/claim.ts";
import { ERRORS, FOLDERS, inputName, isInputName, MANIFEST, type Share, SUMMARY } from "./shards/layout.ts";
import { firstDifference, type Identity, type Manifest, readManifest, writeManifest } from "./shards/manifest.ts";
import { doneShards, recheckShards } from "./output/merge.ts";
import { type InputPlan, planInput } from "./shards/plan.ts";
import type { InputRecord } from "./input/record.ts";
import type { BatchSettings } from "./settings.ts";
import type { Store } from "./shards/store.ts";

/** A run that may begin or go on. */
export interface PreparedRun {
  /** What it is. */
  readonly manifest: Manifest;
  /** Shards that were done before. */
  readonly done: ReadonlySet<number>;
}

/** What {@linkcode prepareRun} goes by. */
export interface RunStart {
  /** What is asked for. */
  readonly settings: BatchSettings;
  /** What was opened for it. */
  readonly identity: Identity;
  /** What the prompts come from, for messages. */
  readonly inputName: string;
  /** The prompts, read once. */
  readonly records: AsyncIterable<InputRecord>;
  /** What this process will work on. */
  readonly share: Share;
  /** Ends it; nothing is left of a run that had not begun. */
  readonly signal?: AbortSignal;
}

/**
 * Begins a run, or takes up one that was interrupted: reads the input, writes the shards' inputs and the manifest, or
 * compares all that with what is there. Inputs that are not there as they were written are written again.
 *
 * @param claim of the store's directory
 * @throws {RangeError} if there are no prompts, or the store has a run with other settings, files or prompts
 */
export async function prepareRun(store: Store, claim: Claim, request: RunStart): Promise<PreparedRun> {
  const before = await readManifest(store);
  return before === undefined ? await beginRun(store, request) : await resumeRun(store, claim, before, request);
}

async function beginRun(
  store: Store,
  { settings, identity, inputName: input, records, signal }: RunStart,
): Promise<PreparedRun> {
  await refuseResults(store, settings);
  await clearInputs(store); // of a run that was killed before it had begun
  try {
    const write = (shard: number, lines: readonly Uint8Array[]): Promise<void> => store.write(inputName(shard), lines);
    const plan = await planInput(records, settings.shardSize, write, signal);
    if (plan.prompts === 0) throw new RangeError(`There are no prompts in ${input}`);
    const manifest: Manifest = { schema_version: 3, settings, ...identity, input: plan };
    await writeManifest(store, manifest);
    return { manifest, done: new Set() };
  } catch (error) {
    await clearInputs(store);
    throw error;
  }
}

/** Removes what a run would write into the folder, and nothing else. */
async function clearInputs(store: Store): Promise<void> {
  await store.sweep(FOLDERS.inputs);
  for (const name of await store.list(FOLDERS.inputs)) {
    if (isInputName(name)) await store.remove(`${FOLDERS.inputs}/${name}`);
  }
  await store.remove(FOLDERS.inputs).catch(() => {}); // folders may be in it
}

/** Files that a run writes are there, but no run. */
async function refuseResults(store: Store, { format }: BatchSettings): Promise<void> {
  const ours = [SUMMARY, ERRORS, `prompts.${format}`, `features.${format}`];
  const names = (await store.list("")).filter((name) => ours.includes(name));
  for (const folder of Object.values(FOLDERS)) {
    const others = (await store.list(folder)).filter((name) => folder !== FOLDERS.inputs || !isInputName(name));
    names.push(...others.map((name) => `${folder}/${name}`));
  }
  if (names.length === 0) return;
  throw new RangeError(`${store.location} has ${names[0]} but no ${MANIFEST}: choose another directory`);
}

async function resumeRun(
  store: Store,
  { isAlone }: Claim,
  before: Manifest,
  { settings, identity, inputName: input, records, share, signal }: RunStart,
): Promise<PreparedRun> {
  const { schema_version: _, input: planned, ...rest } = before;
  refuseOther(store, rest, { settings, ...identity });
  const repair = async (shard: number, lines: readonly Uint8Array[], sha256: string): Promise<void> => {
    if (!isAlone || sha256 !== planned.sha256[shard]) return;
    if (await store.sha256(inputName(shard)) !== sha256) await store.write(inputName(shard), lines);
  };
  const now = await planInput(records, settings.shardSize, repair, signal);
  if (!isSamePlan(now, planned)) {
    throw new RangeError(
      `${store.location} was made of ${planned.prompts} prompts that are not the ${now.prompts} in ${input}: ` +
        "give that input, or another directory",
    );
  }
  await recheckShards(store, before, { ...share, signal });
  return { manifest: before, done: await doneShards(store) };
}

function isSamePlan(a: InputPlan, b: InputPlan): boolean {
  return a.prompts === b.prompts && a.shards === b.shards && a.sha256.every((hash, i) => hash === b.sha256[i]);
}

function refuseOther(store: Store, before: unknown, now: unknown): void {
  const difference = firstDifference(before, now);
  if (difference === undefined) return;
  throw new RangeError(`${store.location} has a run that is not this one, ${difference}: choose another directory`);
}

/** The shards that are left of a share. */
export function* pendingShards({ manifest, done }: PreparedRun, { part, of }: Share): Generator<number> {
  for (let shard = part; shard < manifest.input.shards; shard += of) if (!done.has(shard)) yield shard;
}

/** Removes what interrupted writes have left; nobody else may be writing. */
export async function sweepStore(store: Store): Promise<void> {
  for (const folder of ["", ...Object.values(FOLDERS)]) await store.sweep(folder);
}

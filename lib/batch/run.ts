/**
 * A run over a data set, from its input to what is left to do.
 *
 * @module
 */
import { FOLDERS, MANIFEST, SUMMARY } from "./layout.ts";
import { firstDifference, type Identity, type Manifest, readManifest, writeManifest } from "./manifest.ts";
import { doneShards, recheckShards } from "./merge.ts";
import { planInput } from "./plan.ts";
import type { InputRecord } from "./record.ts";
import type { BatchSettings } from "./settings.ts";
import type { Store } from "./store.ts";

/** A run that may begin or go on. */
export interface PreparedRun {
  /** What it is. */
  readonly manifest: Manifest;
  /** Shards that were done before. */
  readonly done: ReadonlySet<number>;
}

/** What {@linkcode prepareRun} goes by. */
export interface RunRequest {
  /** What is asked for. */
  readonly settings: BatchSettings;
  /** What was opened for it. */
  readonly identity: Identity;
  /** What the prompts come from, for messages. */
  readonly inputName: string;
  /** The prompts, read once. */
  readonly records: AsyncIterable<InputRecord>;
}

/**
 * Begins a run, or takes up one that was interrupted: reads the input, writes the shards' inputs and the manifest, or
 * compares all that with what is there.
 *
 * @throws {RangeError} if there are no prompts, or the store has a run with other settings, files or prompts
 */
export async function prepareRun(store: Store, request: RunRequest): Promise<PreparedRun> {
  const { settings, identity, inputName, records } = request;
  const before = await readManifest(store);
  if (before === undefined) {
    if ((await store.list("")).some((name) => name === SUMMARY)) {
      throw new RangeError(`${store.location} has results but no ${MANIFEST}: choose another directory`);
    }
    const input = await planInput(records, settings.shardSize, store);
    if (input.prompts === 0) throw new RangeError(`There are no prompts in ${inputName}`);
    const manifest: Manifest = { schema_version: 1, settings, ...identity, input };
    await writeManifest(store, manifest);
    return { manifest, done: new Set() };
  }
  const { schema_version: _, input, ...rest } = before;
  refuseOther(store, rest, { settings, ...identity });
  const now = await planInput(records, settings.shardSize);
  if (now.sha256 !== input.sha256) {
    throw new RangeError(
      `${store.location} was made of ${input.prompts} prompts that are not the ${now.prompts} in ${inputName}: ` +
        "give that input, or another directory",
    );
  }
  await recheckShards(store, before.settings);
  return { manifest: before, done: await doneShards(store) };
}

function refuseOther(store: Store, before: unknown, now: unknown): void {
  const difference = firstDifference(before, now);
  if (difference === undefined) return;
  throw new RangeError(`${store.location} has a run that is not this one, ${difference}: choose another directory`);
}

/** The shards that are left, of those with `shard % of === part`. */
export function* pendingShards(
  { manifest, done }: PreparedRun,
  { part, of }: { readonly part: number; readonly of: number } = { part: 0, of: 1 },
): Generator<number> {
  for (let shard = part; shard < manifest.input.shards; shard += of) if (!done.has(shard)) yield shard;
}

/** Removes what interrupted writes have left; every shard must be done. */
export async function sweepStore(store: Store): Promise<void> {
  for (const folder of ["", ...Object.values(FOLDERS)]) await store.sweep(folder);
}

/**
 * The work on one shard. It may be done twice, or by several machines at once: the outcome is the same bytes.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { longRows, longTable } from "../attribution/long_table.ts";
import type { Attribution } from "../attribution/result.ts";
import type { Model } from "../model/model.ts";
import type { Sae } from "../sae/sae.ts";
import { Aggregate, type PartialTotals } from "./aggregate.ts";
import { attributeShard } from "./attribute_shard.ts";
import { rowEncoder } from "./encode.ts";
import { doneName, rowsName } from "./layout.ts";
import { readShard } from "./plan.ts";
import type { BatchSettings, RowSettings } from "./settings.ts";
import { type Store, textOf } from "./store.ts";

/** A prompt that was attributed. */
export interface DonePrompt {
  /** Where it stands in the input. */
  readonly line: number;
  /** Its id. */
  readonly prompt_id: string;
  /** How many, BOS included. */
  readonly tokens: number;
  /** The metric's value; null where it is not finite. */
  readonly metric: number | null;
  /** Its rows in the table. */
  readonly rows: number;
}

/** A prompt that was not. */
export interface FailedPrompt {
  /** Where it stands in the input. */
  readonly line: number;
  /** Its id. */
  readonly prompt_id: string;
  /** Why. */
  readonly error: string;
}

/** What is kept of a shard besides its rows. */
export interface DoneShard {
  /** From 0. */
  readonly shard: number;
  /** The file of rows. */
  readonly file: { readonly bytes: number; readonly sha256: string };
  /** In the order of the input. */
  readonly prompts: readonly DonePrompt[];
  /** In the order of the input. */
  readonly errors: readonly FailedPrompt[];
  /** What is added up by feature. */
  readonly features: PartialTotals;
}

/** How a shard went. */
export interface ShardReport {
  /** From 0. */
  readonly shard: number;
  /** Prompts, the failed ones included. */
  readonly prompts: number;
  /** Prompts that failed. */
  readonly failed: number;
}

/** What the work on shards needs. */
export interface ShardContext {
  /** Opened as the settings say. */
  readonly model: Model;
  /** Opened as the settings say. */
  readonly saes: readonly Sae[];
  /** What is asked for. */
  readonly settings: BatchSettings;
  /** Has the inputs and takes the outcome. */
  readonly store: Store;
  /** Stops the work between two prompts; nothing of the shard is kept then. */
  readonly signal?: AbortSignal;
}

/**
 * Attributes the prompts of a shard and writes its rows, then the rest: once that is there, the shard is done. A process
 * that is killed leaves the shard undone, whatever it has written.
 *
 * @throws {Error} what is no fault of a prompt: of the disk, the network, the runtime
 */
export async function runShard(context: ShardContext, shard: number): Promise<ShardReport> {
  const { store, settings } = context;
  const kept = { prompts: [] as DonePrompt[], errors: [] as FailedPrompt[], aggregate: new Aggregate() };
  const hash = createHash("sha256");
  let bytes = 0;
  const measured = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of shardRows(context, shard, kept)) {
      hash.update(chunk);
      bytes += chunk.length;
      yield chunk;
    }
  };
  await store.write(rowsName(shard, settings.format), measured());
  const { prompts, errors, aggregate } = kept;
  const file = { bytes, sha256: hash.digest("hex") };
  const done: DoneShard = { shard, file, prompts, errors, features: aggregate.partial() };
  await store.write(doneName(shard), [new TextEncoder().encode(`${JSON.stringify(done)}\n`)]);
  return { shard, prompts: prompts.length + errors.length, failed: errors.length };
}

async function* shardRows(
  { model, saes, settings, store, signal }: ShardContext,
  shard: number,
  kept: { prompts: DonePrompt[]; errors: FailedPrompt[]; aggregate: Aggregate },
): AsyncGenerator<Uint8Array> {
  const { columns } = settings.rows;
  const encoder = await rowEncoder(settings.format, ["prompt_id", ...columns]);
  for await (const outcome of attributeShard(model, saes, await readShard(store, shard), settings)) {
    signal?.throwIfAborted();
    const { line, id } = outcome.record;
    if ("error" in outcome) {
      kept.errors.push({ line, prompt_id: id, error: outcome.error });
      continue;
    }
    const { result } = outcome;
    const { rows } = await longTable(result, { ...settings.rows, columns });
    const marked = Array.from(rows, (row) => [id, ...row]);
    const metric = Number.isFinite(result.metric) ? result.metric : null;
    kept.prompts.push({ line, prompt_id: id, tokens: result.tokens.length, metric, rows: marked.length });
    addFeatures(kept.aggregate, id, result, settings.rows);
    yield* encoder.rows(marked);
  }
  yield* encoder.end();
}

/** All features, also those whose rows are not among the largest that are written. */
function addFeatures(
  aggregate: Aggregate,
  id: string,
  result: Attribution,
  { positions, features }: RowSettings,
): void {
  const byHook = new Map<string, Map<number, number>>(result.hooks.map((hook) => [hook, new Map()]));
  for (const { hook, feature, attribution } of longRows(result, { positions, features })) {
    if (feature === null) continue;
    const sums = byHook.get(hook)!;
    sums.set(feature, (sums.get(feature) ?? 0) + attribution);
  }
  for (const [hook, sums] of byHook) aggregate.addPrompt(hook, id, sums);
}

/** What is kept of a shard, if it is done and all of it is there. */
export async function readDone(store: Store, shard: number, { format }: BatchSettings): Promise<DoneShard | undefined> {
  const text = textOf(await store.read(doneName(shard)));
  if (text === undefined) return undefined;
  let done: DoneShard;
  try {
    done = JSON.parse(text) as DoneShard;
  } catch {
    return undefined; // the machine lost power while it was written
  }
  return done.file.bytes === await store.size(rowsName(shard, format)) ? done : undefined;
}

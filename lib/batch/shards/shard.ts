/**
 * The work on one shard. It may be done twice, or by several machines at once: the outcome is the same bytes.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { longRows, longTable } from "../../attribution/result/long_table.ts";
import type { Attribution } from "../../attribution/result/result.ts";
import type { Model } from "../../model/model.ts";
import type { Sae } from "../../sae/sae.ts";
import { Aggregate, type PartialTotals } from "../output/aggregate.ts";
import { attributeShard } from "./attribute_shard.ts";
import { rowEncoder } from "../../table/formats.ts";
import { type Explained, explainedBy } from "../output/explained.ts";
import { answerTable } from "../../request/answer.ts";
import { doneName, rowsName } from "./layout.ts";
import { readShard } from "./plan.ts";
import { allColumns, type Manifest, targetColumns } from "./manifest.ts";
import type { RowSettings } from "../settings.ts";
import { hashOf, type Store, textOf } from "./store.ts";

/** A prompt that was attributed. */
export interface DonePrompt extends Explained {
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
  /** Of the input. */
  readonly input_sha256: string;
  /** Of the file of rows. */
  readonly rows_sha256: string;
  /** In the order of the input. */
  readonly prompts: readonly DonePrompt[];
  /** In the order of the input. */
  readonly errors: readonly FailedPrompt[];
  /** What is added up by feature. */
  readonly features: PartialTotals;
}

/** What a shard's file holds: it is done only where the hash is of what follows. */
interface SealedShard {
  readonly sha256: string;
  readonly done: DoneShard;
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
  readonly manifest: Manifest;
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
  const { store, manifest: { settings, input } } = context;
  const kept = { prompts: [] as DonePrompt[], errors: [] as FailedPrompt[], aggregate: new Aggregate() };
  const hash = createHash("sha256");
  const measured = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of shardRows(context, shard, kept)) {
      hash.update(chunk);
      yield chunk;
    }
  };
  await store.write(rowsName(shard, settings.format), measured());
  const { prompts, errors, aggregate } = kept;
  const done: DoneShard = {
    shard,
    input_sha256: input.sha256[shard],
    rows_sha256: hash.digest("hex"),
    prompts,
    errors,
    features: aggregate.partial(),
  };
  const sealed: SealedShard = { sha256: hashOf(JSON.stringify(done)), done };
  await store.write(doneName(shard), [new TextEncoder().encode(`${JSON.stringify(sealed)}\n`)]);
  return { shard, prompts: prompts.length + errors.length, failed: errors.length };
}

async function* shardRows(
  { model, saes, manifest: { settings, input }, store, signal }: ShardContext,
  shard: number,
  kept: { prompts: DonePrompt[]; errors: FailedPrompt[]; aggregate: Aggregate },
): AsyncGenerator<Uint8Array> {
  const encoder = await rowEncoder(settings.format, allColumns({ settings, input }));
  const noTarget = targetColumns({ settings, input }).map(() => null);
  for await (const outcome of attributeShard(model, saes, await readShard(store, shard, input), settings)) {
    signal?.throwIfAborted();
    const { line, id } = outcome.record;
    if ("error" in outcome) {
      kept.errors.push({ line, prompt_id: id, error: outcome.error });
      continue;
    }
    const { result, answer } = outcome;
    const { rows } = answer === undefined
      ? await longTable(result, settings.rows)
      : await answerTable(answer, { table: "rows", ...settings.rows });
    const start = answer === undefined ? [id, ...noTarget] : [id];
    const marked = Array.from(rows, (row) => [...start, ...row]);
    const { tokens } = answer ?? result;
    const metric = Number.isFinite(result.metric) ? result.metric : null;
    const asked = await explainedBy(outcome.record, result, answer);
    kept.prompts.push({ line, prompt_id: id, ...asked, tokens: tokens.length, metric, rows: marked.length });
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

/** What is kept of a shard, if it is done, all of it is there, and it is what was written. */
export async function readDone(
  store: Store,
  shard: number,
  { settings: { format }, input }: Manifest,
): Promise<DoneShard | undefined> {
  const done = unseal(textOf(await store.read(doneName(shard))));
  const isOurs = done !== undefined && done.shard === shard && done.input_sha256 === input.sha256[shard];
  return isOurs && done.rows_sha256 === await store.sha256(rowsName(shard, format)) ? done : undefined;
}

function unseal(text: string | undefined): DoneShard | undefined {
  if (text === undefined) return undefined;
  try {
    const { sha256, done } = JSON.parse(text) as SealedShard;
    return sha256 === hashOf(JSON.stringify(done)) ? done : undefined;
  } catch {
    return undefined; // damaged
  }
}

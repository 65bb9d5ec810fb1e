/**
 * From shards to the tables of the run, shard by shard in their order.
 *
 * @module
 */
import type { Explanations } from "../attribution/long_table.ts";
import { writeFileAtomic } from "../table/write_file.ts";
import type { Cell } from "../table/table.ts";
import { Aggregate } from "./aggregate.ts";
import { headerBytes, rowEncoder } from "./encode.ts";
import { doneName, doneShard, ERRORS, FOLDERS, rowsName, SUMMARY } from "./layout.ts";
import type { Manifest } from "./manifest.ts";
import type { BatchSettings } from "./settings.ts";
import { type DoneShard, readDone } from "./shard.ts";
import { type Store, textOf } from "./store.ts";

/** `summary.json`. */
export interface BatchSummary {
  /** Of this file. */
  readonly schema_version: 1;
  /** Attributed. */
  readonly prompts: number;
  /** In `errors.jsonl`. */
  readonly failed: number;
  /** In the table of rows. */
  readonly rows: number;
  /** Active in some prompt, of all SAEs. */
  readonly features: number;
  /** Mean of the metric; null without prompts, or where one is not finite. */
  readonly mean_metric: number | null;
  /** How many shards. */
  readonly shards: number;
}

/** What a merge may be given. */
export interface MergeOptions {
  /** Texts for features, for the column `label`. */
  readonly labels?: Explanations;
  /** Write all rows to this file too. */
  readonly file?: string;
}

/** The shards whose outcome is there; {@linkcode mergeShards} looks closer. */
export async function doneShards(store: Store): Promise<Set<number>> {
  const shards = (await store.list(FOLDERS.done)).map(doneShard);
  return new Set(shards.filter((shard) => shard !== undefined));
}

/** Takes the mark from shards whose rows are not there in full, as after a loss of power. */
export async function recheckShards(store: Store, settings: BatchSettings, signal?: AbortSignal): Promise<void> {
  for (const shard of await doneShards(store)) {
    signal?.throwIfAborted();
    if (await readDone(store, shard, settings) === undefined) await store.remove(doneName(shard));
  }
}

/** The summary of a run that has been merged. */
export async function readSummary(store: Store): Promise<BatchSummary | undefined> {
  const text = textOf(await store.read(SUMMARY));
  return text === undefined ? undefined : JSON.parse(text) as BatchSummary;
}

/**
 * Writes `prompts`, `features`, `errors.jsonl`, all rows in one file where that is asked for, and `summary.json` last.
 * The result depends on the shards alone.
 *
 * @throws {Deno.errors.NotFound} if a shard is not done
 */
export async function mergeShards(store: Store, manifest: Manifest, options: MergeOptions = {}): Promise<BatchSummary> {
  const { settings, input: { shards } } = manifest;
  const totals = { prompts: 0, rows: 0, metric: 0, failing: [] as number[], failed: 0, aggregate: new Aggregate() };
  await store.write(`prompts.${settings.format}`, promptTable(store, manifest, totals));
  await store.write(ERRORS, errorLines(store, settings, totals.failing));
  const table = totals.aggregate.table(totals.prompts, options.labels);
  const features = [...table.rows];
  const encoder = await rowEncoder(settings.format, table.columns);
  await store.write(`features.${settings.format}`, [...encoder.rows(features), ...encoder.end()]);
  if (options.file !== undefined) await writeFileAtomic(options.file, allRows(store, settings, shards));
  const { prompts, failed, rows, metric } = totals;
  const mean = metric / prompts;
  const summary: BatchSummary = {
    schema_version: 1,
    prompts,
    failed,
    rows,
    features: features.length,
    mean_metric: Number.isFinite(mean) ? mean : null,
    shards,
  };
  await store.write(SUMMARY, [new TextEncoder().encode(`${JSON.stringify(summary, null, 2)}\n`)]);
  return summary;
}

async function requireDone(store: Store, shard: number, settings: BatchSettings): Promise<DoneShard> {
  const done = await readDone(store, shard, settings);
  if (done !== undefined) return done;
  throw new Deno.errors.NotFound(
    `Shard ${shard} in ${store.location} is not there in full: run the same command again`,
  );
}

/** The table of prompts; what else is needed from the shards is added up on the way. */
async function* promptTable(
  store: Store,
  { settings, input: { shards } }: Manifest,
  totals: { prompts: number; rows: number; metric: number; failing: number[]; failed: number; aggregate: Aggregate },
): AsyncGenerator<Uint8Array> {
  const encoder = await rowEncoder(settings.format, ["prompt_id", "line", "tokens", "metric", "rows"]);
  for (let shard = 0; shard < shards; shard++) {
    const { prompts, errors, features } = await requireDone(store, shard, settings);
    totals.aggregate.addPartial(features);
    totals.prompts += prompts.length;
    totals.failed += errors.length;
    if (errors.length > 0) totals.failing.push(shard);
    for (const { metric, rows } of prompts) {
      totals.metric += metric ?? NaN;
      totals.rows += rows;
    }
    const cells = prompts.map(({ prompt_id, line, tokens, metric, rows }): Cell[] => [
      prompt_id,
      line,
      tokens,
      metric,
      rows,
    ]);
    if (cells.length > 0) yield* encoder.rows(cells);
  }
  yield* encoder.end();
}

async function* errorLines(
  store: Store,
  settings: BatchSettings,
  failing: readonly number[],
): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  for (const shard of failing) {
    const { errors } = await requireDone(store, shard, settings);
    for (const error of errors) yield encoder.encode(`${JSON.stringify(error)}\n`);
  }
}

/** The parts one after another, with one header. */
async function* allRows(store: Store, settings: BatchSettings, shards: number): AsyncGenerator<Uint8Array> {
  const { format } = settings;
  const columns = ["prompt_id", ...settings.rows.columns];
  if (format === "parquet") return yield* allParquetRows(store, columns, shards);
  const header = headerBytes(format, columns);
  for (let shard = 0; shard < shards; shard++) {
    const bytes = await store.read(rowsName(shard, format));
    if (bytes === undefined) throw new Deno.errors.NotFound(`${store.location} has no ${rowsName(shard, format)}`);
    yield shard === 0 ? bytes : bytes.subarray(header);
  }
}

/** What `read_parquet.ts` exports. */
type ParquetModule = typeof import("./read_parquet.ts");

async function* allParquetRows(
  store: Store,
  columns: readonly string[],
  shards: number,
): AsyncGenerator<Uint8Array> {
  const { readTable } = await import(new URL("./read_parquet.ts", import.meta.url).href) as ParquetModule;
  const encoder = await rowEncoder("parquet", columns);
  for (let shard = 0; shard < shards; shard++) {
    const bytes = await store.read(rowsName(shard, "parquet"));
    if (bytes === undefined) throw new Deno.errors.NotFound(`${store.location} has no ${rowsName(shard, "parquet")}`);
    for await (const rows of readTable(bytes, columns)) yield* encoder.rows(rows);
  }
  yield* encoder.end();
}

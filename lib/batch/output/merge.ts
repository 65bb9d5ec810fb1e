/**
 * From shards to the tables of the run, shard by shard in their order.
 *
 * @module
 */
import { basename } from "node:path";
import type { Explanations } from "../../attribution/result/long_table.ts";
import { writeFileAtomic } from "../../table/write_file.ts";
import { Aggregate } from "./aggregate.ts";
import { type DataFormat, rowEncoder, textFormat } from "../../table/formats.ts";
import { joinFiles } from "../../table/text_format.ts";
import { EXPLAINED_COLUMNS, explainedCells, questionOf } from "./explained.ts";
import { TextSet } from "../input/ids.ts";
import { doneName, doneShard, ERRORS, FOLDERS, rowsName, type Share, SUMMARY } from "../shards/layout.ts";
import { allColumns, type Manifest } from "../shards/manifest.ts";
import { type DoneShard, readDone } from "../shards/shard.ts";
import { type Store, textOf } from "../shards/store.ts";

/** `summary.json`. */
export interface BatchSummary {
  /** Of this file. */
  readonly schema_version: 2;
  /** Attributed. */
  readonly prompts: number;
  /** In `errors.jsonl`. */
  readonly failed: number;
  /** In the table of rows. */
  readonly rows: number;
  /** Active in some prompt, of all SAEs. */
  readonly features: number;
  /** Different questions (metrics and answers) that `features` adds up over. */
  readonly questions: number;
  /** The kinds of metric among them. */
  readonly metrics: readonly string[];
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
  /** Ends it between two shards; the results are then as they were before. */
  readonly signal?: AbortSignal;
}

/** The shards whose outcome is there; {@linkcode mergeShards} looks closer. */
export async function doneShards(store: Store): Promise<Set<number>> {
  const shards = (await store.list(FOLDERS.done)).map(doneShard);
  return new Set(shards.filter((shard) => shard !== undefined));
}

/** Takes the mark from shards of which not all is there as it was written, as after a loss of power. */
export async function recheckShards(
  store: Store,
  manifest: Manifest,
  { part, of, signal }: Share & { readonly signal?: AbortSignal },
): Promise<void> {
  for (const shard of await doneShards(store)) {
    signal?.throwIfAborted();
    if (shard % of === part && await readDone(store, shard, manifest) === undefined) {
      await store.remove(doneName(shard));
    }
  }
}

/** The summary of a run that has been merged. */
export async function readSummary(store: Store): Promise<BatchSummary | undefined> {
  const text = textOf(await store.read(SUMMARY));
  return text === undefined ? undefined : JSON.parse(text) as BatchSummary;
}

/**
 * Writes `prompts`, `features`, `errors.jsonl`, all rows in one file where that is asked for, and `summary.json` last.
 * The result depends on the shards alone. No other process may do so at the same time.
 *
 * @throws {Deno.errors.NotFound} if a shard is not done, or not as it was written
 */
export async function mergeShards(store: Store, manifest: Manifest, options: MergeOptions = {}): Promise<BatchSummary> {
  const { settings: { format }, input: { shards } } = manifest;
  const { file, labels, signal } = options;
  await store.remove(SUMMARY); // it says that the rest is whole
  const totals = new Totals();
  await store.write(`prompts.${format}`, promptTable(store, manifest, totals, signal));
  await store.write(ERRORS, errorLines(store, manifest, totals.failing));
  const table = totals.aggregate.table(totals.prompts, totals.questions.size, labels);
  const features = [...table.rows];
  const encoder = await rowEncoder(format, table.columns);
  await store.write(`features.${format}`, [...encoder.rows(features), ...encoder.end()]);
  if (file !== undefined) {
    const rows = allRows(store, format, allColumns(manifest), shards, signal);
    // One name: what a process that was killed has left is written over.
    await writeFileAtomic(file, rows, { isDurable: true, temporary: `.${basename(file)}.tmp` });
  }
  const mean = totals.metric / totals.prompts;
  const summary: BatchSummary = {
    schema_version: 2,
    prompts: totals.prompts,
    failed: totals.failed,
    rows: totals.rows,
    features: features.length,
    questions: totals.questions.size,
    metrics: [...totals.metrics].sort(),
    mean_metric: Number.isFinite(mean) ? mean : null,
    shards,
  };
  await store.write(SUMMARY, [new TextEncoder().encode(`${JSON.stringify(summary, null, 2)}\n`)]);
  return summary;
}

/** What is added up while the shards are gone through. */
class Totals {
  prompts = 0;
  failed = 0;
  rows = 0;
  metric = 0;
  readonly questions = new TextSet();
  readonly metrics = new Set<string>();
  /** Shards with prompts that failed. */
  readonly failing: number[] = [];
  readonly aggregate = new Aggregate();

  add({ shard, prompts, errors, features }: DoneShard): void {
    this.aggregate.addPartial(features);
    this.prompts += prompts.length;
    this.failed += errors.length;
    if (errors.length > 0) this.failing.push(shard);
    for (const prompt of prompts) {
      this.metric += prompt.metric ?? NaN;
      this.rows += prompt.rows;
      this.questions.add(questionOf(prompt), 1);
      this.metrics.add(prompt.metric_name);
    }
  }
}

async function requireDone(store: Store, shard: number, manifest: Manifest): Promise<DoneShard> {
  const done = await readDone(store, shard, manifest);
  if (done !== undefined) return done;
  throw new Deno.errors.NotFound(
    `Shard ${shard} in ${store.location} is not there as it was written: run the same command again`,
  );
}

/** The table of prompts; what else is needed from the shards is added up on the way. */
async function* promptTable(
  store: Store,
  manifest: Manifest,
  totals: Totals,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const columns = ["prompt_id", "line", ...EXPLAINED_COLUMNS, "tokens", "metric", "rows"];
  const encoder = await rowEncoder(manifest.settings.format, columns);
  for (let shard = 0; shard < manifest.input.shards; shard++) {
    signal?.throwIfAborted();
    const done = await requireDone(store, shard, manifest);
    totals.add(done);
    const cells = done.prompts.map((prompt) => {
      const { prompt_id, line, tokens, metric, rows } = prompt;
      return [prompt_id, line, ...explainedCells(prompt), tokens, metric, rows];
    });
    if (cells.length > 0) yield* encoder.rows(cells);
  }
  yield* encoder.end();
}

async function* errorLines(
  store: Store,
  manifest: Manifest,
  failing: readonly number[],
): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  for (const shard of failing) {
    const { errors } = await requireDone(store, shard, manifest);
    for (const error of errors) yield encoder.encode(`${JSON.stringify(error)}\n`);
  }
}

/** What `read_parquet.ts` exports. */
type ParquetModule = typeof import("../input/read_parquet.ts");

/** The rows of all shards in one file. */
async function* allRows(
  store: Store,
  format: DataFormat,
  columns: readonly string[],
  shards: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const files = shardFiles(store, format, shards, signal);
  if (format !== "parquet") return yield* joinFiles(await textFormat(format), columns, files);
  const { readTable } = await import(
    new URL("../input/read_parquet.ts", import.meta.url).href
  ) as ParquetModule;
  const encoder = await rowEncoder(format, columns);
  for await (const bytes of files) for await (const rows of readTable(bytes, columns)) yield* encoder.rows(rows);
  yield* encoder.end();
}

async function* shardFiles(
  store: Store,
  format: DataFormat,
  shards: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  for (let shard = 0; shard < shards; shard++) {
    signal?.throwIfAborted();
    const bytes = await store.read(rowsName(shard, format));
    if (bytes === undefined) throw new Deno.errors.NotFound(`${store.location} has no ${rowsName(shard, format)}`);
    yield bytes;
  }
}

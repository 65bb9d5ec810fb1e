/**
 * What `batch` does once its command line is understood.
 *
 * @module
 */
import { resolve } from "node:path";
import type { Explanations } from "../attribution/long_table.ts";
import { firstDifference, identify, type Manifest, readManifest } from "../batch/manifest.ts";
import { type BatchSummary, doneShards, mergeShards } from "../batch/merge.ts";
import { type DeadShard, runPool } from "../batch/pool.ts";
import { openRun } from "../batch/open.ts";
import { readRecords } from "../batch/read.ts";
import { pendingShards, type PreparedRun, prepareRun, sweepStore } from "../batch/run.ts";
import { threadRunner, workerRunner } from "../batch/runners.ts";
import { type BatchSettings, rowColumns, shownSettings } from "../batch/settings.ts";
import { directoryStore, type Store } from "../batch/store.ts";
import { findBundledModel, findBundledSae } from "../bundled.ts";
import { chooseBinding } from "../model/binding.ts";
import type { WeightBinding } from "../model/stages.ts";
import { printable } from "../table/terminal.ts";
import { UsageError } from "./args_values.ts";
import { batchProgress } from "./batch_progress.ts";
import type { BatchRequest } from "./batch.ts";
import { findExplanations } from "./explanations.ts";
import { type Opened, openShown } from "./open.ts";
import { printNote, type Screen, stderrScreen } from "./output.ts";
import { withProgress } from "./progress.ts";
import { entry } from "./summary_layout.ts";
import { count } from "../report/figures.ts";

const MOST_DEFAULT_WORKERS = 4;

/** What `queue.ts` exports. */
type QueueModule = typeof import("../batch/queue.ts");

/** Attributes all prompts, as far as that was not done before. */
export async function batch(asked: BatchRequest): Promise<void> {
  const request = await withAbsolutePlaces(asked);
  const screen = request.quiet ? { ...stderrScreen(), isTerminal: false } : stderrScreen();
  const store = directoryStore(request.directory);
  const { prepared, settings, labels } = await begin(request, store, screen);
  await work(request, prepared, settings, store, screen);
  await finish(request, prepared.manifest, store, labels, screen);
}

/** Opens model and SAEs only to say what the run is: who works on it opens its own. */
async function begin(
  request: BatchRequest,
  store: Store,
  screen: Screen,
): Promise<{ prepared: PreparedRun; settings: BatchSettings; labels: Explanations }> {
  await using opened = await openShown({ ...request, weights: "streamed" }, screen);
  const settings = toSettings(request, opened, await chooseWeights(request, opened, store));
  checkSettings(opened, settings);
  const shown = shownSettings(settings);
  if (request.queue !== undefined && firstDifference(shown, settings) !== undefined) {
    throw new UsageError(
      "the address of the model or of an SAE has credentials or a query, which are not written down for the workers " +
        "of a queue: leave out --queue, or give a directory",
    );
  }
  const { explanations, warnings } = await findExplanations(opened.saes, opened.requests);
  for (const warning of warnings) if (!request.quiet) await printNote(`warning: ${warning}\n`);
  const inputName = request.input ?? "standard input";
  const records = readRecords({ path: request.input, format: request.inputFormat });
  const prepared = await withProgress(screen, "reading the prompts", async () => {
    const identity = await identify(opened.model, opened.saes, settings);
    return await prepareRun(store, { settings: shown, identity, inputName, records });
  });
  return { prepared, settings, labels: explanations };
}

/** By the memory here, unless the user says it or the run has begun: its last digits depend on it. */
async function chooseWeights(request: BatchRequest, { model, saes }: Opened, store: Store): Promise<WeightBinding> {
  const { weights, memoryLimit = Deno.systemMemoryInfo().available / 2 } = request;
  if (weights !== "auto") return weights;
  const before = await readManifest(store);
  if (before !== undefined) return before.settings.weights;
  const saeBytes = saes.reduce((sum, { config: { dSae, dIn, dOut } }) => sum + 4 * dSae * (dIn + dOut), 0);
  const limit = memoryLimit / numberOfWorkers(request) - saeBytes;
  return chooseBinding("auto", model.architecture, model.runtime.device, limit);
}

/** Other processes may stand in other directories. */
async function withAbsolutePlaces(request: BatchRequest): Promise<BatchRequest> {
  const place = async (name: string, isBundled: boolean): Promise<string> => {
    if (isBundled || /^[a-z][a-z0-9+.-]+:\/\//i.test(name)) return name;
    return await Deno.stat(name).then(() => resolve(name), () => name);
  };
  const { model, saes, directory } = request;
  return {
    ...request,
    model: await place(model, findBundledModel(model) !== undefined),
    saes: await Promise.all(saes.map(async (sae) => ({
      ...sae,
      source: await place(sae.source, findBundledSae(sae.source) !== undefined),
    }))),
    directory: resolve(directory),
  };
}

function toSettings(request: BatchRequest, { saes, requests }: Opened, weights: WeightBinding): BatchSettings {
  return {
    model: request.model,
    revision: request.revision,
    saes: [...new Set(requests)].map(({ source, hook, hookIn, normScalingFactor }) => {
      return { source, hook, hookIn, normScalingFactor };
    }),
    metric: request.metric,
    method: request.method,
    integration: request.integration,
    includeErrorTerm: request.includeErrorTerm,
    prependBos: request.prependBos,
    truncate: request.truncate,
    processing: request.processing,
    processingFlags: request.processingFlags,
    excludeSpecialTokens: request.excludeSpecialTokens,
    rows: { ...request.rows, columns: rowColumns(request.rows, saes.length) },
    format: request.format,
    shardSize: request.shardSize,
    device: request.device,
    threads: request.threads,
    weights,
  };
}

/** What would make every prompt fail. */
function checkSettings({ saes }: Opened, { rows: { features }, metric, includeErrorTerm }: BatchSettings): void {
  const most = Math.max(...saes.map(({ config }) => config.dSae));
  const beyond = features?.find((feature) => feature >= most);
  if (beyond !== undefined) {
    throw new UsageError(`there is no feature ${beyond}: the SAE has ${most}, give --features from 0 to ${most - 1}`);
  }
  if (metric.kind === "kl" && includeErrorTerm) {
    throw new UsageError("--metric kl is always 0 with the error term: add --no-error-term");
  }
}

async function work(
  request: BatchRequest,
  prepared: PreparedRun,
  settings: BatchSettings,
  store: Store,
  screen: Screen,
): Promise<void> {
  const { manifest, done } = prepared;
  const shards = [...pendingShards(prepared, request.share)];
  if (shards.length === 0) return;
  const abort = new AbortController();
  const stop = (): void => {
    abort.abort();
    Deno.removeSignalListener("SIGINT", stop); // the second time ends it at once
  };
  Deno.addSignalListener("SIGINT", stop);
  const { signal } = abort;
  const progress = batchProgress(screen, manifest, done.size);
  try {
    if (request.queue === undefined) {
      const start = { manifest, settings, directory: request.directory, verify: false };
      const several = Math.min(numberOfWorkers(request), shards.length);
      await using opened = several === 1 ? await openRun(settings) : undefined;
      const runners = opened === undefined
        ? Array.from({ length: several }, () => workerRunner(start))
        : [threadRunner({ ...opened, settings: manifest.settings, store, signal })];
      refuseDead(await runPool(shards, runners, { signal, onDone: progress.onDone }));
    } else {
      const { distribute } = await import(new URL("../batch/queue.ts", import.meta.url).href) as QueueModule;
      const { queue: url, directory } = request;
      refuseDead(await distribute({ url, directory, manifest, store, signal, onDone: progress.onCount }));
    }
  } finally {
    Deno.removeSignalListener("SIGINT", stop);
    await progress.end();
  }
  if (signal.aborted) {
    const { size } = await doneShards(store);
    throw new Error(
      `stopped with ${size} of ${manifest.input.shards} shards done: the same command goes on from there`,
    );
  }
}

/** Models in memory at once; those of a queue are on machines of their own. */
function numberOfWorkers({ workers, queue }: BatchRequest): number {
  if (queue !== undefined) return 1;
  return workers ?? Math.min(MOST_DEFAULT_WORKERS, navigator.hardwareConcurrency ?? 1);
}

function refuseDead(dead: readonly DeadShard[]): void {
  if (dead.length === 0) return;
  const [{ shard, error }] = dead;
  const others = dead.length === 1 ? "" : ` (and ${count(dead.length - 1, "other shard")})`;
  throw new Error(`shard ${shard}${others} failed several times, ${error.message}: the same command tries it again`, {
    cause: error,
  });
}

async function finish(
  { file, directory, quiet }: BatchRequest,
  manifest: Manifest,
  store: Store,
  labels: Explanations,
  screen: Screen,
): Promise<void> {
  const { shards } = manifest.input;
  const { size } = await doneShards(store);
  if (size < shards) {
    const words = `${size} of ${shards} shards are done: the results are put together when all are\n`;
    return quiet ? undefined : await printNote(words);
  }
  const merge = (): Promise<BatchSummary> => mergeShards(store, manifest, { labels, file });
  const summary = await withProgress(screen, "putting the results together", merge);
  await sweepStore(store);
  if (!quiet) await printNote(report(summary, manifest, file ?? `${directory}/rows`, directory, screen));
  if (summary.prompts === 0) {
    throw new RangeError(
      `None of the ${count(summary.failed, "prompt")} could be attributed: see ${directory}/errors.jsonl`,
    );
  }
}

function report(
  { prompts, failed, rows, features }: BatchSummary,
  { settings: { format } }: Manifest,
  place: string,
  directory: string,
  screen: Screen,
): string {
  const where = printable(directory);
  const failures = failed === 0 ? "" : `, ${failed} failed (${where}/errors.jsonl)`;
  return [
    entry(
      "Prompts",
      `${count(prompts, "prompt")} attributed${failures}; ${where}/prompts.${format}`.split(" "),
      screen,
    ),
    entry("Rows", `${rows} in ${printable(place)}`.split(" "), screen),
    entry("Features", `${features} in ${where}/features.${format}`.split(" "), screen),
    "",
  ].join("\n");
}

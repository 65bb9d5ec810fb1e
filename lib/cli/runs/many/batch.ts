/**
 * What `batch` does once its command line is understood.
 *
 * @module
 */
import type { Explanations } from "../../../attribution/result/long_table.ts";
import { type Claim, claimDirectory } from "../../../batch/shards/claim.ts";
import { identify, type Manifest, readManifest } from "../../../batch/shards/manifest.ts";
import { type BatchSummary, doneShards, mergeShards } from "../../../batch/output/merge.ts";
import { type DeadShard, runPool } from "../../../batch/workers/pool.ts";
import { readRecords } from "../../../batch/input/read.ts";
import type { InputRecord } from "../../../batch/input/record.ts";
import { textWarnings } from "../../../attribution/run/prompt_warnings.ts";
import { pendingShards, type PreparedRun, prepareRun, sweepStore } from "../../../batch/run.ts";
import { threadRunner, workerRunner } from "../../../batch/workers/runners.ts";
import { checkSettings } from "../../../batch/check_settings.ts";
import { type BatchSettings, shownSettings } from "../../../batch/settings.ts";
import { directoryStore, type Store } from "../../../batch/shards/store.ts";
import { count } from "../../../report/figures.ts";
import { printable } from "../../../table/terminal.ts";
import type { BatchRequest } from "../../commands/many/batch.ts";
import { batchProgress, withProgress } from "../../screen/progress.ts";
import {
  checkShared,
  chooseWeights,
  numberOfWorkers,
  refuseOwnInput,
  toSettings,
  withAbsolutePlaces,
} from "./batch_settings.ts";
import { findExplanations } from "../../files/explanations.ts";
import { Interrupted, onInterrupt } from "../../screen/interrupt.ts";
import { open } from "../../../request/open.ts";
import { openShown } from "../../open.ts";
import { PromptNotes } from "../../screen/prompt_notes.ts";
import { printNote, type Screen, stderrScreen } from "../../screen/output.ts";
import { entry } from "../../screen/summary_layout.ts";

/** What `distribute.ts` exports. */
type QueueModule = typeof import("../../../batch/queue/distribute.ts");

/** Attributes all prompts, as far as that was not done before. */
export async function batch(asked: BatchRequest): Promise<void> {
  const request = await withAbsolutePlaces(asked);
  await refuseOwnInput(request);
  const screen = stderrScreen(request.quiet);
  using interrupt = onInterrupt();
  try {
    await interrupt.end(batchIn(request, screen, interrupt.signal));
  } catch (error) {
    if (interrupt.code === undefined) throw error;
    throw new Interrupted(`stopped ${await farWords(directoryStore(request.directory))}`, interrupt.code);
  }
}

async function batchIn(request: BatchRequest, screen: Screen, signal: AbortSignal): Promise<void> {
  const { directory, share: { of }, quiet } = request;
  const onWait = (): void => {
    if (!quiet) {
      void printNote(`another process has ${printable(directory)} to itself: waiting until it lets others in\n`);
    }
  };
  using claim = await claimDirectory(directory, { isShared: of > 1, onWait, signal });
  const store = directoryStore(directory);
  const begun = await begin(request, store, claim, screen, signal).catch(async (error) => {
    await claim.undo();
    throw error;
  });
  if (of > 1) await claim.share();
  await work(request, begun, store, claim, screen, signal);
  await finish({ request, manifest: begun.prepared.manifest, store, claim, labels: begun.labels, screen, signal });
}

/** How far a run is that was interrupted. */
async function farWords(store: Store): Promise<string> {
  const manifest = await readManifest(store);
  if (manifest === undefined) return "before all prompts were read: the same command begins anew";
  const { size } = await doneShards(store);
  return `with ${size} of ${manifest.input.shards} shards done: the same command goes on from there`;
}

/** A run that may be worked on. */
interface Begun {
  readonly prepared: PreparedRun;
  /** What model and SAEs are opened by, which may be more than stands in the manifest. */
  readonly settings: BatchSettings;
  readonly labels: Explanations;
}

/** Opens model and SAEs only to say what the run is: who works on it opens its own. */
async function begin(
  request: BatchRequest,
  store: Store,
  claim: Claim,
  screen: Screen,
  signal: AbortSignal,
): Promise<Begun> {
  // Nobody works for a queue yet, or is known to have stopped.
  if (claim.isAlone && request.queue === undefined) await sweepStore(store);
  await using opened = await openShown({ ...request.asked, weights: "streamed" }, screen);
  const settings = toSettings(request, opened, await chooseWeights(request, opened, store));
  checkSettings(opened.saes, settings);
  const shown = shownSettings(settings);
  if (request.queue !== undefined) checkShared(settings, shown);
  const { explanations, warnings } = await findExplanations(opened.saes, opened.requests);
  for (const warning of warnings) if (!request.quiet) await printNote(`warning: ${warning}\n`);
  const inputName = request.input ?? "standard input";
  const notes = new PromptNotes();
  const read = readRecords({ path: request.input, format: request.inputFormat, signal });
  // In a chat the template is around what is said.
  const records = request.quiet || settings.chat !== undefined ? read : noted(read, notes);
  const prepared = await withProgress(screen, "reading the prompts", async () => {
    const identity = await identify(opened.model, opened.saes, settings);
    return await prepareRun(store, claim, {
      settings: shown,
      identity,
      inputName,
      records,
      share: request.share,
      signal,
    });
  });
  await notes.print();
  return { prepared, settings, labels: explanations };
}

/** The same, with what is to be said about them. */
async function* noted(records: AsyncIterable<InputRecord>, notes: PromptNotes): AsyncGenerator<InputRecord> {
  for await (const record of records) {
    if ("prompt" in record && typeof record.prompt === "string") {
      notes.add(`in line ${record.line}`, textWarnings(record.prompt));
    }
    yield record;
  }
}

async function work(
  request: BatchRequest,
  { prepared, settings }: Begun,
  store: Store,
  claim: Claim,
  screen: Screen,
  signal: AbortSignal,
): Promise<void> {
  const { manifest, done } = prepared;
  const shards = [...pendingShards(prepared, request.share)];
  if (shards.length === 0) return;
  const { input: { prompts }, settings: { shardSize } } = manifest;
  const progress = batchProgress(screen, { prompts, shardSize, doneBefore: done.size });
  try {
    if (request.queue === undefined) {
      const start = { manifest, settings, directory: request.directory, verify: false };
      const several = Math.min(numberOfWorkers(request), shards.length);
      await using opened = several === 1 ? await open({ ...settings, manyPrompts: true }) : undefined;
      const runners = opened === undefined
        ? Array.from({ length: several }, () => workerRunner(start))
        : [threadRunner({ ...opened, manifest, store, signal })];
      refuseDead(await runPool(shards, runners, { signal, onDone: progress.onDone }));
    } else {
      const { distribute } = await import(
        new URL("../../../batch/queue/distribute.ts", import.meta.url).href
      ) as QueueModule;
      const { queue: url, directory, quiet } = request;
      const onGone = (reason: string): void => {
        if (!quiet) void printNote(`Redis is gone (${printable(reason)}): waiting for it to come back\n`);
      };
      const run = { directory, directoryId: claim.id, manifest, store, signal, onDone: progress.onCount };
      refuseDead(await distribute({ url, ...run, onGone }));
    }
  } finally {
    await progress.end();
  }
  signal.throwIfAborted();
}

function refuseDead(dead: readonly DeadShard[]): void {
  if (dead.length === 0) return;
  const [{ shard, error }] = dead;
  const others = dead.length === 1 ? "" : ` (and ${count(dead.length - 1, "other shard")})`;
  throw new Error(`shard ${shard}${others} failed several times, ${error.message}: the same command tries it again`, {
    cause: error,
  });
}

/** What is at hand when the shards of this process are done. */
interface Ending {
  readonly request: BatchRequest;
  readonly manifest: Manifest;
  readonly store: Store;
  readonly claim: Claim;
  readonly labels: Explanations;
  readonly screen: Screen;
  readonly signal: AbortSignal;
}

async function finish({ request, manifest, store, claim, labels, screen, signal }: Ending): Promise<void> {
  const { file, directory, quiet } = request;
  const { shards } = manifest.input;
  const { size } = await doneShards(store);
  if (size < shards) {
    const words = `${size} of ${shards} shards are done: the results are put together when all are\n`;
    return quiet ? undefined : await printNote(words);
  }
  await claim.takeAlone();
  const merge = (): Promise<BatchSummary> => mergeShards(store, manifest, { labels, file, signal });
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
  { prompts, failed, rows, features, questions, metrics }: BatchSummary,
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
    entry("Features", `${features} in ${where}/features.${format}${over(questions, metrics)}`.split(" "), screen),
    "",
  ].join("\n");
}

/** What is added up is not always the same number. */
function over(questions: number, metrics: readonly string[]): string {
  if (questions <= 1) return "";
  const kinds = metrics.length === 1 ? "" : ` and ${metrics.length} kinds of metric (${metrics.join(", ")})`;
  return `, added up over ${questions} different questions${kinds}`;
}

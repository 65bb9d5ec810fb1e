/**
 * Doing the shards of whatever runs are in the queue.
 *
 * @module
 */
import { UnrecoverableError, Worker } from "../../deps/bullmq.ts";
import { parseId } from "../shards/claim.ts";
import { LOCK } from "../shards/layout.ts";
import { type Manifest, readManifest } from "../shards/manifest.ts";
import { type Runner, workerRunner } from "../workers/runners.ts";
import { readDone } from "../shards/shard.ts";
import { directoryStore, type Store, textOf } from "../shards/store.ts";
import { type Job, readJob, runId } from "./job.ts";
import { connect, QUEUE } from "./redis.ts";

/** A job that is not renewed for so long is given to another worker too, which does no harm. */
const LOCK_MS = 10_000;
const STALLED_CHECK_MS = 5_000;
/** So often: its worker may have been held up. A shard that ends every worker is left alone after that. */
const MOST_STALLS = 10;

/** So long a Redis that has gone is told that a worker ends. */
const GOODBYE_MS = 3_000;

/** How a machine works for a queue. */
export interface QueueWorkerOptions {
  /** The Redis. */
  readonly url: string;
  /** Where this machine sees the stores; undefined: under the name in the job. */
  readonly directory?: string;
  /** Ends the work after the shard that is being worked on. */
  readonly signal: AbortSignal;
  /** Told what happens. */
  readonly onEvent?: (text: string) => void;
}

/** A run that is being worked on. */
interface Current {
  readonly run: string;
  readonly manifest: Manifest;
  readonly store: Store;
  readonly runner: Runner;
}

/**
 * Does shards of whatever runs are in the queue until it is told to end. The model runs in a Worker, so that this thread
 * can tell Redis that the job is alive.
 *
 * @throws {Deno.errors.ConnectionRefused} if no Redis answers
 */
export async function workForQueue(options: QueueWorkerOptions): Promise<void> {
  const { url, signal, onEvent = () => {} } = options;
  const connection = await connect(url);
  let current: Current | undefined;
  const work = async (data: unknown): Promise<void> => {
    const job = readJob(data);
    if (job === undefined) throw new UnrecoverableError("it is no job of this program");
    const store = directoryStore(options.directory ?? job.directory);
    if (current?.run !== job.run || current.store.location !== store.location) {
      current?.runner.close();
      current = undefined;
      current = await openRunOf(job, store);
    } else await requireRun(job, store, current.manifest);
    const { manifest, runner } = current;
    if (job.shard >= manifest.input.shards) throw new UnrecoverableError(`its run has no shard ${job.shard}`);
    if (await readDone(store, job.shard, manifest) === undefined) await runner.run(job.shard);
    onEvent(`shard ${job.shard} of ${store.location} is done`);
  };
  let last = "";
  let working: Promise<void> = Promise.resolve();
  const worker = new Worker<unknown, void, string>(QUEUE, ({ data }) => working = work(data), {
    connection,
    concurrency: 1,
    lockDuration: LOCK_MS,
    stalledInterval: STALLED_CHECK_MS,
    maxStalledCount: MOST_STALLS,
  });
  const tell = (text: string): void => {
    if (text !== last) onEvent(last = text);
  };
  worker.on("failed", (job, error) => {
    const known = readJob(job?.data);
    onEvent(`${known === undefined ? "a job" : `shard ${known.shard} of ${known.directory}`} failed: ${error.message}`);
  });
  worker.on("error", (error) => tell(`Redis: ${error.message || error.name}`)); // every try of many to connect says it
  worker.on("ready", () => last = "");
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve());
  });
  const closing = worker.close();
  await working.catch(() => {});
  await Promise.race([closing, new Promise((resolve) => setTimeout(resolve, GOODBYE_MS))]);
  current?.runner.close();
  connection.disconnect();
}

async function openRunOf(job: Job, store: Store): Promise<Current> {
  const manifest = await readManifest(store);
  await requireRun(job, store, manifest);
  const runner = workerRunner({ manifest: manifest!, directory: store.location, verify: true });
  return { run: job.run, manifest: manifest!, store, runner };
}

/** The directory is still that of the run: another may have taken its place, under the same name or with the same content. */
async function requireRun({ run }: Job, store: Store, manifest: Manifest | undefined): Promise<void> {
  const id = parseId(textOf(await store.read(LOCK)) ?? "");
  if (manifest !== undefined && id !== undefined && runId(id, manifest) === run) return;
  throw new Deno.errors.NotFound(
    `${store.location} is not the directory of this run: is it shared with this machine, under this name?`,
  );
}

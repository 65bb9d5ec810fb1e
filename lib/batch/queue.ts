/**
 * Shards as jobs on Redis. The store says what is done; the queue only hands out work, so that it may be lost.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { Queue, Redis, Worker } from "../deps/bullmq.ts";
import { type Manifest, readManifest } from "./manifest.ts";
import { doneShards } from "./merge.ts";
import { ATTEMPTS, type DeadShard } from "./pool.ts";
import { type Runner, workerRunner } from "./runners.ts";
import { readDone } from "./shard.ts";
import { directoryStore, type Store } from "./store.ts";

/** The name of the queue in Redis. */
const NAME = "sae-attribution";
/** No more jobs than this wait: Redis holds them in memory. */
const MOST_WAITING = 256;
const POLL_MS = 500;
/** A worker that does not renew its job for so long has died. */
const LOCK_MS = 10_000;
const STALLED_CHECK_MS = 5_000;
const CONNECT_MS = 10_000;
const BACKOFF_MS = 1_000;

/** What a job says. */
interface Job {
  /** Of the manifest. */
  readonly run: string;
  /** The store. */
  readonly directory: string;
  /** From 0. */
  readonly shard: number;
}

type ShardQueue = Queue<Job, void, string>;

/** A manifest's hash, so that jobs of one run know each other. */
function runId(manifest: Manifest): string {
  return createHash("sha256").update(JSON.stringify(manifest)).digest("hex").slice(0, 16);
}

function jobId(run: string, shard: number): string {
  return `${run}-${shard}`;
}

/** An address without what is secret in it. */
function shown(url: string): string {
  const { protocol, host } = new URL(url);
  return `${protocol}//${host}`;
}

/** @throws {Deno.errors.ConnectionRefused} if no Redis answers */
async function connect(url: string): Promise<Redis> {
  const connection = new Redis(url, { maxRetriesPerRequest: null, lazyConnect: true });
  let last: string | undefined; // what a call says is only that the connection is closed
  connection.on("error", (error: Error) => last = error.message || last);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("it does not answer")), CONNECT_MS);
  });
  try {
    await Promise.race([connection.connect().then(() => connection.ping()), late]);
    return connection;
  } catch (error) {
    connection.disconnect();
    const reason = last ?? (error instanceof Error ? error.message : String(error));
    throw new Deno.errors.ConnectionRefused(`Cannot reach Redis at ${shown(url)}: ${reason}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/** A queue that is closed with its connection. */
async function openQueue(url: string): Promise<{ queue: ShardQueue } & AsyncDisposable> {
  const connection = await connect(url);
  const queue: ShardQueue = new Queue(NAME, { connection });
  queue.on("error", () => {}); // it connects again; until then calls wait
  return {
    queue,
    async [Symbol.asyncDispose]() {
      await queue.close();
      connection.disconnect();
    },
  };
}

/** A run whose shards others do. */
export interface Distribution {
  /** The Redis. */
  readonly url: string;
  /** The store's directory, by the name under which workers see it too. */
  readonly directory: string;
  /** The run. */
  readonly manifest: Manifest;
  /** The store. */
  readonly store: Store;
  /** Ends the waiting; jobs that wait stay in the queue. */
  readonly signal?: AbortSignal;
  /** Told how many shards are done, now and then. */
  readonly onDone?: (shards: number) => void;
}

/**
 * Puts the shards that are left into the queue, never more than 256 at once, and waits until all are done or dead. What
 * Redis forgets is put in again; dead ones of an earlier call are tried again.
 *
 * @returns the shards that failed every time
 * @throws {Deno.errors.ConnectionRefused} if no Redis answers
 */
export async function distribute(
  { url, directory, manifest, store, signal, onDone }: Distribution,
): Promise<DeadShard[]> {
  await using opened = await openQueue(url);
  const { queue } = opened;
  const run = runId(manifest);
  const { shards } = manifest.input;
  for (const job of await queue.getFailed()) if (job.data.run === run) await job.remove();
  let sent = new Set<number>();
  while (!signal?.aborted) {
    const done = await doneShards(store);
    onDone?.(done.size);
    if (done.size === shards) return [];
    const dead = await deadShards(queue, run, done);
    const { waiting, active, delayed } = await queue.getJobCounts("waiting", "active", "delayed");
    if (done.size + dead.length === shards) return dead;
    if (waiting + active + delayed === 0) sent = new Set(dead.map(({ shard }) => shard));
    await queue.addBulk(nextJobs({ run, directory, shards }, done, sent, MOST_WAITING - waiting - delayed));
    await new Promise((wake) => setTimeout(wake, POLL_MS));
  }
  return [];
}

async function deadShards(queue: ShardQueue, run: string, done: ReadonlySet<number>): Promise<DeadShard[]> {
  const jobs = (await queue.getFailed()).filter(({ data }) => data.run === run && !done.has(data.shard));
  return jobs.map(({ data, failedReason }) => ({ shard: data.shard, error: new Error(failedReason) }));
}

function nextJobs(
  { run, directory, shards }: { readonly run: string; readonly directory: string; readonly shards: number },
  done: ReadonlySet<number>,
  sent: Set<number>,
  most: number,
): { name: string; data: Job; opts: Record<string, unknown> }[] {
  const jobs = [];
  for (let shard = 0; shard < shards && jobs.length < most; shard++) {
    if (done.has(shard) || sent.has(shard)) continue;
    sent.add(shard);
    const opts = {
      jobId: jobId(run, shard),
      attempts: ATTEMPTS,
      backoff: { type: "exponential", delay: BACKOFF_MS },
      removeOnComplete: true,
    };
    jobs.push({ name: "shard", data: { run, directory, shard }, opts });
  }
  return jobs;
}

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

/**
 * Does shards of whatever runs are in the queue until it is told to end. The model runs in a Worker, so that this thread
 * can tell Redis that the job is alive.
 *
 * @throws {Deno.errors.ConnectionRefused} if no Redis answers
 */
export async function workForQueue(options: QueueWorkerOptions): Promise<void> {
  const { url, signal, onEvent = () => {} } = options;
  const connection = await connect(url);
  let current: { run: string; manifest: Manifest; store: Store; runner: Runner } | undefined;
  const worker = new Worker<Job, void, string>(NAME, async ({ data }) => {
    const { run, shard } = data;
    if (current?.run !== run) {
      current?.runner.close();
      current = undefined;
      current = { run, ...await openJob(data, options) };
    }
    const { store, manifest, runner } = current;
    if (await readDone(store, shard, manifest.settings) === undefined) await runner.run(shard);
    onEvent(`shard ${shard} of ${store.location} is done`);
  }, {
    connection,
    concurrency: 1,
    lockDuration: LOCK_MS,
    stalledInterval: STALLED_CHECK_MS,
    maxStalledCount: ATTEMPTS,
  });
  worker.on("failed", (job, error) => onEvent(`shard ${job?.data.shard} failed: ${error.message}`));
  worker.on("error", (error) => onEvent(`Redis: ${error.message || error.name}`));
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve());
  });
  await worker.close();
  current?.runner.close();
  connection.disconnect();
}

async function openJob(
  { run, directory: named }: Job,
  { directory = named }: QueueWorkerOptions,
): Promise<{ manifest: Manifest; store: Store; runner: Runner }> {
  const store = directoryStore(directory);
  const manifest = await readManifest(store);
  if (manifest === undefined || runId(manifest) !== run) {
    throw new Deno.errors.NotFound(`${directory} is not the directory of this run: is it shared with this machine?`);
  }
  return { manifest, store, runner: workerRunner({ manifest, directory, verify: true }) };
}

/** A job that failed every time. */
export interface DeadLetter {
  /** Its store. */
  readonly directory: string;
  /** From 0. */
  readonly shard: number;
  /** How often it was tried. */
  readonly attempts: number;
  /** The last reason. */
  readonly error: string;
}

/** What is in a queue. */
export interface QueueStatus {
  /** Jobs that wait. */
  readonly waiting: number;
  /** Jobs that are being worked on. */
  readonly active: number;
  /** Jobs that failed and wait to be tried again. */
  readonly delayed: number;
  /** Workers that are connected. */
  readonly workers: number;
  /** Jobs that failed every time. */
  readonly dead: readonly DeadLetter[];
}

/** @throws {Deno.errors.ConnectionRefused} if no Redis answers */
export async function queueStatus(url: string): Promise<QueueStatus> {
  await using opened = await openQueue(url);
  const { queue } = opened;
  const { waiting, active, delayed } = await queue.getJobCounts("waiting", "active", "delayed");
  const dead = (await queue.getFailed()).map(({ data, attemptsMade, failedReason }) => ({
    directory: data.directory,
    shard: data.shard,
    attempts: attemptsMade,
    error: failedReason,
  }));
  return { waiting, active, delayed, workers: await queue.getWorkersCount(), dead };
}

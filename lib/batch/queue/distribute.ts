/**
 * A run whose shards others do. The store says what is done; the queue only hands out work, so that it may be lost.
 *
 * @module
 */
import type { Manifest } from "../shards/manifest.ts";
import { doneShards } from "../output/merge.ts";
import { ATTEMPTS, type DeadShard } from "../workers/pool.ts";
import type { Store } from "../shards/store.ts";
import { jobId, runId } from "./job.ts";
import { openQueue, type ShardQueue, shownAddress } from "./redis.ts";

/** No more jobs of a run than this are in Redis, which holds them in memory. */
const MOST_JOBS = 256;
const POLL_MS = 500;
const BACKOFF_MS = 1_000;
const PATIENCE_MS = 60_000;

/** A run whose shards others do. */
export interface Distribution {
  /** The Redis. */
  readonly url: string;
  /** The store's directory, by the name under which workers see it too. */
  readonly directory: string;
  /** Of the directory, by which workers know it. */
  readonly directoryId: string;
  /** The run. */
  readonly manifest: Manifest;
  /** The store. */
  readonly store: Store;
  /** Ends the waiting; jobs that wait stay in the queue. */
  readonly signal?: AbortSignal;
  /** Told how many shards are done, now and then. */
  readonly onDone?: (shards: number) => void;
  /** Told when Redis goes, and why; it is waited for. */
  readonly onGone?: (reason: string) => void;
  /** How long it is waited for. Default a minute. */
  readonly patienceMs?: number;
}

/**
 * Puts the shards that are left into the queue, never more than 256 at once, and waits until all are done or dead. What
 * Redis forgets is put in again; dead ones of an earlier call are tried again.
 *
 * @returns the shards that failed every time
 * @throws {Deno.errors.ConnectionRefused} if no Redis answers, or it goes and does not come back
 */
export async function distribute(distribution: Distribution): Promise<DeadShard[]> {
  const { url, manifest: { input: { shards } }, store, signal, onDone, onGone, patienceMs = PATIENCE_MS } =
    distribution;
  await using opened = await openQueue(url, { patienceMs, onGone });
  const outcome: Outcome = { sent: new Set(), dead: new Map() };
  let exchange: { ended: Promise<void>; since: number } | undefined;
  while (!signal?.aborted) {
    const done = await doneShards(store);
    onDone?.(done.size);
    const dead = [...outcome.dead].filter(([shard]) => !done.has(shard)).map(([shard, error]) => ({ shard, error }));
    if (done.size + dead.length === shards) return dead;
    // The store is looked at also while Redis lets us wait: what others work on may come to its end.
    exchange ??= { ended: fillQueue(opened.queue, distribution, done, outcome), since: performance.now() };
    const answered = await settled(exchange.ended, POLL_MS, signal).catch((error) => {
      throw goneError(url, error instanceof Error ? error.message : String(error), done.size, shards);
    });
    if (!answered && performance.now() - exchange.since > patienceMs) {
      throw goneError(url, "it does not answer", done.size, shards);
    }
    if (answered) exchange = undefined;
  }
  return [];
}

function goneError(url: string, reason: string, done: number, shards: number): Error {
  return new Deno.errors.ConnectionRefused(
    `Redis at ${shownAddress(url)} is gone (${reason}) with ${done} of ${shards} shards done: ` +
      "the same command goes on from there",
  );
}

/** Waits for so long in any case; whether the work has ended by then. */
async function settled(work: Promise<void>, milliseconds: number, signal?: AbortSignal): Promise<boolean> {
  let hasEnded = false;
  const { promise: woken, resolve: wake } = Promise.withResolvers<void>();
  const timer = setTimeout(wake, milliseconds);
  signal?.addEventListener("abort", () => wake(), { once: true });
  try {
    const failing = work.then(() => {
      hasEnded = true;
      return woken;
    });
    await Promise.race([failing, woken]);
    return hasEnded;
  } finally {
    clearTimeout(timer);
  }
}

/** What came of the jobs. */
interface Outcome {
  /** Shards that this process has put in. */
  readonly sent: Set<number>;
  /** Shards that have failed every time since. */
  readonly dead: Map<number, Error>;
}

/** Sees to it that the first shards that are left are in the queue. Those that are, it does not take again. */
async function fillQueue(
  queue: ShardQueue,
  { directory, directoryId, manifest }: Distribution,
  done: ReadonlySet<number>,
  { sent, dead }: Outcome,
): Promise<void> {
  const run = runId(directoryId, manifest);
  const left: number[] = [];
  for (let shard = 0; shard < manifest.input.shards && left.length < MOST_JOBS; shard++) {
    if (!done.has(shard) && !dead.has(shard)) left.push(shard);
  }
  await Promise.all(left.map(async (shard) => {
    const job = await queue.getJob(jobId({ run, directory, shard }));
    if (job?.finishedOn === undefined) return; // one that succeeded is gone
    if (sent.has(shard)) dead.set(shard, new Error(job.failedReason));
    else await job.remove();
  }));
  const jobs = left.filter((shard) => !dead.has(shard)).map((shard) => {
    sent.add(shard);
    const opts = {
      jobId: jobId({ run, directory, shard }),
      attempts: ATTEMPTS,
      backoff: { type: "exponential", delay: BACKOFF_MS },
      removeOnComplete: true,
    };
    return { name: "shard", data: { run, directory, shard }, opts };
  });
  await queue.addBulk(jobs);
}

/**
 * What is in the queue.
 *
 * @module
 */
import { readJob } from "./job.ts";
import { openQueue } from "./redis.ts";

/** A job that failed every time. */
export interface DeadLetter {
  /** Its store; null: it is no job of this program. */
  readonly directory: string | null;
  /** From 0. */
  readonly shard: number | null;
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
  /** Jobs that failed every time; not more than the last thousand. */
  readonly dead: readonly DeadLetter[];
}

const MOST_DEAD = 1000;

/** @throws {Deno.errors.ConnectionRefused} if no Redis answers */
export async function queueStatus(url: string): Promise<QueueStatus> {
  await using opened = await openQueue(url, { patienceMs: 0 });
  const { queue } = opened;
  const { waiting, active, delayed } = await queue.getJobCounts("waiting", "active", "delayed");
  const dead = (await queue.getFailed(0, MOST_DEAD - 1)).map(({ data, attemptsMade, failedReason }) => {
    const job = readJob(data);
    const [directory, shard] = [job?.directory ?? null, job?.shard ?? null];
    return { directory, shard, attempts: attemptsMade, error: failedReason };
  });
  return { waiting, active, delayed, workers: await queue.getWorkersCount(), dead };
}

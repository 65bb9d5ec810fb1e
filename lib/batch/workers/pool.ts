/**
 * Handing out shards to runners of this process.
 *
 * @module
 */
import type { Runner } from "./runners.ts";
import type { ShardReport } from "../shards/shard.ts";

/** A shard that failed for good. */
export interface DeadShard {
  /** From 0. */
  readonly shard: number;
  /** Its last failure. */
  readonly error: Error;
}

/** How a pool is told to work. */
export interface PoolOptions {
  /** Called after each shard. */
  readonly onDone?: (report: ShardReport) => void;
  /** Ends the work: what is being worked on is lost. */
  readonly signal?: AbortSignal;
}

/** So often is a shard tried. */
export const ATTEMPTS = 3;
/** After so many dead shards the fault is not theirs. */
const MOST_DEAD = 3;

/**
 * Works through shards, each runner taking the next one when it is free. A shard that fails is tried again.
 *
 * @returns the shards that failed every time; with three of them the work ends early
 */
export async function runPool(
  shards: Iterable<number>,
  runners: readonly Runner[],
  { onDone, signal }: PoolOptions = {},
): Promise<DeadShard[]> {
  const iterator = shards[Symbol.iterator]();
  const dead: DeadShard[] = [];
  const work = async (runner: Runner): Promise<void> => {
    while (dead.length < MOST_DEAD && !signal?.aborted) {
      const { value: shard, done } = iterator.next();
      if (done) return;
      const outcome = await tryShard(runner, shard, signal);
      if (outcome instanceof Error) dead.push({ shard, error: outcome });
      else if (outcome !== undefined) onDone?.(outcome);
    }
  };
  const close = (): void => runners.forEach((runner) => runner.close());
  signal?.addEventListener("abort", close);
  try {
    await Promise.all(runners.map(work));
  } finally {
    signal?.removeEventListener("abort", close);
    close();
  }
  return dead;
}

async function tryShard(runner: Runner, shard: number, signal?: AbortSignal): Promise<ShardReport | Error | undefined> {
  let last = new Error("it was not tried");
  for (let attempt = 0; attempt < ATTEMPTS && !signal?.aborted; attempt++) {
    try {
      return await runner.run(shard);
    } catch (error) {
      last = error instanceof Error ? error : new Error(String(error));
    }
  }
  return signal?.aborted ? undefined : last;
}

/**
 * A line on the terminal while a data set is worked on.
 *
 * @module
 */
import type { Manifest } from "../../batch/shards/manifest.ts";
import type { ShardReport } from "../../batch/shards/shard.ts";
import { cutToWidth } from "../../table/terminal.ts";
import { printNote, type Screen } from "./output.ts";
import { formatTime } from "./pull_progress.ts";

const CLEAR_LINE = "\r\x1b[K";

/** Told of shards, shows how far it is. */
export interface BatchProgress {
  /** A shard is done. */
  onDone(report: ShardReport): void;
  /** So many shards are done in all. */
  onCount(shards: number): void;
  /** Takes the line away. */
  end(): Promise<void>;
}

/** Shows nothing unless the screen is a terminal. */
export function batchProgress(screen: Screen, { input, settings }: Manifest, doneBefore: number): BatchProgress {
  const start = performance.now();
  const before = Math.min(input.prompts, doneBefore * settings.shardSize);
  let done = before;
  let failed = 0;
  let printing: Promise<void> | undefined;
  const show = (): void => {
    if (!screen.isTerminal) return;
    const seconds = (performance.now() - start) / 1000;
    const line = describeBatch({ done, before, failed, total: input.prompts, seconds });
    printing = (printing ?? Promise.resolve()).then(() => printNote(CLEAR_LINE + cutToWidth(line, screen.width - 1)));
  };
  show();
  return {
    onDone(report) {
      done += report.prompts;
      failed += report.failed;
      show();
    },
    onCount(shards) {
      done = Math.min(input.prompts, shards * settings.shardSize);
      show();
    },
    async end() {
      await printing;
      if (printing !== undefined) await printNote(CLEAR_LINE);
    },
  };
}

/**
 * How far it is, in words.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { describeBatch } from "./batch_progress.ts";
 *
 * const far = { done: 300, before: 100, failed: 1, total: 1000, seconds: 20 };
 * assert.equal(describeBatch(far), "300 of 1000 prompts, 10 a second, 1 min 10 s left, 1 failed");
 * ```
 */
export function describeBatch({ done, before, failed, total, seconds }: {
  readonly done: number;
  /** Done by an earlier process. */
  readonly before: number;
  readonly failed: number;
  readonly total: number;
  /** Since this process began. */
  readonly seconds: number;
}): string {
  const rate = (done - before) / seconds;
  const speed = rate > 0 ? `, ${Number(rate.toPrecision(2))} a second, ${formatTime((total - done) / rate)} left` : "";
  return `${done} of ${total} prompts${speed}${failed === 0 ? "" : `, ${failed} failed`}`;
}

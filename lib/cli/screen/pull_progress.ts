/**
 * A line on the terminal while files are downloaded.
 *
 * @module
 */
import { cutToWidth, printable } from "../../table/terminal.ts";
import type { DownloadProgress } from "../../weights/hub/progress.ts";
import { printNote, type Screen } from "./output.ts";

/** What is over sooner needs no word. */
const PATIENCE_MS = 500;
const CLEAR_LINE = "\r\x1b[K";

/** Does `work`, which tells how far it is; on a terminal, a line shows that and is gone afterwards. */
export async function withDownloadProgress<T>(
  screen: Screen,
  work: (onProgress: (progress: DownloadProgress) => void) => Promise<T>,
): Promise<T> {
  if (!screen.isTerminal) return await work(() => {});
  const start = performance.now();
  let printing: Promise<void> | undefined;
  let isPrinting = false;
  const show = (progress: DownloadProgress): void => {
    if (isPrinting || performance.now() - start < PATIENCE_MS) return;
    isPrinting = true;
    const line = cutToWidth(describeProgress(progress), screen.width - 1);
    printing = printNote(`${CLEAR_LINE}${line}`).finally(() => isPrinting = false);
  };
  try {
    return await work(show);
  } finally {
    await printing;
    if (printing !== undefined) await printNote(CLEAR_LINE);
  }
}

/**
 * How far it is, in words.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { describeProgress } from "./pull_progress.ts";
 *
 * const progress = { path: "a", files: 1, done: 5e6, total: 1e7, bytesPerSecond: 1e6, secondsLeft: 5 };
 * assert.equal(describeProgress(progress), "5.0 MB of 10 MB, 1.0 MB/s, 5 s left: a");
 * ```
 */
export function describeProgress(
  { path, files, done, total, bytesPerSecond, secondsLeft }: DownloadProgress,
): string {
  const what = files > 1 ? `${printable(path)} and ${files - 1} more` : printable(path);
  const amount = total === undefined ? formatBytes(done) : `${formatBytes(done)} of ${formatBytes(total)}`;
  const rate = bytesPerSecond === undefined ? "" : `, ${formatBytes(bytesPerSecond)}/s`;
  // The name comes last: it is what a narrow terminal cuts.
  return `${amount}${rate}${secondsLeft === undefined ? "" : `, ${formatTime(secondsLeft)} left`}: ${what}`;
}

/**
 * A number of bytes in the unit that suits it.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { formatBytes } from "./pull_progress.ts";
 *
 * assert.equal(formatBytes(548_105_171), "548 MB");
 * ```
 */
export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let power = 0;
  for (; bytes >= 999.5 && power < units.length - 1; power++) bytes /= 1000;
  return `${power === 0 || bytes >= 9.95 ? Math.round(bytes) : bytes.toFixed(1)} ${units[power]}`;
}

/** Seconds in words. */
export function formatTime(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor(whole % 3600 / 60)} min`;
}

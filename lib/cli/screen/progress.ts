/**
 * A line on the terminal while something lasts: a step, a download, the work on a data set.
 *
 * @module
 */
import { cutToWidth, printable } from "../../table/terminal.ts";
import type { DownloadProgress } from "../../weights/hub/progress.ts";
import { printNote, type Screen } from "./output.ts";

/** What is over sooner needs no word. */
const PATIENCE_MS = 500;
const CLEAR_LINE = "\r\x1b[K";

/** Does `work`; on a terminal, a line says so while it lasts, with what it tells of how far it is, and is gone then. */
export async function withProgress<T>(
  screen: Screen,
  text: string,
  work: (onProgress: (done: number, total: number) => void) => Promise<T>,
): Promise<T> {
  if (!screen.isTerminal) return await work(() => {});
  let shown: Promise<void> | undefined;
  const timer = setTimeout(() => shown = printNote(`${text} …`), PATIENCE_MS);
  const start = performance.now();
  const onProgress = (done: number, total: number): void => {
    if (shown === undefined) return;
    const seconds = (performance.now() - start) / 1000;
    const line = `${text}: ${done} of ${total}, ${formatTime(seconds * (total / done - 1))} left`;
    shown = shown.then(() => printNote(CLEAR_LINE + cutToWidth(line, screen.width - 1)));
  };
  try {
    return await work(onProgress);
  } finally {
    clearTimeout(timer);
    await shown;
    if (shown !== undefined) await printNote(CLEAR_LINE);
  }
}

/** Does `work`, which tells how far it is; on a terminal, a line shows that and is gone afterwards. */
export function withDownloadProgress<T>(
  screen: Screen,
  work: (onProgress: (progress: DownloadProgress) => void) => Promise<T>,
): Promise<T> {
  return withLine(screen, describeProgress, work);
}

/** Does `work`, which tells how many of something there were; on a terminal, a line shows that and is gone afterwards. */
export function withCount<T>(
  screen: Screen,
  what: string,
  work: (onProgress: (count: number) => void) => Promise<T>,
): Promise<T> {
  return withLine(screen, (count) => `${count} ${what} …`, work);
}

/** The line in `words`; what is told while it is being printed is left out. */
async function withLine<T, Progress>(
  screen: Screen,
  words: (progress: Progress) => string,
  work: (onProgress: (progress: Progress) => void) => Promise<T>,
): Promise<T> {
  if (!screen.isTerminal) return await work(() => {});
  const start = performance.now();
  let printing: Promise<void> | undefined;
  let isPrinting = false;
  const show = (progress: Progress): void => {
    if (isPrinting || performance.now() - start < PATIENCE_MS) return;
    isPrinting = true;
    const line = cutToWidth(words(progress), screen.width - 1);
    printing = printNote(`${CLEAR_LINE}${line}`).finally(() => isPrinting = false);
  };
  try {
    return await work(show);
  } finally {
    await printing;
    if (printing !== undefined) await printNote(CLEAR_LINE);
  }
}

/** How far it is, in words. */
export function describeProgress(
  { path, files, done, total, bytesPerSecond, secondsLeft }: DownloadProgress,
): string {
  const what = files > 1 ? `${printable(path)} and ${files - 1} more` : printable(path);
  const amount = total === undefined ? formatBytes(done) : `${formatBytes(done)} of ${formatBytes(total)}`;
  const rate = bytesPerSecond === undefined ? "" : `, ${formatBytes(bytesPerSecond)}/s`;
  // The name comes last: it is what a narrow terminal cuts.
  return `${amount}${rate}${secondsLeft === undefined ? "" : `, ${formatTime(secondsLeft)} left`}: ${what}`;
}

/** A number of bytes in the unit that suits it. */
export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let power = 0;
  for (; bytes >= 999.5 && power < units.length - 1; power++) bytes /= 1000;
  return `${power === 0 || bytes >= 9.95 ? Math.round(bytes) : bytes.toFixed(1)} ${units[power]}`;
}

/** Seconds in words. */
function formatTime(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor(whole % 3600 / 60)} min`;
}

/** The size of a data set, and how many of its shards an earlier process has done. */
interface BatchSize {
  readonly prompts: number;
  readonly shardSize: number;
  readonly doneBefore: number;
}

/** Told of shards, shows how far it is. */
export interface BatchProgress {
  /** A shard is done. */
  onDone(report: { readonly prompts: number; readonly failed: number }): void;
  /** So many shards are done in all. */
  onCount(shards: number): void;
  /** Takes the line away. */
  end(): Promise<void>;
}

/** Shows nothing unless the screen is a terminal. */
export function batchProgress(screen: Screen, { prompts, shardSize, doneBefore }: BatchSize): BatchProgress {
  const start = performance.now();
  const before = Math.min(prompts, doneBefore * shardSize);
  let done = before;
  let failed = 0;
  let printing: Promise<void> | undefined;
  const show = (): void => {
    if (!screen.isTerminal) return;
    const seconds = (performance.now() - start) / 1000;
    const line = describeBatch({ done, before, failed, total: prompts, seconds });
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
      done = Math.min(prompts, shards * shardSize);
      show();
    },
    async end() {
      await printing;
      if (printing !== undefined) await printNote(CLEAR_LINE);
    },
  };
}

/** How far it is, in words. */
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

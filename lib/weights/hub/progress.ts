/** How far the downloads of a source are, all its files together. */
export interface DownloadProgress {
  /** The file that bytes came for last. */
  readonly path: string;
  /** Files being downloaded. */
  readonly files: number;
  /** Bytes there, those that an earlier run left included. */
  readonly done: number;
  /** Bytes in all; undefined while a file's size is not known. */
  readonly total: number | undefined;
  /** Of late; undefined in the beginning. */
  readonly bytesPerSecond: number | undefined;
  /** At that rate. */
  readonly secondsLeft: number | undefined;
}

/** What a download tells of itself. */
export interface DownloadTrack {
  /** So many more bytes have come. */
  add(bytes: number): void;
  /** So many bytes are there already, or are lost if negative: they do not count as speed. */
  skip(bytes: number): void;
  /** The download is over. */
  end(): void;
}

/** Makes tracks whose sums go to one callback. */
export type ProgressMeter = (path: string, total: number | undefined) => DownloadTrack;

const REPORT_MS = 100;
/** The rate is that of about so many milliseconds. */
const WINDOW_MS = 5000;

/** Makes a meter that reports at most ten times a second, and at each download's end. */
export function makeProgressMeter(
  report: (progress: DownloadProgress) => void,
  now: () => number = () => performance.now(),
): ProgressMeter {
  const rate = makeRate();
  let [files, done, total, unknown] = [0, 0, 0, 0];
  let last = -Infinity;
  const tell = (path: string, force: boolean): void => {
    const time = now();
    if (!force && time - last < REPORT_MS) return;
    last = time;
    const bytesPerSecond = rate.at(time);
    const all = unknown > 0 ? undefined : total;
    const secondsLeft = all === undefined || !bytesPerSecond ? undefined : Math.max(0, all - done) / bytesPerSecond;
    report({ path, files, done, total: all, bytesPerSecond, secondsLeft });
  };
  return (path, size) => {
    files++;
    if (size === undefined) unknown++;
    else total += size;
    rate.add(now(), 0);
    return {
      add: (bytes) => {
        done += bytes;
        rate.add(now(), bytes);
        tell(path, false);
      },
      skip: (bytes) => {
        if (bytes === 0) return;
        done += bytes;
        tell(path, false);
      },
      end: () => {
        if (size === undefined) unknown--;
        tell(path, true);
        files--;
      },
    };
  };
}

/** Bytes a second over the last few seconds. */
function makeRate(): { add(time: number, bytes: number): void; at(time: number): number | undefined } {
  let samples: { time: number; bytes: number }[] = [];
  return {
    add: (time, bytes) => {
      const last = samples.at(-1);
      if (last && samples.length > 1 && time - last.time < REPORT_MS) last.bytes += bytes;
      else samples.push({ time, bytes });
      const first = samples.findIndex((sample) => time - sample.time <= WINDOW_MS);
      if (first > 0) samples = samples.slice(first);
    },
    at: (time) => {
      const span = time - (samples[0]?.time ?? time);
      const bytes = samples.slice(1).reduce((sum, sample) => sum + sample.bytes, 0);
      return span > 0 && bytes > 0 ? bytes / span * 1000 : undefined;
    },
  };
}

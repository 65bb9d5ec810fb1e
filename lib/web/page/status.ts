/** What the page says of itself: progress, and what went wrong. */
import type { EngineEvent } from "./engine.ts";
import { find } from "./find.ts";
import { labelWords } from "./settings.ts";

/** An event of a job in words; undefined where nothing is to be said. */
export function eventWords(event: EngineEvent): string | undefined {
  switch (event.type) {
    case "busy":
      return "The server is busy: trying again …";
    case "waiting":
      return event.ahead === 0 ? "Running …" : `Waiting: ${event.ahead} before this …`;
    case "opening":
      return `Opening ${event.name} …`;
    case "downloading":
      return downloadWords(event);
    case "running":
      return "Running …";
    case "searching":
      return `Looking for the set: ${event.runs.toLocaleString("en-US")} runs …`;
    case "report":
      return "Looking up what the features do …";
    default:
      return undefined;
  }
}

type Downloading = Extract<EngineEvent, { readonly type: "downloading" }>;

function downloadWords({ path, done, total, bytes_per_second: rate, seconds_left: left }: Downloading): string {
  const bytes = total === null ? megabytes(done) : `${megabytes(done)} of ${megabytes(total)}`;
  const pace = [
    ...(rate === null ? [] : [`${megabytes(rate)}/s`]),
    ...(left === null ? [] : [`${duration(left)} left`]),
  ];
  return `Downloading ${path}: ${[bytes, ...pace].join(", ")} …`;
}

/** Seconds for people. */
function duration(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** Shows how much of a download is here; what is no event of one ends it. */
export function showProgress(event: EngineEvent | undefined): void {
  const bar = find("progress", HTMLProgressElement);
  bar.hidden = event?.type !== "downloading";
  if (event?.type !== "downloading") return;
  if (event.total === null) return bar.removeAttribute("value");
  bar.max = Math.max(1, event.total);
  bar.value = event.done;
}

/** Bytes for people. */
export function megabytes(bytes: number): string {
  const number = bytes / 1e6;
  return `${number.toLocaleString("en-US", { maximumFractionDigits: number < 10 ? 1 : 0 })} MB`;
}

/** Says something in the status line. */
export function say(text: string): void {
  find("status").textContent = text;
}

/** What went wrong, in one line for the user. */
export function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Says what went wrong; the empty text takes it away. */
export function complain(text: string): void {
  const error = find("error");
  error.textContent = labelWords(text);
  error.hidden = text === "";
}

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
    case "downloading": {
      const megabytes = (bytes: number): string => (bytes / 1e6).toLocaleString("en-US", { maximumFractionDigits: 0 });
      const total = event.total === null ? "" : ` of ${megabytes(event.total)}`;
      return `Downloading ${event.path}: ${megabytes(event.done)}${total} MB …`;
    }
    case "running":
      return "Running …";
    case "report":
      return "Looking up what the features do …";
    default:
      return undefined;
  }
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

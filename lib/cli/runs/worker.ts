/**
 * What `worker` does once its command line is understood.
 *
 * @module
 */
import { resolve } from "node:path";
import { workForQueue } from "../../batch/queue/work.ts";
import { printable } from "../../table/terminal.ts";
import { printNote } from "../screen/output.ts";
import type { WorkerRequest } from "../commands/worker.ts";

const SIGNALS: readonly Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM"];

/** Works until it is told to end. */
export async function work({ queue, directory, quiet }: WorkerRequest): Promise<void> {
  const abort = new AbortController();
  const stop = (): void => {
    abort.abort();
    forget(); // the second time ends it at once
  };
  const forget = (): void => SIGNALS.forEach((signal) => Deno.removeSignalListener(signal, stop));
  SIGNALS.forEach((signal) => Deno.addSignalListener(signal, stop));
  let printing = Promise.resolve();
  const onEvent = (text: string): void => {
    if (!quiet) printing = printing.then(() => printNote(`${printable(text)}\n`));
  };
  const place = directory === undefined ? undefined : resolve(directory);
  try {
    await workForQueue({ url: queue, directory: place, signal: abort.signal, onEvent });
  } finally {
    if (!abort.signal.aborted) forget();
    await printing;
  }
}

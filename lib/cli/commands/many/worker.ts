/**
 * `worker --queue URL`: does the shards of data sets that `batch --queue` has put into a queue.
 *
 * @module
 */
import { type CommandSpec, type ParsedCommand, UsageError } from "../../args/args.ts";
import { type Command, defineCommand } from "../../args/command.ts";
import { QUEUE_OPTION, readQueue } from "../../args/options.ts";
import { resolve } from "node:path";
import { printable } from "../../../table/terminal.ts";
import { onSignal } from "../../screen/interrupt.ts";
import { printNote } from "../../screen/output.ts";

export interface WorkerRequest {
  readonly queue: string;
  readonly directory: string | undefined;
  readonly quiet: boolean;
}

const spec = {
  name: "worker",
  summary: "Work on the data sets that `batch --queue` has put into a queue, until Ctrl-C, which lets the shard\n" +
    "at hand be finished. Start as many as there are processors, on as many machines as there are.",
  usage: "--queue URL [options]",
  positionals: [],
  options: {
    queue: QUEUE_OPTION,
    directory: {
      kind: "string",
      placeholder: "DIR",
      help: "where this machine sees the run's directory, where it has another name here",
    },
    quiet: { kind: "boolean", help: "print nothing but errors" },
  },
  examples: ["worker --queue redis://queue:6379", "worker --queue redis://queue:6379 --directory /mnt/run"],
} satisfies CommandSpec;

export const { run, parseRequest }: Command<WorkerRequest> = defineCommand({
  spec,
  read: readRequest,
  does: work,
});

function readRequest({ values }: ParsedCommand<typeof spec>): WorkerRequest {
  const { queue, directory, quiet } = values;
  if (queue === undefined) throw new UsageError("--queue is missing: give the address of a Redis");
  return { queue: readQueue(queue), directory, quiet };
}

/** What `work.ts` exports; by a computed address, so that help and errors do not wait for it. */
type WorkModule = typeof import("../../../batch/queue/work.ts");

/** Works until it is told to end. */
async function work({ queue, directory, quiet }: WorkerRequest): Promise<void> {
  const { workForQueue } = await import(new URL("../../../batch/queue/work.ts", import.meta.url).href) as WorkModule;
  const abort = new AbortController();
  const forget = onSignal(() => {
    abort.abort();
    forget(); // the second time ends it at once
  });
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

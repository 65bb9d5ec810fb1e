/**
 * `worker --queue URL`: does the shards of data sets that `batch --queue` has put into a queue.
 *
 * @module
 */
import { type CommandSpec, type ParsedCommand, UsageError } from "../args/args.ts";
import { type Command, defineCommand } from "../args/command.ts";
import { QUEUE_OPTION, readQueue } from "../args/queue.ts";

/** Everything that the command line asks for. */
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

/** The command. */
export const { run, parseRequest }: Command<WorkerRequest> = defineCommand({
  spec,
  read: readRequest,
  does: [new URL("../runs/worker.ts", import.meta.url), "work"],
});

function readRequest({ values }: ParsedCommand<typeof spec>): WorkerRequest {
  const { queue, directory, quiet } = values;
  if (queue === undefined) throw new UsageError("--queue is missing: give the address of a Redis");
  return { queue: readQueue(queue), directory, quiet };
}

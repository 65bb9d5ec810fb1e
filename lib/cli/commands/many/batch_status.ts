/**
 * `batch status [DIR] [--queue URL]`: how far a data set is.
 *
 * @module
 */
import { readManifest } from "../../../batch/shards/manifest.ts";
import { doneShards, readSummary } from "../../../batch/output/merge.ts";
import type { QueueStatus } from "../../../batch/queue/status.ts";
import { directoryStore } from "../../../batch/shards/store.ts";
import type { Cell, Table } from "../../../table/table.ts";
import { toText } from "../../../table/text.ts";
import { type CommandSpec, type ParsedCommand, UsageError } from "../../args/args.ts";
import { type Command, defineCommand, type Given } from "../../args/command.ts";
import { QUEUE_OPTION, readQueue } from "../../args/options.ts";
import { printData } from "../../screen/output.ts";

const spec = {
  name: "batch status",
  summary: "Show how far the data set in a directory is, and what is in a queue: the shards that failed for good too.",
  usage: "[DIR] [--queue URL] [--format F]",
  positionals: [{ name: "DIR", help: "the directory of a run", required: false }],
  options: {
    queue: QUEUE_OPTION,
    format: {
      kind: "string",
      choices: ["json", "table"],
      placeholder: "F",
      help: "json or table; by default table on a terminal and json otherwise",
    },
  },
  examples: ["batch status run", "batch status --queue redis://queue:6379"],
} satisfies CommandSpec;

/** What the command prints as JSON. */
export interface BatchStatus {
  /** Of a directory. */
  readonly run?: {
    readonly directory: string;
    readonly prompts: number;
    readonly shards: number;
    readonly shards_done: number;
    /** The tables are there. */
    readonly complete: boolean;
    /** Prompts that failed; null until it is complete. */
    readonly failed: number | null;
  };
  /** Of a queue. */
  readonly queue?: QueueStatus;
}

interface StatusRequest {
  readonly directory: string | undefined;
  readonly queue: string | undefined;
  readonly format: string;
}

export const { run }: Command<StatusRequest> = defineCommand({
  spec,
  read: readRequest,
  does: showStatus,
});

function readRequest(
  { positionals: [directory], values: { queue, format } }: ParsedCommand<typeof spec>,
  { isTerminal }: Given,
): StatusRequest {
  if (directory === undefined && queue === undefined) {
    throw new UsageError("nothing to look at: give the directory of a run, or --queue with the address of a Redis");
  }
  return { directory, queue: queue && readQueue(queue), format: format ?? (isTerminal ? "table" : "json") };
}

/** Shows what was asked for. */
async function showStatus({ directory, queue, format }: StatusRequest): Promise<void> {
  const status: BatchStatus = {
    ...(directory === undefined ? {} : { run: await statusOf(directory) }),
    ...(queue === undefined ? {} : { queue: await statusOfQueue(queue) }),
  };
  await printData([format === "json" ? `${JSON.stringify(status, null, 2)}\n` : toText(statusTable(status))]);
}

async function statusOf(directory: string): Promise<BatchStatus["run"]> {
  const store = directoryStore(directory);
  const manifest = await readManifest(store);
  if (manifest === undefined) {
    throw new Deno.errors.NotFound(`${directory} has no manifest.json: no run was begun there, or it is being begun`);
  }
  const summary = await readSummary(store);
  return {
    directory,
    prompts: manifest.input.prompts,
    shards: manifest.input.shards,
    shards_done: (await doneShards(store)).size,
    complete: summary !== undefined,
    failed: summary?.failed ?? null,
  };
}

async function statusOfQueue(url: string): Promise<QueueStatus> {
  const module = new URL("../../../batch/queue/status.ts", import.meta.url).href;
  const { queueStatus } = await import(module) as typeof import("../../../batch/queue/status.ts");
  return await queueStatus(url);
}

function statusTable({ run, queue }: BatchStatus): Table {
  const rows: Cell[][] = Object.entries(run ?? {}).map(([name, value]) => [name, value === null ? "" : String(value)]);
  const { dead = [], ...counts } = queue ?? {};
  for (const [name, value] of Object.entries(counts)) rows.push([`queue: ${name}`, String(value)]);
  for (const { directory, shard, attempts, error } of dead) {
    const what = shard === null ? "no job of this program" : `shard ${shard}`;
    rows.push([`dead: ${what}`, `${directory ?? "no directory"}: ${error} (tried ${attempts} times)`]);
  }
  return { columns: ["what", "value"], rows };
}

/**
 * `cache [list|size|remove NAME]`: what has been downloaded.
 *
 * @module
 */
import { type CommandSpec, type ParsedCommand, UsageError } from "../args/args.ts";
import { type Command, defineCommand, type Given } from "../args/command.ts";
import { quote } from "../args/values.ts";
import { type Destination, FORMAT_OPTIONS, readDestination } from "../args/format.ts";

const ACTIONS = ["list", "size", "remove"] as const;

/** Everything that the command line asks for. */
export interface CacheRequest {
  readonly action: typeof ACTIONS[number];
  /** What to remove. */
  readonly name: string | undefined;
  readonly destination: Destination;
}

const spec = {
  name: "cache",
  summary:
    "Show what has been downloaded and how much room it takes, or remove it: from the cache that huggingface_hub " +
    "uses too (HF_HOME), and from the program's own of parts of files (SAE_ATTRIBUTION_CACHE).",
  usage: "[list | size | remove NAME] [--format F]",
  positionals: [
    { name: "ACTION", help: "list (the default), size, or remove", required: false },
    { name: "NAME", help: "the model or SAE whose repository is removed, all of it", required: false },
  ],
  options: { ...FORMAT_OPTIONS },
  examples: ["cache", "cache size", "cache remove openai-community/gpt2", "cache list --format json"],
} satisfies CommandSpec;

/** The command. */
export const { run, parseRequest }: Command<CacheRequest> = defineCommand({
  spec,
  read: readRequest,
  does: [new URL("../runs/cache.ts", import.meta.url), "runCache"],
});

function readRequest(
  { positionals: [given = "list", name], values }: ParsedCommand<typeof spec>,
  { isTerminal }: Given,
): CacheRequest {
  const action = ACTIONS.find((known) => known === given);
  if (action === undefined) throw new UsageError(`cache knows no ${quote(given)}: write list, size or remove NAME`);
  if (action === "remove" && name === undefined) {
    throw new UsageError("what to remove is missing: write cache remove NAME");
  }
  if (action !== "remove" && name !== undefined) {
    throw new UsageError(`unexpected argument ${quote(name)}: only cache remove takes a NAME`);
  }
  return { action, name, destination: readDestination(values, isTerminal) };
}

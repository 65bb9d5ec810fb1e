/**
 * `cache [list|size|remove NAME]`: what has been downloaded.
 *
 * @module
 */
import { type CommandSpec, type ParsedCommand } from "../../args/args.ts";
import { type Command, defineCommand, type Given } from "../../args/command.ts";
import { quote, UsageError } from "../../args/values.ts";
import { type Destination, FORMAT_OPTIONS, readDestination } from "../../args/options.ts";
import type { Table } from "../../../table/table.ts";
import { type CachedRepo, listCachedRepos, removeCachedRepo } from "../../../weights/hub/cache/cached_repos.ts";
import { parseHubName } from "../../../weights/hub/names.ts";
import { type HubSettings, readHubSettings } from "../../../weights/hub/settings.ts";
import { printNote } from "../../screen/output.ts";
import { formatBytes } from "../../screen/progress.ts";
import type { FoundOnHub } from "../../runs/names/pull.ts";
import { writeTable } from "../../screen/write_table.ts";

const ACTIONS = ["list", "size", "remove"] as const;

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

export const { run, parseRequest }: Command<CacheRequest> = defineCommand({
  spec,
  read: readRequest,
  does: runCache,
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

/** Shows or removes what was asked for. */
async function runCache({ action, name, destination }: CacheRequest): Promise<void> {
  const settings = readHubSettings();
  const isForPeople = destination.format === "table";
  if (action === "size") {
    const table = sizeTable(settings, await listCachedRepos(settings), isForPeople);
    return await writeTable(table, destination);
  }
  const repos = action === "remove" ? [await remove(settings, name!)] : await listCachedRepos(settings);
  if (action === "remove") {
    await printNote(`Removed ${repos[0].repo}: ${formatBytes(takes(repos[0]))} are free again.\n`);
  }
  await writeTable(repoTable(repos, isForPeople), destination);
  if (repos.length === 0) await printNote(`Nothing has been downloaded to ${settings.cacheDirectory}.\n`);
}

async function remove(settings: HubSettings, name: string): Promise<CachedRepo> {
  const { repo, otherRepos = [], revision, path } = await findRepo(name);
  if (name.startsWith("hf:") && (revision !== undefined || path !== undefined)) {
    throw new UsageError(`cache removes whole repositories: write cache remove ${repo}`);
  }
  const removed = await removeCachedRepo(settings, repo);
  if (removed !== undefined) return removed;
  const cached = await listCachedRepos(settings);
  const other = cached.find((one) => otherRepos.includes(one.repo))?.repo;
  const advice = other === undefined
    ? "cache list shows what is"
    : `${other} is, another name of it: write cache remove ${other}`;
  throw new Deno.errors.NotFound(`${repo} is not in ${settings.cacheDirectory}: ${advice}`);
}

/** A repository by its own name if it is in the cache under it, else by a model's or SAE's name. */
async function findRepo(name: string): Promise<Partial<FoundOnHub> & Pick<FoundOnHub, "repo">> {
  const cached = await listCachedRepos(readHubSettings());
  if (cached.some(({ repo }) => repo === name)) return { repo: name };
  if (name.startsWith("hf:")) return parseHubName(name)!;
  const { findOnHub } = await import(
    new URL("../../runs/names/pull.ts", import.meta.url).href
  ) as typeof import("../../runs/names/pull.ts");
  return await findOnHub(name);
}

function takes({ bytes, partialBytes, rangeBytes }: CachedRepo): number {
  return bytes + partialBytes + rangeBytes;
}

function repoTable(repos: readonly CachedRepo[], isForPeople: boolean): Table {
  if (isForPeople) {
    const rows = repos.map((repo) => [repo.repo, formatBytes(takes(repo)), repo.files, repo.commits]);
    return { columns: ["repo", "size", "files", "commits"], rows };
  }
  return {
    columns: ["repo", "commits", "files", "bytes", "partial_bytes", "range_bytes", "path"],
    rows: repos.map((r) => [r.repo, r.commits, r.files, r.bytes, r.partialBytes, r.rangeBytes, r.path]),
  };
}

function sizeTable(settings: HubSettings, repos: readonly CachedRepo[], isForPeople: boolean): Table {
  const sum = (of: (repo: CachedRepo) => number): number => repos.reduce((total, repo) => total + of(repo), 0);
  const sizes: [string, number, string][] = [
    ["shared", sum(({ bytes, partialBytes }) => bytes + partialBytes), settings.cacheDirectory],
    ["own", sum(({ rangeBytes }) => rangeBytes), settings.rangesDirectory],
  ];
  const size = isForPeople ? formatBytes : (bytes: number): number => bytes;
  return {
    columns: ["cache", isForPeople ? "size" : "bytes", "path"],
    rows: sizes.map(([cache, bytes, path]) => [cache, size(bytes), path]),
  };
}

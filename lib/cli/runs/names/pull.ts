/**
 * What `pull` does once its command line is understood.
 *
 * @module
 */
import type { Table } from "../../../table/table.ts";
import { printable } from "../../../table/terminal.ts";
import { cachedName } from "../../../weights/hub/cache/cached_repos.ts";
import { chooseFiles } from "../../../weights/hub/choose_files.ts";
import { type DownloadProgress, formatHubName, openHub } from "../../../weights/hub/hub.ts";
import { checkHubPath, checkRevision, type HubName, parseHubName } from "../../../weights/hub/names.ts";
import { readHubSettings } from "../../../weights/hub/settings.ts";
import { settleAll } from "../../../concurrency.ts";
import { printNote, stderrScreen } from "../../screen/output.ts";
import { formatBytes, withDownloadProgress } from "../../screen/progress.ts";
import { writeTable } from "../../screen/write_table.ts";
import { readSaeData } from "../../../registry/data.ts";
import { findModel } from "../../../registry/models.ts";
import { findSae } from "../../../registry/saes.ts";
import type { PullRequest } from "../../commands/names/pull.ts";

/** A file that is there now. */
interface PulledFile {
  readonly repo: string;
  readonly commit: string;
  readonly file: string;
  readonly size: number;
  /** Bytes that came over the network. */
  readonly downloaded: number;
  readonly path: string;
}

/** Downloads what was asked for, and lists it. */
export async function pull({ names, revision, include, quiet, destination }: PullRequest): Promise<void> {
  if (revision !== undefined) checkRevision(revision);
  const places = await Promise.all(names.map(findOnHub));
  const screen = stderrScreen(quiet);
  const files: PulledFile[] = [];
  for (const place of places) {
    const asked = revision ?? place.revision;
    const repo = await cachedName([place.repo, ...place.otherRepos ?? []], asked ?? "main", readHubSettings());
    const wanted = { repo, revision: asked, path: place.path };
    const pulled = await withDownloadProgress(screen, (onProgress) => pullOne(wanted, include, onProgress));
    files.push(...pulled);
    if (!quiet) await printNote(summary(wanted, pulled));
  }
  await writeTable(toTable(files, destination.format === "table"), destination);
}

async function pullOne(
  { repo, revision, path }: HubName,
  include: readonly string[],
  onProgress: (progress: DownloadProgress) => void,
): Promise<PulledFile[]> {
  await using source = openHub({ repo, revision, onProgress });
  const listed = await source.list();
  const chosen = chooseFiles(listed, { path, include });
  for (const file of chosen) checkHubPath(file.path); // before the first is downloaded
  if (chosen.length === 0) {
    throw new Deno.errors.NotFound(nothingFits(formatHubName({ repo, revision, path }), include));
  }
  const pulled = await settleAll(
    chosen.map(async (file) => ({ file: file.path, ...await source.download(file.path) })),
  );
  return pulled.map(({ file, size, came, path }) => {
    return { repo, commit: source.revision!, file, size, downloaded: came, path };
  });
}

function nothingFits(name: string, include: readonly string[]): string {
  if (include.length > 0) return `${name} has no file that fits ${include.join(" or ")}: give another --include`;
  return `${name} has nothing to download there: give a path (${name}:PATH) or --include '*'`;
}

function summary(name: HubName, files: readonly PulledFile[]): string {
  const sum = (of: (file: PulledFile) => number): number => files.reduce((total, file) => total + of(file), 0);
  const [size, downloaded] = [sum((file) => file.size), sum((file) => file.downloaded)];
  const came = downloaded === 0 ? "all were there" : `${formatBytes(downloaded)} downloaded`;
  const count = `${files.length} ${files.length === 1 ? "file" : "files"}`;
  return printable(`${formatHubName(name)} at ${files[0].commit}: ${count}, ${formatBytes(size)}, ${came}`) + "\n";
}

/** People want to know less. */
function toTable(files: readonly PulledFile[], isForPeople: boolean): Table {
  if (isForPeople) {
    const rows = files.map(({ file, size, downloaded }) => [file, formatBytes(size), formatBytes(downloaded)]);
    return { columns: ["file", "size", "downloaded"], rows };
  }
  const columns = ["repo", "commit", "file", "size", "downloaded", "path"] as const;
  return { columns, rows: files.map((file) => columns.map((column) => file[column])) };
}

/** A place on the hub, and other names of its repository. */
export interface FoundOnHub extends HubName {
  readonly otherRepos?: readonly string[];
}

/**
 * Finds the place on the hub.
 *
 * @throws {RangeError} if nothing has the name, or what has it is not on the hub
 */
export async function findOnHub(name: string): Promise<FoundOnHub> {
  if (name.startsWith("hf:")) return parseHubName(name)!;
  if (await isSae(name)) {
    const { repo, revision, path } = await findSae(name);
    return { repo, revision, path: path === "" ? undefined : path };
  }
  const { repo, otherRepos, revision, path, whyNot } = await findModel(name);
  if (repo === undefined) throw new RangeError(`${name} is not on the hub${whyNot ? `: ${whyNot}` : ""}`);
  return { repo, otherRepos, revision, path };
}

/** A release of SAEs comes before a slash where a repository's owner would. */
async function isSae(name: string): Promise<boolean> {
  if (name.startsWith("np:")) return true;
  const { releases } = await readSaeData();
  return Object.hasOwn(releases, name.split("/", 1)[0]);
}

/**
 * Shards as jobs: what they say, and of which run they are.
 *
 * @module
 */
import { isAbsolute } from "node:path";
import { isRecord } from "../../weights/json/json.ts";
import type { Manifest } from "../shards/manifest.ts";
import { hashOf } from "../shards/store.ts";

/** What a job says. */
export interface Job {
  /** The run, by {@linkcode runId}. */
  readonly run: string;
  /** The store, as the one that put the job in names it. */
  readonly directory: string;
  /** From 0. */
  readonly shard: number;
}

const MOST_PATH_CHARACTERS = 4096;

/** A run in its directory: the same question to the same prompts in another one has another name. */
export function runId(directoryId: string, manifest: Manifest): string {
  return hashOf(`${directoryId}\n${JSON.stringify(manifest)}`).slice(0, 32);
}

/** A shard has one job, however often it is put in. */
export function jobId({ run, directory, shard }: Job): string {
  return `${run}-${hashOf(directory).slice(0, 8)}-${shard}`;
}

/** What Redis holds as a job; undefined if it is none of ours. */
export function readJob(data: unknown): Job | undefined {
  if (!isRecord(data)) return undefined;
  const { run, directory, shard } = data;
  const isOurs = typeof run === "string" && /^[0-9a-f]{32}$/.test(run) &&
    typeof directory === "string" && directory.length <= MOST_PATH_CHARACTERS && isAbsolute(directory) &&
    typeof shard === "number" && Number.isSafeInteger(shard) && shard >= 0;
  return isOurs ? { run, directory, shard } : undefined;
}

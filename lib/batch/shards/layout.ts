/**
 * The names of a run's files.
 *
 * @module
 */
import type { DataFormat } from "../../table/formats.ts";

/** What decides the result; there once the input has been read to its end. */
export const MANIFEST = "manifest.json";
/** Counts; written last, when everything else is there. */
export const SUMMARY = "summary.json";
/** Prompts that failed, one a line. */
export const ERRORS = "errors.jsonl";

/** Held by who works in the directory; has its id. */
export const LOCK = "lock";

/** The folders. */
export const FOLDERS = { inputs: "inputs", rows: "rows", done: "done" } as const;

/** The shards with `shard % of === part`. */
export interface Share {
  readonly part: number;
  readonly of: number;
}

/** @throws {RangeError} if it is no shard: a name made of it would be somewhere else */
function numbered(shard: number): string {
  if (!Number.isSafeInteger(shard) || shard < 0) throw new RangeError("That is no number of a shard");
  return String(shard).padStart(6, "0");
}

/** The prompts of a shard, as JSON lines. */
export function inputName(shard: number): string {
  return `${FOLDERS.inputs}/${numbered(shard)}.jsonl`;
}

/** Is it a name in {@linkcode FOLDERS}'s `inputs` that {@linkcode inputName} gives? */
export function isInputName(name: string): boolean {
  return /^\d{6,}\.jsonl$/.test(name);
}

/** The rows of a shard. */
export function rowsName(shard: number, format: DataFormat): string {
  return `${FOLDERS.rows}/part-${numbered(shard)}.${format}`;
}

/** Everything else about a shard; that it is there means that the shard is done. */
export function doneName(shard: number): string {
  return `${FOLDERS.done}/${numbered(shard)}.json`;
}

/** The shard that a name in {@linkcode FOLDERS}'s `done` is of. */
export function doneShard(name: string): number | undefined {
  return /^\d{6,}\.json$/.test(name) ? Number(name.slice(0, -".json".length)) : undefined;
}

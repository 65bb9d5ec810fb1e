/**
 * Where scheduled runs are kept: Deno KV, or files.
 *
 * @module
 */
import { join } from "node:path";
import { isRecord } from "../weights/json/json.ts";
import { writeFileAtomic } from "../table/write_file.ts";
import type { ComparedRun, Drift } from "./drift.ts";

/** What a run leaves. */
export interface ScheduledRun extends ComparedRun {
  /** Of this record. */
  readonly schema_version: 1;
  /** How long it took. */
  readonly seconds: number;
  /** Prompts that were not attributed. */
  readonly errors: readonly { readonly prompt_id: string; readonly error: string }[];
  /** Against the run before; null for the first. */
  readonly drift: Drift | null;
}

/** Keeps runs. */
export interface Results {
  /** In words. */
  readonly place: string;
  /** The run that was added last and can be read, if there is one. */
  latest(): Promise<ScheduledRun | undefined>;
  /** Adds a run, whole or not at all, and makes it the latest. */
  add(run: ScheduledRun): Promise<void>;
}

/** Runs that are kept in Deno KV; files are kept until somebody removes them. */
const KEPT_RUNS = 10;
/** Deno KV takes values of at most 64 KiB, with what they are wrapped in. */
export const MOST_CHUNK_BYTES = 60 * 1024;
/** Deno KV takes at most 10 keys in a `getMany`. */
const MOST_KEYS = 10;

type Key = readonly (string | number)[];

/** The part of Deno KV that is used. */
export interface Kv {
  /** One value; null where there is none. */
  get(key: Key): Promise<{ value: unknown }>;
  /** Several values. */
  getMany(keys: Key[]): Promise<{ value: unknown }[]>;
  /** Writes a value. */
  set(key: Key, value: unknown): Promise<unknown>;
  /** Removes a value. */
  delete(key: Key): Promise<void>;
}

/** Which runs there are, the latest first. */
interface Index {
  readonly runs: readonly { readonly id: string; readonly chunks: number }[];
}

/** A longer run is none of ours: 256 MiB. */
const MOST_BYTES = 256 * 2 ** 20;

/** Is told what cannot be read. */
export type Warn = (what: string) => void;

/** On standard error, once of each thing. */
function warnOnce(): Warn {
  const told = new Set<string>();
  return (what) => {
    if (!told.has(what)) console.error(`warning: ${what} is damaged and left out`);
    told.add(what);
  };
}

/** The first that can be read. */
async function firstReadable<T>(
  runs: Iterable<T>,
  read: (run: T) => Promise<string>,
  name: (run: T) => string,
  warn: Warn,
): Promise<ScheduledRun | undefined> {
  for (const run of runs) {
    const found = readRun(await read(run).catch(() => ""));
    if (found !== undefined) return found;
    warn(name(run));
  }
}

/** A run as it was written; undefined for any other text. */
function readRun(text: string): ScheduledRun | undefined {
  let run: unknown;
  try {
    run = JSON.parse(text);
  } catch {
    return undefined;
  }
  return isRun(run) ? run : undefined;
}

function isRun(run: unknown): run is ScheduledRun {
  if (!isRecord(run) || run.schema_version !== 1) return false;
  const { started, model, saes, prompts, errors, columns, rows, drift } = run;
  // What is not finite is null in JSON.
  const isPrompt = (p: unknown): boolean => isRecord(p) && typeof p.prompt_id === "string" && !isRecord(p.metric);
  return typeof started === "string" && !Number.isNaN(Date.parse(started)) && isRecord(model) &&
    [saes, prompts, errors, columns, rows].every(Array.isArray) &&
    (prompts as unknown[]).every(isPrompt) &&
    (rows as unknown[]).every((row) => Array.isArray(row) && row.length === (columns as unknown[]).length) &&
    (drift === null || isRecord(drift));
}

/**
 * Runs in Deno KV: each in chunks of at most 60 KiB, and an index that is written when all chunks are there. The latest
 * ten are kept.
 *
 * @param name tells several schedules in one KV apart
 */
export function kvResults(kv: Kv, name: string, warn: Warn = warnOnce()): Results {
  const key = (...rest: (string | number)[]): Key => ["sae-attribution", name, ...rest];
  const readIndex = async (): Promise<Index> => {
    const { value } = await kv.get(key("index"));
    if (isIndex(value)) return value;
    if (value !== null) warn(JSON.stringify(key("index")));
    return { runs: [] };
  };
  const readChunks = async ({ id, chunks: count }: Index["runs"][number]): Promise<string> => {
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    for (let i = 0; i < count; i += MOST_KEYS) {
      const keys = Array.from({ length: Math.min(MOST_KEYS, count - i) }, (_, j) => key("run", id, i + j));
      for (const { value } of await kv.getMany(keys)) if (value instanceof Uint8Array) chunks.push(value.slice());
    }
    return await new Blob(chunks).text();
  };
  return {
    place: `Deno KV, under ${JSON.stringify(key())}`,
    async latest() {
      return await firstReadable((await readIndex()).runs, readChunks, ({ id }) => `the run ${id}`, warn);
    },
    async add(run) {
      const id = `${run.started}-${crypto.randomUUID()}`;
      const bytes = new TextEncoder().encode(JSON.stringify(run));
      const chunks = Math.ceil(bytes.length / MOST_CHUNK_BYTES);
      for (let i = 0; i < chunks; i++) {
        await kv.set(key("run", id, i), bytes.slice(i * MOST_CHUNK_BYTES, (i + 1) * MOST_CHUNK_BYTES));
      }
      const all = [{ id, chunks }, ...(await readIndex()).runs];
      await kv.set(key("index"), { runs: all.slice(0, KEPT_RUNS) } satisfies Index);
      for (const old of all.slice(KEPT_RUNS)) {
        for (let i = 0; i < old.chunks; i++) await kv.delete(key("run", old.id, i));
      }
    },
  };
}

function isIndex(value: unknown): value is Index {
  return isRecord(value) && Array.isArray(value.runs) &&
    value.runs.every((run) =>
      isRecord(run) && typeof run.id === "string" && Number.isSafeInteger(run.chunks) &&
      Number(run.chunks) >= 0 && Number(run.chunks) * MOST_CHUNK_BYTES < MOST_BYTES
    );
}

/** A run's file: the number counts runs, for a clock that jumps would put them in another order. */
const FILE = /^run-(?:(\d{6,})-)?\d{4}-\d\d-\d\dT.*\.json$/;

/** A file's name, without what Windows does not allow in one. */
function fileName(number: number, { started }: ScheduledRun): string {
  return `run-${String(number).padStart(6, "0")}-${started.replaceAll(":", "-")}.json`;
}

/** The runs of a directory, the latest first; those without a number are older than those with one. */
async function listRuns(directory: string): Promise<{ name: string; number: number }[]> {
  const runs: { name: string; number: number }[] = [];
  try {
    for await (const { name } of Deno.readDir(directory)) {
      const found = FILE.exec(name);
      if (found) runs.push({ name, number: Number(found[1] ?? 0) });
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return runs.sort((a, b) => b.number - a.number || (a.name < b.name ? 1 : -1));
}

/** Runs as files of a directory, `run-000001-2026-01-31T06-00-00.000Z.json`. */
export function directoryResults(directory: string, warn: Warn = warnOnce()): Results {
  const read = async ({ name }: { readonly name: string }): Promise<string> => {
    const path = join(directory, name);
    const { isFile, size } = await Deno.stat(path);
    return isFile && size <= MOST_BYTES ? await Deno.readTextFile(path) : "";
  };
  return {
    place: directory,
    async latest() {
      return await firstReadable(await listRuns(directory), read, ({ name }) => `${name} of the results`, warn);
    },
    async add(run) {
      await Deno.mkdir(directory, { recursive: true });
      const [last] = await listRuns(directory);
      await writeFileAtomic(join(directory, fileName((last?.number ?? 0) + 1, run)), [JSON.stringify(run)], {
        isDurable: true,
      });
    },
  };
}

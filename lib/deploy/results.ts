/**
 * Where scheduled runs are kept: Deno KV, or files.
 *
 * @module
 */
import { join } from "node:path";
import { writeFileAtomic } from "../table/write_file.ts";
import type { ScheduledRun } from "./scheduled_run.ts";

/** Keeps runs. */
export interface Results {
  /** In words. */
  readonly place: string;
  /** The latest run, if there is one. */
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

/**
 * Runs in Deno KV: each in chunks of at most 60 KiB, and an index that is written when all chunks are there. The latest
 * ten are kept.
 *
 * @param name tells several schedules in one KV apart
 */
export function kvResults(kv: Kv, name: string): Results {
  const key = (...rest: (string | number)[]): Key => ["sae-attribution", name, ...rest];
  const readIndex = async (): Promise<Index> => ((await kv.get(key("index"))).value as Index | null) ?? { runs: [] };
  return {
    place: `Deno KV, under ${JSON.stringify(key())}`,
    async latest() {
      const [last] = (await readIndex()).runs;
      if (last === undefined) return undefined;
      const chunks: Uint8Array[] = [];
      for (let i = 0; i < last.chunks; i += MOST_KEYS) {
        const count = Math.min(MOST_KEYS, last.chunks - i);
        const keys = Array.from({ length: count }, (_, j) => key("run", last.id, i + j));
        for (const { value } of await kv.getMany(keys)) chunks.push(value as Uint8Array);
      }
      return JSON.parse(await new Blob(chunks as Uint8Array<ArrayBuffer>[]).text()) as ScheduledRun;
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

/** A file's name, without what Windows does not allow in one. */
function fileName({ started }: ScheduledRun): string {
  return `run-${started.replaceAll(":", "-")}.json`;
}

/** Runs as files of a directory, `run-2026-01-31T06-00-00.000Z.json`. */
export function directoryResults(directory: string): Results {
  return {
    place: directory,
    async latest() {
      const names: string[] = [];
      try {
        for await (const { name } of Deno.readDir(directory)) if (/^run-.*\.json$/.test(name)) names.push(name);
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
      const last = names.sort().at(-1);
      if (last === undefined) return undefined;
      return JSON.parse(await Deno.readTextFile(join(directory, last))) as ScheduledRun;
    },
    async add(run) {
      await Deno.mkdir(directory, { recursive: true });
      await writeFileAtomic(join(directory, fileName(run)), [JSON.stringify(run)]);
    },
  };
}

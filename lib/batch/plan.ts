/**
 * From prompts to shards: so many prompts each, in the order of the input, whoever works on them later.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { inputName } from "./layout.ts";
import type { InputRecord } from "./record.ts";
import { type Store, textOf } from "./store.ts";

/** An input that was read to its end. */
export interface InputPlan {
  /** Prompts, those included that cannot be read. */
  readonly prompts: number;
  /** How many shards there are. */
  readonly shards: number;
  /** Of the prompts with their ids, tokens and lines; other columns of the input do not count. */
  readonly sha256: string;
}

/**
 * Reads the prompts and writes the input of every shard; one shard is held at a time.
 *
 * @param store undefined: nothing is written, to compare an input with what was planned before
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { planInput } from "./plan.ts";
 * import { readLines } from "./lines.ts";
 * import { readCsv } from "./read_csv.ts";
 *
 * const records = readCsv(readLines([new TextEncoder().encode("prompt\n a\n b\n c\n")]));
 * const { prompts, shards } = await planInput(records, 2);
 * assert.deepEqual([prompts, shards], [3, 2]);
 * ```
 */
export async function planInput(
  records: AsyncIterable<InputRecord>,
  shardSize: number,
  store?: Store,
): Promise<InputPlan> {
  const hash = createHash("sha256");
  const encoder = new TextEncoder();
  let lines: Uint8Array[] = [];
  let prompts = 0;
  let shards = 0;
  const flush = async (): Promise<void> => {
    if (lines.length === 0) return;
    await store?.write(inputName(shards), lines);
    shards++;
    lines = [];
  };
  for await (const record of records) {
    const line = encoder.encode(`${JSON.stringify(record)}\n`);
    hash.update(line);
    lines.push(line);
    prompts++;
    if (lines.length === shardSize) await flush();
  }
  await flush();
  return { prompts, shards, sha256: hash.digest("hex") };
}

/**
 * The prompts of a shard.
 *
 * @throws {Deno.errors.NotFound} if its input is not in the store
 */
export async function readShard(store: Store, shard: number): Promise<InputRecord[]> {
  const text = textOf(await store.read(inputName(shard)));
  if (text === undefined) throw new Deno.errors.NotFound(`${store.location} has no ${inputName(shard)}`);
  return text.split("\n").slice(0, -1).map((line) => JSON.parse(line) as InputRecord);
}

/**
 * From prompts to shards: so many prompts each, in the order of the input, whoever works on them later.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { isRecord } from "../../weights/json/json.ts";
import { TextSet } from "../input/ids.ts";
import { inputName } from "./layout.ts";
import type { InputRecord } from "../input/record.ts";
import { hashOf, type Store } from "./store.ts";

/** An input that was read to its end. */
export interface InputPlan {
  /** Prompts, those included that cannot be read. */
  readonly prompts: number;
  /** How many shards there are. */
  readonly shards: number;
  /** How many prompts have an answer of their own; left out where none has. */
  readonly answers?: number;
  /** Of each shard's prompts with their ids, tokens and lines; other columns of the input do not count. */
  readonly sha256: readonly string[];
}

/** Takes the input of a shard, as JSON lines. */
export type TakeShard = (shard: number, lines: readonly Uint8Array[], sha256: string) => Promise<void>;

/**
 * Reads the prompts shard by shard; one shard is held at a time.
 *
 * @throws {RangeError} if prompts have the same id
 */
export async function planInput(
  records: AsyncIterable<InputRecord>,
  shardSize: number,
  take: TakeShard = () => Promise.resolve(),
  signal?: AbortSignal,
): Promise<InputPlan> {
  const encoder = new TextEncoder();
  const sha256: string[] = [];
  const ids = new UniqueIds();
  let lines: Uint8Array[] = [];
  let [prompts, answers] = [0, 0];
  const flush = async (): Promise<void> => {
    if (lines.length === 0) return;
    const hash = createHash("sha256");
    lines.forEach((line) => hash.update(line));
    sha256.push(hash.digest("hex"));
    await take(sha256.length - 1, lines, sha256.at(-1)!);
    lines = [];
  };
  for await (const record of records) {
    signal?.throwIfAborted();
    ids.add(record);
    lines.push(encoder.encode(`${JSON.stringify(record)}\n`));
    prompts++;
    if ("answerText" in record) answers++;
    if (lines.length === shardSize) await flush();
  }
  ids.check();
  await flush();
  return { prompts, shards: sha256.length, ...(answers === 0 ? {} : { answers }), sha256 };
}

/** Is it what {@linkcode planInput} returns, as JSON has it? */
export function isInputPlan(value: unknown): value is InputPlan {
  return isRecord(value) && Number.isSafeInteger(value.prompts) && Array.isArray(value.sha256) &&
    value.sha256.length === value.shards && value.sha256.every((hash) => typeof hash === "string");
}

/** Rows are told apart by the prompts' ids alone. */
class UniqueIds {
  readonly #ids = new TextSet();
  #repeated = 0;
  #first: { id: string; lines: readonly number[] } | undefined;

  add(record: InputRecord): void {
    if ("error" in record) return;
    const { id, line } = record;
    const before = this.#ids.add(id, line);
    if (before === undefined) return;
    this.#repeated++;
    this.#first ??= { id, lines: [before, line] };
  }

  check(): void {
    if (this.#first === undefined) return;
    const { id, lines } = this.#first;
    const others = this.#repeated === 1 ? "" : `, and ${this.#repeated - 1} more repeat an id`;
    throw new RangeError(
      `Lines ${lines.join(" and ")} both have the id ${JSON.stringify(id.slice(0, 80))}${others}: ` +
        "give each prompt an id of its own, or none",
    );
  }
}

/**
 * The prompts of a shard.
 *
 * @throws {Error} if its input is not what was planned
 */
export async function readShard(store: Store, shard: number, { sha256 }: InputPlan): Promise<InputRecord[]> {
  const bytes = await store.read(inputName(shard));
  if (bytes === undefined || hashOf(bytes) !== sha256[shard]) {
    const what = bytes === undefined ? "is missing" : `is damaged (SHA-256 ${hashOf(bytes)}, not ${sha256[shard]})`;
    throw new Error(`${store.location}/${inputName(shard)} ${what}: give the same command its input again`);
  }
  return new TextDecoder().decode(bytes).split("\n").slice(0, -1).map((line) => JSON.parse(line) as InputRecord);
}

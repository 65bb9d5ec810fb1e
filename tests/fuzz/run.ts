/**
 * Damages files, reads them, and prints what came of it as JSON lines: a process of its own, so that memory is its own and
 * one that hangs can be ended. `deno run -A tests/fuzz/run.ts ROUNDS [PART OF A READER'S NAME [SEED]]`
 */
import { cpuUsage } from "node:process";
import { type Bomb, BOMBS } from "./bombs.ts";
import { makeRandom } from "../weights/fixtures.ts";
import { mutate } from "./mutate.ts";
import { type Files, type Reader, READERS } from "./readers.ts";

/** What came of a reader's rounds. */
export interface Outcome {
  readonly name: string;
  /** Readings, its whole files among them. */
  readonly rounds: number;
  /** Read without an error. */
  readonly whole: number;
  /** Of one reading, in time of the processor. */
  readonly slowestMs: number;
  readonly mostBytes: number;
  readonly longestMessage: number;
  /** Errors that are not one clear line, by round. */
  readonly unclear: readonly string[];
}

/** What the engine itself says when code meets what it does not expect. */
const ENGINE =
  /is not a function|not iterable|properties of|Invalid (array|typed)|Cannot (convert|mix)|out of bounds|call stack|Maximum|is not defined|memory/;

/** A file has been refused as it should. */
function isClear(error: unknown): boolean {
  if (!(error instanceof Error) || error.constructor === Error) return false;
  const { message } = error;
  return message.length <= 300 && /[a-z]/.test(message) && !ENGINE.test(message) &&
    !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(message);
}

/** The most memory since the last look, or what is taken now where the system does not tell. */
function peakBytes(): number {
  try {
    const [, peak] = /VmHWM:\s+(\d+) kB/.exec(Deno.readTextFileSync("/proc/self/status"))!;
    Deno.writeTextFileSync("/proc/self/clear_refs", "5");
    return 1024 * Number(peak);
  } catch {
    return Deno.memoryUsage().rss;
  }
}

/** What one reading took, and what was said at its end. */
interface Reading {
  readonly error?: unknown;
  readonly ms: number;
  readonly bytes: number;
}

/** Of this process; the clock also counts what others do on the machine. */
function cpuMs(): number {
  const { user, system } = cpuUsage();
  return (user + system) / 1000;
}

async function measure(read: () => Promise<void>): Promise<Reading> {
  peakBytes();
  const before = Deno.memoryUsage().rss;
  const start = cpuMs();
  let error: unknown;
  try {
    await read();
  } catch (thrown) {
    error = thrown;
  }
  return { error, ms: cpuMs() - start, bytes: peakBytes() - before };
}

/** Counts readings under one name. */
class Account {
  readonly #name: string;
  readonly #unclear: string[] = [];
  #sums = { rounds: 0, whole: 0, slowestMs: 0, mostBytes: 0, longestMessage: 0 };

  constructor(name: string) {
    this.#name = name;
  }

  /** @param isFine whether the error is one that was to be expected, or none was */
  add({ error, ms, bytes }: Reading, what: string, isFine: (error: unknown) => boolean): void {
    const { rounds, whole, slowestMs, mostBytes, longestMessage } = this.#sums;
    const message = error instanceof Error ? error.message : String(error ?? "");
    this.#sums = {
      rounds: rounds + 1,
      whole: whole + (error === undefined ? 1 : 0),
      slowestMs: Math.max(slowestMs, Math.round(ms)),
      mostBytes: Math.max(mostBytes, bytes),
      longestMessage: Math.max(longestMessage, message.length),
    };
    if (isFine(error)) return;
    const stack = error instanceof Error ? error.stack!.slice(-400) : "";
    this.#unclear.push(`${what}: ${error instanceof Error && error.name}: ${message.slice(0, 400)} ${stack}`);
  }

  outcome(): Outcome {
    return { name: this.#name, ...this.#sums, unclear: this.#unclear };
  }
}

/** A reader's rounds, after its whole files. */
export async function fuzz({ name, seeds, victims = /./, read }: Reader, rounds: number, start = 0): Promise<Outcome> {
  const random = makeRandom(start + name.length * 1000 + name.charCodeAt(name.length - 1));
  const account = new Account(name);
  for (const seed of seeds) account.add(await measure(() => read(seed)), "whole files", (error) => error === undefined);
  for (let round = 0; round < rounds; round++) {
    const [damaged, victim] = damage(seeds[round % seeds.length], victims, random);
    const reading = await measure(() => read(damaged));
    account.add(reading, `round ${round}, ${victim}`, (error) => error === undefined || isClear(error));
  }
  return account.outcome();
}

function damage(seed: Files, victims: RegExp, random: () => number): [Files, string] {
  const names = [...seed.keys()].filter((name) => victims.test(name));
  const victim = names[Math.floor(random() * names.length)];
  return [new Map([...seed, [victim, mutate(victim, seed.get(victim)!, random)]]), victim];
}

/** One file that stands for very much. */
async function explode({ name, reader, isRefused, make }: Bomb): Promise<Outcome> {
  const { read } = READERS.find((other) => other.name === reader)!;
  const files = make();
  const account = new Account(name);
  account.add(await measure(() => read(files)), "", (error) => error === undefined ? !isRefused : isClear(error));
  return account.outcome();
}

if (import.meta.main) {
  const [rounds, part = "", seed = "0"] = Deno.args;
  const print = (value: unknown): void => console.log(JSON.stringify(value));
  for (const reader of READERS.filter(({ name }) => name.includes(part))) {
    print({ begins: reader.name });
    print(await fuzz(reader, Number(rounds), Number(seed)));
  }
  for (const bomb of BOMBS.filter(({ name }) => name.includes(part))) {
    print({ begins: bomb.name });
    print(await explode(bomb));
  }
}

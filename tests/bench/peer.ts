/** `--peer`: one GPT-2 block in the JavaScript peer and in the runtimes that this program has, on the same weights. */
import { lastJson } from "./contestants.ts";
import type { BenchOptions } from "./options.ts";
import { measure, median, reasonOf } from "./process.ts";

const HERE = new URL(".", import.meta.url).pathname;
const [PEER] = /@jax-js\/onnx@[\d.]+/.exec(Deno.readTextFileSync(`${HERE}deps.ts`))!;

/** One direction through the block. */
export interface BlockTimes {
  /** Every single time. */
  readonly seconds: readonly number[];
  readonly medianSeconds: number;
  /** From ours, as a part of the largest. */
  readonly difference: number;
}

/** A runtime with some threads. */
export interface BlockResult {
  readonly tokens: number;
  readonly program: string;
  readonly threads: number | "all";
  readonly forward?: BlockTimes;
  readonly backward?: BlockTimes;
  /** Why it has no times. */
  readonly failed?: string;
}

interface Printed {
  readonly forward: Omit<BlockTimes, "medianSeconds">;
  readonly backward: Omit<BlockTimes, "medianSeconds">;
}

/** How many tokens the block gets, where nothing else is said. */
const TOKENS = [7, 64, 128];

/** Everyone in turn, round by round. */
export async function comparePeer(options: BenchOptions): Promise<BlockResult[]> {
  const programs = [...options.devices.filter((device) => device !== "webgpu"), "jax-js"];
  const results: BlockResult[] = [];
  for (const tokens of options.tokens.length > 0 ? options.tokens : TOKENS) {
    const entries = programs.flatMap((program) =>
      ([1, "all"] as const).map((threads) => ({ tokens, program, threads, printed: [] as Printed[], failed: "" }))
    );
    for (let round = 0; round < options.rounds; round++) {
      for (const entry of entries) {
        if (entry.failed !== "") continue;
        try {
          entry.printed.push(await runBlock(options, entry));
        } catch (error) {
          entry.failed = reasonOf(error);
        }
      }
    }
    results.push(
      ...entries.map(({ printed, failed, ...entry }) =>
        failed === ""
          ? { ...entry, forward: times(printed, "forward"), backward: times(printed, "backward") }
          : { ...entry, failed }
      ),
    );
  }
  return results;
}

async function runBlock(
  { dir, repeat }: BenchOptions,
  { tokens, program, threads }: BlockResult,
): Promise<Printed> {
  const { stdout } = await measure(Deno.execPath(), [
    ...["run", "-A", `${HERE}block.ts`, dir],
    ...["--program", program, "--tokens", `${tokens}`, "--repeat", `${repeat}`],
    ...(threads === "all" ? [] : ["--threads", `${threads}`]),
  ]);
  return lastJson(stdout) as Printed;
}

function times(printed: readonly Printed[], direction: "forward" | "backward"): BlockTimes {
  const seconds = printed.flatMap((one) => one[direction].seconds);
  const difference = Math.max(...printed.map((one) => one[direction].difference));
  return { seconds, medianSeconds: median(seconds), difference };
}

/** As a table. */
export function showPeer(results: readonly BlockResult[]): string {
  const lines = results.map(({ tokens, program, threads, forward, backward, failed }) => {
    const who = `${program === "jax-js" ? PEER : `this program, ${program}`}, ${
      threads === "all" ? "all threads" : "one thread"
    }`;
    const start = `${String(tokens).padStart(5)} tokens  ${who.padEnd(34)}`;
    if (failed !== undefined) return `${start} cannot: ${failed}`;
    const far = program === "jax-js" ? `  (${forward!.difference.toExponential(0)} from ours)` : "";
    return `${start} ${milliseconds(forward!)} forward ${milliseconds(backward!)} backward${far}`;
  });
  return ["One GPT-2 block, median:", ...lines].join("\n");
}

const milliseconds = ({ medianSeconds }: BlockTimes): string => `${(1000 * medianSeconds).toFixed(1).padStart(7)} ms`;

/** The programs that are measured, each as one process from start to finish, and warm. */
import type { BenchDevice, BenchOptions, BenchWeights } from "./options.ts";
import { measure, type Measured } from "./process.ts";
import { ANSWERS } from "./prompts.ts";

const HERE = new URL(".", import.meta.url).pathname;
const ROOT = new URL("../../", import.meta.url).pathname;
const TIGER_WOODS = " Tiger Woods plays the sport of";

/** How a contestant's time is taken. */
export type Kind = "process" | "warm";

/** Prompts that are measured together. */
export interface PromptSet {
  readonly name: string;
  readonly prompts: readonly (readonly number[])[];
  /** The prompts as JSON. */
  readonly file: string;
}

/** One turn: every single time that was taken, and the process's largest resident set in MiB. */
export interface Turn {
  readonly seconds: readonly number[];
  readonly peakMemory: number;
}

/** A program that takes its turn. */
export interface Contestant {
  readonly name: string;
  readonly kind: Kind;
  run(set: PromptSet): Promise<Turn>;
}

/** Passes over the prompts before any is timed: of a single prompt, and of many. */
const WARM_UPS = { one: 2, many: 1 } as const;

const warmUps = ({ prompts }: PromptSet): number => prompts.length === 1 ? WARM_UPS.one : WARM_UPS.many;

/** Everyone who runs one process for one prompt; the first is the one that others are compared with. */
export function processContestants(options: BenchOptions): Contestant[] {
  const ours = options.devices.flatMap((device) =>
    options.weights.map((weights): Contestant => ({
      name: `this program, ${device}, ${weights}`,
      kind: "process",
      run: async (set) => wholeProcess(await attribute(options, set, device, weights, "/dev/null")),
    }))
  );
  const theirs = pythonPrograms(options).map(([name, args]): Contestant => ({
    name,
    kind: "process",
    run: async ({ file }) => wholeProcess(await python(options, [...args, "--prompts", file, "--repeat", "1"])),
  }));
  return [...ours, ...theirs];
}

/** Everyone with model and SAE open; the first is the one that others are compared with. */
export function warmContestants(options: BenchOptions): Contestant[] {
  const ours = options.devices.map((device): Contestant => ({
    name: `this program, ${device}`,
    kind: "warm",
    run: async (set) => {
      const repeat = `${warmUps(set) + options.repeat}`;
      return afterWarmUp(set, await warm(options, device, ["--prompts", set.file, "--repeat", repeat]));
    },
  }));
  const theirs = pythonPrograms(options).map(([name, args]): Contestant => ({
    name,
    kind: "warm",
    run: async (set) => {
      const repeat = `${warmUps(set) + options.repeat}`;
      return afterWarmUp(set, await python(options, [...args, "--prompts", set.file, "--repeat", repeat]));
    },
  }));
  return [...ours, ...theirs];
}

/** The name, the script and what it needs to be told. */
function pythonPrograms({ dir, notebook }: BenchOptions): (readonly [name: string, args: readonly string[]])[] {
  const byHand = ["PyTorch by hand", ["expert_torch.py", dir]] as const;
  if (notebook === undefined) return [byHand];
  return [byHand, ["the notebook's stack", ["notebook_stack.py", dir, "--notebook", notebook]]];
}

/** Runs a script of this directory. */
export function python({ python }: BenchOptions, [script, ...args]: readonly string[]): Promise<Measured> {
  return measure(python, [`${HERE}${script}`, ...args]);
}

/** This program with model and SAE open. */
export function warm({ dir }: BenchOptions, device: BenchDevice, args: readonly string[]): Promise<Measured> {
  return measure(Deno.execPath(), ["run", "-A", `${HERE}warm.ts`, dir, "--device", device, ...args]);
}

/** This program's command for the only prompt of a set. */
export function attribute(
  { dir }: BenchOptions,
  { prompts: [prompt] }: PromptSet,
  device: BenchDevice,
  weights: BenchWeights,
  output: string,
): Promise<Measured> {
  return measure(Deno.execPath(), [
    ...["run", "-A", `${ROOT}cli.ts`, "attribute"],
    ...(prompt.length === 7 ? [TIGER_WOODS] : ["--token-ids", prompt.join()]),
    ...["--model", `${dir}/gpt2-shape`, "--sae", `${dir}/sae-shape`],
    ...["--pos-id", `${ANSWERS.positive}`, "--neg-id", `${ANSWERS.negative}`],
    // The random SAE explains nothing: with a guessed form of the model, the other one would be tried too.
    ...["--processing", "default", "--device", device, "--weights", weights],
    ...["--quiet", "--format", "csv", "--output", output],
  ]);
}

const wholeProcess = ({ seconds, peakMemory }: Measured): Turn => ({ seconds: [seconds], peakMemory });

function afterWarmUp(set: PromptSet, { stdout, peakMemory }: Measured): Turn {
  const { attribution_s } = lastJson(stdout) as { attribution_s: number[] };
  return { seconds: attribution_s.slice(warmUps(set)), peakMemory };
}

/** What a script says in its last line. */
export function lastJson(stdout: string): unknown {
  return JSON.parse(stdout.trim().split("\n").at(-1)!);
}

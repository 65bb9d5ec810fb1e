/** What the bench is asked for. */
import { parseArgs } from "node:util";
import { findNative } from "../../lib/runtime/onnx/find_native.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const ALL_TOKENS = "7,64,128,512,1024";
const DEVICES = ["wasm", "native", "webgpu", "onnx"] as const;
const WEIGHTS = ["streamed", "resident"] as const;

/** Where this program runs. */
export type BenchDevice = typeof DEVICES[number];

/** How its weights come to the graphs when it is one process; warm they are resident. */
export type BenchWeights = typeof WEIGHTS[number];

/** The options, read. */
export interface BenchOptions {
  readonly shape: string;
  readonly dir: string;
  readonly python: string;
  /** The notebook's text; without it its stack does not run. */
  readonly notebook?: string;
  /** Prompts of so many tokens, one after another. */
  readonly tokens: readonly number[];
  /** How often every contestant has its turn. */
  readonly rounds: number;
  /** How many attributions are timed in one warm process. */
  readonly repeat: number;
  readonly devices: readonly BenchDevice[];
  readonly weights: readonly BenchWeights[];
  /** Throughput over so many prompts. */
  readonly prompts?: number;
  /** Resident memory over so many attributions. */
  readonly memory?: number;
  readonly peer: boolean;
  readonly limits: boolean;
  readonly json?: string;
  readonly markdown: boolean;
}

/** @throws {RangeError} if a value is none of those that there are */
export function readOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    allowNegative: true,
    options: {
      shape: { type: "string", default: "gpt2" },
      dir: { type: "string", default: `${ROOT}.bench` },
      python: { type: "string", default: "python3" },
      notebook: { type: "string" },
      tokens: { type: "string" },
      rounds: { type: "string", default: "5" },
      repeat: { type: "string", default: "5" },
      device: { type: "string", default: findNative({ workingDirectory: true }).directory ? "wasm,native" : "wasm" },
      weights: { type: "string", default: "streamed" },
      prompts: { type: "string" },
      memory: { type: "string" },
      peer: { type: "boolean", default: false },
      limits: { type: "boolean", default: true },
      json: { type: "string" },
      markdown: { type: "boolean", default: false },
    },
  });
  const { prompts, memory, peer } = values;
  const hasOther = prompts !== undefined || memory !== undefined || peer;
  return {
    ...values,
    shape: oneOf("--shape", ["gpt2", "llama-1b"], values.shape),
    tokens: (values.tokens ?? (hasOther ? "" : ALL_TOKENS)).split(",").filter(Boolean)
      .map((text) => whole("--tokens", text)),
    rounds: whole("--rounds", values.rounds),
    repeat: whole("--repeat", values.repeat),
    devices: values.device.split(",").map((text) => oneOf("--device", DEVICES, text)),
    weights: values.weights.split(",").map((text) => oneOf("--weights", WEIGHTS, text)),
    prompts: prompts === undefined ? undefined : whole("--prompts", prompts),
    memory: memory === undefined ? undefined : whole("--memory", memory),
  };
}

function oneOf<T extends string>(option: string, choices: readonly T[], text: string): T {
  const found = choices.find((choice) => choice === text);
  if (found === undefined) throw new RangeError(`${option} is ${text}: choose ${choices.join(", ")}`);
  return found;
}

function whole(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new RangeError(`${option} is ${text}: give whole numbers from 1 on`);
  return value;
}

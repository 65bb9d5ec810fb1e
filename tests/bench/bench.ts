/**
 * The main job as one process, against PyTorch: `deno task bench [--tokens 7,64,128] [--rounds 5] [--python PYTHON]
 * [--notebook FILE]`. Makes a GPT-2-small-shaped model with random weights in `.bench` (650 MB, needs numpy); expert_torch.py
 * needs torch, transformers and safetensors; the notebook's own stack runs only with `--notebook FILE` (its text).
 * `--shape llama-1b`: the same for a model of Llama 3.2 1B's shape (2.7 GB more in `.bench`).
 */
import { parseArgs } from "node:util";
import { compareRows, measure, type Measured, median } from "./process.ts";

const HERE = new URL(".", import.meta.url).pathname;
const ROOT = new URL("../../", import.meta.url).pathname;

const { values: options } = parseArgs({
  args: Deno.args,
  options: {
    tokens: { type: "string", default: "7,64,128" },
    rounds: { type: "string", default: "5" },
    python: { type: "string", default: "python3" },
    notebook: { type: "string" },
    shape: { type: "string", default: "gpt2" },
    dir: { type: "string", default: `${ROOT}.bench` },
  },
});

interface Contestant {
  readonly name: string;
  run(tokens: number): Promise<Measured>;
}

const python = (script: string, ...args: string[]): Promise<Measured> =>
  measure(options.python, [`${HERE}${script}`, ...args]);

const contestants: Contestant[] = [
  { name: "sae-attribution, wasm", run: (tokens) => measure(Deno.execPath(), attributeArgs(tokens, "/dev/null")) },
  {
    name: "PyTorch by hand",
    run: (tokens) => python("expert_torch.py", options.dir, "--repeat", "1", "--tokens", `${tokens}`),
  },
];
if (options.notebook) {
  const notebook = ["--notebook", options.notebook];
  contestants.push({
    name: "the notebook's stack",
    run: (tokens) => python("notebook_stack.py", options.dir, "--repeat", "1", "--tokens", `${tokens}`, ...notebook),
  });
}

function attributeArgs(tokens: number, output: string): string[] {
  const prompt = tokens === 7
    ? [" Tiger Woods plays the sport of"]
    : ["--token-ids", [50256, ...Array.from({ length: tokens - 1 }, (_, i) => 1000 + i)].join()];
  const answers = ["--pos-id", "13126", "--neg-id", "20790"]; // " golf", " tennis"
  const sources = ["--model", `${options.dir}/gpt2-shape`, "--sae", `${options.dir}/sae-shape`];
  return [
    "run",
    "-A",
    `${ROOT}cli.ts`,
    "attribute",
    ...prompt,
    ...sources,
    ...answers,
    "--quiet",
    "--format",
    "csv",
    "--output",
    output,
  ];
}

/** Every row of the reference stack must be there, and differ by rounding only. */
async function compareWithGolden(tokens: number): Promise<string> {
  const golden = await Deno.readTextFile(`${HERE}golden/gpt2-shape-${tokens}.csv`).catch(() => undefined);
  if (golden === undefined) return "no reference";
  const output = await Deno.makeTempFile({ suffix: ".csv" });
  await measure(Deno.execPath(), attributeArgs(tokens, output));
  const compared = compareRows(await Deno.readTextFile(output), golden);
  await Deno.remove(output);
  return compared;
}

async function makeModel(): Promise<void> {
  try {
    await Deno.stat(`${options.dir}/sae-shape/cfg.json`);
  } catch {
    console.error(`making the model in ${options.dir}`);
    await python("make_gpt2_shape.py", options.dir);
  }
}

if (options.shape === "llama-1b") {
  const { benchLlama1b } = await import("./llama_1b.ts");
  await benchLlama1b({ ...options, rounds: Number(options.rounds) });
  Deno.exit();
}
if (options.shape !== "gpt2") throw new RangeError(`--shape is ${options.shape}: choose gpt2 or llama-1b`);
await makeModel();
for (const tokens of options.tokens.split(",").map(Number)) {
  console.log(`\n${tokens} tokens: ${await compareWithGolden(tokens)}`);
  const results = contestants.map((): Measured[] => []);
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const [i, contestant] of contestants.entries()) results[i].push(await contestant.run(tokens));
  }
  const seconds = results.map((runs) => median(runs.map((run) => run.seconds)));
  for (const [i, { name }] of contestants.entries()) {
    const memory = median(results[i].map((run) => run.peakMemory));
    const ratio = i === 0 ? "" : `  ${(seconds[i] / seconds[0]).toFixed(1)} times as long`;
    console.log(`${name.padEnd(24)} ${seconds[i].toFixed(2).padStart(7)} s ${String(memory).padStart(6)} MiB${ratio}`);
  }
}

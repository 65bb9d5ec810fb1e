/**
 * A model of Llama 3.2 1B's shape: time and memory of one attribution as a process, against PyTorch, and what reading
 * the weights and multiplying with them take alone. Run by `deno task bench --shape llama-1b`.
 */
import { type Graph, input, matMul, swapLast } from "../../lib/graph/mod.ts";
import { type Architecture, loadModel } from "../../mod.ts";
import { readLayer, type Weights } from "../../lib/model/weights/layer_weights.ts";
import { renamedStore } from "../../lib/model/weights/open_weights.ts";
import { createRuntime } from "../../lib/runtime/runtime.ts";
import type { Tensor } from "../../lib/runtime/tensor.ts";
import { openSource } from "../../lib/weights/files/source.ts";
import { openSafetensors } from "../../lib/weights/tensors/tensors.ts";
import { compareRows, measure, type Measured, median } from "./process.ts";

const HERE = new URL(".", import.meta.url).pathname;
const ROOT = new URL("../../", import.meta.url).pathname;
const TOKENS = 16;
/** The SAE is at the input of this layer: below it nothing is differentiated. */
const SAE_LAYER = 12;

/** Where the model is, and how often to run. */
export interface LlamaBenchOptions {
  readonly dir: string;
  readonly python: string;
  readonly rounds: number;
}

/** Makes the model if it is not there, checks the rows, measures, and prints. */
export async function benchLlama1b({ dir, python, rounds }: LlamaBenchOptions): Promise<void> {
  const made = await Deno.stat(`${dir}/llama-1b-shape-sae/cfg.json`).then(() => true, () => false);
  if (!made) {
    console.error(`making the model in ${dir}`);
    await measure(python, [`${HERE}make_llama_1b_shape.py`, dir]);
  }
  const output = await Deno.makeTempFile({ suffix: ".csv" });
  const contestants: { name: string; run(): Promise<Measured> }[] = [
    { name: "sae-attribution, wasm", run: () => measure(Deno.execPath(), attributeArgs(dir, output)) },
    {
      name: "PyTorch by hand",
      run: () => measure(python, [`${HERE}llama_1b_torch.py`, dir, "--repeat", "1", "--tokens", `${TOKENS}`]),
    },
  ];
  const results = contestants.map((): Measured[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, contestant] of contestants.entries()) results[i].push(await contestant.run());
  }
  const golden = await Deno.readTextFile(`${HERE}golden/llama-1b-shape-${TOKENS}.csv`);
  console.log(`\nLlama 3.2 1B's shape, ${TOKENS} tokens: ${compareRows(await Deno.readTextFile(output), golden)}`);
  await Deno.remove(output);
  for (const [i, { name }] of contestants.entries()) {
    const of = (value: (run: Measured) => number): number => median(results[i].map(value));
    console.log(
      `${name.padEnd(24)} ${of((run) => run.seconds).toFixed(2).padStart(7)} s ` +
        `${String(of((run) => run.peakMemory)).padStart(6)} MiB  ${
          (of((run) => run.bytesRead) / 1e9).toFixed(2)
        } GB read`,
    );
  }
  await printBound(dir);
}

function attributeArgs(dir: string, output: string): string[] {
  const ids = [128000, ...Array.from({ length: TOKENS - 1 }, (_, i) => 1000 + i)];
  const sources = ["--model", `${dir}/llama-1b-shape`, "--sae", `${dir}/llama-1b-shape-sae`];
  const answers = ["--pos-id", "100", "--neg-id", "200", "--quiet", "--format", "csv", "--output", output];
  return ["run", "-A", `${ROOT}cli.ts`, "attribute", "--token-ids", ids.join(), ...sources, ...answers];
}

/** Reading and arithmetic alone: no run can be faster than the slower of them, none need be slower than their sum. */
async function printBound(dir: string): Promise<void> {
  await using model = await loadModel(`${dir}/llama-1b-shape`, { threads: 1 });
  const { weights, bytes, seconds } = await readAlone(dir, model.architecture);
  const gigabytes = bytes / 1e9;
  console.log(
    `reading alone            ${seconds.toFixed(2).padStart(7)} s  ${gigabytes.toFixed(2)} GB at ` +
      `${(gigabytes / seconds).toFixed(2)} GB/s, widened to float32`,
  );
  const { nLayers } = model.architecture.config;
  // Backward has a block's products twice, computed again and turned.
  const products = await multiplyAlone(weights, nLayers + 2 * (nLayers - SAE_LAYER));
  const gigaflop = products.operations / 1e9;
  console.log(
    `arithmetic alone         ${products.seconds.toFixed(2).padStart(7)} s  ${gigaflop.toFixed(0)} GFLOP at ` +
      `${(gigaflop / products.seconds).toFixed(0)} GFLOP/s, one thread of wasm, weights handed over`,
  );
}

/** Reads what a run reads of the blocks: all forward, and back to the SAE but for two that are still in memory. */
async function readAlone(
  dir: string,
  architecture: Architecture,
): Promise<{ weights: Weights; bytes: number; seconds: number }> {
  await using source = openSource(`${dir}/llama-1b-shape`);
  const { config: { nLayers } } = architecture;
  const store = renamedStore(await openSafetensors(source), architecture);
  const back = Array.from({ length: nLayers - SAE_LAYER - 2 }, (_, i) => nLayers - 3 - i);
  let buffer: Float32Array | undefined;
  let weights: Weights = {};
  let bytes = 0;
  const started = performance.now();
  for (const layer of [...Array(nLayers).keys(), ...back]) {
    const refs = architecture.blockWeights(layer);
    const reading = readLayer(store, refs, undefined, buffer);
    weights = await reading.loading;
    buffer = reading.buffer;
    for (const { name } of Object.values(refs)) bytes += store.tensors.get(name)!.byteLength;
  }
  return { weights, bytes, seconds: (performance.now() - started) / 1000 };
}

/** A block's products with some tokens, so many times. */
async function multiplyAlone(weights: Weights, times: number): Promise<{ operations: number; seconds: number }> {
  const matrices = Object.entries(weights).filter(([, { dims }]) => dims.length === 2);
  const widths = [...new Set(matrices.map(([, { dims }]) => dims[1]))];
  const inputs = new Map(widths.map((width) => [width, input(`stream ${width}`, [TOKENS, width])]));
  const graph: Graph = Object.fromEntries(matrices.map(([name, { dims }]) => [
    `times ${name}`,
    matMul(inputs.get(dims[1])!, swapLast(input(name, dims))),
  ]));
  const streams = widths.map((width): [string, Tensor] => [
    `stream ${width}`,
    { dims: [TOKENS, width], data: new Float32Array(TOKENS * width).fill(1) },
  ]);
  const feeds = Object.fromEntries([...streams, ...matrices]);
  await using runtime = await createRuntime({ threads: 1 });
  const session = await runtime.session(graph);
  await session.run(feeds);
  const started = performance.now();
  for (let i = 0; i < times; i++) await session.run(feeds);
  const seconds = (performance.now() - started) / 1000;
  const parameters = matrices.reduce((sum, [, { data }]) => sum + data.length, 0);
  return { operations: 2 * TOKENS * parameters * times, seconds };
}

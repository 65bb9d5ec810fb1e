/**
 * One GPT-2 block, forward and backward, in one runtime: `deno run -A tests/bench/block.ts DIR --program wasm|native|jax-js
 * [--threads 1] [--tokens 64] [--repeat 5]`. Prints one JSON line: seconds of every run after the first two, and for
 * jax-js how far its numbers are from ours, as a part of the largest.
 */
import { parseArgs } from "node:util";
import { type Graph, graphInputs, input, vjp } from "../../lib/graph/mod.ts";
import { additiveMask } from "../../lib/model/stages/feeds.ts";
import type { FloatTensor } from "../../lib/runtime/tensor.ts";
import { type Device, loadModel, type Model } from "../../mod.ts";
import { compileJax, hideSharedMemory } from "./jax_js.ts";

const WARM_UPS = 2;

const { values, positionals: [dir] } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: {
    program: { type: "string", default: "wasm" },
    threads: { type: "string" },
    tokens: { type: "string", default: "64" },
    repeat: { type: "string", default: "5" },
  },
});
const isJax = values.program === "jax-js";
const threads = values.threads === undefined ? undefined : Number(values.threads);
if (isJax && threads === 1) hideSharedMemory();

type Feeds = Readonly<Record<string, FloatTensor>>;
type Run = () => Promise<Float32Array>;

/** The first block, its gradient at its input, and what they take; the stream and the gradient are random. */
async function firstBlock(model: Model, tokens: number): Promise<[Graph, Graph, Feeds]> {
  const { architecture } = model;
  const { config, defaultProcessing } = architecture;
  const block = architecture.block(0, { processing: defaultProcessing, selectRows: false });
  const [gradient] = vjp([block.output], [input("gradient", block.output.shape)], [block.input]);
  const stream = (frequency: number): FloatTensor => ({
    dims: [1, tokens, config.dModel],
    data: Float32Array.from({ length: tokens * config.dModel }, (_, i) => Math.sin(frequency * i)),
  });
  const weights = await model.readWeights(architecture.blockWeights(0)) as Feeds;
  const feeds = { ...weights, "resid": stream(1), "gradient": stream(2), "mask:causal": additiveMask(tokens, {}) };
  return [{ output: block.output }, { output: gradient! }, feeds];
}

/** What of the feeds a graph takes. */
function taken(graph: Graph, feeds: Feeds): Feeds {
  return Object.fromEntries([...graphInputs(graph).keys()].map((name) => [name, feeds[name]]));
}

async function compileOrt({ runtime }: Model, graph: Graph, feeds: Feeds): Promise<Run> {
  const session = await runtime.session(graph);
  return async () => (await session.run(taken(graph, feeds))).output.data as Float32Array;
}

async function time(run: Run): Promise<number[]> {
  const seconds: number[] = [];
  for (let i = 0; i < WARM_UPS + Number(values.repeat); i++) {
    const start = performance.now();
    await run();
    seconds.push((performance.now() - start) / 1000);
  }
  return seconds.slice(WARM_UPS);
}

function difference(got: Float32Array, want: Float32Array): number {
  const largest = want.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  return want.reduce((most, x, i) => Math.max(most, Math.abs(x - got[i])), 0) / largest;
}

const device = isJax ? "wasm" : values.program as Device;
await using model = await loadModel(`${dir}/gpt2-shape`, { device, threads });
const tokens = Number(values.tokens);
const [forward, backward, feeds] = await firstBlock(model, tokens);
const found: Record<string, unknown> = {};
for (const [name, graph] of [["forward", forward], ["backward", backward]] as const) {
  const ort = await compileOrt(model, graph, feeds);
  const run = isJax ? await compileJax(graph, { batch: 1, position: tokens }, taken(graph, feeds)) : ort;
  found[name] = { seconds: await time(run), difference: isJax ? difference(await run(), await ort()) : 0 };
}
console.log(JSON.stringify(found));
Deno.exit(); // jax-js has no way to stop what it started

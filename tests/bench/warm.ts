/**
 * This program with model and SAE open, as a process of its own: `deno run -A tests/bench/warm.ts DIR --prompts FILE
 * [--device wasm] [--weights resident] [--repeat 5] [--memory N]`. FILE holds token ids, `[[50256, …], …]`.
 *
 * Prints one JSON line: seconds for opening and for each pass over the prompts (the first ones read the weights and
 * compile), and rows. With `--memory N` instead of that, N single attributions in turn over the prompts, and the
 * resident set after every 50th and after the last.
 */
import { parseArgs } from "node:util";
import { calculateFeatureAttribution, type Device, loadModel, loadSae, logitDiff } from "../../mod.ts";
import { attributeAll } from "./attribute_all.ts";
import { ANSWERS } from "./prompts.ts";

const { values, positionals: [dir] } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: {
    prompts: { type: "string", default: "prompts.json" },
    device: { type: "string", default: "wasm" },
    weights: { type: "string", default: "resident" },
    repeat: { type: "string", default: "5" },
    memory: { type: "string" },
  },
});
const MEBIBYTE = 2 ** 20;
/** The resident set is noted after every so many attributions. */
const EVERY = 50;

const started = performance.now();
const weights = values.weights as "streamed" | "resident";
await using model = await loadModel(`${dir}/gpt2-shape`, { device: values.device as Device, weights });
await using sae = await loadSae(`${dir}/sae-shape`, { weights });
const openSeconds = secondsSince(started);
const prompts = JSON.parse(await Deno.readTextFile(values.prompts)) as number[][];
const metric = logitDiff(ANSWERS.positive, ANSWERS.negative);
// The random SAE explains nothing: with a guessed form of the model, the other one would be tried too.
const options = { saes: [sae], processing: "default" } as const;

function secondsSince(start: number): number {
  return (performance.now() - start) / 1000;
}

/** A pass over the prompts, rows included. */
async function pass(): Promise<number> {
  const results = await attributeAll(model, prompts.map((prompt) => ({ prompt, metric })), options);
  return results.reduce((sum, result) => sum + result.rows(sae.hookOut).length, 0);
}

async function repeat(count: number): Promise<unknown> {
  const seconds: number[] = [];
  let rows = 0;
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    rows = await pass();
    seconds.push(secondsSince(start));
  }
  return { load_s: openSeconds, attribution_s: seconds, rows };
}

async function memory(count: number): Promise<unknown> {
  const after: [attributions: number, resident: number][] = [];
  for (let i = 0; i < count; i++) {
    const result = await calculateFeatureAttribution(model, prompts[i % prompts.length], metric, options);
    result.rows(sae.hookOut);
    const done = i + 1;
    if (done % EVERY === 0 || done === count) after.push([done, Math.round(Deno.memoryUsage().rss / MEBIBYTE)]);
  }
  return { resident_mib: after };
}

console.log(JSON.stringify(await (values.memory ? memory(Number(values.memory)) : repeat(Number(values.repeat)))));

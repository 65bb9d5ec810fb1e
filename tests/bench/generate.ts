/**
 * Tokens a second of greedy generation, beside transformers on the same cores, in turns.
 *
 *     deno run -A tests/bench/generate.ts MODEL_DIR PYTHON [wasm,native] [ROUNDS] [PROMPT_TOKENS] [NEW_TOKENS] [THREADS]
 *
 * @module
 */
import { loadModel, type LoadModelOptions, type Model } from "../../mod.ts";

const [directory, python, devices = "wasm,native", ...numbers] = Deno.args;
const [rounds = 5, promptTokens = 16, newTokens = 64, threads = navigator.hardwareConcurrency] = numbers.map(Number);

interface Times {
  readonly first: number;
  readonly perSecond: number;
}

/** Each runs once and says how long the first token and the others took. */
const contestants = new Map<string, () => Promise<Times>>();
const models: Model[] = [];

for (const device of devices.split(",")) {
  const options = { device, weights: "resident", threads } as LoadModelOptions;
  const model = await loadModel(directory, options);
  models.push(model);
  const prompt = Array.from({ length: promptTokens }, (_, i) => 100 + i);
  contestants.set(device, async () => {
    const start = performance.now();
    let first = 0;
    for await (const _ of model.generate(prompt, { maxTokens: newTokens, eosIds: [] })) first ||= performance.now();
    return { first: (first - start) / 1000, perSecond: 1000 * (newTokens - 1) / (performance.now() - first) };
  });
}

const child = new Deno.Command(python, {
  args: [new URL("generate_transformers.py", import.meta.url).pathname, directory, String(threads)],
  stdin: "piped",
  stdout: "piped",
  stderr: "null",
}).spawn();
const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
const writer = child.stdin.getWriter();
let read = "";

/** The child's next line, in however many pieces it comes. */
async function answer(): Promise<string> {
  while (!read.includes("\n")) read += (await lines.read()).value!;
  const end = read.indexOf("\n");
  const line = read.slice(0, end).trim();
  read = read.slice(end + 1);
  return line;
}

console.log(`transformers is ${await answer()}`);
contestants.set("transformers", async () => {
  await writer.write(new TextEncoder().encode(`${promptTokens} ${newTokens}\n`));
  const [first, rest] = (await answer()).split(" ").map(Number);
  return { first, perSecond: (newTokens - 1) / rest };
});

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const found = new Map([...contestants.keys()].map((name): [string, Times[]] => [name, []]));
for (let round = 0; round <= rounds; round++) {
  for (const [name, run] of contestants) {
    const times = await run();
    if (round > 0) found.get(name)!.push(times); // the first one warms up
  }
}
const reference = found.get("transformers")!;
for (const [name, times] of found) {
  const ratio = median(times.map(({ perSecond }, i) => perSecond / reference[i].perSecond));
  console.log(
    `${name}: ${median(times.map(({ perSecond }) => perSecond)).toFixed(1)} tokens a second ` +
      `(${ratio.toFixed(2)} of transformers), first token after ${
        median(times.map(({ first }) => first)).toFixed(3)
      } s`,
  );
}
await writer.close();
for (const model of models) await model.close();

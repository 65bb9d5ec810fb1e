/**
 * Whether a real model says what transformers says: ten prompts, 64 tokens each.
 *
 *     python tests/data/generate/make.py MODEL_DIR | deno run -A tests/bench/greedy.ts MODEL_DIR [DEVICE]
 *
 * @module
 */
import { loadModel, type LoadModelOptions } from "../../mod.ts";

interface Greedy {
  readonly prompt: readonly number[];
  readonly tokens: readonly number[];
  readonly margin: number;
}

const [directory, device = "wasm"] = Deno.args;
const cases: readonly Greedy[] = JSON.parse(await new Response(Deno.stdin.readable).text());
const options = { device, weights: "resident" } as LoadModelOptions;
await using model = await loadModel(directory, options);
let [count, milliseconds] = [0, 0];
for (const { prompt, tokens, margin } of cases) {
  const started = performance.now();
  const found = await Array.fromAsync(model.generate(prompt, { maxTokens: tokens.length, eosIds: [] }));
  milliseconds += performance.now() - started;
  count += found.length;
  const first = found.findIndex(({ id }, i) => id !== tokens[i]);
  const said = first < 0 ? `the same ${tokens.length} tokens` : `differs from token ${first} on`;
  console.log(`${said} (smallest margin ${margin.toExponential(1)}): ${found.map(({ text }) => text).join("")}`);
}
console.log(`${device}: ${(1000 * count / milliseconds).toFixed(1)} tokens a second`);

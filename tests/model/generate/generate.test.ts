/** What `generate` yields: how it begins, draws and ends. */
import assert from "node:assert/strict";
import { type GeneratedToken, type GenerateOptions, loadModel } from "../../../mod.ts";
import { readEosIds } from "../../../lib/model/generate/eos.ts";
import { NO_PROCESSING } from "../../../models/family.ts";
import type { FileSource } from "../../../lib/weights/files/file_source.ts";
import { memorySource } from "../../weights/fixtures.ts";
import { openOptions } from "../../runtime/open_options.ts";

const model = await loadModel("tiny-facts", { ...openOptions(), weights: "resident" });
Deno.test.afterAll(() => model.close());

const PROMPT = " Tiger Woods plays the sport of";

async function collect(options: GenerateOptions, prompt: string | number[] = PROMPT): Promise<GeneratedToken[]> {
  return await Array.fromAsync(model.generate(prompt, options));
}

const textOf = (tokens: readonly GeneratedToken[]): string => tokens.map(({ text }) => text).join("");

Deno.test("texts are the tokens', and log-probabilities those of a pass without a cache", async () => {
  const found = await collect({ maxTokens: 12 });
  const tokens = await model.toTokens(PROMPT);
  const all = [...tokens, ...found.map(({ id }) => id)];
  const rows = found.map(({ position }) => position - 1);
  const { final } = await model.chain.forward({ prompts: [all], processing: NO_PROCESSING, rows: [rows] });
  const { data, dims: [, dVocab] } = await model.unembedding.logits(final);
  found.forEach(({ id, logProbability }, i) => {
    const logits = [...data.subarray(i * dVocab, (i + 1) * dVocab)];
    const expected = logits[id] - Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
    assert.ok(Math.abs(logProbability - expected) < 1e-5);
    assert.equal(logits[id], Math.max(...logits));
  });
  const tokenizer = await model.requireTokenizer();
  assert.equal(textOf(found), tokenizer.decode(found.map(({ id }) => id)));
  assert.match(textOf(found), /^ golf/);
});

Deno.test("the same seed draws the same, another something else", async () => {
  const options = { maxTokens: 20, temperature: 1.5, topP: 0.95, eosIds: [] };
  const draw = async (seed: number): Promise<string> => textOf(await collect({ ...options, seed }));
  assert.equal(await draw(1), await draw(1));
  assert.notEqual(await draw(1), await draw(2));
});

Deno.test("it ends at an EOS token, which has no text", async () => {
  const [first, second] = await collect({ maxTokens: 2, eosIds: [] });
  const found = await collect({ eosIds: [second.id] });
  assert.deepEqual(found.map(({ id, ended }) => [id, ended]), [[first.id, undefined], [second.id, "eos"]]);
  assert.equal(found[1].text, "");
});

Deno.test("it ends at a stop text, which is left out", async () => {
  const whole = textOf(await collect({ maxTokens: 8 }));
  const stop = whole.slice(6, 9);
  const found = await collect({ maxTokens: 8, stop: [stop] });
  assert.equal(textOf(found), whole.slice(0, whole.indexOf(stop)));
  assert.equal(found.at(-1)!.ended, "stop");
});

Deno.test("it ends where the context does", async () => {
  const { nCtx } = model.architecture.config;
  const prompt = new Array<number>(nCtx - 2).fill(5);
  const found = await collect({ maxTokens: 10, eosIds: [] }, prompt);
  assert.deepEqual(found.map(({ position, ended }) => [position, ended]), [
    [nCtx - 2, undefined],
    [nCtx - 1, undefined],
    [nCtx, "context"],
  ]);
});

Deno.test("it ends when it is aborted, or left", async () => {
  const abort = new AbortController();
  const found: GeneratedToken[] = [];
  for await (const token of model.generate(PROMPT, { signal: abort.signal, eosIds: [] })) {
    found.push(token);
    if (found.length === 3) abort.abort();
  }
  assert.deepEqual([found.length, found.at(-1)!.ended], [4, "aborted"]);
  for await (const _ of model.generate(PROMPT)) break;
  assert.deepEqual(await collect({ maxTokens: 0 }), []);
});

Deno.test("options that cannot be are refused", async () => {
  const refused = (options: GenerateOptions, message: RegExp): Promise<void> =>
    assert.rejects(collect(options), message);
  await refused({ temperature: -1 }, /`temperature` is -1/);
  await refused({ temperature: NaN }, /`temperature`/);
  await refused({ topP: 0 }, /`topP` is 0/);
  await refused({ stop: [""] }, /`stop` is empty/);
  await refused({ maxTokens: 1.5 }, /maxTokens/);
  await refused({ eosIds: [-1] }, /Token id -1/);
  await refused({ minTokens: 3 } as GenerateOptions, /no option/);
});

Deno.test("EOS ids come from generation_config.json, else from config.json", async () => {
  const source = (text?: string): FileSource =>
    memorySource(text === undefined ? "other" : "generation_config.json", new TextEncoder().encode(text));
  const config = { eos_token_id: 7 };
  assert.deepEqual(await readEosIds(source('{"eos_token_id": [1, 2]}'), config), [1, 2]);
  assert.deepEqual(await readEosIds(source("{}"), config), [7]);
  assert.deepEqual(await readEosIds(source(), { text_config: config }), [7]);
  assert.deepEqual(await readEosIds(source(), {}), []);
  await assert.rejects(readEosIds(source('{"eos_token_id": "</s>"}'), config), /eos_token_id.*not token ids/);
});

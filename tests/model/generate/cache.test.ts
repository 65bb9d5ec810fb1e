/** A pass on a cache gives what a pass over the whole text gives, at every hook, with and without replacements. */
import assert from "node:assert/strict";
import { type FloatTensor, type ForwardState, KeyValueCache, loadModel } from "../../../mod.ts";
import { generate } from "../../../lib/model/generate/generate.ts";
import { hookNames } from "../../../lib/model/hooks.ts";
import { NO_PROCESSING } from "../../../models/family.ts";
import { OWN_MEMORY } from "../../../lib/weights/tensors/floats.ts";
import { DATA, MODELS, open, type Opened, readConfig } from "../../models/open.ts";
import { openOptions } from "../../runtime/open_options.ts";

const tokensOf = ({ architecture: { config } }: Pick<Opened, "architecture">, n: number): number[] =>
  Array.from({ length: n }, (_, i) => (i * 7919 + 3) % config.dVocab);

/** The largest difference of a row of `[…, row, d]` from a row of another, over the largest number of that. */
function difference(found: FloatTensor, row: number, expected: FloatTensor, expectedRow: number): number {
  const d = found.dims.at(-1)!;
  const [a, b] = [found.data.subarray(row * d, (row + 1) * d), expected.data.subarray(expectedRow * d).subarray(0, d)];
  const largest = Math.max(...b.map(Math.abs));
  assert.ok(largest > 0);
  return Math.max(...a.map((x, i) => Math.abs(x - b[i]))) / largest;
}

for (const name of MODELS) {
  Deno.test(`logits of ${name} are the same with a cache and without`, async () => {
    const learned = ["gpt2", "gpt_neo"].includes(String(readConfig(name).model_type));
    const changes = learned ? {} : { max_position_embeddings: 150 }; // past where a cache's programs change
    await using model = await open(name, changes, openOptions());
    const { architecture: { config, defaultProcessing }, chain, unembedding } = model;
    const tokens = tokensOf(model, config.nCtx);
    for (const processing of [NO_PROCESSING, defaultProcessing]) {
      const whole = await chain.forward({ prompts: [tokens], processing, rows: [tokens.map((_, i) => i)] });
      const expected = await unembedding.logits(whole.final);
      const cache = new KeyValueCache(config, OWN_MEMORY, tokens.length);
      const sizes = [tokens.length - 30, 1, 5, ...new Array<number>(24).fill(1)];
      for (const size of sizes) {
        const prompts = [tokens.slice(cache.length, cache.length + size)];
        const { final } = await chain.forward({ prompts, processing, rows: [[size - 1]], cache });
        const logits = await unembedding.logits(final);
        assert.ok(difference(logits, 0, expected, cache.length - 1) <= 1e-5);
      }
      assert.equal(cache.length, tokens.length);
    }
  });
}

/** Hooks whose values have a row for each position, not the patterns of attention. */
const ofPositions = (name: string): boolean => !/hook_(attn_scores|pattern)$/.test(name);

for (const name of ["gpt2", "neox", "gemma3", "qwen3"]) {
  Deno.test(`hook values of ${name} are the same with a cache and without, replaced ones too`, async () => {
    await using model = await open(name, {}, openOptions());
    const { architecture, chain } = model;
    const processing = architecture.defaultProcessing;
    const tokens = tokensOf(model, 40);
    const hooks = hookNames(architecture).filter(ofPositions);
    const locals = ["attn.hook_k", "attn.hook_q", "attn.hook_v", "attn.hook_z", "mlp.hook_post", "hook_resid_pre"];
    const replaced = ["hook_embed", ...locals.map((local) => `blocks.1.${local}`), "blocks.0.hook_attn_out"];
    const replacements = replaced.map((hook) => ({
      hook,
      replace: (values: ReadonlyMap<string, FloatTensor>) => {
        const { dims, data } = values.get(hook)!;
        return Promise.resolve({ dims, data: data.map((x) => 1.25 * x + 0.5) });
      },
    }));
    for (const changed of [[], replacements]) {
      const request = { processing, reads: hooks, replacements: changed };
      const whole = await chain.forward({ prompts: [tokens], rows: [tokens.map((_, i) => i)], ...request });
      const cache = new KeyValueCache(architecture.config, OWN_MEMORY, tokens.length);
      for (const size of [33, 1, 4, 1, 1]) {
        const start = cache.length;
        const prompts = [tokens.slice(start, start + size)];
        const state: ForwardState = await chain.forward({ prompts, rows: [[size - 1]], cache, ...request });
        for (const hook of hooks) {
          const [found, expected] = [state.values.get(hook)!, whole.values.get(hook)!];
          const rows = found.data.length / found.dims.at(-1)! / size; // heads
          for (let i = 0; i < size * rows; i++) {
            assert.ok(difference(found, i, expected, start * rows + i) <= 1e-5, `${hook} of ${start} + ${i}`);
          }
        }
      }
    }
  });
}

Deno.test("a cache that is too small, and what cannot be done with one, is refused", async () => {
  await using model = await loadModel(new URL("models/gpt2/", DATA), openOptions());
  const { architecture: { config }, chain } = model;
  const cache = new KeyValueCache(config, OWN_MEMORY, 4);
  const request = { processing: NO_PROCESSING, rows: [[0]], cache };
  const refused = (more: object, message: RegExp): Promise<void> =>
    assert.rejects(chain.forward({ ...request, prompts: [[1, 2, 3, 4, 5]], ...more }), message);
  await refused({}, /5 tokens do not fit the cache of 4/);
  await refused({ prompts: [[1], [2]], rows: [[0], [0]] }, /2 prompts with a cache/);
  await refused({ prompts: [[1]], gradientsFrom: ["hook_embed"] }, /no gradients/);
  assert.equal(cache.length, 0);
  assert.throws(() => new KeyValueCache(config, OWN_MEMORY, 65), /context, 64/);
  await chain.forward({ ...request, prompts: [[1, 2]] });
  assert.equal(cache.length, 2);
  assert.throws(() => cache.setLength(5), RangeError);
});

Deno.test("a cache takes two arrays a layer, of its capacity in steps of 64 positions, and gives them back", async () => {
  for (const name of ["llama", "gemma3"]) {
    await using model = await open(name, { max_position_embeddings: 150 }, openOptions());
    const { architecture: { config }, chain } = model;
    const out: Float32Array[] = [];
    const memory = {
      allocate: (length: number): Float32Array => (out.push(new Float32Array(length)), out.at(-1)!),
      release: (array: Float32Array): unknown => out.splice(out.indexOf(array), 1),
    };
    for (const [capacity, positions] of [[1, 64], [63, 64], [64, 64], [65, 128]]) {
      const cache = new KeyValueCache(config, memory, capacity);
      assert.equal(out.length, 0, "nothing before the first token");
      await chain.forward({ prompts: [[1]], rows: [[0]], processing: NO_PROCESSING, cache });
      const { nLayers, nKeyValueHeads, dHead } = config;
      assert.deepEqual(out.map(({ length }) => length), [2 * nLayers * positions * nKeyValueHeads * dHead]);
      cache.release();
      assert.equal(out.length, 0);
    }
  }
});

Deno.test("a cache whose end was forgotten goes on from what is left", async () => {
  await using model = await loadModel(new URL("models/llama/", DATA), openOptions());
  const { architecture: { config }, chain } = model;
  const cache = new KeyValueCache(config, model.runtime.memory, 10);
  const run = (prompt: number[]): Promise<ForwardState> =>
    chain.forward({ prompts: [prompt], rows: [[prompt.length - 1]], processing: NO_PROCESSING, cache });
  await run([5, 6, 7]);
  const first = await run([8]);
  cache.setLength(3);
  await run([9, 10]);
  cache.setLength(3);
  assert.deepEqual((await run([8])).final.data, first.final.data);
  cache.release();
});

Deno.test("keys are computed anew where longer texts have other rotary frequencies", async () => {
  const dim = 8;
  const factors = (factor: number): number[] => new Array<number>(dim / 2).fill(factor);
  const rope_parameters = {
    rope_type: "longrope",
    rope_theta: 10_000,
    short_factor: factors(1),
    long_factor: factors(3),
    original_max_position_embeddings: 16,
  };
  await using model = await open("phi3", { rope_parameters, original_max_position_embeddings: 16 }, openOptions());
  const { architecture, chain, unembedding } = model;
  const generator = { ...model, runtime: { memory: OWN_MEMORY }, tokenizer: () => Promise.resolve(undefined) };
  const prompt = tokensOf(model, 10);
  const run = { maxTokens: 20, eosIds: [] };
  const read = [...prompt];
  for await (const { id } of generate({ ...generator, eosIds: () => Promise.resolve([]) }, prompt, run)) {
    const request = { prompts: [read], rows: [[read.length - 1]], processing: NO_PROCESSING };
    const { data } = await unembedding.logits((await chain.forward(request)).final);
    assert.equal(id, data.indexOf(Math.max(...data)));
    read.push(id);
  }
  assert.equal(read.length, 30);
  const cache = new KeyValueCache(architecture.config, OWN_MEMORY, 20);
  const request = { rows: [[0]], processing: NO_PROCESSING, cache };
  await chain.forward({ ...request, prompts: [read.slice(0, 16)] });
  await assert.rejects(chain.forward({ ...request, prompts: [[1]] }), /rotated otherwise/);
});

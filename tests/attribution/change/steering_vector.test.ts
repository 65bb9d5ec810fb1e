/** Steering vectors, against PyTorch (tests/data/generate/steer.py), features' decoders and passes without a cache. */
import assert from "node:assert/strict";
import {
  type FloatTensor,
  loadModel,
  loadSae,
  loadSteeringVector,
  steer,
  type SteeringVector,
  steerText,
} from "../../../mod.ts";
import { hookWidth } from "../../../lib/attribution/run/sae_hooks.ts";
import { hookNames } from "../../../lib/model/hooks.ts";
import { fromFileUrl } from "../../../lib/weights/files/places.ts";
import { logSumExp } from "../../../lib/runtime/tensor.ts";
import { openOptions } from "../../runtime/open_options.ts";
import { DATA } from "../golden.ts";

interface Case {
  readonly hook: string;
  readonly where: "all" | "new" | "prompt";
  readonly relative: boolean;
  readonly strength: number;
  readonly tokens: readonly number[];
  readonly log_probabilities: readonly number[];
  readonly perplexity: number;
}

const golden: { readonly prompt: readonly number[]; readonly vector_cases: readonly Case[] } = JSON.parse(
  Deno.readTextFileSync(new URL("generate/steer.json", DATA)),
);
const FILE = fromFileUrl(new URL("generate/vector.safetensors", DATA));
const HOOK = "blocks.2.hook_resid_pre";
const model = await loadModel(new URL("models/gpt2/", DATA), { ...openOptions(), weights: "resident" });
const sae = await loadSae(new URL("saes/g-std-pre2/", DATA));
const vector = await loadSteeringVector(FILE, HOOK);
Deno.test.afterAll(async () => {
  await sae.close();
  await model.close();
});

const logProbability = ({ data }: FloatTensor, id: number): number => data[id] - logSumExp(data);

function assertSame(a: ArrayLike<number>, b: ArrayLike<number>, tolerance: number, what: string): void {
  assert.equal(a.length, b.length, what);
  const most = Math.max(...Array.from(a, (x, i) => Math.abs(x - b[i])));
  assert.ok(most <= tolerance, `${what}: ${most}`);
}

Deno.test("vectors are added as in PyTorch, by norm too, to the prompt and to what is generated", async () => {
  assert.equal(golden.vector_cases.length, 24);
  for (const one of golden.vector_cases) {
    const { hook, where: position, relative, strength } = one;
    const change = { hook, vector: await loadSteeringVector(FILE, hook), position, relative, strength };
    const options = { saes: [], strengths: [1], maxTokens: one.tokens.length, eosIds: [] };
    const { texts: [found] } = await steerText(model, golden.prompt, [change], options);
    assert.deepEqual(found.tokens.map(({ id }) => id), one.tokens);
    const logs = found.tokens.map(({ logProbability }) => logProbability);
    assertSame(logs, one.log_probabilities, 1e-4, JSON.stringify({ hook, position, relative, strength }));
    assert.ok(Math.abs(found.perplexity / one.perplexity - 1) <= 1e-4);
    if (position === "new") continue;
    const { after } = await steer(model, golden.prompt, [change], { saes: [] });
    assertSame([logProbability(after, one.tokens[0])], [one.log_probabilities[0]], 1e-4, `steer at ${hook}`);
  }
});

Deno.test("a feature's decoder as a vector does what adding to the feature does, with and without the error term", async () => {
  const w_dec = (await sae.decoderRows([5])).map((x) => 3 * x);
  const feature = { feature: 5, position: "all", how: "add", value: 3 } as const;
  const direction: SteeringVector = { hook: HOOK, vector: w_dec, position: "all" };
  for (const includeErrorTerm of [true, false]) {
    const options = { saes: [sae], includeErrorTerm };
    const byFeature = await steer(model, golden.prompt, [feature], options);
    const byVector = await steer(model, golden.prompt, [direction], options);
    assertSame(byFeature.after.data, byVector.after.data, 1e-4, `error term: ${includeErrorTerm}`);
    const both = await steer(model, golden.prompt, [feature, direction], options);
    const twice = await steer(model, golden.prompt, [{ ...feature, value: 6 }], options);
    assertSame(both.after.data, twice.after.data, 1e-4, "both");
    assert.equal(both.changes.length, golden.prompt.length);
  }
  const texts = async (change: Parameters<typeof steerText>[2]): Promise<number[]> => {
    const options = { saes: [sae], strengths: [0.5, 2], maxTokens: 6, eosIds: [] };
    const result = await steerText(model, golden.prompt, change, options);
    return result.texts.flatMap(({ tokens }) => tokens.map((token) => token.logProbability));
  };
  assertSame(await texts([feature]), await texts([direction]), 1e-4, "texts");
  assertSame(await texts([feature, direction]), await texts([{ ...feature, value: 6 }]), 1e-4, "texts of both");
});

Deno.test("at every hook with a value per position, text is steered as a pass over all of it is", async () => {
  const hooks = hookNames(model.architecture).filter((hook) => hookWidth(model, hook) !== undefined);
  const wanted = hooks.filter((hook) => !/^blocks\.[02]/.test(hook));
  assert.ok(wanted.length > 10, wanted.join());
  for (const hook of wanted) {
    const direction = Float32Array.from({ length: hookWidth(model, hook)! }, (_, i) => Math.cos(i));
    const change: SteeringVector = { hook, vector: direction, position: "all", strength: 0.5 };
    const options = { saes: [], strengths: [1], maxTokens: 3, eosIds: [] };
    const { texts: [{ tokens }] } = await steerText(model, golden.prompt, [change], options);
    const ids = [...golden.prompt];
    for (const { id, logProbability: found } of tokens) {
      const { before, after } = await steer(model, ids, [change], { saes: [] });
      assertSame([found], [logProbability(after, id)], 1e-4, `${hook} after ${ids.length} tokens`);
      const rotates = /hook_k$/.test(hook); // one vector for all keys changes no weight
      assert.ok(rotates || before.data.some((x, i) => Math.abs(x - after.data[i]) > 1e-6), `${hook} does something`);
      ids.push(id);
    }
  }
});

Deno.test("several vectors, and positions", async () => {
  const at = async (position: SteeringVector["position"], ...strengths: number[]): Promise<FloatTensor> => {
    const changes = strengths.map((strength) => ({ hook: HOOK, vector, position, strength }));
    return (await steer(model, golden.prompt, changes, { saes: [] })).after;
  };
  assertSame((await at("all", 1, 2)).data, (await at("all", 3)).data, 1e-5, "a sum");
  assertSame((await at(-1, 1)).data, (await at(golden.prompt.length - 1, 1)).data, 0, "from the end");
  const other = { hook: "blocks.1.hook_mlp_out", vector: vector.map((x) => -x), position: 2 } as const;
  const here = { hook: HOOK, vector, position: 2 } as const;
  const { before, after } = await steer(model, golden.prompt, [here, other], { saes: [] });
  assertSame(before.data, after.data, 1e-4, "what one hook adds the next takes away");
});

Deno.test("vectors that cannot be added are refused before anything runs", async () => {
  const one: SteeringVector = { hook: HOOK, vector, position: "all" };
  const refused = async (changed: object, message: RegExp, options: object = {}): Promise<void> => {
    const change = { ...one, ...changed };
    await assert.rejects(steer(model, golden.prompt, [change], { saes: [], ...options }), message);
    await assert.rejects(steerText(model, golden.prompt, [change], { saes: [], ...options }), message);
  };
  await refused({ hook: "blocks.9.hook_resid_pre" }, /No hook "blocks.9.hook_resid_pre" .*near: "/);
  await refused({ hook: "blocks.1.attn.hook_pattern" }, /no value per position/);
  await refused({ hook: "blocks.1.mlp.hook_post" }, /has 32 numbers, but blocks.1.mlp.hook_post has \d+ per position/);
  await refused({ vector: vector.with(3, NaN) }, /number 3 is NaN/);
  await refused({ vector: [1, 2] }, /no Float32Array/);
  await refused({ vector: new Float32Array(vector.length), relative: true }, /no direction/);
  await refused({ strength: Infinity }, /strength/);
  await refused({ position: 40 }, /Position 40/);
  await refused({ positions: "all" }, /no option "positions"/);
  await refused({ position: 0 }, /left out/, { excludeSpecialTokens: [golden.prompt[0]] });
  await assert.rejects(steer(model, golden.prompt, [{ ...one, position: "new" }], { saes: [] }), /only where text/);
});

/** Steering with text, against SAELens's formula in PyTorch (tests/data/generate/steer.py), ablation and `steer`. */
import assert from "node:assert/strict";
import {
  type Intervention,
  loadModel,
  loadSae,
  logitDiff,
  steer,
  type SteeredText,
  steerText,
  type SteerTextOptions,
} from "../../../mod.ts";
import { logSumExp } from "../../../lib/runtime/tensor.ts";
import { openOptions } from "../../runtime/open_options.ts";
import { DATA } from "../golden.ts";

interface Case {
  readonly feature: number;
  readonly where: "all" | "new" | "prompt";
  readonly max_act: number;
  readonly strength: number;
  readonly tokens: readonly number[];
  readonly log_probabilities: readonly number[];
  readonly perplexity: number;
}

const golden: { readonly prompt: readonly number[]; readonly cases: readonly Case[] } = JSON.parse(
  Deno.readTextFileSync(new URL("generate/steer.json", DATA)),
);
const model = await loadModel(new URL("models/gpt2/", DATA), { ...openOptions(), weights: "resident" });
const sae = await loadSae(new URL("saes/g-std-pre2/", DATA));
Deno.test.afterAll(async () => {
  await sae.close();
  await model.close();
});

const OPTIONS: SteerTextOptions = { saes: [sae], maxTokens: golden.cases[0].tokens.length, eosIds: [] };
const PROMPT = " Tiger Woods plays the sport of";

async function textsOf(interventions: Intervention[], options: object = {}): Promise<readonly SteeredText[]> {
  return (await steerText(model, PROMPT, interventions, { ...OPTIONS, ...options })).texts;
}

Deno.test("steering is SAELens's, in PyTorch", async () => {
  for (const one of golden.cases) {
    const add: Intervention = { feature: one.feature, position: one.where, how: "add", value: one.max_act };
    const options = { ...OPTIONS, strengths: [one.strength], excludeSpecialTokens: false };
    const { texts: [found] } = await steerText(model, golden.prompt, [add], options);
    assert.deepEqual(found.tokens.map(({ id }) => id), one.tokens);
    found.tokens.forEach(({ logProbability }, i) => {
      assert.ok(Math.abs(logProbability - one.log_probabilities[i]) <= 1e-4, `${i} of ${JSON.stringify(one)}`);
    });
    assert.ok(Math.abs(found.perplexity / one.perplexity - 1) <= 1e-4);
  }
});

Deno.test("strength 0 is the text of the model as it is", async () => {
  const plain = await Array.fromAsync(model.generate(PROMPT, { maxTokens: 20, eosIds: [] }));
  for (const how of ["set", "add", "scale"] as const) {
    const [zero] = await textsOf([{ feature: 83, position: "all", how, value: 7 }], { strengths: [0] });
    assert.deepEqual(zero.tokens.map(({ id }) => id), plain.map(({ id }) => id));
    const logs = zero.tokens.map(({ logProbability }) => logProbability);
    assert.ok(logs.every((log, i) => Math.abs(log - plain[i].logProbability) < 1e-5));
    const mean = logs.reduce((a, b) => a + b, 0) / logs.length;
    assert.ok(Math.abs(Math.log(zero.perplexity) + mean) < 1e-5);
  }
});

Deno.test("a feature that is set to 0 everywhere gives the prediction and the metric of ablation", async () => {
  const off: Intervention = { feature: 83, position: "all", how: "set", value: 0 };
  const [{ tokens: [first] }] = await textsOf([off], { strengths: [1] });
  const { after, metric } = await steer(model, PROMPT, [off], { saes: [sae], metric: logitDiff(364, 296) });
  assert.ok(Math.abs(first.logProbability - (after.data[first.id] - logSumExp(after.data))) < 1e-5);
  assert.equal(after.data[first.id], Math.max(...after.data));
  // 0.8216… is what `ablate --table features` takes from the metric, of the reference stack.
  assert.ok(Math.abs(metric!.before - metric!.after - 0.8216111920371203) < 1e-5);
});

Deno.test("half a strength is half the change, at the positions that are meant", async () => {
  const at = async (value: number, strengths: number[], position: Intervention["position"]): Promise<number[]> => {
    const [{ tokens }] = await textsOf([{ feature: 5, position, how: "add", value }], { strengths, maxTokens: 4 });
    return tokens.map(({ logProbability }) => logProbability);
  };
  for (const position of ["all", "prompt", "new", 2, -1] as const) {
    assert.deepEqual(await at(8, [0.5], position), await at(4, [1], position));
  }
  assert.deepEqual((await at(8, [1], "new"))[0], (await at(8, [0], "new"))[0], "new tokens come later");
  assert.notDeepEqual((await at(8, [1], -1))[0], (await at(8, [0], -1))[0]);
});

Deno.test("what cannot be steered is refused", async () => {
  const one = { feature: 5, position: "all", how: "add", value: 1 } as const;
  const refused = (interventions: Intervention[], options: object, message: RegExp): Promise<void> =>
    assert.rejects(textsOf(interventions, options), message);
  await refused([], {}, /Nothing is to be changed/);
  await refused([{ ...one, feature: 96 }], {}, /no feature 96/);
  await refused([{ ...one, position: 40 }], {}, /position/i);
  await refused([{ ...one, hook: "blocks.0.hook_resid_pre" }], {}, /where no SAE writes/);
  await refused([one], { strengths: [NaN] }, /`strengths`/);
  await refused([{ ...one, position: 0 }], { excludeSpecialTokens: true }, /left out/);
  await assert.rejects(steer(model, PROMPT, [{ ...one, position: "new" }], { saes: [sae] }), /only where text/);
});

/** One set for many prompts: its figures from its features alone, of prompts that it was chosen for and of others. */
import assert from "node:assert/strict";
import {
  type Attribution,
  calculateFeatureAttribution,
  type FeatureAt,
  loadModel,
  loadSae,
  logitDiff,
  selectFeatures,
  selectForPrompts,
  type SetFigures,
} from "../../../mod.ts";
import { assertClose } from "../golden.ts";
import { effectFromPrompt } from "../whole_pass.ts";

const model = await loadModel("tiny-facts", { threads: 1, weights: "resident" });
const sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
const hook = sae.hookOut;
Deno.test.afterAll(async () => {
  await sae.close();
  await model.close();
});

const results: Attribution[] = [];
for (
  const [prompt, positive, negative] of [
    [" Tiger Woods plays the sport of", " golf", " tennis"],
    [" Roger Federer plays the sport of", " tennis", " golf"],
    [" Michael Jordan plays the sport of", " basketball", " swimming"],
    [" The capital of Japan is", " Tokyo", " Beijing"],
  ]
) {
  const options = { saes: [sae], diagnose: false };
  results.push(await calculateFeatureAttribution(model, prompt, logitDiff(positive, negative), options));
}

async function checkFigures(result: Attribution, set: ReadonlySet<number>, figures: SetFigures): Promise<number> {
  const { offsets, features } = result.parts.saes.get(hook)!.run.encoded.activations;
  const active: FeatureAt[] = [...features].map((feature, i) => (
    { feature, position: offsets.findLastIndex((at) => at <= i) }
  ));
  const isIn = ({ feature }: FeatureAt): boolean => set.has(feature);
  const effects: number[] = [];
  for (const group of [active, active.filter((at) => !isIn(at)), active.filter(isIn)]) {
    effects.push(await effectFromPrompt(result, hook, group));
  }
  const [none, out, only] = effects;
  assertClose([figures.metric - figures.metricNone, figures.metric - figures.metricKept], [none, out], "kept");
  assertClose([figures.metric - figures.metricWithout], [only], "without");
  assertClose([figures.kept, figures.left], [1 - out / none, 1 - only / none], "shares");
  return Math.abs(none);
}

for (const direction of ["sufficient", "necessary"] as const) {
  Deno.test(`figures of every prompt, held out or not, are those of the set: ${direction}`, async () => {
    const [held, ...chosenFrom] = results.toReversed();
    const found = await selectForPrompts(chosenFrom, hook, { keep: 0.7, direction, heldOut: [held] });
    assert.deepEqual(JSON.parse(JSON.stringify(found)), found);
    assert.ok(
      found.reached && found.by === "feature" && found.features.every(({ position }) => position === undefined),
    );
    const set = new Set(found.features.map(({ feature }) => feature));
    const weights: number[] = [];
    for (const [i, result] of chosenFrom.entries()) weights.push(await checkFigures(result, set, found.prompts[i]));
    const mean = (of: (figures: SetFigures) => number): number =>
      found.prompts.reduce((sum, figures, i) => sum + weights[i] * of(figures), 0) /
      weights.reduce((a, b) => a + b, 0);
    assertClose([found.kept, found.left], [mean(({ kept }) => kept), mean(({ left }) => left)], "means");
    const share = direction === "sufficient" ? ({ kept }: SetFigures) => kept : ({ left }: SetFigures) => 1 - left;
    assert.ok(mean((figures) => 1 - Math.abs(1 - share(figures))) >= 0.7 - 1e-4);
    await checkFigures(held, set, found.heldOut!.prompts[0]);
    assertClose([found.heldOut!.kept], [found.heldOut!.prompts[0].kept], "held out");
  });
}

Deno.test("of one prompt it is the set of that prompt", async () => {
  const options = { size: 4, seed: 7, steps: 30 };
  const { prompts: [figures], heldOut, kept, left, ...many } = await selectForPrompts([results[0]], hook, options);
  const { metric, metricNone, metricKept, metricWithout, kept: keptOne, left: leftOne, ...one } = await selectFeatures(
    results[0],
    hook,
    {
      ...options,
      by: "feature",
    },
  );
  assert.deepEqual(many, one);
  assert.deepEqual(figures, { metric, metricNone, metricKept, metricWithout, kept: keptOne, left: leftOne });
  assertClose([kept, left], [keptOne, leftOne], "means of one");
  assert.equal(heldOut, null);
  await assert.rejects(selectForPrompts([], hook), /^RangeError: There are no prompts/);
});

/** Pair effects and Faith-Shapley values against runs from the prompt and against their definitions. */
import assert from "node:assert/strict";
import {
  ablateJointly,
  type Attribution,
  calculateFeatureAttribution,
  faithShapley,
  type FeatureAt,
  interactions,
  loadModel,
  loadSae,
  logitDiff,
  type SetFeature,
} from "../../../mod.ts";
import { assertClose } from "../golden.ts";
import { effectFromPrompt } from "../whole_pass.ts";

const model = await loadModel("tiny-facts", { threads: 1, weights: "resident" });
const sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
const metric = logitDiff(" golf", " tennis");
const result = await calculateFeatureAttribution(model, " Tiger Woods plays the sport of", metric, { saes: [sae] });
Deno.test.afterAll(async () => {
  await sae.close();
  await model.close();
});

/** Where a feature is active. */
function placesOf({ parts, tokens }: Attribution, { feature, position }: SetFeature): FeatureAt[] {
  const { offsets, features } = parts.saes.get(sae.hookOut)!.run.encoded.activations;
  return tokens.map((_, p) => p).filter((p) =>
    (position ?? p) === p && features.subarray(offsets[p], offsets[p + 1]).includes(feature)
  ).map((p) => ({ position: p, feature }));
}

for (const by of ["feature", "feature-position"] as const) {
  Deno.test(`pairs by ${by} are what runs from the prompt say`, async () => {
    const found = await interactions(result, sae.hookOut, { top: 5, by });
    assert.deepEqual(JSON.parse(JSON.stringify(found)), found);
    assert.deepEqual([found.features.length, found.pairs.length, found.by], [5, 10, by]);
    const places = found.features.map((feature) => placesOf(result, feature));
    const alone: number[] = [];
    for (const group of places) alone.push(await effectFromPrompt(result, sae.hookOut, group));
    assertClose(found.features.map(({ effect }) => effect), alone, "alone");
    const joint: number[] = [];
    for (const { a, b } of found.pairs) {
      joint.push(await effectFromPrompt(result, sae.hookOut, [...places[a], ...places[b]]));
    }
    assertClose(found.pairs.map((pair) => pair.joint), joint, "joint");
    assertClose(
      found.pairs.map(({ interaction }) => interaction),
      found.pairs.map(({ a, b }, i) => joint[i] - alone[a] - alone[b]),
      "interaction",
    );
    const sizes = found.pairs.map(({ interaction }) => Math.abs(interaction));
    assert.deepEqual(sizes, sizes.toSorted((a, b) => b - a));
    const strengths = found.features.map(({ attribution }) => Math.abs(attribution));
    assert.deepEqual(strengths, strengths.toSorted((a, b) => b - a));
  });
}

Deno.test("features and positions choose", async () => {
  const some = await interactions(result, sae.hookOut, { features: [987, 189], positions: [2, -1] });
  assert.deepEqual(some.features.map(({ feature }) => feature).sort(), [189, 987]);
  const [{ joint }] = some.pairs;
  const groups = [2, 6].flatMap((position) => [{ position, feature: 189 }, { position, feature: 987 }]);
  const [expected] = await ablateJointly(result, sae.hookOut, [groups]);
  assertClose([joint], [expected], "joint");
  await assert.rejects(
    interactions(result, sae.hookOut, { features: [189, 5] }),
    /^RangeError: Feature 5 is not active in this prompt/,
  );
  await assert.rejects(
    interactions(result, sae.hookOut, { features: [9999] }),
    /^RangeError: There is no feature 9999/,
  );
});

Deno.test("Shapley values are mean marginal effects; with pairs they add up to what all do", async () => {
  const n = 5;
  const found = await faithShapley(result, sae.hookOut, { top: n, by: "feature-position" });
  assert.deepEqual(JSON.parse(JSON.stringify(found)), found);
  const places = found.features.map((feature) => placesOf(result, feature));
  const v: number[] = [];
  for (let mask = 0; mask < 2 ** n; mask++) {
    const gone = places.filter((_, i) => !(mask >> i & 1)).flat();
    v.push(result.metric - await effectFromPrompt(result, sae.hookOut, gone));
  }
  const factorial = (k: number): number => k < 2 ? 1 : k * factorial(k - 1);
  const shapley = Array.from({ length: n }, (_, i) => {
    let sum = 0;
    for (let mask = 0; mask < 2 ** n; mask++) {
      if (mask >> i & 1) continue;
      const size = [...Array(n).keys()].filter((j) => mask >> j & 1).length;
      sum += factorial(size) * factorial(n - 1 - size) / factorial(n) * (v[mask | 1 << i] - v[mask]);
    }
    return sum;
  });
  assertClose(found.shapley.map(({ value }) => value), shapley, "shapley");
  assertClose([found.metric, found.metricWithout], [result.metric, v[0]], "metrics");
  const sum = [...found.singles, ...found.pairs].reduce((total, { value }) => total + value, 0);
  assertClose([sum], [v[2 ** n - 1] - v[0]], "sum");
  assert.ok([...found.shapley, ...found.pairs].every(({ error }) => error === undefined) && !("samples" in found));
});

Deno.test("of more than 12, values are sampled, with errors, the same for the same seed", async () => {
  const found = await faithShapley(result, sae.hookOut, { top: 13, samples: 400, seed: 2 });
  assert.deepEqual([found.features.length, found.samples, found.seed], [13, 400, 2]);
  assert.ok([...found.shapley, ...found.singles, ...found.pairs].every(({ error }) => error! > 0));
  const whole = result.metric - found.metricWithout;
  const sum = found.shapley.reduce((total, { value }) => total + value, 0);
  assertClose([sum], [whole], "sum");
  assert.deepEqual(await faithShapley(result, sae.hookOut, { top: 13, samples: 400, seed: 2 }), found);
  await assert.rejects(
    faithShapley(result, sae.hookOut, { top: 13, samples: 100 }),
    /^RangeError: `samples` is 100: of 13 features take at least 364/,
  );
  await assert.rejects(
    faithShapley(result, sae.hookOut, { top: 80, by: "feature-position" }),
    /80 features are too many/,
  );
});

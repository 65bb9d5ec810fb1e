/** Selected sets: their figures by other ways to compute them, and that they are as small as they say. */
import assert from "node:assert/strict";
import {
  ablateJointly,
  type Attribution,
  calculateFeatureAttribution,
  type FeatureAt,
  loadModel,
  loadSae,
  logitDiff,
  type SelectedSet,
  selectFeatures,
} from "../../../mod.ts";
import { findCandidates } from "../../../lib/attribution/sets/candidates.ts";
import { MaskedRun } from "../../../lib/attribution/sets/masked_run.ts";
import { assertClose, DATA, goldenCases, openSaes, runGolden } from "../golden.ts";
import { effectFromPrompt } from "../whole_pass.ts";

const model = await loadModel("tiny-facts", { threads: 1, weights: "resident" });
const sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
Deno.test.afterAll(async () => {
  await sae.close();
  await model.close();
});

const QUESTIONS = [
  [" Tiger Woods plays the sport of", " golf", " tennis"],
  [" The keys to the cabinet", " are", " is"],
  [" The color of a banana is", " yellow", " green"],
] as const;

function attribute([prompt, positive, negative]: typeof QUESTIONS[number]): Promise<Attribution> {
  return calculateFeatureAttribution(model, prompt, logitDiff(positive, negative), { saes: [sae], diagnose: false });
}

/** All active features at positions. */
function activeAt(result: Attribution, hook: string): FeatureAt[] {
  const { rows, offsets, features } = result.parts.saes.get(hook)!.run.encoded.activations;
  return Array.from(
    { length: rows },
    (_, position) =>
      [...features.subarray(offsets[position], offsets[position + 1])].map((feature) => ({ position, feature })),
  ).flat();
}

const isIn = ({ features }: SelectedSet) => ({ position, feature }: FeatureAt): boolean =>
  features.some((one) => one.feature === feature && (one.position ?? position) === position);

/** The figures of a set from its features alone, each by a run from the prompt. */
async function checkFigures(result: Attribution, set: SelectedSet): Promise<void> {
  const active = activeAt(result, set.hook);
  const inside = isIn(set);
  const groups = [active, active.filter((at) => !inside(at)), active.filter(inside)];
  const effects: number[] = [];
  for (const group of groups) effects.push(await effectFromPrompt(result, set.hook, group));
  const [none, kept, without] = effects.map((effect) => result.metric - effect);
  assertClose([set.metricNone, set.metricKept, set.metricWithout], [none, kept, without], "metrics");
  const share = (metric: number): number => (metric - none) / (result.metric - none);
  assert.ok(Math.abs(set.kept - share(kept)) < 1e-4 && Math.abs(set.left - share(without)) < 1e-4);
}

for (const question of QUESTIONS) {
  Deno.test(`figures are those of runs from the prompt, and no feature can be spared:${question[0]}`, async () => {
    const result = await attribute(question);
    for (const direction of ["sufficient", "necessary", "both"] as const) {
      const set = await selectFeatures(result, sae.hookOut, { direction });
      await checkFigures(result, set);
      assert.ok(set.reached && set.keep === 0.9 && set.candidates === activeAt(result, sae.hookOut).length);
      const isKept = (kept: number): boolean => Math.abs(1 - kept) <= 0.1;
      const isTaken = (left: number): boolean => Math.abs(left) <= 0.1;
      assert.ok(direction === "necessary" || isKept(set.kept), `kept ${set.kept}`);
      assert.ok(direction === "sufficient" || isTaken(set.left), `left ${set.left}`);
      // Without any one of its features it is no such set.
      const active = activeAt(result, sae.hookOut);
      const whole = result.metric - set.metricNone;
      for (const gone of set.features) {
        const inside = isIn({ ...set, features: set.features.filter((one) => one !== gone) });
        const [out, only] = await ablateJointly(result, sae.hookOut, [
          active.filter((at) => !inside(at)),
          active.filter(inside),
        ]);
        const holds = (direction === "necessary" || isKept(1 - out / whole)) &&
          (direction === "sufficient" || isTaken(1 - only / whole));
        assert.ok(!holds, `${direction}: without feature ${gone.feature} at ${gone.position}`);
      }
    }
  });
}

Deno.test("what it finds is as small as the smallest of all sets", async () => {
  let tried = 0;
  for (const question of QUESTIONS) {
    const result = await attribute(question);
    const active = activeAt(result, sae.hookOut);
    const set = await selectFeatures(result, sae.hookOut);
    if (set.features.length > 3) continue;
    tried++;
    const smaller: FeatureAt[][] = set.features.length === 3
      ? active.flatMap((a, i) => active.slice(i + 1).map((b) => [a, b]))
      : active.map((a) => [a]);
    const others = smaller.map((kept) => active.filter((at) => !kept.includes(at)));
    const effects = set.features.length === 1 ? [] : await ablateJointly(result, sae.hookOut, others);
    const whole = result.metric - set.metricNone;
    assert.ok(effects.every((effect) => Math.abs(effect / whole) > 0.1), question[0]);
  }
  assert.ok(tried > 0);
});

Deno.test("a size is kept to, and more features are no worse", async () => {
  const result = await attribute(QUESTIONS[0]);
  const miss = async (size: number): Promise<number> => {
    const set = await selectFeatures(result, sae.hookOut, { size });
    assert.equal(set.features.length, size);
    assert.equal(set.keep, undefined);
    await checkFigures(result, set);
    return Math.abs(1 - set.kept);
  };
  const [one, three, ten] = [await miss(1), await miss(3), await miss(10)];
  assert.ok(three <= one && ten <= three && ten < 0.05, `${one} ${three} ${ten}`);
  const all = await selectFeatures(result, sae.hookOut, { size: 10_000 });
  assert.equal(all.features.length, all.candidates);
  assertClose([all.metricKept, all.metricWithout], [result.metric, all.metricNone], "all");
});

Deno.test("by feature: at all positions; and with means in the place of zeros", async () => {
  const result = await attribute(QUESTIONS[0]);
  const set = await selectFeatures(result, sae.hookOut, { by: "feature" });
  assert.ok(set.features.every(({ position }) => position === undefined));
  assert.equal(set.candidates, new Set(activeAt(result, sae.hookOut).map(({ feature }) => feature)).size);
  await checkFigures(result, set);
  const means = await selectFeatures(result, sae.hookOut, { ablation: "mean", size: 8 });
  const { data, dims: [n, width] } = await result.saeFeatureActivations(sae.hookOut);
  const mean = (f: number): number => {
    let sum = 0;
    for (let p = 1; p < n; p++) sum += data[p * width + f];
    return sum / (n - 1);
  };
  const features = Array.from({ length: width }, (_, f) => f).filter((f) => mean(f) !== 0 || data[f] !== 0);
  const nodes = Array.from(
    { length: n },
    (_, position) => features.map((feature) => ({ position, feature, baseline: mean(feature) })),
  ).flat();
  const inside = isIn(means);
  const [none, kept, without] = await ablateJointly(result, sae.hookOut, [
    nodes,
    nodes.filter((at) => !inside(at)),
    nodes.filter(inside),
  ]);
  assertClose(
    [means.metricNone, means.metricKept, means.metricWithout],
    [none, kept, without].map((effect) => result.metric - effect),
    "means",
  );
});

Deno.test("the same seed gives the same set; sets are plain data", async () => {
  const result = await attribute(QUESTIONS[2]);
  const options = { seed: 3, steps: 20, direction: "necessary" } as const;
  const set = await selectFeatures(result, sae.hookOut, options);
  assert.deepEqual(await selectFeatures(result, sae.hookOut, options), set);
  assert.deepEqual(JSON.parse(JSON.stringify(set)), set);
});

for (const name of ["gpt2-standard-resid_pre", "gpt2-two_saes", "gpt2-no_error-jumprelu", "gpt2-skip_transcoder"]) {
  Deno.test(`masks: at 0 and 1 those of exact runs, between them gradients as differences, ${name}`, async () => {
    const golden = goldenCases("seed").find((one) => one.name === name)!;
    await using model = await loadModel(new URL("models/gpt2/", DATA), { threads: 1 });
    const saes = await openSaes(golden);
    try {
      const result = await runGolden(model, golden, saes);
      const hook = result.hooks[0];
      const { features, entries: [entries] } = await findCandidates([result], hook, { by: "feature-position" });
      const count = features.length;
      const run = await MaskedRun.open({ result, hook, entries, count, options: {} });
      const set = features.map((_, i) => i).filter((i) => i % 3 === 0);
      const hard = Float64Array.from(features, (_, i) => i % 3 === 0 ? 1 : 0);
      for (const share of ["kept", "taken"] as const) {
        // In exact runs another SAE encodes again without the error term, which gradients do not see.
        const isSame = saes.length === 1 || golden.include_error_term;
        const [[exact], [soft]] = [await run.shares([set], share), await run.gradients([hard], share)];
        if (isSame) assertClose([soft.share], [exact], share);
        const mask = Float64Array.from(features, (_, i) => 0.3 + 0.5 * ((i * 7919) % 101) / 101);
        const [{ gradient }] = await run.gradients([mask], share);
        const direction = Float64Array.from(features, (_, i) => Math.cos(i));
        const step = 0.02;
        const moved = [step, -step].map((by) => mask.map((m, i) => m + by * direction[i]));
        const [up, down] = await run.gradients(moved, share);
        const difference = (up.share - down.share) / (2 * step);
        const along = gradient.reduce((sum, g, i) => sum + g * direction[i], 0);
        const scale = gradient.reduce((sum, g, i) => sum + Math.abs(g * direction[i]), 0);
        assert.ok(Math.abs(difference - along) < 5e-3 * scale, `${share}: ${difference} and ${along} of ${scale}`);
      }
    } finally {
      for (const one of saes) await one.close();
    }
  });
}

Deno.test("what cannot be selected is said", async () => {
  const result = await attribute(QUESTIONS[0]);
  const wrong = (options: object, message: RegExp): Promise<void> =>
    assert.rejects(selectFeatures(result, sae.hookOut, options), message);
  await wrong({ keep: 1.5 }, /^RangeError: `keep` is 1\.5: give a part/);
  await wrong({ keep: 0.5, size: 3 }, /^RangeError: `keep` and `size` are both there: give one$/);
  await wrong({ size: 0 }, /^RangeError: `size` is 0/);
  await wrong({ direction: "up" }, /^RangeError: direction of selectFeatures is "up": choose sufficient/);
  await wrong({ kep: 1 }, /^TypeError: selectFeatures has no option "kep": the nearest is "keep"/);
  await assert.rejects(selectFeatures(result, "blocks.9.hook_resid_pre"), /^RangeError: No SAE writes/);
});

Deno.test("so many features as the smallest set has do as well as it", async () => {
  for (const question of QUESTIONS) {
    const result = await attribute(question);
    const { features, kept } = await selectFeatures(result, sae.hookOut, { keep: 0.8 });
    const more = await selectFeatures(result, sae.hookOut, { size: features.length + 2 });
    assert.ok(Math.abs(1 - more.kept) <= Math.max(Math.abs(1 - kept), 0.2), `${more.kept} and ${kept}`);
  }
});

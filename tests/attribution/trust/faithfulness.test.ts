/** Faithfulness curves, against joint ablations and against steering to the mean. */
import assert from "node:assert/strict";
import {
  ablateJointly,
  calculateFeatureAttribution,
  evaluateFaithfulness,
  type FaithfulnessCurves,
  type FaithfulnessPoint,
  type Intervention,
  loadModel,
  loadSae,
  logitDiff,
  steer,
} from "../../../mod.ts";
import { assertClose, DATA, goldenCases, goldenMetric, openSaes, runGolden } from "../golden.ts";

const model = await loadModel(new URL("models/gpt2/", DATA), { threads: 1 });
Deno.test.afterAll(() => model.close());

const COUNTS = [1, 3, 10];

function metricAt({ points }: FaithfulnessCurves, mode: FaithfulnessPoint["mode"], k: number): number {
  return points.find((point) => point.mode === mode && point.k === k)!.metric;
}

for (
  const name of ["gpt2-standard-resid_pre", "gpt2-no_error-jumprelu", "gpt2-exclude_special_tokens", "gpt2-two_saes"]
) {
  const golden = goldenCases("seed").find((one) => one.name === name)!;
  Deno.test(`zero: what is left is what joint ablation leaves, ${name}`, async () => {
    const saes = await openSaes(golden);
    try {
      const result = await runGolden(model, golden, saes);
      const found = await evaluateFaithfulness(result, { counts: COUNTS });
      assert.deepEqual(found.map(({ hook }) => hook), result.hooks);
      for (const curves of found) {
        const { hook, nodes, metricNone } = curves;
        const rows = result.rows(hook).toSorted((a, b) => Math.abs(b.attribution) - Math.abs(a.attribution));
        assert.ok(nodes >= rows.length && nodes === result.parts.saes.get(hook)!.run.encoded.activations.values.length);
        const groups = COUNTS.flatMap((k) => [rows.slice(k), rows.slice(0, k)]);
        const effects = await ablateJointly(result, hook, [rows, ...groups]);
        const got = COUNTS.flatMap((k) => [metricAt(curves, "keep", k), metricAt(curves, "ablate", k)]);
        assertClose([metricNone, ...got], effects.map((effect) => result.metric - effect), hook);
        assert.equal(metricAt(curves, "keep", nodes), result.metric);
        assert.equal(metricAt(curves, "ablate", nodes), metricNone);
        checkFaithfulness(curves);
      }
    } finally {
      for (const sae of saes) await sae.close();
    }
  });

  Deno.test(`mean: what is left is what steering to the mean leaves, ${name}`, async () => {
    const saes = await openSaes(golden);
    try {
      const result = await runGolden(model, golden, saes);
      const [curves] = await evaluateFaithfulness(result, { counts: COUNTS, ablation: "mean" });
      const { hook } = curves;
      const { data, dims: [n, width] } = await result.saeFeatureActivations(hook);
      const { excluded } = result.parts.saes.get(hook)!.run;
      const gradients = (await result.saeFeatureGrads(hook)).data;
      const counted = [...Array(n).keys()].filter((p) => p > 0 && !excluded.has(p));
      const mean = (f: number): number => counted.reduce((sum, p) => sum + data[p * width + f], 0) / counted.length;
      const means = Array.from({ length: width }, (_, f) => mean(f));
      const nodes = [...data.keys()].map((i) => ({ position: Math.floor(i / width), feature: i % width, i }))
        .filter(({ position, feature, i }) => !excluded.has(position) && Math.fround(data[i] - means[feature]) !== 0);
      assert.equal(curves.nodes, nodes.length);
      const strength = ({ i, feature }: typeof nodes[number]): number =>
        Math.abs((data[i] - means[feature]) * gradients[i]);
      nodes.sort((a, b) => strength(b) - strength(a));
      const options = {
        saes,
        metric: goldenMetric(golden),
        includeErrorTerm: golden.include_error_term,
        prependBos: golden.prepend_bos,
        excludeSpecialTokens: golden.exclude_special_tokens,
      };
      const after = async (changed: typeof nodes): Promise<number> => {
        const interventions = changed.map(({ position, feature }): Intervention => (
          { hook, position, feature, how: "set", value: means[feature] }
        ));
        return (await steer(model, golden.prompt, interventions, options)).metric!.after;
      };
      for (const k of COUNTS) {
        const want = [await after(nodes.slice(k)), await after(nodes.slice(0, k))];
        assertClose([metricAt(curves, "keep", k), metricAt(curves, "ablate", k)], want, `K = ${k}`);
      }
      assertClose([curves.metricNone], [await after(nodes)], "all");
    } finally {
      for (const sae of saes) await sae.close();
    }
  });
}

/** Shares of what all features are worth, and the trapezoids over ln K. */
function checkFaithfulness({ points, metricAll, metricNone, area }: FaithfulnessCurves): void {
  for (const { metric, faithfulness } of points) {
    assert.ok(Math.abs(faithfulness! - (metric - metricNone) / (metricAll - metricNone)) < 1e-9);
  }
  for (const mode of ["keep", "ablate"] as const) {
    const curve = points.filter((point) => point.mode === mode);
    let sum = 0;
    for (let i = 1; i < curve.length; i++) {
      sum += Math.log(curve[i].k / curve[i - 1].k) * (curve[i].faithfulness! + curve[i - 1].faithfulness!) / 2;
    }
    assert.ok(Math.abs(area[mode]! - sum / Math.log(curve[curve.length - 1].k / curve[0].k)) < 1e-9);
  }
}

Deno.test("one token has no mean", async () => {
  const golden = goldenCases("seed").find((one) => one.name === "gpt2-single_token")!;
  const saes = await openSaes(golden);
  try {
    const result = await runGolden(model, golden, saes);
    assert.equal(result.tokens.length, 1);
    await assert.rejects(evaluateFaithfulness(result, { ablation: "mean" }), /^RangeError: A mean leaves out/);
    await assert.rejects(
      evaluateFaithfulness(result, { counts: [0] }),
      /^RangeError: The count 0 is not a whole number/,
    );
    assert.equal((await evaluateFaithfulness(result))[0].points[0].k, 1);
  } finally {
    for (const sae of saes) await sae.close();
  }
});

Deno.test("in the learnt order the first few keep more than the strongest do, and the curves end where they did", async () => {
  await using model = await loadModel("tiny-facts", { threads: 1, weights: "resident" });
  await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
  const metric = logitDiff(" golf", " tennis");
  const prompt = " Tiger Woods plays the sport of";
  const result = await calculateFeatureAttribution(model, prompt, metric, { saes: [sae], diagnose: false });
  const [usual] = await evaluateFaithfulness(result, { counts: [5, 10] });
  const [learnt] = await evaluateFaithfulness(result, { counts: [5, 10], order: "learnt" });
  assert.deepEqual([learnt.nodes, learnt.metricNone], [usual.nodes, usual.metricNone]);
  for (const k of [5, 10]) {
    const miss = ({ points }: FaithfulnessCurves): number =>
      Math.abs(1 - points.find((point) => point.mode === "keep" && point.k === k)!.faithfulness!);
    assert.ok(miss(learnt) < miss(usual), `K = ${k}: ${miss(learnt)} and ${miss(usual)}`);
  }
  assert.equal(metricAt(learnt, "keep", learnt.nodes), result.metric);
  checkFaithfulness(learnt);
});

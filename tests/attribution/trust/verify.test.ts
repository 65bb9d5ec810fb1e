/** Attributions against exact ablation, figure by figure; and the statistics. */
import assert from "node:assert/strict";
import {
  calculateFeatureAttribution,
  loadModel,
  loadSae,
  logitDiff,
  patchFeatures,
  verifyAttribution,
} from "../../../mod.ts";
import { pearson, slope, spearman } from "../../../lib/attribution/trust/statistics.ts";
import { assertClose, DATA, goldenCases, openSaes, runGolden } from "../golden.ts";
import { effectFromPrompt } from "../whole_pass.ts";

const model = await loadModel(new URL("models/gpt2/", DATA), { threads: 1 });
Deno.test.afterAll(() => model.close());

for (const name of ["gpt2-standard-resid_pre", "gpt2-two_saes", "gpt2-no_error-standard"]) {
  Deno.test(`the figures are those of the rows, and these are exact: ${name}`, async () => {
    const golden = goldenCases("seed").find((one) => one.name === name)!;
    const saes = await openSaes(golden);
    try {
      const result = await runGolden(model, golden, saes);
      const { hooks, ...asked } = await verifyAttribution(result, { count: 6, seed: 3 });
      assert.deepEqual(asked, { count: 6, seed: 3, downstream_error: "recomputed" });
      assert.deepEqual(hooks.map(({ hook }) => hook), result.hooks);
      for (const found of hooks) {
        const { hook, rows } = found;
        const sorted = result.rows(hook).toSorted((a, b) => Math.abs(b.attribution) - Math.abs(a.attribution));
        const places = rows.map(({ position, feature }) => `${position} ${feature}`);
        assert.deepEqual(
          places.slice(0, 6),
          sorted.slice(0, 6).map(({ position, feature }) => `${position} ${feature}`),
        );
        const random = Math.min(6, Math.max(0, sorted.length - 6));
        assert.equal(new Set(places).size, Math.min(6, sorted.length) + random);
        const chosen = [...sorted.slice(0, 6).map(() => "strongest"), ...Array(random).fill("random")];
        assert.deepEqual(rows.map((row) => row.chosen), chosen);
        const exact: number[] = [];
        for (const row of rows) exact.push(await effectFromPrompt(result, hook, [row]));
        assertClose(rows.map(({ effect }) => effect), exact, "effects");
        const joint = await effectFromPrompt(result, hook, sorted.slice(0, 6));
        assertClose([found.joint_ablation.effect], [joint], "joint");
        const x = rows.map(({ attribution }) => attribution);
        const y = rows.map(({ effect }) => effect);
        assert.deepEqual(
          [found.pearson, found.spearman, found.spearman_random, found.slope],
          [pearson(x, y), spearman(x, y), random === 0 ? null : spearman(x.slice(6), y.slice(6)), slope(x, y)],
        );
        const floor = 1e-5 * Math.abs(result.metric);
        const counted = rows.filter(({ effect }) => Math.abs(effect) > floor);
        assert.equal(found.noise_floor, floor);
        assert.deepEqual(found.sign_agreement, {
          agree: counted.filter(({ attribution, effect }) => attribution * effect > 0).length,
          of: counted.length,
        });
        const off = rows.map(({ attribution, effect }) => Math.abs(effect - attribution));
        assert.deepEqual(found.worst, rows[off.indexOf(Math.max(...off))]);
        const sum = x.slice(0, 6).reduce((a, b) => a + b, 0);
        assert.ok(Math.abs(found.joint_ablation.sum_of_attributions - sum) < 1e-9);
      }
    } finally {
      for (const sae of saes) await sae.close();
    }
  });
}

Deno.test("the seed decides which random features are taken; errors further up that are frozen matter", async () => {
  const golden = goldenCases("seed").find((one) => one.name === "gpt2-two_saes")!;
  const saes = await openSaes(golden);
  try {
    const result = await runGolden(model, golden, saes);
    const random = async (seed: number): Promise<number[]> =>
      (await verifyAttribution(result, { count: 5, seed })).hooks[0].rows.slice(5).map(({ feature }) => feature);
    assert.deepEqual(await random(1), await random(1));
    assert.notDeepEqual(await random(1), await random(2));
    const [total, frozen] = await Promise.all((["recomputed", "frozen"] as const).map(async (downstreamError) => {
      const { hooks: [{ rows }] } = await verifyAttribution(result, { count: 5, downstreamError });
      return rows.map(({ effect }) => effect);
    }));
    assert.ok(total.some((effect, i) => Math.abs(effect - frozen[i]) > 1e-3));
  } finally {
    for (const sae of saes) await sae.close();
  }
});

Deno.test("where there is nothing to compare, figures are null", async () => {
  await using tiny = await loadModel("tiny-facts", { threads: 1 });
  await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
  const metric = logitDiff(" golf", " tennis");
  const ids = (await tiny.toTokens(" golf")).slice(0, 1);
  const result = await calculateFeatureAttribution(tiny, ids, metric, { saes: [sae], excludeSpecialTokens: ids });
  const { hooks: [found] } = await verifyAttribution(result);
  assert.deepEqual([found.pearson, found.slope, found.worst, found.rows.length], [null, null, null, 0]);
  assert.deepEqual(found.joint_ablation, { effect: found.joint_ablation.effect, sum_of_attributions: 0 });
  assert.ok(Math.abs(found.joint_ablation.effect) < 1e-5);
  await assert.rejects(verifyAttribution(result, { count: 0 }), /^RangeError: The count is 0/);
});

Deno.test("with a baseline, features are put to it: as from the prompt, one by one", async () => {
  await using tiny = await loadModel("tiny-facts", { threads: 1 });
  await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
  const options = { saes: [sae], baseline: { prompt: " Babe Ruth plays the sport of" } };
  const prompt = " Tiger Woods plays the sport of";
  const result = await calculateFeatureAttribution(tiny, prompt, logitDiff(" golf", " tennis"), options);
  const { hooks: [{ rows }] } = await verifyAttribution(result, { count: 8 });
  const chosen = rows.map(({ position, feature }) =>
    result.rows(sae.hookOut).find((row) => row.position === position && row.feature === feature)!
  );
  assert.ok(chosen.some(({ baseline }) => baseline !== 0));
  const wanted: number[] = [];
  for (const row of chosen) wanted.push(await effectFromPrompt(result, sae.hookOut, [row]));
  assertClose(rows.map(({ effect }) => effect), wanted, "effects");
  const patched = await patchFeatures(tiny, result, sae.hookOut, chosen);
  assertClose(patched.map(({ effect }) => effect), wanted, "patched");
});

Deno.test("correlations and slopes", () => {
  assert.ok(Math.abs(pearson([1, 2, 3, 4], [2, 1, 4, 3]) - 0.6) < 1e-12);
  assert.ok(Math.abs(spearman([1, 2, 2, 10], [0.1, 5, 6, 100]) - Math.sqrt(0.9)) < 1e-12); // ties share their rank
  assert.ok(Math.abs(slope([0, 1, 2], [1, 3, 5]) - 2) < 1e-12);
  assert.ok(Number.isNaN(pearson([1, 1], [1, 2])));
});

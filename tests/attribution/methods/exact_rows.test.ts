/** Exact effects as attributions, and rows that know how far they can be trusted. */
import assert from "node:assert/strict";
import {
  ablateFeatures,
  ablateJointly,
  type Attribution,
  type AttributionOptions,
  type AttributionRow,
  calculateFeatureAttribution,
  calculateFeatureAttributions,
  emitPython,
  klToClean,
  loadModel,
  loadSae,
  logitDiff,
  longTable,
  positionTable,
} from "../../../mod.ts";
import { curvatures } from "../../../lib/attribution/trust/curvature.ts";
import { isDistrusted } from "../../../lib/attribution/result/distrust.ts";
import { slope } from "../../../lib/attribution/trust/statistics.ts";
import { verifyAttribution } from "../../../lib/attribution/trust/verify.ts";
import { DATA, goldenCases, goldenMetric, openSaes } from "../golden.ts";
import { effectFromPrompt } from "../whole_pass.ts";

const GOLF = " Tiger Woods plays the sport of";
const METRIC = logitDiff(" golf", " tennis");

const key = ({ position, feature }: { position: number; feature: number }): string => `${position} ${feature}`;
const largest = (values: readonly number[]): number => Math.max(...values.map(Math.abs));
const bySize = (rows: readonly AttributionRow[]): AttributionRow[] =>
  rows.toSorted((a, b) => Math.abs(b.attribution) - Math.abs(a.attribution));

const tiny = await loadModel("tiny-facts", { threads: 1 });
const sae = await loadSae("tiny-facts/blocks.2.hook_resid_pre");

Deno.test.afterAll(async () => {
  await sae.close();
  await tiny.close();
});

const attribute = (options: AttributionOptions = {}, prompt = GOLF): Promise<Attribution> =>
  calculateFeatureAttribution(tiny, prompt, METRIC, { saes: [sae], ...options });

Deno.test("every row of ablation is the effect of a pass from the prompt, and what ablateFeatures says", async () => {
  await using gpt2 = await loadModel(new URL("models/gpt2/", DATA), { threads: 1 });
  const tokens = [0, 341, 348, 304, 347, 12];
  for (const names of [["g-std-pre2"], ["g-std-z1"], ["g-avg-pre1", "g-std-pre2"]]) {
    const saes = await Promise.all(names.map((name) => loadSae(new URL(`saes/${name}/`, DATA))));
    for (const includeErrorTerm of [true, false]) {
      for (const metricPosition of [-1, 2]) {
        const metric = logitDiff(364, 296, { position: metricPosition });
        const options = { saes, includeErrorTerm };
        const plain = await calculateFeatureAttribution(gpt2, tokens, metric, options);
        const exact = await calculateFeatureAttribution(gpt2, tokens, metric, { ...options, method: "ablation" });
        for (const hook of plain.hooks) {
          const rows = exact.rows(hook);
          assert.ok(rows.length > 0 && rows.every((row) => row.exact === true));
          const wanted = new Map<string, number>();
          const said = await ablateFeatures(plain, hook, [...rows]);
          for (const { position, feature, effect } of said) wanted.set(key({ position, feature }), effect);
          const most = largest([...wanted.values()]);
          for (const row of rows) {
            const what = `${names} ${hook} ${key(row)}`;
            assert.ok(Math.abs(row.attribution - wanted.get(key(row))!) <= 1e-6 * most + 1e-9, what);
          }
          for (const row of rows.filter((_, i) => i % Math.ceil(rows.length / 8) === 0)) {
            const effect = await effectFromPrompt(plain, hook, [row]);
            assert.ok(Math.abs(row.attribution - effect) <= 1e-5 * most + 1e-6, `${names} ${hook} ${key(row)}`);
          }
          // All that are active where the metric can see them, and no others.
          const { offsets, features } = plain.parts.saes.get(hook)!.entries;
          const last = plain.parts.grads.rows[0];
          assert.ok(rows.length <= offsets[last + 1] && rows.length >= 0.9 * offsets[last + 1], `${features.length}`);
          const gradients = new Map(plain.rows(hook).map((row) => [key(row), row.gradient]));
          for (const row of rows) assert.equal(row.gradient, gradients.get(key(row)) ?? 0);
        }
      }
    }
    for (const one of saes) await one.close();
  }
});

/** Of a golden case, the largest attributions and their exact effects: float64, TransformerLens and SAELens. */
interface WithEffects {
  readonly expected: {
    readonly extra?: { readonly ablation: readonly [position: number, feature: number, number, effect: number][] };
  };
}

const withEffects = [...goldenCases("seed"), ...goldenCases("seed", "cases/families/")].filter((golden) =>
  (golden as unknown as WithEffects).expected.extra !== undefined
);

Deno.test("rows of ablation are the effects that the reference stack measures", async () => {
  assert.equal(withEffects.length, 6);
  for (const golden of withEffects) {
    await using model = await loadModel(new URL(`${golden.model}/`, DATA), { threads: 1 });
    const [one] = await openSaes(golden);
    const options = { saes: [one], method: "ablation", includeErrorTerm: golden.include_error_term } as const;
    const result = await calculateFeatureAttribution(model, [...golden.tokens], goldenMetric(golden), options);
    const found = new Map(result.rows(one.hookOut).map((row) => [key(row), row.attribution]));
    const { ablation } = (golden as unknown as WithEffects).expected.extra!;
    const most = largest(ablation.map(([, , , effect]) => effect));
    for (const [position, feature, , effect] of ablation) {
      const got = found.get(key({ position, feature })) ?? 0;
      assert.ok(
        Math.abs(got - effect) <= 1e-5 * most + 1e-6,
        `${golden.name} ${position} ${feature}: ${got}, ${effect}`,
      );
    }
    await one.close();
  }
});

Deno.test("with a baseline the effect is that of the baseline's activation; with KL that of the divergence", async () => {
  const baseline = { prompt: " Babe Ruth plays the sport of" };
  const exact = await attribute({ method: "ablation", baseline });
  const rows = exact.rows(sae.hookOut);
  const [strongest] = bySize(rows.filter((row) => row.baseline !== 0));
  const wanted = await effectFromPrompt(exact, sae.hookOut, [strongest]);
  assert.ok(Math.abs(strongest.attribution - wanted) <= 1e-5);
  const kl = await calculateFeatureAttribution(tiny, GOLF, klToClean(), {
    saes: [sae],
    method: "ablation",
    includeErrorTerm: false,
  });
  const [first] = bySize(kl.rows(sae.hookOut));
  assert.ok(Math.abs(first.attribution - await effectFromPrompt(kl, sae.hookOut, [first])) <= 1e-6);
});

Deno.test("with limits the strongest by gradient are exact, and the others stay the gradient's", async () => {
  const plain = bySize((await attribute()).rows(sae.hookOut));
  for (const [limits, count] of [[{ rows: 7 }, 7], [{ budget: 1e-6 }, 16], [{ budget: 1e6 }, plain.length]] as const) {
    const progress: number[][] = [];
    const onProgress = (done: number, total: number): void => void progress.push([done, total]);
    const some = await attribute({ method: "ablation", exact: limits, onProgress });
    const exact = some.rows(sae.hookOut).filter((row) => row.exact);
    assert.deepEqual(exact.map(key).sort(), plain.slice(0, count).map(key).sort());
    const others = new Map(plain.slice(count).map((row) => [key(row), row.attribution]));
    const rest = some.rows(sae.hookOut).filter((row) => !row.exact);
    assert.equal(rest.length, others.size);
    for (const row of rest) assert.equal(row.attribution, others.get(key(row)));
    assert.equal(progress.at(-1)![0], count);
    const { columns, rows } = await longTable(some);
    assert.deepEqual(columns, ["position", "feature", "attribution", "exact"]);
    assert.equal([...rows].filter(([, , , isExact]) => isExact === true).length, count);
    assert.equal(some.summary().saes[0].exact_rows, count);
  }
});

Deno.test("refined, the strongest and the least reliable rows are exact, of any method", async () => {
  const effects = new Map(
    (await attribute({ method: "ablation" })).rows(sae.hookOut).map((row) => [key(row), row.attribution]),
  );
  for (const method of ["gradient", "relp"] as const) {
    const plain = bySize((await attribute({ method })).rows(sae.hookOut));
    const refined = await attribute({ method, exact: { refine: 10 } });
    const exact = refined.rows(sae.hookOut).filter((row) => row.exact);
    assert.equal(exact.length, 20);
    for (const row of exact) assert.ok(Math.abs(row.attribution - effects.get(key(row))!) <= 2e-6);
    const names = new Set(exact.map(key));
    assert.ok(plain.slice(0, 10).every((row) => names.has(key(row))));
    const error = (row: AttributionRow): number => Math.abs(row.attribution - effects.get(key(row))!);
    const mean = (rows: readonly AttributionRow[]): number =>
      rows.reduce((sum, row) => sum + error(row), 0) / rows.length;
    const [replaced, left] = [true, false].map((is) => plain.slice(10).filter((row) => names.has(key(row)) === is));
    assert.ok(mean(replaced) > 2 * mean(left), `${method}: ${mean(replaced)} ${mean(left)}`);
  }
});

Deno.test("several prompts: the rows of each are those of the prompt alone", async () => {
  const prompts = [GOLF, " Roger Federer plays the sport of"];
  const options = { saes: [sae], exact: { curvature: 3, refine: 2 } };
  const outcomes = await calculateFeatureAttributions(
    tiny,
    prompts.map((prompt) => ({ prompt, metric: METRIC })),
    options,
  );
  for (const [i, outcome] of outcomes.entries()) {
    assert.ok(outcome.status === "fulfilled");
    const alone = await attribute(options, prompts[i]);
    const [ours, theirs] = [outcome.value, alone].map((one) => one.rows(sae.hookOut));
    assert.deepEqual(ours.map(key), theirs.map(key));
    ours.forEach((row, k) => assert.ok(Math.abs(row.attribution - theirs[k].attribution) <= 1e-6));
    assert.deepEqual(ours.map((row) => row.exact), theirs.map((row) => row.exact));
  }
});

Deno.test("the curvature is the difference of the metric's slopes here and where the feature is gone", async () => {
  const result = await attribute();
  const run = result.parts.grads.saeRuns.get(sae.hookOut)!;
  const rows = bySize(result.rows(sae.hookOut)).slice(0, 12);
  const found = await curvatures(result.parts, run, rows);
  for (const [i, { position, feature, activation }] of rows.entries()) {
    const step = 0.05 * activation;
    const at = [activation + step, activation - step, step, -step];
    const effects = await ablateJointly(
      result,
      sae.hookOut,
      at.map((baseline) => [{ position, feature, baseline }]),
    );
    const [here, gone] = [0, 2].map((k) => (effects[k + 1] - effects[k]) / (2 * step));
    const scale = Math.abs(here) + Math.abs(gone);
    assert.ok(Math.abs(found[i].curvature - (here - gone)) <= 0.01 * scale, `${feature}: ${found[i].curvature}`);
    assert.ok(Math.abs(found[i].secondOrder - activation * (here + gone) / 2) <= 0.01 * scale * activation);
  }
  const together = await curvatures(result.parts, run, rows.slice(0, 1), { together: true });
  assert.ok(Math.abs(together[0].curvature - found[0].curvature) <= 1e-6);
});

Deno.test("on the bundled prompts, second order halves the worst error of the slope, and flags find what is wrong", async () => {
  const { prompts } = JSON.parse(
    await Deno.readTextFile(new URL("../../../models/bundled/prompts.json", import.meta.url)),
  );
  const worst = { first: 0, second: 0 };
  const counts = { wrong: 0, flagged: 0, right: 0 };
  for (const { prompt, pos_token, neg_token } of prompts) {
    const result = await calculateFeatureAttribution(tiny, prompt, logitDiff(pos_token, neg_token), {
      saes: [sae],
      exact: { curvature: 1000 },
    });
    const rows = result.rows(sae.hookOut);
    const effects = (await ablateFeatures(result, sae.hookOut)).map(({ effect }) => effect);
    const off = (estimates: readonly number[]): number => Math.abs(slope(estimates, effects) - 1);
    worst.first = Math.max(worst.first, off(rows.map(({ attribution }) => attribution)));
    worst.second = Math.max(worst.second, off(rows.map(({ secondOrder }) => secondOrder!)));
    rows.forEach((row, i) => {
      if (Math.abs(effects[i]) <= 1e-5 * Math.abs(result.metric)) return; // float32's rounding
      const ratio = row.attribution / effects[i];
      const isWrong = !(ratio >= 0.5 && ratio <= 2);
      const isFlagged = isDistrusted(row)!;
      if (isWrong) counts.wrong++;
      if (isFlagged) counts.flagged++;
      if (isWrong && isFlagged) counts.right++;
    });
  }
  console.log("worst |slope - 1|", worst, "rows", counts);
  assert.ok(worst.second <= worst.first / 2, `${worst.second} of ${worst.first}`);
  assert.ok(counts.wrong > 50 && counts.right >= 0.8 * counts.wrong, JSON.stringify(counts));
  assert.ok(counts.right >= 0.5 * counts.flagged, JSON.stringify(counts));
});

Deno.test("the summary names rows that are not to be trusted, and verifying counts how many were", async () => {
  const prompt = " Roger Federer plays the sport of";
  const metric = logitDiff(" tennis", " golf");
  const result = await calculateFeatureAttribution(tiny, prompt, metric, { saes: [sae], exact: { curvature: 60 } });
  const flagged = result.rows(sae.hookOut).filter(isDistrusted);
  assert.ok(flagged.length > 0);
  const [line] = result.warnings.filter((text) => text.includes("not to be trusted"));
  assert.match(
    line,
    new RegExp(`^Of the 60 rows at ${sae.hookOut} whose curvature is known, ${flagged.length} are not`),
  );
  const { hooks: [{ reliability }] } = await verifyAttribution(result, { count: 60 });
  assert.ok(reliability !== null && reliability.known > 50 && reliability.flagged_wrong <= reliability.wrong);
  assert.ok(reliability.flagged_wrong >= 0.5 * reliability.flagged);
  const { hooks: [plain] } = await verifyAttribution(await attribute(), { count: 3 });
  assert.equal(plain.reliability, null);
});

Deno.test("what has no meaning is refused in one line", async () => {
  const cases: [AttributionOptions, RegExp][] = [
    [
      { exact: { rows: 3 } },
      /^RangeError: exact\.rows and exact\.budget are for the method ablation, not for gradient/,
    ],
    [{ exact: { budget: 3 }, method: "relp" }, /are for the method ablation, not for relp/],
    [{ exact: { refine: 3 }, method: "ablation" }, /^RangeError: exact\.refine makes rows of other methods exact/],
    [{ exact: { refine: -1 } }, /^RangeError: refine of exact is -1: give a whole number/],
    [{ exact: { budget: 0 }, method: "ablation" }, /^RangeError: budget of exact is 0: give a number above 0/],
    [{ method: "ablation", trackHookPoints: ["hook_embed"] }, /^RangeError: Exact effects are of SAE features only/],
  ];
  for (const [options, message] of cases) await assert.rejects(attribute(options), message);
  const exact = await attribute({ method: "ablation" });
  assert.throws(() => positionTable(exact), /^RangeError: Sums by position are of activation × gradient/);
  assert.throws(() => emitPython(exact), /^RangeError: The method ablation has no Python counterpart/);
  const refined = await attribute({ exact: { refine: 1 } });
  assert.throws(() => emitPython(refined), /^RangeError: Exact rows and curvatures have no Python counterpart/);
});

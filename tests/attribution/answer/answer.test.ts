/** Each token of an answer has the rows that an attribution of the text before it has. */
import assert from "node:assert/strict";
import {
  type AnswerOptions,
  type Attribution,
  type AttributionOptions,
  calculateAnswerAttribution,
  calculateFeatureAttribution,
  loadModel,
  loadSae,
  logit,
  logitDiff,
  logProb,
  type Metric,
  prob,
  runnerUpLogitDiff,
} from "../../../mod.ts";
import { openOptions } from "../../runtime/open_options.ts";
import { DATA, type GoldenCase, goldenCases, goldenPrependBos, openSaes } from "../golden.ts";
import { goldenModels } from "../golden_models.ts";

const openModel = goldenModels(openOptions);
const FAMILIES = new URL("cases/families/", DATA);
const families = [...Deno.readDirSync(FAMILIES)].map(({ name }) => name).filter((name) => name.endsWith(".json"))
  .map((name) => JSON.parse(Deno.readTextFileSync(new URL(name, FAMILIES))) as GoldenCase);
const cases = [...goldenCases("seed"), ...families].filter(({ saes }) => saes.length > 0);

/** The share of the largest attribution by which a row may differ: float32's rounding. */
const ROUNDING = 1e-6;
let worst = 0;
Deno.test.afterAll(() => {
  console.log(
    `worst difference between a token of an answer and the text so far: ${worst.toExponential(1)} of the largest`,
  );
});

/** Rows as numbers: all columns of all hooks, in the order of place. */
function numbers(result: Attribution, hook: string): { keys: string[]; attributions: number[]; direct: number[] } {
  const rows = result.rows(hook).toSorted((a, b) => a.position - b.position || a.feature - b.feature);
  return {
    keys: rows.map(({ position, feature }) => `${position} ${feature}`),
    attributions: rows.map(({ attribution }) => attribution),
    direct: rows.map(({ directEffect }) => directEffect ?? 0),
  };
}

function assertSame(got: Attribution, want: Attribution, name: string): void {
  assert.deepEqual(got.tokens, want.tokens);
  assert.deepEqual(got.hooks, want.hooks);
  assert.ok(Math.abs(got.metric - want.metric) <= 2e-6 * Math.max(1, Math.abs(want.metric)), `${name}: metric`);
  for (const hook of want.hooks) {
    const [a, b] = [numbers(got, hook), numbers(want, hook)];
    assert.deepEqual(a.keys, b.keys, `${name}: rows at ${hook}`);
    const parts = (result: Attribution): number[] => {
      const { features, bias, error, total } = result.decomposition[hook];
      return [...features, ...bias, ...error, ...total];
    };
    for (
      const [x, y] of [[a.attributions, b.attributions], [a.direct, b.direct], [parts(got), parts(want)]] as const
    ) {
      const largest = Math.max(...y.map(Math.abs), 0);
      const difference = Math.max(...x.map((value, i) => Math.abs(value - y[i])), 0);
      assert.ok(difference <= ROUNDING * largest, `${name}, ${hook}: ${difference} of ${largest}`);
      if (largest > 0) worst = Math.max(worst, difference / largest);
    }
    assert.deepEqual(got.fit[hook], want.fit[hook], `${name}: fit at ${hook}`);
  }
}

for (const golden of cases) {
  Deno.test(`golden ${golden.name}: each token of an answer as after the text so far`, async () => {
    const model = await openModel(golden.model);
    const saes = await openSaes(golden);
    try {
      const options: AttributionOptions = {
        saes,
        includeErrorTerm: golden.include_error_term,
        prependBos: goldenPrependBos(golden),
        excludeSpecialTokens: golden.exclude_special_tokens,
        diagnose: false,
      };
      const { nCtx, dVocab } = model.architecture.config;
      const prompt = golden.tokens.slice(0, nCtx - 4);
      const answer = [0, 1, 2, 3].map((i) => (i * 41 + 17) % dVocab);
      const { targets, tokens, promptLength } = await calculateAnswerAttribution(model, prompt, answer, options);
      assert.deepEqual(targets.map(({ position }) => position), answer.map((_, i) => prompt.length + i));
      assert.equal(promptLength, prompt.length);
      const ids = tokens.map(({ id }) => id);
      assert.deepEqual(ids, [...prompt, ...answer]);
      for (const { position, token, attribution } of targets) {
        const metric = logProb(token.id);
        const alone = await calculateFeatureAttribution(model, ids.slice(0, position), metric, options);
        assertSame(attribution, alone, `token ${position}`);
      }
    } finally {
      for (const sae of saes) await sae.close();
    }
  });
}

const PROMPT =
  " Tiger Woods plays the sport of golf. Roger Federer plays the sport of tennis. Babe Ruth plays the sport";
const ANSWER = " of baseball. Tiger Woods plays";

Deno.test("along an answer: metrics, methods, means, direct effects, without error, some tokens", async () => {
  await using model = await loadModel("tiny-facts", openOptions());
  await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
  await using transcoder = await loadSae("tiny-facts/blocks.2.hook_mlp_out");
  const saes = [sae, transcoder];
  const cases: readonly [AnswerOptions, (id: number) => Metric][] = [
    [{}, (id) => logProb(id)],
    [{ metric: "logit", method: "relp" }, (id) => logit(id)],
    [{ metric: "prob", includeErrorTerm: false }, (id) => prob(id)],
    [{ metric: "logit-diff", directEffect: true, method: "frozen-pattern" }, (id) => runnerUpLogitDiff(id)],
    [{ baseline: "mean", answerPositions: [1, { start: -2 }] }, (id) => logProb(id)],
    [{ saes: [sae], excludeSpecialTokens: true, metric: "logit-diff" }, (id) => runnerUpLogitDiff(id)],
  ];
  for (const [given, metric] of cases) {
    const all = { saes, ...given };
    const { tokens, targets, promptLength } = await calculateAnswerAttribution(model, PROMPT, ANSWER, all);
    const ids = tokens.map(({ id }) => id);
    const answer = ids.length - promptLength;
    const wanted = given.answerPositions ? [1, answer - 2, answer - 1] : ids.slice(promptLength).map((_, i) => i);
    assert.deepEqual(targets.map(({ position }) => position - promptLength), wanted);
    const { answerPositions: _, metric: __, ...options } = all;
    for (const { position, token, prediction, attribution } of targets) {
      const prefix = ids.slice(0, position);
      const alone = await calculateFeatureAttribution(model, prefix, metric(token.id), {
        ...options,
        topPredictions: 400,
      });
      assertSame(attribution, alone, `${JSON.stringify(given)} ${position}`);
      const same = alone.predictions.find(({ id }) => id === token.id)!;
      assert.equal(prediction.rank, same.rank);
      assert.ok(Math.abs(prediction.probability - same.probability) <= 1e-6);
    }
  }
});

Deno.test("the runner-up is the strongest other token, also where the token is not the first", async () => {
  await using model = await loadModel("tiny-facts", openOptions());
  const options = { topPredictions: 3 };
  for (const token of [" golf", " tennis", " Paris"]) {
    const result = await calculateFeatureAttribution(
      model,
      " Tiger Woods plays the sport of",
      runnerUpLogitDiff(token),
      options,
    );
    const [other] = result.predictions.filter((one) => one.token.trim() !== token.trim());
    const metric = logitDiff(token, other.id);
    const want = await calculateFeatureAttribution(model, " Tiger Woods plays the sport of", metric, options);
    assert.equal(result.metric, want.metric);
  }
});

Deno.test("what cannot be asked along an answer is said", async () => {
  await using model = await loadModel("tiny-facts", openOptions());
  await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
  const ask = (answer: string, options: object): Promise<unknown> =>
    calculateAnswerAttribution(model, " Tiger Woods", answer, { saes: [sae], ...options });
  const wrong: readonly [string, object, RegExp][] = [
    ["", {}, /^The answer has no tokens: give some text \(`answerText`\)$/],
    [" plays golf", { answerPositions: [2] }, /^There is no position 2: an answer of 2 tokens has 0 to 1/],
    [" plays", { method: "integrated-gradients" }, /^The method integrated-gradients takes many passes for each token/],
    [" plays", { method: "ablation" }, /^The method ablation takes many passes for each token/],
    [" plays", { baseline: { prompt: " Babe Ruth" } }, /^Along an answer activations are compared with zero/],
    [" plays".repeat(300), {}, /do not fit the model's context/],
    [" plays", { metric: "loss" }, /metric/],
    [" plays", { trackHookPoints: ["blocks.0.hook_resid_pre"] }, /trackHookPoints/],
  ];
  for (const [answer, options, message] of wrong) await assert.rejects(ask(answer, options), { message });
});

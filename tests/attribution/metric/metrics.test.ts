import assert from "node:assert/strict";
import {
  applySaesAndRun,
  type AttributionOptions,
  calculateFeatureAttribution,
  checkAttribution,
  graphMetric,
  klToClean,
  loadModel,
  loadSae,
  logit,
  logitDiff,
  logProb,
  logSoftmax,
  loss,
  type Metric,
  mul,
  neg,
  prob,
  reduceSum,
  softmax,
  targetText,
  testPrompt,
  topTwoLogitDiff,
  weightedLogits,
} from "../../../mod.ts";
import { NAMED_METRICS } from "../../../lib/attribution/metric/names.ts";
import { topIndices } from "../../../lib/attribution/metric/metric_parts.ts";
import { DATA } from "../golden.ts";

const model = await loadModel(new URL("models/gpt2/", DATA), { threads: 1 });
const sae = await loadSae(new URL("saes/g-std-pre2/", DATA));
Deno.test.afterAll(async () => {
  await Promise.all([model.close(), sae.close()]);
});

/** " Tiger Woods plays the sport of" */
const TOKENS = [0, 341, 348, 304, 347, 83, 277, 259, 323, 273];
const LAST = TOKENS.length - 1;
const [A, B, C, D] = [364, 296, 83, 316];

/** Logits by position, from another entry to the model than attribution uses, as plain numbers. */
async function denseLogits(tokens: readonly number[], includeErrorTerm: boolean): Promise<number[][]> {
  const { modelOutput } = await applySaesAndRun(model, [sae], tokens, { includeErrorTerm });
  const { dims: [rows, dVocab], data } = await modelOutput();
  return Array.from({ length: rows }, (_, r) => [...data.subarray(r * dVocab, (r + 1) * dVocab)]);
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const mean = (values: readonly number[]): number => sum(values) / values.length;
const logProbs = (row: readonly number[]): number[] => {
  const total = Math.log(sum(row.map(Math.exp)));
  return row.map((x) => x - total);
};

interface Case {
  readonly metric: Metric;
  readonly formula: string;
  /** Its value from logits by position. */
  readonly value: (logits: number[][], clean: number[][]) => number;
  readonly options?: AttributionOptions;
  /** Tokens that it adds. */
  readonly appended?: readonly number[];
}

const entropy = graphMetric({
  name: "entropy",
  position: [3, -1],
  build: (logits) => neg(reduceSum(mul(softmax(logits), logSoftmax(logits)), [0, 1], false)),
});
const golf = await (await model.requireTokenizer()).encode(" golf ing");

const CASES: Case[] = [
  {
    metric: logitDiff(" golf", B),
    formula: "logits[-1, 364] - logits[-1, 296]",
    value: (z) => z[LAST][A] - z[LAST][B],
  },
  {
    metric: logitDiff([A, C], [B], { position: 4 }),
    formula: "mean(logits[4, [364, 83]]) - logits[4, 296]",
    value: (z) => mean([z[4][A], z[4][C]]) - z[4][B],
  },
  {
    metric: logitDiff([A, C], B, { position: [-1, 2] }),
    formula: "sum(mean(logits[[-1, 2]][:, [364, 83]], 1)) - sum(logits[[-1, 2], 296])",
    value: (z) => sum([2, LAST].map((p) => mean([z[p][A], z[p][C]]) - z[p][B])),
  },
  {
    metric: logit(A, { position: [0, -1] }),
    formula: "sum(logits[[0, -1], 364] - mean(logits[[0, -1]], 1))",
    value: (z) => sum([0, LAST].map((p) => z[p][A] - mean(z[p]))),
  },
  {
    metric: logProb(A, { position: [-2, -1] }),
    formula: "sum(log_softmax(logits[[-2, -1]], 1)[:, 364])",
    value: (z) => sum([LAST - 1, LAST].map((p) => logProbs(z[p])[A])),
  },
  { metric: prob(D), formula: "softmax(logits[-1])[316]", value: (z) => Math.exp(logProbs(z[LAST])[D]) },
  {
    metric: weightedLogits([A, B, C], [1, -0.25, 2], { position: 5 }),
    formula: "1 * logits[5, 364] + -0.25 * logits[5, 296] + 2 * logits[5, 83]",
    value: (z) => z[5][A] - 0.25 * z[5][B] + 2 * z[5][C] - 2.75 * mean(z[5]),
  },
  {
    metric: loss(),
    formula: "-mean(log_softmax(logits[i])[tokens[i + 1]], i = 0 .. n - 2)",
    value: (z) => -mean(TOKENS.slice(1).map((id, p) => logProbs(z[p])[id])),
  },
  {
    metric: targetText(" golf ing"),
    formula: golf.map((id, i) => `log_softmax(logits[${LAST + i}])[${id}]`).join(" + "),
    value: (z) => sum(golf.map((id, i) => logProbs(z[LAST + i])[id])),
    appended: golf,
  },
  {
    metric: klToClean({ position: [-2, -1] }),
    formula: "sum(KL(softmax(clean logits[[-2, -1]]) || softmax(logits[[-2, -1]])))",
    value: (z, clean) =>
      sum([LAST - 1, LAST].map((row) => {
        const [p, q] = [logProbs(clean[row]), logProbs(z[row])];
        return sum(p.map((x, i) => Math.exp(x) * (x - q[i])));
      })),
    options: { includeErrorTerm: false },
  },
  {
    metric: entropy,
    formula: "entropy",
    value: (z) => -sum([3, LAST].map((p) => sum(logProbs(z[p]).map((x) => Math.exp(x) * x)))),
  },
  {
    // The same name, position and sizes, and yet another metric of this model.
    metric: graphMetric({
      name: "entropy",
      position: [3, -1],
      build: (logits) => reduceSum(mul(softmax(logits), softmax(logits)), [0, 1], false),
    }),
    formula: "entropy",
    value: (z) => sum([3, LAST].map((p) => sum(logProbs(z[p]).map((x) => Math.exp(2 * x))))),
  },
];

for (const { metric, formula, value, options = {}, appended = [] } of CASES) {
  for (const includeErrorTerm of metric.name === "kl_to_clean" ? [false] : [true, false]) {
    const how = includeErrorTerm ? "with" : "without";
    Deno.test(`${formula}, ${how} the error term: value and gradient`, async () => {
      const result = await calculateFeatureAttribution(model, TOKENS, metric, {
        saes: [sae],
        includeErrorTerm,
        ...options,
      });
      assert.equal(result.parts.grads.resolvedMetric.formula, formula);
      const tokens = [...TOKENS, ...appended];
      assert.deepEqual(result.tokens.map(({ id }) => id), tokens);
      const want = value(await denseLogits(tokens, includeErrorTerm), await denseLogits(tokens, true));
      assert.ok(Math.abs(result.metric - want) <= 1e-5 * (1 + Math.abs(want)), `${result.metric} is not ${want}`);
      const { hooks: [check] } = await checkAttribution(model, result);
      const { analytic, numeric, relative_error } = check.gradient_central_difference!;
      assert.ok(relative_error < 0.01, `|gradient| is ${analytic}, by central difference ${numeric}`);
    });
  }
}

Deno.test("targetText: the log-probabilities that prompts one token longer each give", async () => {
  const { metric } = await calculateFeatureAttribution(model, TOKENS, targetText(" golf ing"), { saes: [sae] });
  let want = 0;
  for (const [i, answer] of golf.entries()) {
    const test = await testPrompt(model, [...TOKENS, ...golf.slice(0, i)], { answer, topK: 1 });
    want += Math.log(test.answer!.probability);
  }
  assert.ok(golf.length > 1);
  assert.ok(Math.abs(metric - want) < 1e-5, `${metric} is not ${want}`);
});

Deno.test("topTwoLogitDiff: the best two predictions, and a note that says so", async () => {
  const result = await calculateFeatureAttribution(model, TOKENS, topTwoLogitDiff(), { saes: [sae] });
  const { predictions: [first, second] } = await testPrompt(model, TOKENS, { topK: 2 });
  const { positive, negative, note } = result.parts.grads.resolvedMetric;
  assert.deepEqual([positive, negative], [[first.id], [second.id]]);
  assert.ok(Math.abs(result.metric - (first.logit - second.logit)) < 1e-5);
  assert.match(note!, /^no answers given: the model's top prediction ".*" against its second ".*"$/);
});

Deno.test("klToClean: refused with the error term, zero where the SAEs are left out everywhere", async () => {
  const run = (options: AttributionOptions): Promise<unknown> =>
    calculateFeatureAttribution(model, TOKENS, klToClean(), { saes: [sae], ...options });
  await assert.rejects(run({}), /exactly 0, its gradient too; leave the error term out/);
  const excluded = await calculateFeatureAttribution(model, TOKENS, klToClean(), {
    saes: [sae],
    includeErrorTerm: false,
    excludeSpecialTokens: TOKENS,
  });
  assert.ok(Math.abs(excluded.metric) < 1e-6);
});

Deno.test("a graphMetric cannot pass for another metric", () => {
  const build: Parameters<typeof graphMetric>[0]["build"] = (logits) => reduceSum(logits, [0, 1], false);
  const metrics = CASES.map(({ metric }) => metric).filter((metric) => metric.name !== "entropy");
  const named = Object.values(NAMED_METRICS).map(({ outputName }) => outputName);
  assert.deepEqual(new Set(metrics.map(({ name }) => name)), new Set([...named, "weighted_logits", "target_logprob"]));
  for (const { name } of metrics) {
    assert.throws(() => graphMetric({ name, build }), { name: "RangeError", message: /cannot be named/ });
  }
});

Deno.test("metrics that make no sense", async () => {
  const cases: [() => Metric, RegExp][] = [
    [() => logitDiff([A, B], [C, B]), /Token id 296 is both positive and negative/],
    [() => logitDiff([], [C]), /needs tokens on both sides/],
    [() => logitDiff(A, B, { position: [1, -9] }), /positions \[1, -9\] are empty or name one twice/],
    [() => logitDiff(A, B, { position: [] }), /positions \[\] are empty/],
    [() => logit(A, { position: [0, 10] }), /position 10 is not in a prompt of 10 tokens/],
    [() => logit(A, { position: 0.5 }), /position 0\.5 is not in/],
    [() => logit(384), /Token id 384 is not in the vocabulary of 384/],
    [() => logit("golf"), /is 3 tokens/],
    [() => weightedLogits([A], [1, 2]), /1 tokens need as many weights, not 2/],
    [() => targetText(""), /The target text is empty/],
  ];
  for (const [make, message] of cases) {
    await assert.rejects(
      async () => await calculateFeatureAttribution(model, TOKENS, make(), { saes: [sae] }),
      message,
    );
  }
  await assert.rejects(calculateFeatureAttribution(model, [0], loss(), { saes: [sae] }), /at least two tokens/);
});

Deno.test("topIndices: largest first, ties to the lower index", () => {
  assert.deepEqual(topIndices([1, 3, 2, 3, 0], 3), [1, 3, 2]);
  assert.deepEqual(topIndices([5, 5], 9), [0, 1]);
});

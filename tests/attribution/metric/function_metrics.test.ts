/** Plain functions of the logits: where no gradient is taken they give what a graph gives; elsewhere they are refused. */
import assert from "node:assert/strict";
import {
  ablateFeatures,
  ablateJointly,
  calculateAttributionGrads,
  calculateFeatureAttribution,
  calculateFeatureAttributions,
  evaluateFaithfulness,
  loadModel,
  loadSae,
  logitDiff,
  type LogitsFunction,
  type Metric,
  prob,
  steer,
} from "../../../mod.ts";
import { assertClose } from "../golden.ts";

const PROMPT = " Tiger Woods plays the sport of";
const model = await loadModel("tiny-facts", { threads: 1 });
const sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
const [golf, tennis] = (await model.requireTokenizer()).encode(" golf tennis");
Deno.test.afterAll(async () => {
  await sae.close();
  await model.close();
});
const hook = sae.hookOut;
const metric = logitDiff(golf, tennis);

/** The same as a plain function of one row of logits. */
const difference: LogitsFunction = ({ dims: [rows, dVocab], data }) => {
  assert.deepEqual([rows, dVocab, data.length], [1, model.architecture.config.dVocab, dVocab]);
  return data[golf] - data[tennis];
};
const probability: LogitsFunction = ({ data }) => {
  const total = data.reduce((sum, x) => sum + Math.exp(x), 0);
  return Math.exp(data[golf]) / total;
};

Deno.test("ablation and faithfulness by a plain function are those by the graph", async () => {
  const byDifference = await calculateFeatureAttribution(model, PROMPT, metric, { saes: [sae] });
  const byProbability = await calculateFeatureAttribution(model, PROMPT, prob(golf), { saes: [sae] });
  const rows = byDifference.rows(hook).slice(0, 20);
  for (const [f, graph] of [[difference, byDifference], [probability, byProbability]] as const) {
    const effects = async (result: typeof graph, more = {}): Promise<number[]> =>
      (await ablateFeatures(result, hook, rows, more)).map(({ effect }) => effect);
    assertClose(await effects(byDifference, { metric: f }), await effects(graph), f.name);
    assertClose(
      await ablateJointly(byDifference, hook, [rows], { metric: f, downstreamError: "frozen" }),
      await ablateJointly(graph, hook, [rows], { downstreamError: "frozen" }),
      f.name,
    );
  }
  const [plain] = await evaluateFaithfulness(byDifference, { counts: [1, 5], metric: difference });
  const [graph] = await evaluateFaithfulness(byDifference, { counts: [1, 5] });
  assertClose(plain.points.map((point) => point.metric), graph.points.map((point) => point.metric), "points");
  assertClose([plain.metricAll, plain.metricNone], [graph.metricAll, graph.metricNone], "ends");
});

Deno.test("steering by a plain function, at the position that is looked at", async () => {
  const off = [{ feature: 189, position: -1, how: "set", value: 0 }] as const;
  for (const position of [-1, -3]) {
    const plain = await steer(model, PROMPT, off, { saes: [sae], metric: difference, position });
    const graph = await steer(model, PROMPT, off, {
      saes: [sae],
      metric: logitDiff(golf, tennis, { position }),
      position,
    });
    assertClose(
      [plain.metric!.before, plain.metric!.after],
      [graph.metric!.before, graph.metric!.after],
      `at ${position}`,
    );
    assert.equal(plain.metric!.name, "difference");
  }
});

Deno.test("where the gradient is needed, a function is refused before the run, and says graphMetric", async () => {
  const message =
    /^The metric of an attribution is a plain function, and its gradient is needed: .*graphMetric\(\{ name/;
  const asMetric = difference as unknown as Metric;
  await assert.rejects(calculateFeatureAttribution(model, PROMPT, asMetric, { saes: [sae] }), {
    name: "TypeError",
    message,
  });
  await assert.rejects(calculateAttributionGrads(model, PROMPT, asMetric, { saes: [sae] }), { message });
  const [one] = await calculateFeatureAttributions(model, [{ prompt: PROMPT, metric: asMetric }], { saes: [sae] });
  assert.match((one as PromiseRejectedResult).reason.message, message);
});

Deno.test("what is no metric at all, and a function that gives no number", async () => {
  for (const wrong of [undefined, null, "logit_diff", {}, logitDiff]) {
    await assert.rejects(
      calculateFeatureAttribution(model, PROMPT, wrong as unknown as Metric, { saes: [sae] }),
      {
        name: "TypeError",
        message: /^The metric of an attribution is (not a metric: give one such as|a plain function)/,
      },
    );
  }
  const result = await calculateFeatureAttribution(model, PROMPT, metric, { saes: [sae] });
  const broken = (() => undefined) as unknown as LogitsFunction;
  await assert.rejects(
    ablateFeatures(result, hook, result.rows(hook).slice(0, 1), { metric: broken }),
    { name: "TypeError", message: /^The metric .* gave undefined: return a number$/ },
  );
});

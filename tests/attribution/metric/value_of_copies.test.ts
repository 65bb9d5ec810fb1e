/** Metrics of many copies at once, against one copy at a time. */
import assert from "node:assert/strict";
import { loadModel, logitDiff, logProb, loss, type Metric, weightedLogits } from "../../../mod.ts";
import { resolveMetric } from "../../../lib/attribution/metric/value.ts";
import { metricGradients, metricValues } from "../../../lib/attribution/metric/value_of_copies.ts";
import { relativeError, uniform } from "../../graph/numbers.ts";
import { DATA } from "../golden.ts";

const TOKENS = [5, 60, 7, 310, 42];
const COPIES = 5;
const METRICS: Metric[] = [
  logitDiff(364, [296, 12]),
  logitDiff(364, 296, { position: [1, 3] }),
  logProb(17),
  weightedLogits([3, 4], [1, 0.5], { position: [0, 2] }),
  loss(),
];

for (const name of ["gpt2", "gemma2"]) { // gemma2 has a soft cap
  Deno.test(`${name}: values and gradients of copies are those of each alone, however many fit in memory`, async () => {
    await using model = await loadModel(new URL(`models/${name}/`, DATA), { threads: 1 });
    const { dModel, dVocab } = model.architecture.config;
    const random = uniform(3);
    for (const metric of METRICS) {
      const rows = metric.rows(TOKENS.length, 0).length;
      const final = Float32Array.from({ length: COPIES * rows * dModel }, () => 2 * random());
      const of = (i: number): { dims: number[]; data: Float32Array } => ({
        dims: [1, rows, dModel],
        data: final.slice(i * rows * dModel, (i + 1) * rows * dModel),
      });
      const all = { dims: [1, COPIES * rows, dModel], data: final };
      const resolved = await resolveMetric(model, metric, TOKENS, () => model.unembedding.logits(of(0)));
      const alone = [];
      for (let i = 0; i < COPIES; i++) alone.push(await metricGradients(model, resolved, of(i), 1));
      const want = Float32Array.from(alone, ({ values: [value] }) => value);
      const gradients = Float32Array.from(alone.flatMap(({ gradient }) => [...gradient.data]));
      for (const bytes of [undefined, 2 * rows * dVocab * 4, 1]) {
        const values = await metricValues(model, resolved, all, COPIES, bytes);
        assert.ok(relativeError(Float32Array.from(values), want) <= 1e-6, `${metric.name} ${bytes}`);
        const found = await metricGradients(model, resolved, all, COPIES, bytes);
        assert.deepEqual(found.values, values);
        assert.ok(relativeError(found.gradient.data, gradients) <= 2e-6, `${metric.name} ${bytes}: gradients`);
      }
    }
  });
}

/** The bench's count of operations against one by one, and its bytes against what the family says of its weights. */
import assert from "node:assert/strict";
import { openArchitecture } from "../../models/mod.ts";
import { type Job, workOf } from "./work.ts";

const job: Job = {
  dModel: 4,
  dMlp: 6,
  nLayers: 3,
  dSae: 10,
  saeLayer: 1,
  tokens: 5,
  activations: 7,
  features: 3,
};

/** Counts multiply-adds by walking over positions. */
function countBlock({ dModel: d, dMlp, tokens }: Job, queries: readonly number[], isBack: boolean): number {
  let count = 0;
  for (let position = 0; position < tokens; position++) {
    count += 2 * d * d; // keys and values
    if (!queries.includes(position)) continue;
    count += 2 * d * d + d * dMlp + dMlp * d;
    for (let key = 0; key <= position; key++) count += (isBack ? 2 : 1) * (d + d);
  }
  return count;
}

Deno.test("the bench counts every product that an attribution needs", () => {
  const { tokens, dModel: d, dSae, activations, nLayers, saeLayer } = job;
  const all = Array.from({ length: tokens }, (_, i) => i);
  let count = 2 * d; // two answers
  for (let layer = 0; layer < nLayers; layer++) {
    const queries = layer === nLayers - 1 ? [tokens - 1] : all;
    count += countBlock(job, queries, false);
    if (layer >= saeLayer) count += countBlock(job, queries, true);
  }
  for (let position = 0; position < tokens; position++) count += d * dSae;
  for (let active = 0; active < activations; active++) count += d;
  assert.equal(workOf(job).operations, 2 * count);
});

Deno.test("the bench counts every weight that an attribution needs", async () => {
  const { tokens, dModel: d, dSae, features, nLayers, saeLayer, dMlp } = job;
  const architecture = await openArchitecture({
    ...{ model_type: "gpt2", n_embd: d, n_inner: dMlp, n_layer: nLayers, n_head: 2 },
    ...{ vocab_size: 11, n_positions: 9, n_ctx: 9 },
  });
  const blockFloats = (layer: number): number =>
    Object.values(architecture.blockWeights(layer)).reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b), 0);
  let floats = 2 * tokens * d + 2 * d + d * dSae + dSae + features * d + d;
  for (let layer = 0; layer < nLayers; layer++) floats += blockFloats(layer) * (layer >= saeLayer ? 2 : 1);
  assert.equal(workOf(job).bytes, 4 * floats);
});

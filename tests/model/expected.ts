/** What transformers makes of the models in tests/data/weights, by autograd: see make.py there. */
import assert from "node:assert/strict";
import { calculateFeatureAttribution, logitDiff, type Model, type Sae, testPrompt } from "../../mod.ts";

export const DATA = new URL("../data/weights/", import.meta.url);

interface Expected {
  readonly ids: number[];
  readonly answer: number;
  readonly other: number;
  readonly logits: number[];
  readonly rows: readonly (readonly [position: number, feature: number, attribution: number])[];
}

/** Logits and rows of an SAE are those in a directory's expected.json. */
export async function checkExpected(model: Model, sae: Sae, directory: URL): Promise<void> {
  const want = JSON.parse(await Deno.readTextFile(new URL("expected.json", directory))) as Expected;
  const { logits } = want;
  const mean = logits.reduce((sum, logit) => sum + logit, 0) / logits.length;
  const { predictions } = await testPrompt(model, want.ids, { saes: [sae], topK: logits.length });
  const scale = Math.max(...logits.map(Math.abs));
  const got = new Map(predictions.map(({ id, logit }) => [id, logit]));
  const shift = model.architecture.logitSoftCap === undefined ? mean : 0;
  logits.forEach((logit, id) => assert.ok(Math.abs(logit - shift - got.get(id)!) <= 1e-5 * scale, `logit ${id}`));
  const metric = logitDiff(want.answer, want.other);
  const result = await calculateFeatureAttribution(model, want.ids, metric, { saes: [sae] });
  const rows = new Map(result.rows(sae.hookOut).map((row) => [`${row.position},${row.feature}`, row.attribution]));
  assert.equal(rows.size, want.rows.length);
  const largest = Math.max(...want.rows.map(([, , attribution]) => Math.abs(attribution)));
  for (const [position, feature, attribution] of want.rows) {
    const off = Math.abs(attribution - rows.get(`${position},${feature}`)!);
    assert.ok(off <= 2e-5 * largest, `position ${position}, feature ${feature} is off by ${off / largest}`);
  }
}

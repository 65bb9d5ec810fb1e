import assert from "node:assert/strict";
import { featureLogits, writesToStream } from "../../lib/attribution/feature_logits.ts";
import { loadModel, type Model } from "../../lib/model/model.ts";
import { loadSae } from "../../lib/sae/load.ts";
import { openSource } from "../../lib/weights/source.ts";
import { openSafetensors } from "../../lib/weights/tensors.ts";
import { bundledUrl } from "../../lib/bundled.ts";

const DATA = new URL("../data/", import.meta.url);

/** W_dec[f] · L · W_U in float64, straight from the files, with the final norm written out by hand. */
async function byHand(
  model: URL,
  sae: URL,
  feature: number,
  norm: "LayerNorm" | "RMSNorm" | "RMSNorm, weight + 1",
  names: { norm: string; unembedding: string },
): Promise<number[]> {
  await using modelFiles = openSource(model);
  await using saeFiles = openSource(sae);
  const store = await openSafetensors(modelFiles);
  const decoder = await (await openSafetensors(saeFiles, { file: "sae_weights.safetensors" })).readRows("W_dec", [
    feature,
  ]);
  const mean = norm === "LayerNorm" ? decoder.reduce((a, b) => a + b, 0) / decoder.length : 0;
  const gain = await store.read(names.norm);
  const direction = [...decoder].map((x, i) => (x - mean) * (gain[i] + (norm === "RMSNorm, weight + 1" ? 1 : 0)));
  const [vocabulary, d] = store.tensors.get(names.unembedding)!.shape;
  const unembedding = await store.read(names.unembedding);
  const logits = Array.from({ length: vocabulary }, (_, token) => {
    let sum = 0;
    for (let i = 0; i < d; i++) sum += direction[i] * unembedding[token * d + i];
    return sum;
  });
  const average = logits.reduce((a, b) => a + b, 0) / vocabulary;
  return logits.map((x) => x - average);
}

const CASES = [
  {
    model: bundledUrl("tiny-facts"),
    sae: bundledUrl("tiny-facts-saes/blocks.3.hook_resid_pre"),
    norm: "LayerNorm",
    names: { norm: "transformer.ln_f.weight", unembedding: "transformer.wte.weight" },
  },
  {
    model: new URL("models/llama/", DATA),
    sae: new URL("saes/llama-std-pre1/", DATA),
    norm: "RMSNorm",
    names: { norm: "model.norm.weight", unembedding: "lm_head.weight" },
  },
  {
    model: new URL("models/gemma2/", DATA),
    sae: new URL("saes/gemma2-std-mlp1/", DATA),
    norm: "RMSNorm, weight + 1",
    names: { norm: "model.norm.weight", unembedding: "model.embed_tokens.weight" },
  },
] as const;

Deno.test("the tokens that features raise and lower, against products straight from the files", async (t) => {
  for (const { model: modelUrl, sae: saeUrl, norm, names } of CASES) {
    await t.step(norm, async () => {
      await using model: Model = await loadModel(modelUrl, { threads: 1 });
      await using sae = await loadSae(saeUrl);
      const found = await featureLogits(model, sae, [5, 0, 17], { top: 6 });
      assert.deepEqual(found.map(({ feature }) => feature), [5, 0, 17]);
      for (const { feature, raised, lowered } of found) {
        const expected = await byHand(modelUrl, saeUrl, feature, norm, names);
        const order = [...expected.keys()].sort((a, b) => expected[b] - expected[a]);
        const largest = Math.max(...expected.map(Math.abs));
        assert.deepEqual(raised.map(({ id }) => id), order.slice(0, 6));
        assert.deepEqual(lowered.map(({ id }) => id), order.slice(-6).reverse());
        for (const { id, logit } of [...raised, ...lowered]) {
          assert.ok(Math.abs(logit - expected[id]) <= 2e-6 * largest, `${id}: ${logit}, not ${expected[id]}`);
        }
      }
    });
  }
});

Deno.test("features without logits of their own, and features that do not exist, are refused", async () => {
  await using model = await loadModel(new URL("models/gpt2/", DATA), { threads: 1 });
  await using z = await loadSae(new URL("saes/g-std-z1/", DATA));
  assert.ok(!writesToStream(z));
  await assert.rejects(featureLogits(model, z, [0]), /blocks\.1\.attn\.hook_z does not write to the residual stream/);
  await using sae = await loadSae(new URL("saes/g-std-pre2/", DATA));
  await assert.rejects(featureLogits(model, sae, [sae.config.dSae]), /There is no feature/);
  assert.deepEqual(await featureLogits(model, sae, []), []);
});

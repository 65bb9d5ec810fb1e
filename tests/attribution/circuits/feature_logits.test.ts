import assert from "node:assert/strict";
import { featureDirections, NoDirectionError } from "../../../lib/attribution/circuits/feature_directions.ts";
import { featureLogits } from "../../../lib/attribution/circuits/feature_logits.ts";
import { loadModel, type Model } from "../../../lib/model/model.ts";
import { loadSae, loadSaes } from "../../../lib/sae/load.ts";
import { openSource } from "../../../lib/weights/files/source.ts";
import { openSafetensors } from "../../../lib/weights/tensors/tensors.ts";
import { bundledUrl } from "../../../lib/bundled.ts";

const DATA = new URL("../../data/", import.meta.url);

/** W_dec[f] · L · W_U in float64, straight from the files, with the final norm written out by hand. */
async function byHand(
  model: URL,
  sae: URL,
  feature: number,
  norm: "LayerNorm" | "RMSNorm" | "RMSNorm, weight + 1",
  names: { norm: string; unembedding: string; output?: string },
): Promise<number[]> {
  await using modelFiles = openSource(model);
  await using saeFiles = openSource(sae);
  const store = await openSafetensors(modelFiles);
  const saeStore = await openSafetensors(saeFiles, { file: "sae_weights.safetensors" });
  const row = await saeStore.readRows("W_dec", [feature]);
  const decoder = names.output === undefined ? [...row] : times(row, await store.read(names.output));
  const mean = norm === "LayerNorm" ? decoder.reduce((a, b) => a + b, 0) / decoder.length : 0;
  const gain = await store.read(names.norm);
  const direction = decoder.map((x, i) => (x - mean) * (gain[i] + (norm === "RMSNorm, weight + 1" ? 1 : 0)));
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

/** A row times a matrix `[in, out]`. */
function times(row: Float32Array, matrix: Float32Array): number[] {
  const width = matrix.length / row.length;
  return Array.from({ length: width }, (_, i) => row.reduce((sum, x, k) => sum + x * matrix[k * width + i], 0));
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
  {
    model: new URL("models/gpt2/", DATA),
    sae: new URL("saes/g-std-z1/", DATA),
    norm: "LayerNorm",
    names: {
      norm: "transformer.ln_f.weight",
      unembedding: "transformer.wte.weight",
      output: "transformer.h.1.attn.c_proj.weight",
    },
  },
] as const;

Deno.test("the tokens that features raise and lower, against products straight from the files", async (t) => {
  for (const { model: modelUrl, sae: saeUrl, norm, names } of CASES) {
    await t.step(`${norm}, ${saeUrl.pathname.split("/").at(-2)}`, async () => {
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

Deno.test("a cross-layer transcoder's feature adds to the stream what it writes to all layers", async () => {
  await using model = await loadModel(new URL("models/gpt2/", DATA), { threads: 1 });
  const saes = await loadSaes(new URL("cross_layer/clt-relu/", DATA));
  try {
    const sae = saes[1];
    const d = sae.config.dOut;
    const direction = await featureDirections(model, sae, [2]);
    const store = await openSafetensors(openSource(new URL("cross_layer/clt-relu/", DATA)), {
      file: "W_dec_1.safetensors",
    });
    const [name] = store.tensors.keys();
    const [, layers] = store.tensors.get(name)!.shape;
    const written = await store.readRows(name, [2]); // [layer, d_out]
    assert.deepEqual([written.length, sae.hooksOut.length], [layers * d, layers]);
    const sums = Array.from({ length: d }, (_, i) => {
      let sum = 0;
      for (let layer = 0; layer < layers; layer++) sum += written[layer * d + i];
      return sum;
    });
    for (const [i, x] of direction.entries()) assert.ok(Math.abs(x - sums[i]) <= 1e-6);
  } finally {
    for (const sae of saes) await sae.close();
  }
});

Deno.test("features without logits of their own, and features that do not exist, are refused", async () => {
  await using model = await loadModel(new URL("models/gpt2/", DATA), { threads: 1 });
  const beforeMlp = { hook: "blocks.2.mlp.hook_in" };
  await using inside = await loadSae(new URL("saes/g-std-pre2/", DATA), beforeMlp);
  await assert.rejects(featureLogits(model, inside, [0]), (error) => {
    return error instanceof NoDirectionError && error.message.startsWith("The SAE writes at blocks.2.mlp.hook_in");
  });
  // Gemma normalises what its attention writes: no direction goes through that.
  await using gemma = await loadModel(new URL("models/gemma2/", DATA), { threads: 1 });
  await using z = await loadSae(new URL("saes/gemma2-std-mlp1/", DATA), { hook: "blocks.1.attn.hook_z" });
  await assert.rejects(featureLogits(gemma, z, [0, 1]), NoDirectionError);
  await using sae = await loadSae(new URL("saes/g-std-pre2/", DATA));
  await assert.rejects(featureLogits(model, sae, [sae.config.dSae]), /There is no feature/);
  assert.deepEqual(await featureLogits(model, sae, []), []);
});

/** Direct effects: against the final norm and unembedding written out by hand, and as parts of the metric. */
import assert from "node:assert/strict";
import {
  type Attribution,
  type AttributionOptions,
  calculateFeatureAttribution,
  featureTable,
  loadModel,
  loadSae,
  logitDiff,
  longTable,
  loss,
  type Model,
  positionTable,
} from "../../../mod.ts";
import { openSource } from "../../../lib/weights/files/source.ts";
import { openSafetensors } from "../../../lib/weights/tensors/tensors.ts";
import { dot, DoubleChain } from "../double_chain.ts";
import { assertClose, DATA } from "../golden.ts";

const PROMPT = " Tiger Woods plays the sport of";
const HOOK = "blocks.2.hook_resid_pre";
const METRIC = logitDiff(110, 65);
const gpt2 = await loadModel(new URL("models/gpt2/", DATA), { threads: 1 });
const llama = await loadModel(new URL("models/llama/", DATA), { threads: 1 });
Deno.test.afterAll(async () => {
  await gpt2.close();
  await llama.close();
});

async function attribute(model: Model, sae: string, options: AttributionOptions = {}): Promise<Attribution> {
  await using opened = await loadSae(new URL(`saes/${sae}/`, DATA));
  return await calculateFeatureAttribution(model, PROMPT, METRIC, { saes: [opened], directEffect: true, ...options });
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** The final norm's scale at the last position. */
async function finalScale(model: Model, { parts: { grads } }: Attribution): Promise<number> {
  const { tokens, processing } = grads;
  const { values } = await model.chain.forward({
    prompts: [tokens],
    processing,
    rows: [[0]],
    reads: ["ln_final.hook_scale"],
  });
  return values.get("ln_final.hook_scale")!.data[tokens.length - 1];
}

async function tensor(path: string, file: string, name: string): Promise<Float32Array> {
  await using source = openSource(new URL(`${path}/`, DATA));
  const store = await openSafetensors(source, { file });
  return await store.read([...store.tensors.keys()].find((key) => key.endsWith(name))!);
}

/** (W_U[pos] − W_U[neg]) · w, centred for LayerNorm, over the scale: what a vector of the stream is multiplied by. */
async function direction(model: Model, path: string, norm: string, unembedding: string, scale: number) {
  const d = model.architecture.config.dModel;
  const w = await tensor(path, "model.safetensors", norm);
  const rows = await tensor(path, "model.safetensors", unembedding);
  const v = Array.from({ length: d }, (_, i) => (rows[110 * d + i] - rows[65 * d + i]) * w[i] / scale);
  const mean = model.architecture.family === "gpt2" ? sum(v) / d : 0;
  return v.map((x) => x - mean);
}

const cases = [
  [gpt2, "gpt2", "g-std-pre2", "ln_f.weight", "wte.weight"],
  [gpt2, "gpt2", "g-gated-mid0", "ln_f.weight", "wte.weight"],
  [gpt2, "gpt2", "g-gated-attn2", "ln_f.weight", "wte.weight"],
  [gpt2, "gpt2", "g-std-mlp1-ln", "ln_f.weight", "wte.weight"],
  [gpt2, "gpt2", "g-std-post3-cnorm", "ln_f.weight", "wte.weight"],
  [llama, "llama", "llama-topk-mid2", "model.norm.weight", "lm_head.weight"],
] as const;

for (const [model, name, path, norm, unembedding] of cases) {
  Deno.test(`direct effects of ${path} are those of the norm and unembedding written out`, async () => {
    const result = await attribute(model, path);
    const [{ run, rows }] = result.parts.saes.values();
    const v = await direction(model, `models/${name}`, norm, unembedding, await finalScale(model, result));
    const decoder = await tensor(`saes/${path}`, "sae_weights.safetensors", "W_dec");
    const last = result.tokens.length - 1;
    const d = v.length;
    const want = rows.map(({ position, feature, activation }) =>
      position < last ? 0 : activation * run.encoded.normalized.scale[position] *
        dot(decoder.subarray(feature * d, (feature + 1) * d), v)
    );
    assert.ok(want.some((x) => x !== 0));
    assertClose(rows.map(({ directEffect }) => directEffect!), want, "direct effects");
  });
}

Deno.test("after the last block, direct effects and the final norm's bias are the metric", async () => {
  const result = await attribute(gpt2, "g-std-post3-cnorm");
  const [{ directEffect, decomposition: plain }] = result.parts.saes.values();
  const { features, bias, error, total, maxResidual } = directEffect!.decomposition;
  assert.ok(maxResidual <= 1e-5);
  assertClose(total, features.map((f, p) => f + bias[p] + error[p]), "total");
  await using chain = await DoubleChain.open(new URL("models/gpt2/", DATA));
  const final = await chain.forward(result.tokens.map(({ id }) => id));
  const { dModel, nLayers } = chain.architecture.config;
  const gradient = { dims: final.dims, data: new Float64Array(final.data.length) };
  gradient.data.set(await chain.unembeddingDifference(110, 65), final.data.length - dModel);
  const back = await chain.backward(nLayers + 1, gradient, { stop: ["normalizer_scale"] });
  assert.ok(Math.abs(sum(total) + back.biases["ln_f.bias"] - result.metric) <= 1e-4);
  // The plain gradient, through the norm's scale too, is another.
  assert.ok(Math.abs(sum(plain.total) - sum(total)) > 1e-3);
});

Deno.test("a direct effect changes nothing else, in long prompts too", async () => {
  await using sae = await loadSae(new URL("saes/g-std-pre2/", DATA));
  const tokens = Array.from({ length: 50 }, (_, i) => (i * 37) % 300);
  for (const metric of [METRIC, loss()]) {
    const run = (directEffect: boolean) =>
      calculateFeatureAttribution(gpt2, tokens, metric, { saes: [sae], directEffect });
    const [plain, direct] = [await run(false), await run(true)];
    const attributions = (result: Attribution) => result.rows(sae.hookOut).map(({ attribution }) => attribution);
    assertClose(attributions(direct), attributions(plain), "attributions");
    const at = new Set(
      direct.rows(sae.hookOut).filter(({ directEffect }) => directEffect !== 0).map((r) => r.position),
    );
    const places = metric === METRIC ? [49] : direct.parts.grads.rows;
    assert.ok([...at].every((position) => places.includes(position)), "only where the metric reads");
    assert.ok(at.size > 0.8 * places.length);
    assert.equal(plain.rows(sae.hookOut)[0].directEffect, undefined);
  }
});

Deno.test("against a baseline, direct effects are of the difference", async () => {
  const options = { baseline: { prompt: " Tom Brady plays the sport of" } } as const;
  const result = await attribute(gpt2, "g-std-pre2", options);
  const other = await attribute(gpt2, "g-std-pre2");
  const [{ rows, directEffect }] = result.parts.saes.values();
  const [{ rows: plain }] = other.parts.saes.values();
  const byPlace = new Map(plain.map((row) => [`${row.position} ${row.feature}`, row]));
  const shared = rows.filter(({ position, feature }) => byPlace.has(`${position} ${feature}`));
  assert.ok(shared.length > 3);
  assertClose(
    shared.map(({ activation, directEffect }) => directEffect! * activation),
    shared.map((row) =>
      byPlace.get(`${row.position} ${row.feature}`)!.directEffect! * (row.activation - row.baseline!)
    ),
    "direct effects",
  );
  assert.ok(directEffect!.decomposition.maxResidual <= 1e-5);
});

Deno.test("direct effects in the tables", async () => {
  const result = await attribute(gpt2, "g-std-pre2");
  const long = await longTable(result, { includeError: true });
  assert.deepEqual(long.columns, ["kind", "position", "feature", "attribution", "direct_effect"]);
  const { decomposition } = result.parts.saes.get(HOOK)!.directEffect!;
  const of = (kind: string) => [...long.rows].filter((row) => row[0] === kind);
  assertClose([sum(of("feature").map((row) => Number(row[4])))], [sum(decomposition.features)], "features");
  const errors = of("error").toSorted((a, b) => Number(a[1]) - Number(b[1])).map((row) => Number(row[4]));
  assertClose(errors, decomposition.error.filter((_, p) => result.decomposition[HOOK].error[p] !== 0), "errors");
  const positions = positionTable(result);
  assert.deepEqual(positions.columns.at(-1), "direct_effect");
  assert.deepEqual([...positions.rows].map((row) => row.at(-1)), decomposition.total);
  const features = await featureTable(result, { explanations: new Map() });
  assert.deepEqual(features.columns, ["feature", "attribution", "direct_effect", "positions", "max_activation"]);
  assertClose([sum([...features.rows].map((row) => Number(row[2])))], [sum(decomposition.features)], "by feature");
  const { saes: [summary] } = result.summary();
  assert.deepEqual(summary.direct_effect!.total, decomposition.total);
});

Deno.test("an SAE that does not write into the stream has no direct effects", async () => {
  await assert.rejects(
    attribute(gpt2, "g-std-z1"),
    /^RangeError: The SAE at blocks\.1\.attn\.hook_z does not write into the residual stream, .*leave out `directEffect`/,
  );
});

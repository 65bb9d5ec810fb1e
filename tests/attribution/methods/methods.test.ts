/** RelP and frozen patterns: goldens of the reference stack, conservation in float64, and the rules one by one. */
import assert from "node:assert/strict";
import { findMethod, METHOD_NAMES, type MethodName } from "../../../lib/attribution/methods/mod.ts";
import { metricValue } from "../../../lib/attribution/metric/value.ts";
import { pearson } from "../../../lib/attribution/trust/statistics.ts";
import {
  calculateAttributionGrads,
  calculateFeatureAttribution,
  loadModel,
  loadSae,
  logitDiff,
  type Replacement,
} from "../../../mod.ts";
import { openSource } from "../../../lib/weights/files/source.ts";
import { openSafetensors } from "../../../lib/weights/tensors/tensors.ts";
import { dot, DoubleChain } from "../double_chain.ts";
import {
  assertClose,
  assertLogitsClose,
  DATA,
  type GoldenCase,
  goldenCases,
  goldenMetric,
  goldenTensors,
  openSaes,
  worstDifference,
} from "../golden.ts";

type RelpCase = Omit<GoldenCase, "expected"> & {
  readonly expected: {
    readonly metric: number;
    readonly conservation: {
      readonly x_dot_g_per_position: readonly number[];
      readonly x_dot_g: number;
      readonly bias_terms: Readonly<Record<string, number>>;
      readonly total: number;
    };
    readonly completeness: Readonly<Record<"sum_attr" | "g_dot_bias" | "g_dot_err" | "g_dot_x", readonly number[]>>;
    readonly active_count: number;
    readonly rows: readonly [number, number, gradient: number, relp: number, exact: number][];
    readonly pearson_with_exact_ablation: {
      readonly gradient: number;
      readonly relp: number;
    };
  };
};

const cases = goldenCases("relp") as unknown as RelpCase[];

Deno.test("no golden case of RelP is missing", () => {
  assert.deepEqual(cases.map(({ model }) => model), ["models/gpt2", "models/gpt2", "models/llama"]);
});

for (const golden of cases) {
  Deno.test(`golden ${golden.name}`, async () => {
    const seed = golden as unknown as GoldenCase;
    await using model = await loadModel(new URL(`${golden.model}/`, DATA), { threads: 1 });
    const [sae] = await openSaes(seed);
    const tensors = await goldenTensors(seed);
    const { expected } = golden;
    const attribute = (method: MethodName) =>
      calculateFeatureAttribution(model, golden.prompt, goldenMetric(seed), { saes: [sae], method });
    const relp = await attribute("relp");
    const plain = await attribute("gradient");
    assertLogitsClose([relp.metric], [expected.metric], "metric");
    const { gradient, decomposition } = relp.parts.saes.get(sae.hookOut)!;
    assertClose(gradient, tensors.get("g_relp")!, "g_relp");
    assertClose(plain.parts.saes.get(sae.hookOut)!.gradient, tensors.get("g")!, "g");
    const { data } = await relp.saeFeatureAttributions(sae.hookOut);
    assertClose(data, tensors.get("attributions_relp")!, "attributions");
    assertClose(decomposition.features, expected.completeness.sum_attr, "sums");
    assertClose(decomposition.bias, expected.completeness.g_dot_bias, "bias");
    assertClose(decomposition.error, expected.completeness.g_dot_err, "error");
    assertClose(decomposition.total, expected.conservation.x_dot_g_per_position, "x · g");

    const key = (position: number, feature: number): number => position * sae.config.dSae + feature;
    const exact = expected.rows.map((row) => row[4]);
    const at = expected.rows.map(([position, feature]) => key(position, feature));
    assert.equal(at.length, expected.active_count);
    const { data: gradients } = await plain.saeFeatureAttributions(sae.hookOut);
    assertClose(at.map((i) => data[i]), expected.rows.map((row) => row[3]), "rows");
    const correlations = [gradients, data].map((all) => pearson(at.map((i) => all[i]), exact));
    const { pearson_with_exact_ablation: want } = expected;
    assertClose(correlations, [want.gradient, want.relp], "Pearson");
    await sae.close();
  });
}

Deno.test("RelP without its AH-rule: gradients, rows and correlation of its rules in another stack", async () => {
  await using source = openSource(new URL("relp/", DATA));
  const store = await openSafetensors(source, { file: "no_ah_rule.safetensors" });
  for (const golden of cases) {
    const expected = (name: string): Promise<Float32Array> => store.read(`${golden.name}/${name}`);
    await using model = await loadModel(new URL(`${golden.model}/`, DATA), { threads: 1 });
    const [sae] = await openSaes(golden as unknown as GoldenCase);
    const run = await calculateFeatureAttribution(model, golden.prompt, goldenMetric(golden as unknown as GoldenCase), {
      saes: [sae],
      method: "relp-no-ah-rule",
    });
    assertClose(run.parts.saes.get(sae.hookOut)!.gradient, await expected("g"), `${golden.name} g`);
    const { data } = await run.saeFeatureAttributions(sae.hookOut);
    assertClose(data, await expected("attributions"), `${golden.name} attributions`);
    const { rows } = golden.expected;
    const said = rows.map(([position, feature]) => data[position * sae.config.dSae + feature]);
    assertClose([pearson(said, rows.map((row) => row[4]))], await expected("pearson"), `${golden.name} Pearson`);
    await sae.close();
  }
});

Deno.test("GIM and frozen norms: gradients and rows of GIM's own package in TransformerLens", async () => {
  await using source = openSource(new URL("gim/", DATA));
  const store = await openSafetensors(source, { file: "gim.safetensors" });
  const names = new Set([...store.tensors.keys()].map((name) => name.split("/")[0]));
  assert.equal(names.size, 7);
  const found = [...goldenCases("seed"), ...goldenCases("seed", "cases/families/")];
  for (const name of names) {
    const golden = found.find((one) => one.name === name)!;
    await using model = await loadModel(new URL(`${golden.model}/`, DATA), { threads: 1 });
    const [sae] = await openSaes(golden);
    for (const method of ["gim", "frozen-norms"] as const) {
      const run = await calculateFeatureAttribution(model, [...golden.tokens], goldenMetric(golden), {
        saes: [sae],
        method,
        diagnose: false,
      });
      const { gradient } = run.parts.saes.get(sae.hookOut)!;
      assertClose(gradient, await store.read(`${name}/${method}/g`), `${name} ${method} g`, 1e-5);
      const { data } = await run.saeFeatureAttributions(sae.hookOut);
      assertClose(data, await store.read(`${name}/${method}/attributions`), `${name} ${method}`, 1e-5);
    }
    await sae.close();
  }
});

const PROMPT = [0, 21, 7, 99, 45, 12, 33, 8, 61, 17]; // windows of 4 to 6 tokens are shorter

/** The metric and, for every layer, x · g and what biases from there on contribute. */
async function conservation(directory: URL, tokens: readonly number[], positive: number, negative: number) {
  await using chain = await DoubleChain.open(directory);
  const final = await chain.forward(tokens);
  const { dModel, nLayers } = chain.architecture.config;
  const direction = await chain.unembeddingDifference(positive, negative);
  const metric = dot(final.data.subarray(-dModel), direction);
  let gradient = { dims: final.dims, data: new Float64Array(final.data.length) };
  gradient.data.set(direction, final.data.length - dModel);
  const layers: { relevance: number; biases: number }[] = [];
  let biases = 0;
  for (let stage = nLayers + 1; stage >= 1; stage--) {
    const back = await chain.backward(stage, gradient, findMethod("relp").vjp);
    gradient = back.gradient as typeof gradient;
    biases += Object.values(back.biases).reduce((a, b) => a + b, 0);
    layers.unshift({ relevance: dot(gradient.data, chain.streams[stage - 1].data), biases });
  }
  return { metric, layers };
}

const GATED = ["llama", "llama31", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3", "olmo2", "olmo3", "phi3"];

for (const name of ["gpt2", "gpt-neo", "neox", ...GATED]) {
  Deno.test(`RelP conserves ${name}'s metric at every layer`, async () => {
    const directory = new URL(`models/${name}/`, DATA);
    const { metric, layers } = await conservation(directory, PROMPT, 110, 65);
    assert.ok(Math.abs(metric) > 0.01, `${name}: a metric of ${metric}`);
    for (const [layer, { relevance, biases }] of layers.entries()) {
      const missed = Math.abs(relevance + biases - metric);
      assert.ok(missed <= 1e-9 * (1 + Math.abs(metric)), `layer ${layer} misses ${missed} of ${metric}`);
    }
  });
}

Deno.test("RelP conserves the golden cases' metric with the golden bias terms", async () => {
  for (const golden of cases) {
    const { metric: { pos_token, neg_token }, expected, tokens } = golden;
    const { metric, layers } = await conservation(
      new URL(`${golden.model}/`, DATA),
      tokens,
      pos_token,
      neg_token,
    );
    assert.ok(Math.abs(metric - expected.metric) <= 1e-6, `metric ${metric}, not ${expected.metric}`);
    const [{ hook }] = golden.saes;
    if (!hook.endsWith("resid_pre")) continue;
    const { relevance, biases } = layers[Number(/\d+/.exec(hook)![0])];
    const terms = Object.values(expected.conservation.bias_terms).reduce((a, b) => a + b, 0);
    assert.ok(Math.abs(relevance - expected.conservation.x_dot_g) <= 1e-5, `relevance ${relevance}`);
    assert.ok(Math.abs(biases - terms) <= 1e-5, `biases ${biases}, not ${terms}`);
  }
});

Deno.test("the plain gradient conserves nothing, so the check can fail", async () => {
  const relp = findMethod("relp").vjp;
  const left = [{ stop: relp.stop }, { rules: relp.rules }, { ...relp, stop: ["attention_pattern"] as const }];
  for (const options of left) {
    await using chain = await DoubleChain.open(new URL("models/llama/", DATA));
    const final = await chain.forward(PROMPT);
    const { dModel, nLayers } = chain.architecture.config;
    const direction = await chain.unembeddingDifference(110, 65);
    let gradient = { dims: final.dims, data: new Float64Array(final.data.length) };
    gradient.data.set(direction, final.data.length - dModel);
    for (let stage = nLayers + 1; stage >= 1; stage--) {
      gradient = (await chain.backward(stage, gradient, options)).gradient as typeof gradient;
    }
    const metric = dot(final.data.subarray(-dModel), direction);
    assert.ok(Math.abs(dot(gradient.data, chain.streams[0].data) - metric) > 1e-3 * Math.abs(metric));
  }
});

Deno.test("frozen patterns: the gradient with the patterns' own part left out", async () => {
  await using model = await loadModel(new URL("models/gpt2/", DATA), { threads: 1 });
  await using sae = await loadSae(new URL("saes/g-std-pre2/", DATA));
  // In the last block nothing comes after the pattern that would differ, and nothing goes on to queries and keys.
  const grads = (method: MethodName, hooks: string[]) =>
    calculateAttributionGrads(model, [...PROMPT], logitDiff(110, 65), { saes: [sae], method, trackHookPoints: hooks });
  const behind = ["blocks.3.attn.hook_q", "blocks.3.attn.hook_k", "blocks.3.attn.hook_pattern"];
  const hooks = [...behind, "blocks.3.attn.hook_v", "blocks.3.attn.hook_z", "blocks.3.hook_resid_mid"];
  const [plain, frozen] = [await grads("gradient", hooks), await grads("frozen-pattern", hooks)];
  for (const hook of hooks) {
    const [a, b] = [plain, frozen].map(({ gradients }) => gradients.get(hook)!.data);
    if (/hook_[qk]$/.test(hook)) {
      assert.ok(a.some((x) => x !== 0) && b.every((x) => x === 0), hook);
    } else assert.equal(worstDifference(a, b), 0, hook);
  }
});

Deno.test("frozen patterns: the derivative when every pattern is put back to what it was", async () => {
  await using model = await loadModel(new URL("models/gpt2/", DATA), { threads: 1 });
  await using sae = await loadSae(new URL("saes/g-std-pre2/", DATA));
  const metric = logitDiff(110, 65);
  const patterns = ["blocks.2.attn.hook_pattern", "blocks.3.attn.hook_pattern"];
  const options = { saes: [sae], trackHookPoints: patterns };
  const run = await calculateAttributionGrads(model, [...PROMPT], metric, { ...options, method: "frozen-pattern" });
  const plain = await calculateAttributionGrads(model, [...PROMPT], metric, options);
  const g = run.gradients.get(sae.hookOut)!.data;
  const size = Math.sqrt(dot(g, g));
  const { processing, rows, resolvedMetric, state } = run;
  const at = async (step: number): Promise<number> => {
    const replacements: Replacement[] = patterns.map((hook) => ({
      hook,
      replace: () => Promise.resolve(state.values.get(hook)!),
    }));
    replacements.push({
      hook: sae.hookOut,
      replace: (values) => {
        const { dims, data } = values.get(sae.hookOut)!;
        return Promise.resolve({ dims, data: data.map((x, i) => x + step * g[i] / size) });
      },
    });
    const { final } = await model.chain.forward({ prompts: [PROMPT], processing, rows: [rows], replacements });
    return await metricValue(model, resolvedMetric, final);
  };
  const numeric = (await at(0.02) - await at(-0.02)) / 0.04;
  assert.ok(Math.abs(numeric - size) <= 2e-3 * size, `${numeric} by differences, not ${size}`);
  const other = dot(plain.gradients.get(sae.hookOut)!.data, g) / size;
  assert.ok(Math.abs(other - size) > 1e-2 * size, `the plain gradient is another: ${other}`);
});

Deno.test("an unknown method is refused, and every method has a title", () => {
  assert.throws(() => findMethod("shap" as MethodName), {
    name: "RangeError",
    message: `Unknown method "shap": choose one of ${METHOD_NAMES.join(", ")}`,
  });
  assert.equal(new Set(METHOD_NAMES.map((name) => findMethod(name).title)).size, METHOD_NAMES.length);
});

import assert from "node:assert/strict";
import {
  edgeTable,
  type EdgeTarget,
  type FeatureEdges,
  featureEdges,
  loadModel,
  loadSae,
  type Model,
  type Sae,
  toCsv,
} from "../../../mod.ts";
import { openSource } from "../../../lib/weights/files/source.ts";
import { openSafetensors } from "../../../lib/weights/tensors/tensors.ts";
import { assertClose, DATA } from "../golden.ts";

interface EdgeCase {
  readonly saes: readonly { readonly hook: string; readonly path: string }[];
  readonly tokens: readonly number[];
  readonly expected: {
    readonly targets: readonly {
      readonly position: number;
      readonly feature: number;
      readonly pre_activation: number;
      readonly activation: number;
      readonly top_edges: readonly [position: number, feature: number, activation: number, edge: number][];
      readonly nonzero_edges: number;
      readonly sum_edges: number;
      readonly error_per_position: readonly number[];
      readonly bias_per_position: readonly number[];
      readonly rest: number;
    }[];
  };
}

const openModel = (name = "gpt2"): Promise<Model> => loadModel(new URL(`models/${name}/`, DATA), { threads: 1 });
const openSae = (name: string, hook?: string): Promise<Sae> => loadSae(new URL(`saes/${name}/`, DATA), { hook });

/** A target's weights from one kind of node, by position. */
function byPosition({ nodes, tokens }: FeatureEdges, { weights }: EdgeTarget, kind: string, hook: string): number[] {
  const sums = tokens.map(() => 0);
  nodes.forEach((node, i) => {
    if (node.kind === kind && node.hook === hook) sums[node.position] += weights[i];
  });
  return sums;
}

Deno.test("the reference stack's edges, MLPs in between by their gradient", async () => {
  const golden = JSON.parse(Deno.readTextFileSync(new URL("cases/gpt2-feature_edges.json", DATA))) as EdgeCase;
  await using source = openSource(new URL("cases/", DATA));
  const store = await openSafetensors(source, { file: "gpt2-feature_edges.safetensors" });
  await using model = await openModel();
  const saes = await Promise.all(golden.saes.map(({ path }) => loadSae(new URL(`${path}/`, DATA))));
  const [lower, upper] = saes.map(({ hookOut }) => hookOut);
  const targets = golden.expected.targets.map(({ position, feature }) => ({ hook: upper, position, feature }));
  const found = await featureEdges(model, golden.tokens, { saes, targets });
  for (const [k, want] of golden.expected.targets.entries()) {
    const got = found.targets[k];
    const close = (value: number, wanted: number, name: string): number => assertClose([value], [wanted], name);
    close(got.preActivation, want.pre_activation, "pre-activation");
    close(got.activation, want.activation, "activation");
    close(got.rest, want.rest, "rest");
    assertClose(byPosition(found, got, "error", lower), want.error_per_position, "errors");
    assertClose(byPosition(found, got, "bias", lower), want.bias_per_position, "biases");
    close(byPosition(found, got, "feature", lower).reduce((a, b) => a + b), want.sum_edges, "sum");
    const edges = denseEdges(found, got, lower, saes[0].config.dSae);
    assertClose(edges, await store.read(`target${k}/edges`), "edges");
    assert.equal(edges.filter((x) => x !== 0).length, want.nonzero_edges);
    for (const [position, feature, activation, edge] of want.top_edges) {
      const i = found.nodes.findIndex((node) =>
        node.hook === lower && node.position === position && node.feature === feature
      );
      close(found.nodes[i].activation!, activation, "source activation");
      close(got.weights[i], edge, `edge of ${position}, ${feature}`);
    }
  }
  for (const sae of saes) await sae.close();
});

/** A target's weights from features of one SAE, `[position, feature]`. */
function denseEdges(
  { nodes, tokens }: FeatureEdges,
  { weights }: EdgeTarget,
  hook: string,
  dSae: number,
): Float32Array {
  const dense = new Float32Array(tokens.length * dSae);
  nodes.forEach(({ kind, position, feature, ...node }, i) => {
    if (kind === "feature" && node.hook === hook) dense[position * dSae + feature!] = weights[i];
  });
  return dense;
}

// Between blocks.1.hook_resid_post and blocks.2.hook_resid_pre lies nothing: a target's weights and its encoder's own bias
// are all of its pre-activation.
const RESIDUAL = [
  "g-std-pre2",
  "g-topk-pre1",
  "g-gated-mid0",
  "g-jump-post2",
  "g-topk-pre3-ln",
  "g-std-post3-cnorm",
  "g-avg-pre1",
];
for (const [i, name] of RESIDUAL.entries()) {
  const source = RESIDUAL[(i + 1) % RESIDUAL.length];
  Deno.test(`${source} to ${name} with nothing in between: the rest is the encoder's bias`, async () => {
    await using model = await openModel();
    await using lower = await openSae(source, "blocks.1.hook_resid_post");
    await using upper = await openSae(name, "blocks.2.hook_resid_pre");
    const { config } = upper;
    const features = Array.from({ length: config.dSae }, (_, feature) => feature); // more than go back at once
    const targets = [3, -1].flatMap((position) =>
      features.map((feature) => ({ hook: upper.hookOut, position, feature }))
    );
    const options = { saes: [upper, lower], targets, processing: "default" as const };
    const found = await featureEdges(model, " Tiger Woods plays the sport of", options);
    await using files = openSource(new URL(`saes/${name}/`, DATA));
    const store = await openSafetensors(files, { file: "sae_weights.safetensors" });
    const [wEnc, bDec] = await Promise.all([store.read("W_enc"), store.read("b_dec")]);
    const bias = await store.read(config.architecture === "gated" ? "b_mag" : "b_enc");
    const gate = config.architecture === "gated" ? await store.read("r_mag") : undefined;
    for (const { feature, rest, preActivation, activation } of found.targets) {
      let want = bias[feature];
      for (let d = 0; config.applyBDecToInput && d < config.dIn; d++) {
        want -= bDec[d] * wEnc[d * config.dSae + feature] * Math.exp(gate?.[feature] ?? 0);
      }
      assert.ok(Math.abs(rest - want) <= 2e-5, `${feature}: ${rest}, the bias is ${want}`);
      if (activation > 0) assert.ok(Math.abs(activation - preActivation) <= 1e-5 * activation);
    }
    assert.ok(found.targets.some(({ activation }) => activation > 0));
  });
}

Deno.test("with the MLP's output held, an edge is what taking the source out does", async () => {
  await using model = await openModel();
  await using heads = await openSae("g-jump-z2-cnorm");
  await using mlp = await openSae("g-tc-mlp2");
  await using upper = await openSae("g-old-pre3");
  const saes = [heads, mlp, upper];
  const tokens = await model.toTokens(" Tiger Woods plays the sport of");
  const processing = model.architecture.defaultProcessing;
  const found = await featureEdges(model, tokens, { saes, processing: "default" });
  const reads = [...new Set(saes.flatMap(({ hookIn, hookOut }) => [hookIn, hookOut]))];
  const clean = await model.chain.forward({ prompts: [tokens], processing, rows: [[9]], reads });
  const encoded = await heads.encode(model.runtime, clean.values.get(heads.hookOut)!.data);
  const written = await heads.contributions(encoded);
  const { activations: { offsets, features } } = encoded;
  const { dOut } = heads.config;
  const { weights: columns } = await upper.encoders(
    found.targets.filter(({ hook }) => hook === upper.hookOut)
      .map(({ feature }) => feature),
  );
  let checked = 0;
  for (const position of [2, 9]) {
    const entry = offsets[position];
    const value = clean.values.get(heads.hookOut)!;
    const without = value.data.slice();
    for (let i = 0; i < dOut; i++) without[position * dOut + i] -= written[entry * dOut + i];
    const { values } = await model.chain.forward({
      prompts: [tokens],
      processing,
      rows: [[9]],
      reads: [upper.hookIn],
      replacements: [
        { hook: heads.hookOut, replace: () => Promise.resolve({ dims: value.dims, data: without }) },
        { hook: mlp.hookOut, replace: () => Promise.resolve(clean.values.get(mlp.hookOut)!) },
      ],
    });
    const node = found.nodes.findIndex(({ kind, hook, ...at }) =>
      kind === "feature" && hook === heads.hookOut && at.position === position && at.feature === features[entry]
    );
    const [before, after] = [clean.values, values].map((of) => of.get(upper.hookIn)!.data);
    found.targets.filter(({ hook }) => hook === upper.hookOut).forEach((target, t) => {
      let want = 0;
      for (let d = 0; d < 32; d++) {
        const at = target.position * 32 + d;
        want += (before[at] - after[at]) * columns[t * 32 + d];
      }
      assertClose([target.weights[node]], [want], `feature ${features[entry]} at ${position} to ${target.feature}`);
      checked++;
    });
  }
  assert.ok(checked > 4);
  // The attention's output at another position does not reach this one without going through a further block.
  for (const { hook, weights } of found.targets.filter(({ hook }) => hook === upper.hookOut)) {
    assert.equal(hook, "blocks.3.hook_resid_pre");
    found.nodes.forEach((node, i) => {
      if (node.hook === heads.hookOut && node.position !== 9) assert.equal(weights[i], 0);
    });
  }
});

Deno.test("the edge table: largest first, sums to the pre-activation, and which rows", async () => {
  await using model = await loadModel("tiny-facts", { threads: 1 });
  await using lower = await loadSae("tiny-facts/blocks.2.hook_resid_pre");
  await using upper = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
  const targets = [{ hook: upper.hookOut, position: -1, feature: 189 }];
  const found = await featureEdges(model, " Tiger Woods plays the sport of", { saes: [lower, upper], targets });
  const rows = [...edgeTable(found).rows];
  const weights = rows.map((row) => row[7] as number);
  assert.deepEqual(weights, weights.toSorted((a, b) => b - a));
  const [{ preActivation, activation }] = found.targets;
  assert.ok(Math.abs(weights.reduce((a, b) => a + b) - preActivation) <= 1e-6);
  assert.ok(Math.abs(activation - preActivation) <= 1e-5);
  assert.deepEqual(new Set(rows.map(([kind]) => kind)), new Set(["feature", "error", "bias", "rest"]));
  const strongest = [...edgeTable(found, { top: 3, featuresOnly: true }).rows];
  assert.equal(strongest.length, 3);
  assert.deepEqual(strongest[0].slice(0, 7), [
    "feature",
    "blocks.2.hook_resid_pre",
    2,
    506,
    "blocks.3.hook_resid_pre",
    6,
    189,
  ]);
  const explanations = new Map([[lower.hookOut, await lower.labels()], [upper.hookOut, await upper.labels()]]);
  const labelled = toCsv(edgeTable(found, { top: 1, explanations })).split("\n");
  assert.match(labelled[0], /,weight,source_label,target_label$/);
  assert.match(labelled[1], /,the answer comes next \(sport\)$/);
});

Deno.test("targets that are not there", async () => {
  await using model = await openModel();
  await using lower = await openSae("g-topk-pre1");
  await using upper = await openSae("g-old-pre3");
  const cases: [{ hook: string; position: number; feature: number }, RegExp][] = [
    [
      { hook: "blocks.2.hook_resid_pre", position: 0, feature: 0 },
      /^No SAE writes blocks\.2\.hook_resid_pre; there is /,
    ],
    [{ hook: upper.hookOut, position: 5, feature: 0 }, /^The target's position 5 is not in a prompt of 3 tokens$/],
    [{ hook: upper.hookOut, position: -4, feature: 0 }, /^The target's position -4 is not in a prompt of 3 tokens$/],
    [
      { hook: upper.hookOut, position: 0, feature: 96 },
      /^The SAE at blocks\.3\.hook_resid_pre has no feature 96: it has 96/,
    ],
  ];
  for (const [target, message] of cases) {
    const made = featureEdges(model, [0, 5, 6], { saes: [lower, upper], targets: [target] });
    await assert.rejects(made, { name: "RangeError", message });
  }
  const alone = featureEdges(model, [0, 5, 6], { saes: [upper] });
  await assert.rejects(alone, { name: "RangeError", message: /^No SAE reads what another one writes/ });
});

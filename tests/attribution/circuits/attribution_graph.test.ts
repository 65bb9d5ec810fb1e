import assert from "node:assert/strict";
import {
  type AttributionGraph,
  attributionGraph,
  cantorPairing,
  type CircuitTracerGraph,
  type CircuitTracerNode,
  graphScores,
  loadModel,
  loadSae,
  loadSaes,
  type Model,
  nodeInfluence,
  pruneGraph,
  type Sae,
  toCircuitTracer,
} from "../../../mod.ts";
import { openSource } from "../../../lib/weights/files/source.ts";
import { openSafetensors } from "../../../lib/weights/tensors/tensors.ts";
import { assertClose, DATA } from "../golden.ts";

/** Made by circuit-tracer itself: tests/data/graphs/make.py */
interface GoldenGraph extends Pick<CircuitTracerGraph, "nodes" | "links" | "metadata" | "qParams"> {
  readonly tokens: readonly number[];
  readonly scores: { readonly replacement: number; readonly completeness: number };
}

interface Opened extends AsyncDisposable {
  readonly model: Model;
  readonly saes: readonly Sae[];
  readonly golden: GoldenGraph;
  readonly tensors: ReadonlyMap<string, Float32Array>;
}

async function open(name: string): Promise<Opened> {
  const directory = new URL(`graphs/${name}/`, DATA);
  const [family, kind] = name.split("-");
  const model = await loadModel(new URL(`models/${family}/`, DATA), { threads: 1 });
  const layers = Array.from({ length: model.architecture.config.nLayers }, (_, layer) => layer);
  const saes = kind === "clt"
    ? await loadSaes(new URL("cross_layer/clt-jumprelu/", DATA))
    : await Promise.all(layers.map((layer) => loadSae(new URL(`layer_${layer}.safetensors`, directory))));
  await using source = openSource(directory);
  const store = await openSafetensors(source, { file: "golden.safetensors" });
  const names = [...store.tensors.keys()];
  const tensors = new Map(await Promise.all(names.map(async (key) => [key, await store.read(key)] as const)));
  return {
    model,
    saes,
    tensors,
    golden: JSON.parse(Deno.readTextFileSync(new URL("graph.json", directory))),
    async [Symbol.asyncDispose]() {
      for (const sae of saes) await sae.close();
      await model.close();
    },
  };
}

/** Targets in the golden's order: features, then logits. */
function targetsOf({ nFeatures, nErrors, nTokens, logits }: AttributionGraph): number[] {
  const nodes = Array.from({ length: nFeatures }, (_, i) => i);
  return [...nodes, ...logits.map((_, i) => nFeatures + nErrors + nTokens + i)];
}

/** Features, their activations and all direct effects. */
function assertEffects(graph: AttributionGraph, tensors: Opened["tensors"]): void {
  const features = graph.features.flatMap(({ layer, position, feature }) => [layer, position, feature]);
  assert.deepEqual(features, [...tensors.get("active_features")!]);
  assertClose(graph.features.map(({ activation }) => activation), tensors.get("activations")!, "activations");
  const targets = targetsOf(graph);
  const want = tensors.get("adjacency")!;
  const width = want.length / targets.length;
  targets.forEach((target, i) => {
    const row = want.subarray(i * width, (i + 1) * width - graph.logits.length);
    assertClose(graph.rows.get(target)!, row, `row ${target}`);
    assert.ok(want.subarray((i + 1) * width - graph.logits.length, (i + 1) * width).every((x) => x === 0));
  });
}

const SETS = ["gpt2", "gpt2-clt", "llama", "gemma2"];

for (const name of SETS) {
  Deno.test(`${name}: all direct effects are circuit-tracer's`, async () => {
    await using opened = await open(name);
    const { model, saes, golden, tensors } = opened;
    const graph = await attributionGraph(model, golden.tokens, { saes, maxLogits: 4 });
    assertEffects(graph, tensors);
    assertClose(graph.probabilities, tensors.get("logit_probabilities")!, "probabilities");
  });

  Deno.test(`${name}: edges and the biases of a run without any node make up every pre-activation`, async () => {
    await using opened = await open(name);
    const { model, saes, golden, tensors } = opened;
    const graph = await attributionGraph(model, golden.tokens, { saes, maxLogits: 4 });
    const [values, biases] = [tensors.get("pre_activations")!, tensors.get("biases")!];
    targetsOf(graph).forEach((target, i) => {
      const { value, bias } = graph.sums.get(target)!;
      const sum = graph.rows.get(target)!.reduce((a, b) => a + b, biases[i]);
      assert.ok(Math.abs(sum - value) <= 5e-4, `node ${target}: ${sum}, its value is ${value}`);
      assertClose([value, bias], [values[i], biases[i]], `node ${target}`);
    });
  });

  Deno.test(`${name}: scores, pruning and the file are circuit-tracer's`, async () => {
    await using opened = await open(name);
    const { model, saes, golden, tensors } = opened;
    const prompt = golden.metadata.prompt.slice(golden.metadata.prompt_tokens[0].length); // without BOS
    const graph = await attributionGraph(model, prompt, { saes, maxLogits: 4, prependBos: true });
    assert.deepEqual(graph.tokens.map(({ id }) => id), golden.tokens);
    const scores = graphScores(graph);
    assertClose([scores.replacement, scores.completeness], Object.values(golden.scores), "scores");
    assertClose(pruneGraph(graph, { node: 0.8, edge: 0.98 }).cumulative, tensors.get("cumulative")!, "cumulative");
    const file = await toCircuitTracer(graph, { slug: `tiny-${name}`, scan: `tiny-${name}` });
    assert.deepEqual(file.qParams, golden.qParams);
    for (const [key, value] of Object.entries(golden.metadata)) {
      if (key === "transcoder_list") continue;
      assert.deepEqual(file.metadata[key as keyof typeof file.metadata], value, key);
    }
    const id = ({ node_id }: CircuitTracerNode): string => node_id;
    assert.equal(new Set(file.nodes.map(id)).size, file.nodes.length, "an id is there twice");
    const [got, want] = [file, golden].map(({ nodes }) => nodes.toSorted(byPlace));
    assert.equal(got.length, want.length);
    got.forEach((node, i) => assertSameNode(node, want[i]));
    assertSameLinks(file, golden);
  });
}

/** By what a node is: two of circuit-tracer's may have one id. */
function place({ feature_type, layer, ctx_idx, feature }: CircuitTracerNode): string {
  return [feature_type, layer, ctx_idx, feature].join();
}

function byPlace(a: CircuitTracerNode, b: CircuitTracerNode): number {
  return place(a) < place(b) ? -1 : 1;
}

function assertSameNode(got: CircuitTracerNode, want: CircuitTracerNode): void {
  const numbers = ["token_prob", "influence", "activation"] as const;
  for (const key of numbers) {
    if (want[key] === null) assert.equal(got[key], null, key);
    else assertClose([got[key]!], [want[key]!], `${key} of ${want.node_id}`);
  }
  const rest = (node: CircuitTracerNode): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(node).filter(([key]) => key !== "node_id" && !numbers.includes(key as "influence")),
    );
  // A part of a character is shown by its bytes, where circuit-tracer has U+FFFD.
  const clerp = want.clerp.includes("\ufffd") ? got.clerp.replace(/(\\x[0-9A-F]{2})+/, "\ufffd") : got.clerp;
  assert.deepEqual({ ...rest(got), clerp }, rest(want));
  if (got.node_id.startsWith("error_")) assert.equal(`0_${got.node_id.slice(6)}`, want.node_id);
  else assert.equal(got.node_id, want.node_id);
}

/** Weights by source and target; circuit-tracer's name for an error that is also a feature's stands for both. */
function assertSameLinks(got: Pick<CircuitTracerGraph, "links">, want: Pick<CircuitTracerGraph, "links">): void {
  const sorted = ({ links }: Pick<CircuitTracerGraph, "links">): (readonly [string, number])[] =>
    links.map(({ source, target, weight }) => [`${source.replace(/^error_/, "0_")} ${target}`, weight] as const)
      .sort(([a, x], [b, y]) => a < b ? -1 : a > b ? 1 : x - y);
  const [ours, theirs] = [sorted(got), sorted(want)];
  assert.deepEqual(ours.map(([name]) => name), theirs.map(([name]) => name));
  assertClose(ours.map(([, weight]) => weight), theirs.map(([, weight]) => weight), "weights");
}

Deno.test("Cantor's pairing", () => {
  // As circuit-tracer: feature 16 of layer 1, feature 21 of layer 2.
  assert.deepEqual([cantorPairing(1, 16), cantorPairing(2, 21), cantorPairing(25, 16383)], [169, 297, 134635819]);
});

Deno.test("only the first position is left out, not special tokens after it, as by circuit-tracer", async () => {
  await using opened = await open("gpt2");
  const { model, saes } = opened;
  await using source = openSource(new URL("graphs/gpt2/", DATA));
  const store = await openSafetensors(source, { file: "inside.safetensors" });
  const names = [...store.tensors.keys()];
  const tensors = new Map(await Promise.all(names.map(async (key) => [key, await store.read(key)] as const)));
  const tokens = [...tensors.get("tokens")!];
  assert.equal(tokens[3], tokens[0]);
  const graph = await attributionGraph(model, tokens, { saes, maxLogits: 4 });
  assertEffects(graph, tensors);
  assert.ok(graph.features.some(({ position }) => position === 3));
  const positions = async (excludeSpecialTokens: boolean | number[]): Promise<number[]> => {
    const { features } = await attributionGraph(model, tokens, { saes, maxLogits: 1, excludeSpecialTokens });
    return [...new Set(features.map(({ position }) => position))].sort((a, b) => a - b);
  };
  const all = [...tokens.keys()];
  assert.deepEqual(await positions(true), all.filter((at) => at !== 0 && at !== 3));
  assert.deepEqual(await positions(false), all);
  assert.deepEqual(await positions([tokens[1]]), all.filter((at) => tokens[at] !== tokens[1]));
});

Deno.test("of an instruction-tuned Gemma 3 the first four positions are left out, as by circuit-tracer", async () => {
  const parent = await Deno.makeTempDir();
  const saes = await Promise.all(
    [0, 1].map((layer) => loadSae(new URL(`graphs/gemma2/layer_${layer}.safetensors`, DATA))),
  );
  try {
    for (const [name, first] of [["gemma-3-1b-it", 4], ["gemma-3-1b-pt", 1]] as const) {
      await Deno.mkdir(`${parent}/${name}`);
      for (const file of ["config.json", "model.safetensors"]) {
        await Deno.copyFile(new URL(`models/gemma3/${file}`, DATA), `${parent}/${name}/${file}`);
      }
      await using model = await loadModel(`${parent}/${name}`, { threads: 1 });
      const { features } = await attributionGraph(model, [2, 7, 8, 9, 10, 11, 12], { saes, maxLogits: 1 });
      assert.equal(Math.min(...features.map(({ position }) => position)), first, name);
    }
  } finally {
    for (const sae of saes) await sae.close();
    await Deno.remove(parent, { recursive: true });
  }
});

Deno.test("with fewer features than are active: those with the most influence, their effects unchanged", async () => {
  await using opened = await open("gpt2");
  const { model, saes, golden } = opened;
  const whole = await attributionGraph(model, golden.tokens, { saes, maxLogits: 4 });
  const few = await attributionGraph(model, golden.tokens, { saes, maxLogits: 4, maxFeatures: 12 });
  assert.equal(few.nFeatures, 12);
  assert.equal(few.nActive, whole.nFeatures);
  // Only the logits' rows are known when they are chosen.
  const share = new Float64Array(whole.nFeatures);
  const first = whole.nFeatures + whole.nErrors + whole.nTokens;
  whole.probabilities.forEach((probability, i) => {
    const row = whole.rows.get(first + i)!;
    const sum = row.reduce((a, b) => a + Math.abs(b), 0);
    share.forEach((_, node) => share[node] += probability * Math.abs(row[node]) / sum);
  });
  const best = [...share.keys()].sort((a, b) => share[b] - share[a]).slice(0, 12).sort((a, b) => a - b);
  assert.deepEqual(few.features, best.map((node) => whole.features[node]));
  few.features.forEach((_, i) => {
    const [got, want] = [few.rows.get(i)!, whole.rows.get(best[i])!];
    assertClose(got, [...best.map((node) => want[node]), ...want.subarray(whole.nFeatures)], `row ${i}`);
  });
  assert.ok(nodeInfluence(few).every((x) => x >= 0));
});

Deno.test("an MLP without a transcoder is all error", async () => {
  await using opened = await open("gpt2");
  const { model, saes, golden } = opened;
  const whole = await attributionGraph(model, golden.tokens, { saes, maxLogits: 2 });
  const most = saes.filter((_, layer) => layer !== 1);
  const graph = await attributionGraph(model, golden.tokens, { saes: most, maxLogits: 2 });
  assert.deepEqual(graph.missing, [1]);
  assert.ok(graph.features.every(({ layer }) => layer !== 1));
  // What layer 1's MLP writes at a position does to a logit what its parts did together: all but its bias.
  const last = golden.tokens.length - 1;
  const [target, before] = [graph, whole].map(({ nFeatures, nErrors, nTokens }) => nFeatures + nErrors + nTokens);
  const [row, rowBefore] = [graph.rows.get(target)!, whole.rows.get(before)!];
  const { bias } = graph.sums.get(target)!;
  const changed = row.subarray(graph.nFeatures).reduce((sum, x, i) => sum + x - rowBefore[whole.nFeatures + i], 0);
  const parts = whole.features.reduce((sum, { layer }, i) => layer === 1 ? sum + rowBefore[i] : sum, 0);
  assertClose([changed + bias], [parts + whole.sums.get(before)!.bias], "what the MLP does");
  assert.notEqual(row[graph.nFeatures + graph.nTokens + last], rowBefore[whole.nFeatures + whole.nTokens + last]);
});

Deno.test("what cannot be in a graph is said", async () => {
  await using model = await loadModel(new URL("models/gpt2/", DATA), { threads: 1 });
  await using sae = await loadSae(new URL("saes/g-std-pre2/", DATA));
  await assert.rejects(attributionGraph(model, [0, 5], { saes: [sae] }), {
    name: "RangeError",
    message:
      /^An attribution graph is of transcoders .* reads blocks\.2\.hook_resid_pre and writes blocks\.2\.hook_resid_pre/,
  });
  await using opened = await open("gpt2");
  const graph = await attributionGraph(opened.model, [0, 5, 8], { saes: opened.saes, maxLogits: 1 });
  for (const options of [{ nodeThreshold: 1.5 }, { edgeThreshold: NaN }]) {
    const made = toCircuitTracer(graph, { slug: "a", scan: "b", ...options });
    await assert.rejects(made, {
      name: "RangeError",
      message: /^The (node|edge) threshold is (1\.5|NaN): give a number/,
    });
  }
  const all = await toCircuitTracer(graph, { slug: "a", scan: "b", nodeThreshold: 1, edgeThreshold: 1 });
  assert.ok(all.nodes.length > 5 && all.links.every(({ weight }) => weight !== 0));
});

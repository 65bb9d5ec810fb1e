import assert from "node:assert/strict";
import {
  type Chain,
  Chain as ModelChain,
  type ForwardState,
  type Replacement,
} from "../../../lib/model/stages/chain.ts";
import { loadModel } from "../../../lib/model/model.ts";
import { renamedStore } from "../../../lib/model/weights/open_weights.ts";
import { createRuntime } from "../../../lib/runtime/runtime.ts";
import type { FloatTensor } from "../../../lib/runtime/tensor.ts";
import { openSource } from "../../../lib/weights/files/source.ts";
import { openSafetensors } from "../../../lib/weights/tensors/tensors.ts";
import { type Architecture, NO_PROCESSING, type Processing } from "../../../models/family.ts";
import { gpt2 } from "../../../models/gpt2.ts";
import { erfExact } from "../../graph/evaluate.ts";
import { relativeError, uniform } from "../../graph/numbers.ts";
import { type Hook, MASKED, runReference, type Settings } from "./gpt2_reference.ts";
import { memoryStore, type MemoryTensor } from "../memory_store.ts";

// float32 against float64: a few hundred roundings of 6e-8, relative to the largest element.
const VALUES = 1e-5;
const GRADIENTS = 2e-5;

const PROCESSINGS: Readonly<Record<string, Processing>> = {
  "default": { foldLn: true, centerWritingWeights: true, centerUnembed: true, foldValueBiases: true },
  "none": NO_PROCESSING,
  "no centring": { foldLn: true, centerWritingWeights: false, centerUnembed: true, foldValueBiases: true },
  "no fold_ln": { foldLn: false, centerWritingWeights: true, centerUnembed: true, foldValueBiases: true },
  "no fold_value_biases": { foldLn: true, centerWritingWeights: true, centerUnembed: true, foldValueBiases: false },
};

// A model with everything that is not GPT-2 small's: an odd MLP, erf gelu, scaling by layer, an unembedding of its own.

const CONFIG = {
  n_embd: 12,
  n_head: 3,
  n_layer: 3,
  n_inner: 7,
  vocab_size: 29,
  n_positions: 48,
  activation_function: "gelu",
  scale_attn_by_inverse_layer_idx: true,
  layer_norm_epsilon: 1e-4,
  tie_word_embeddings: false,
};

const SETTINGS: Settings = {
  nLayers: 3,
  dModel: 12,
  nHeads: 3,
  dMlp: 7,
  dVocab: 29,
  eps: 1e-4,
  activation: (x) => 0.5 * x * (1 + erfExact(x / Math.SQRT2)),
  scaleByLayer: true,
  unembedding: "lm_head.weight",
};

function randomWeights(architecture: Architecture, seed: number): Record<string, MemoryTensor> {
  const random = uniform(seed);
  const { config, embedding, unembedding, finalWeights, blockWeights } = architecture;
  const blocks = Array.from({ length: config.nLayers }, (_, layer) => Object.values(blockWeights(layer))).flat();
  const refs = [embedding.tokens, embedding.positions!, ...blocks, ...Object.values(finalWeights()), unembedding[0]];
  return Object.fromEntries(refs.map(({ name, shape }) => {
    const isNorm = /ln_.*weight$/.test(name);
    const size = shape.length === 2 && !name.startsWith("w") ? 2 / Math.sqrt(shape[0]) : 0.8;
    const data = Float32Array.from(
      { length: shape.reduce((a, b) => a * b, 1) },
      () => (isNorm ? 1 : 0) + size * (2 * random() - 1),
    );
    return [name, { shape, data }];
  }));
}

const ARCHITECTURE = gpt2.open(CONFIG);
const WEIGHTS = randomWeights(ARCHITECTURE, 12);

/** The chain over a file that names its tensors `transformer.…`. */
async function openChain(weights = WEIGHTS): Promise<{ chain: Chain } & AsyncDisposable> {
  const runtime = await createRuntime({ threads: 1 });
  const named = Object.entries(weights).map(([name, tensor]): [string, MemoryTensor] => [
    name === "lm_head.weight" ? name : `transformer.${name}`,
    tensor,
  ]);
  const store = renamedStore(memoryStore(Object.fromEntries(named)), ARCHITECTURE);
  return {
    chain: new ModelChain(ARCHITECTURE, store, runtime),
    [Symbol.asyncDispose]: () => runtime.dispose(),
  };
}

const TOKENS = [3, 17, 0, 28, 17, 9];
const ALL_ROWS = TOKENS.map((_, i) => i);

/** All hooks of the list. `hook_mlp_in` is a name of `hook_resid_mid` here. */
const BLOCK_HOOKS = [
  "hook_resid_pre",
  "ln1.hook_scale",
  "ln1.hook_normalized",
  "attn.hook_q",
  "attn.hook_k",
  "attn.hook_v",
  "attn.hook_attn_scores",
  "attn.hook_pattern",
  "attn.hook_z",
  "hook_attn_out",
  "hook_resid_mid",
  "ln2.hook_scale",
  "ln2.hook_normalized",
  "mlp.hook_in",
  "mlp.hook_pre",
  "mlp.hook_post",
  "hook_mlp_out",
  "hook_resid_post",
];

const allHooks = (nLayers: number): string[] => [
  "hook_embed",
  "hook_pos_embed",
  ...Array.from({ length: nLayers }, (_, layer) => BLOCK_HOOKS.map((local) => `blocks.${layer}.${local}`)).flat(),
  "ln_final.hook_scale",
  "ln_final.hook_normalized",
];

/** Scores that are not masked, by themselves: beside −1e30 nothing would count. */
function comparable(name: string, data: ArrayLike<number>): number[] {
  const numbers = Array.from(data);
  return name.endsWith("attn_scores") ? numbers.map((x) => x < MASKED / 2 ? 0 : x) : numbers;
}

/** Logits without their mean from the final norm's output, in float64. */
function logitsOf(final: FloatTensor, unembedding: MemoryTensor): Float64Array {
  const [rows, d] = [final.dims[1], final.dims[2]];
  const vocab = unembedding.shape[0];
  const logits = new Float64Array(rows * vocab);
  for (let r = 0; r < rows; r++) {
    let mean = 0;
    for (let v = 0; v < vocab; v++) {
      let sum = 0;
      for (let i = 0; i < d; i++) sum += final.data[r * d + i] * unembedding.data[v * d + i];
      logits[r * vocab + v] = sum;
      mean += sum / vocab;
    }
    for (let v = 0; v < vocab; v++) logits[r * vocab + v] -= mean;
  }
  return logits;
}

/** The gradient at the final norm's output from weights of the logits without their mean. */
function finalGradient(weights: Float64Array, unembedding: MemoryTensor): FloatTensor {
  const [vocab, d] = unembedding.shape;
  const rows = weights.length / vocab;
  const data = new Float32Array(rows * d);
  for (let r = 0; r < rows; r++) {
    const mean = weights.slice(r * vocab, (r + 1) * vocab).reduce((a, b) => a + b, 0) / vocab;
    for (let i = 0; i < d; i++) {
      let sum = 0;
      for (let v = 0; v < vocab; v++) sum += (weights[r * vocab + v] - mean) * unembedding.data[v * d + i];
      data[r * d + i] = sum;
    }
  }
  return { dims: [1, rows, d], data };
}

/** The reference's values by hook, with edits, and its logits. */
function reference(
  processing: Processing,
  edits: Readonly<Record<string, (values: ReadonlyMap<string, Float64Array>) => Float64Array>> = {},
  tokens: readonly number[] = TOKENS,
): { values: Map<string, Float64Array>; logits: Float64Array } {
  const values = new Map<string, Float64Array>();
  const hook: Hook = (name, value) => {
    values.set(name, value);
    const changed = edits[name]?.(values) ?? value;
    values.set(name, changed);
    return changed;
  };
  return { logits: runReference(SETTINGS, WEIGHTS, processing, tokens, hook), values };
}

Deno.test("every hook and the logits are those of an independent float64 forward pass, in every processing", async () => {
  await using opened = await openChain();
  let worst = 0;
  for (const [name, processing] of Object.entries(PROCESSINGS)) {
    const reads = allHooks(3);
    const state = await opened.chain.forward({ prompts: [TOKENS], processing, reads, rows: [ALL_ROWS] });
    const want = reference(processing);
    for (const hook of reads) {
      const error = relativeError(
        comparable(hook, state.values.get(hook)!.data),
        comparable(hook, want.values.get(hook)!),
      );
      assert.ok(error <= VALUES, `${name}, ${hook}: ${error}`);
      worst = Math.max(worst, error);
    }
    const error = relativeError(logitsOf(state.final, WEIGHTS["lm_head.weight"]), want.logits);
    assert.ok(error <= VALUES, `${name}, logits: ${error}`);
  }
  console.log(`worst relative error of a hook's value: ${worst.toExponential(1)}`);
});

Deno.test("hook values have TransformerLens's shapes, with a batch of 1", async () => {
  await using opened = await openChain();
  const reads = allHooks(3);
  const { values, final } = await opened.chain.forward({
    prompts: [TOKENS],
    processing: NO_PROCESSING,
    reads,
    rows: [[1, 4]],
  });
  const dims = (name: string): number[] => [...values.get(name)!.dims];
  assert.deepEqual(dims("hook_embed"), [1, 6, 12]);
  assert.deepEqual(dims("blocks.1.ln1.hook_scale"), [1, 6, 1]);
  assert.deepEqual(dims("blocks.1.attn.hook_z"), [1, 6, 3, 4]);
  assert.deepEqual(dims("blocks.1.attn.hook_pattern"), [1, 3, 6, 6]);
  assert.deepEqual(dims("blocks.1.mlp.hook_post"), [1, 6, 7]);
  assert.deepEqual(dims("ln_final.hook_normalized"), [1, 6, 12]);
  assert.deepEqual([...final.dims], [1, 2, 12]);
  const all = await opened.chain.forward({ prompts: [TOKENS], processing: NO_PROCESSING, rows: [ALL_ROWS] });
  const rows = [1, 4].flatMap((row) => [...all.final.data.subarray(row * 12, (row + 1) * 12)]);
  assert.ok(relativeError(final.data, rows) <= 1e-6);
});

Deno.test("the small GPT-2 from its files equals the same reference", async () => {
  const directory = new URL("../../data/models/gpt2/", import.meta.url);
  await using model = await loadModel(directory, { threads: 1 });
  await using source = openSource(directory);
  const store = await openSafetensors(source);
  const prefix = store.tensors.has("wte.weight") ? "" : "transformer.";
  const weights: Record<string, MemoryTensor> = {};
  for (const { name, shape, dtype } of store.tensors.values()) {
    if (!dtype.startsWith("F") || !name.startsWith(prefix)) continue;
    weights[name.slice(prefix.length)] = { shape, data: await store.read(name) };
  }
  const { nLayers, dModel, nHeads, dMlp, dVocab, eps } = model.architecture.config;
  const settings: Settings = {
    ...{ nLayers, dModel, nHeads, dMlp, dVocab, eps },
    activation: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
    scaleByLayer: false,
    unembedding: "wte.weight",
  };
  const tokens = [0, 5, 301, 77, 5];
  for (const processing of [PROCESSINGS["default"], NO_PROCESSING]) {
    const reads = allHooks(nLayers);
    const state = await model.chain.forward({ prompts: [tokens], processing, reads, rows: [[4]] });
    const values = new Map<string, Float64Array>();
    const want = runReference(settings, weights, processing, tokens, (name, value) => {
      values.set(name, value);
      return value;
    });
    for (const hook of reads) {
      const error = relativeError(
        comparable(hook, state.values.get(hook)!.data),
        comparable(hook, values.get(hook)!),
      );
      assert.ok(error <= VALUES, `${hook}: ${error}`);
    }
    const { data } = await model.unembedding.logits(state.final);
    assert.ok(relativeError(data, want.slice(4 * dVocab)) <= VALUES);
  }
});

// Replacements

type Edit = (values: ReadonlyMap<string, ArrayLike<number>>) => Float64Array;

/** A replacement, and the same as an edit of the reference. */
interface Change {
  readonly hook: string;
  readonly reads?: readonly string[];
  readonly edit: Edit;
}

/** Shrinks a value and adds noise; masked scores stay. */
function noise(hook: string, seed: number): Change {
  return {
    hook,
    edit: (values) => {
      const random = uniform(seed);
      return Float64Array.from(
        values.get(hook)!,
        (x) => x < MASKED / 2 ? x : 0.6 * x + 0.3 * random() * (hook.endsWith("scale") ? 1 : 2) - 0.1,
      );
    },
  };
}

/** Takes away a part of another hook's value. */
const less = (hook: string, other: string): Change => ({
  hook,
  reads: [other],
  edit: (values) => Float64Array.from(values.get(hook)!, (x, i) => x - 0.5 * values.get(other)![i]),
});

const asReplacement = ({ hook, reads, edit }: Change): Replacement => ({
  hook,
  reads,
  replace(values): Promise<FloatTensor> {
    const numbers = new Map([...values].map(([name, { data }]): [string, Float32Array] => [name, data]));
    return Promise.resolve({ dims: values.get(hook)!.dims, data: Float32Array.from(edit(numbers)) });
  },
});

const asEdits = (changes: readonly Change[]): Record<string, Edit> =>
  Object.fromEntries(changes.map(({ hook, edit }) => [hook, edit]));

/** Replacements that need a graph each: at a stage's input, output and inside, together, and reading others. */
const CHANGES: Readonly<Record<string, readonly Change[]>> = {
  "none": [],
  "a stage's input": [noise("blocks.1.hook_resid_pre", 1)],
  "a stage's output": [noise("blocks.1.hook_resid_post", 2)],
  "an output and the next input": [noise("blocks.0.hook_resid_post", 3), noise("blocks.1.hook_resid_pre", 4)],
  "the embedding": [noise("hook_embed", 5), noise("hook_pos_embed", 6)],
  "inside, two in one block, in the wrong order": [noise("blocks.1.hook_mlp_out", 7), noise("blocks.1.attn.hook_z", 8)],
  "input, inside and output of one block": [
    noise("blocks.2.hook_resid_post", 9),
    noise("blocks.2.hook_resid_mid", 10),
    noise("blocks.2.hook_resid_pre", 11),
  ],
  "scores, then their pattern": [noise("blocks.0.attn.hook_attn_scores", 12), noise("blocks.0.attn.hook_pattern", 13)],
  "two names for one value": [noise("blocks.1.ln2.hook_normalized", 14), noise("blocks.1.mlp.hook_in", 15)],
  "the final norm": [noise("ln_final.hook_scale", 16), noise("ln_final.hook_normalized", 17)],
  "reading a hook of the same block": [less("blocks.1.hook_mlp_out", "blocks.1.hook_attn_out")],
  "reading a hook of another block": [less("blocks.2.hook_mlp_out", "blocks.0.hook_resid_mid")],
  "reading the stage's input": [less("blocks.1.hook_attn_out", "blocks.1.hook_resid_pre")],
  "an output that reads inside": [less("blocks.1.hook_resid_post", "blocks.1.hook_attn_out")],
  "reading a replaced hook": [
    noise("blocks.1.hook_attn_out", 18),
    less("blocks.1.hook_mlp_out", "blocks.1.hook_attn_out"),
  ],
};

for (const name of ["default", "none"]) {
  Deno.test(`replacements go on to the rest of the model: processing ${name}`, async () => {
    await using opened = await openChain();
    const processing = PROCESSINGS[name];
    const changes: Record<string, readonly Change[]> = { ...CHANGES };
    BLOCK_HOOKS.forEach((local, i) => changes[local] = [noise(`blocks.1.${local}`, 30 + i)]);
    const reads = allHooks(3);
    for (const [what, change] of Object.entries(changes)) {
      const replacements = change.map(asReplacement);
      const state = await opened.chain.forward({
        prompts: [TOKENS],
        processing,
        reads,
        replacements,
        rows: [ALL_ROWS],
      });
      const want = reference(processing, asEdits(change));
      // With folded norms these are one value under two names, and both show what goes on.
      const isTwoNames = processing.foldLn && change.some(({ hook }) => hook === "blocks.1.mlp.hook_in");
      if (isTwoNames) want.values.set("blocks.1.ln2.hook_normalized", want.values.get("blocks.1.mlp.hook_in")!);
      for (const hook of reads) {
        const error = relativeError(
          comparable(hook, state.values.get(hook)!.data),
          comparable(hook, want.values.get(hook)!),
        );
        assert.ok(error <= VALUES, `${what}: ${hook} is wrong by ${error}`);
      }
      const error = relativeError(logitsOf(state.final, WEIGHTS["lm_head.weight"]), want.logits);
      assert.ok(error <= VALUES, `${what}: logits are wrong by ${error}`);
    }
  });
}

Deno.test("a replacement of the wrong size is refused", async () => {
  await using opened = await openChain();
  const replacement: Replacement = {
    hook: "blocks.1.hook_mlp_out",
    replace: () => Promise.resolve({ dims: [1, 6, 7], data: new Float32Array(42) }),
  };
  await assert.rejects(
    opened.chain.forward({ prompts: [TOKENS], processing: NO_PROCESSING, replacements: [replacement], rows: [[5]] }),
    { name: "RangeError", message: "The replacement at blocks.1.hook_mlp_out has 42 elements, not 72" },
  );
});

// Gradients

const ROWS = [2, 5];

/** Weights of the logits at ROWS: the metric is their sum of products. */
const METRIC = Float64Array.from({ length: ROWS.length * 29 }, ((random) => () => 2 * random() - 1)(uniform(99)));

const metricOf = (logits: Float64Array): number =>
  METRIC.reduce((sum, w, i) => sum + w * logits[ROWS[Math.floor(i / 29)] * 29 + i % 29], 0);

function gradients(chain: Chain, state: ForwardState, hooks: readonly string[]): Promise<Map<string, FloatTensor>> {
  return chain.backward(state, finalGradient(METRIC, WEIGHTS["lm_head.weight"]), hooks);
}

/**
 * A hook's gradient along random directions against central differences of the float64 reference, in which the value
 * that goes on from the hook is moved while whatever replaced other hooks adds what it added.
 */
function directionErrors(
  processing: Processing,
  deltas: ReadonlyMap<string, Float64Array>,
  hook: string,
  gradient: ArrayLike<number>,
): number {
  const random = uniform(hook.length);
  let worst = 0;
  for (let trial = 0; trial < 3; trial++) {
    const direction = Float64Array.from(gradient, () => random() < 0.4 ? 0 : 2 * random() - 1);
    const moved = (h: number): number => {
      const edit = (name: string): Edit => (values) => {
        const delta = deltas.get(name);
        return Float64Array.from(
          values.get(name)!,
          (x, i) => x + (delta?.[i] ?? 0) + (name === hook ? h * direction[i] : 0),
        );
      };
      return metricOf(
        reference(processing, Object.fromEntries([...deltas.keys(), hook].map((n) => [n, edit(n)]))).logits,
      );
    };
    const quotient = (moved(1e-5) - moved(-1e-5)) / 2e-5;
    const terms = Array.from(direction, (x, i) => x * gradient[i]);
    const size = Math.max(Math.abs(quotient), Math.hypot(...terms), 1e-3);
    worst = Math.max(worst, Math.abs(terms.reduce((a, b) => a + b, 0) - quotient) / size);
  }
  return worst;
}

Deno.test("gradients at every hook are the differences of the float64 reference, in every processing", async () => {
  await using opened = await openChain();
  const hooks = allHooks(3);
  let worst = 0;
  for (const [name, processing] of Object.entries(PROCESSINGS)) {
    const state = await opened.chain.forward({ prompts: [TOKENS], processing, gradientsFrom: hooks, rows: [ROWS] });
    const found = await gradients(opened.chain, state, hooks);
    for (const hook of hooks) {
      assert.deepEqual([...found.get(hook)!.dims], [...state.values.get(hook)!.dims]);
      const error = directionErrors(processing, new Map(), hook, found.get(hook)!.data);
      assert.ok(error <= GRADIENTS, `${name}, ${hook}: ${error}`);
      worst = Math.max(worst, error);
    }
  }
  console.log(`worst relative error of a hook's gradient along a direction: ${worst.toExponential(1)}`);
});

Deno.test("gradients with replacements elsewhere, and at the replaced hooks", async () => {
  await using opened = await openChain();
  const processing = PROCESSINGS["default"];
  const hooks = allHooks(3);
  for (const [what, change] of Object.entries(CHANGES)) {
    const state = await opened.chain.forward({
      prompts: [TOKENS],
      processing,
      gradientsFrom: hooks,
      replacements: change.map(asReplacement),
      rows: [ROWS],
    });
    const found = await gradients(opened.chain, state, hooks);
    // What each replacement added, in the reference: constants of the backward pass.
    const deltas = new Map<string, Float64Array>();
    reference(
      processing,
      Object.fromEntries(change.map(({ hook, edit }) => [hook, (values): Float64Array => {
        const changed = edit(values);
        deltas.set(hook, changed.map((x, i) => x - values.get(hook)![i]));
        return changed;
      }])),
    );
    const replaced = change.map(({ hook }) => hook);
    for (const hook of new Set([...replaced, "hook_embed", "blocks.1.hook_resid_pre", "blocks.2.attn.hook_z"])) {
      const error = directionErrors(processing, deltas, hook, found.get(hook)!.data);
      assert.ok(error <= GRADIENTS, `${what}, gradient at ${hook}: ${error}`);
    }
  }
});

Deno.test("gradients are the differences of the metric through the chain's own replacements", async () => {
  await using opened = await openChain();
  const processing = PROCESSINGS["default"];
  const hooks = ["blocks.0.hook_mlp_out", "blocks.1.hook_resid_pre", "blocks.1.attn.hook_z", "blocks.2.mlp.hook_post"];
  const state = await opened.chain.forward({ prompts: [TOKENS], processing, gradientsFrom: hooks, rows: [ROWS] });
  const found = await gradients(opened.chain, state, hooks);
  for (const hook of hooks) {
    const gradient = found.get(hook)!.data;
    const size = Math.hypot(...gradient);
    // Along the gradient itself, by 1e-2 of a unit: float32 leaves 1e-5 of the difference, its cubic part 1e-3.
    const metric = async (h: number): Promise<number> => {
      const replacement: Replacement = {
        hook,
        replace: (values) => {
          const { dims, data } = values.get(hook)!;
          return Promise.resolve({ dims, data: data.map((x, i) => x + h * gradient[i] / size) });
        },
      };
      const { final } = await opened.chain.forward({
        prompts: [TOKENS],
        processing,
        replacements: [replacement],
        rows: [ROWS],
      });
      return logitsOf(final, WEIGHTS["lm_head.weight"]).reduce((sum, x, i) => sum + METRIC[i] * x, 0);
    };
    const quotient = (await metric(1e-2) - await metric(-1e-2)) / 2e-2;
    assert.ok(Math.abs(quotient / size - 1) <= 2e-3, `${hook}: ${quotient} against ${size}`);
  }
});

Deno.test("a hook that the metric does not depend on has a gradient of zeros", async () => {
  await using opened = await openChain();
  const hooks = ["blocks.2.hook_resid_post", "blocks.2.hook_mlp_out"];
  const state = await opened.chain.forward({
    prompts: [TOKENS],
    processing: NO_PROCESSING,
    gradientsFrom: hooks,
    rows: [[2]],
  });
  const weights = METRIC.slice(0, 29);
  const found = await opened.chain.backward(state, finalGradient(weights, WEIGHTS["lm_head.weight"]), hooks);
  for (const hook of hooks) {
    found.get(hook)!.data.forEach((x, i) => assert.equal(x !== 0, Math.floor(i / 12) === 2, `${hook} ${i}`));
  }
});

// Few rows of the last block

Deno.test("a last block at few rows gives what the whole block gives, forward and backward", async () => {
  await using opened = await openChain();
  const random = uniform(4);
  const tokens = Array.from({ length: 40 }, () => Math.floor(29 * random()));
  const hooks = ["blocks.0.hook_mlp_out", "blocks.2.hook_resid_pre"];
  for (const [name, processing] of Object.entries(PROCESSINGS)) {
    for (const rows of [[39], [0], [5, 17, 38]]) {
      const request = { prompts: [tokens], processing, gradientsFrom: hooks, rows: [rows] };
      const few = await opened.chain.forward(request);
      const whole = await opened.chain.forward({ ...request, reads: ["blocks.2.hook_mlp_out"] });
      assert.deepEqual([few.selectRows, whole.selectRows], [true, false], `${name} ${rows}`);
      assert.ok(relativeError(few.final.data, whole.final.data) <= 2e-6, `${name} ${rows}`);
      const g = finalGradient(
        Float64Array.from({ length: rows.length * 29 }, () => random()),
        WEIGHTS["lm_head.weight"],
      );
      const fromFew = await opened.chain.backward(few, g, hooks);
      const fromWhole = await opened.chain.backward(whole, g, hooks);
      for (const hook of hooks) {
        assert.deepEqual(fromFew.get(hook)!.dims, fromWhole.get(hook)!.dims);
        const error = relativeError(fromFew.get(hook)!.data, fromWhole.get(hook)!.data);
        assert.ok(error <= 5e-6, `${name}, rows ${rows}, ${hook}: ${error}`);
      }
    }
  }
});

Deno.test("few rows with a replacement at the last block's input", async () => {
  await using opened = await openChain();
  const random = uniform(6);
  const tokens = Array.from({ length: 36 }, () => Math.floor(29 * random()));
  const change = [noise("blocks.2.hook_resid_pre", 3)];
  const processing = PROCESSINGS["default"];
  const state = await opened.chain.forward({
    prompts: [tokens],
    processing,
    replacements: change.map(asReplacement),
    rows: [[35]],
  });
  assert.equal(state.selectRows, true);
  const want = reference(processing, asEdits(change), tokens).logits.slice(35 * 29);
  assert.ok(relativeError(logitsOf(state.final, WEIGHTS["lm_head.weight"]), want) <= VALUES);
});

// What goes wrong

Deno.test("NaN and infinite weights: the message names the stage and the position", async () => {
  const cases: [string, (data: Float32Array) => void, RegExp][] = [
    ["wte.weight", (data) => data[17 * 12 + 3] = NaN, /^The output of the embedding is NaN at position 1: /],
    ["wpe.weight", (data) => data[4 * 12] = Infinity, /^The output of the embedding is (NaN|Infinity) at position 4: /],
    ["h.0.mlp.c_proj.bias", (data) => data[0] = NaN, /^The output of block 0 is NaN at position 0: /],
    ["h.2.attn.c_attn.weight", (data) => data[5] = NaN, /^The output of block 2 is NaN at position 0: /],
    ["h.1.mlp.c_fc.weight", (data) => data.fill(3e38), /^The output of block 1 is /],
    ["ln_f.weight", (data) => data[2] = NaN, /^The output of the final norm is NaN at position 0: /],
  ];
  for (const [name, damage, message] of cases) {
    const data = WEIGHTS[name].data.slice();
    damage(data);
    await using opened = await openChain({ ...WEIGHTS, [name]: { shape: WEIGHTS[name].shape, data } });
    await assert.rejects(
      opened.chain.forward({ prompts: [TOKENS], processing: PROCESSINGS["default"], rows: [ALL_ROWS] }),
      (error: Error) => {
        assert.match(error.message, message);
        assert.match(error.message, /: its weights are damaged or overflow$/);
        return true;
      },
    );
  }
});

Deno.test("prompts and hooks that the model does not have are RangeErrors", async () => {
  await using opened = await openChain();
  const run = (tokens: readonly number[], hook?: string): Promise<ForwardState> =>
    opened.chain.forward({ prompts: [tokens], processing: NO_PROCESSING, reads: hook ? [hook] : [], rows: [[0]] });
  const cases: [Promise<ForwardState>, string][] = [
    [run([]), "The prompt has no tokens: give some text, or prepend BOS"],
    [run(new Array(49).fill(0)), "49 tokens do not fit the model's context of 48"],
    [run([1, 29]), "Token id 29 is not in the vocabulary of 29"],
    [run([-1]), "Token id -1 is not in the vocabulary of 29"],
    [run([1.5]), "Token id 1.5 is not in the vocabulary of 29"],
  ];
  for (const [promise, message] of cases) await assert.rejects(promise, { name: "RangeError", message });
  await assert.rejects(run([0], "blocks.3.hook_resid_pre"), {
    name: "RangeError",
    message: /^No hook "blocks.3.hook_resid_pre" in this model of 3 layers; near: "blocks\./,
  });
  assert.equal((await run(new Array(48).fill(0))).final.dims[1], 1, "a full context fits");
});

Deno.test("a prompt of one token, and the same prompt twice", async () => {
  await using opened = await openChain();
  const processing = PROCESSINGS["default"];
  const first = await opened.chain.forward({ prompts: [[7]], processing, rows: [[0]] });
  const { logits } = reference(processing, {}, [7]);
  assert.ok(relativeError(logitsOf(first.final, WEIGHTS["lm_head.weight"]), logits) <= VALUES);
  const second = await opened.chain.forward({ prompts: [[7]], processing, rows: [[0]] });
  assert.deepEqual(second.final.data, first.final.data);
});

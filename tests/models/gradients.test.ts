/** Every family's block, differentiated, against central differences in float64, at its input and at every hook. */
import assert from "node:assert/strict";
import { addDeltas, graphInputs, reachable, type Role } from "../../lib/graph/mod.ts";
import { additiveMask } from "../../lib/model/stages/feeds.ts";
import { createRuntime } from "../../lib/runtime/runtime.ts";
import { type Architecture, NO_PROCESSING, type Processing, type StageGraph } from "../../models/family.ts";
import { openArchitecture } from "../../models/mod.ts";
import { gradientErrors, TOLERANCE } from "../graph/differences.ts";
import { type Feeds, type Numbers, randomNumbers, SIZES, sizesOf, uniform } from "../graph/numbers.ts";
import { MODELS, readConfig } from "./open.ts";

const { batch, position, row } = SIZES;

/** Sizes that differ from each other, and windows shorter than the prompt. */
const SMALL = {
  hidden_size: 16,
  n_embd: 16,
  intermediate_size: 7,
  vocab_size: 11,
  sliding_window: 2,
  window_size: 2,
  attn_logit_softcapping: 3,
  head_dim: 4,
  rotary_pct: 0.5,
};

/** Random weights and stream, with the masks and tables of angles that they need. */
function randomFeeds(architecture: Architecture, stage: StageGraph, seed: number): Record<string, Numbers> {
  const random = uniform(seed);
  const feeds: Record<string, Numbers> = {};
  for (const [name, { shape }] of graphInputs({ output: stage.output })) {
    feeds[name] = randomNumbers(random, shape);
    const mask = architecture.masks[name];
    if (mask) feeds[name] = { dims: sizesOf(shape), data: maskNumbers(shape[2] === "row", mask.window) };
    if (name.endsWith(":cos")) feeds[name].data.forEach((x, i) => feeds[name].data[i] = Math.cos(x));
    if (name.endsWith(":sin")) feeds[name].data.forEach((x, i) => feeds[name].data[i] = Math.sin(x));
  }
  return feeds;
}

function maskNumbers(selected: boolean, window?: number): Float64Array {
  const rows = selected ? Array.from({ length: row }, (_, i) => i % position) : undefined;
  const { data } = additiveMask(position, { window }, rows);
  return Float64Array.from({ length: batch * data.length }, (_, i) => data[i % data.length]);
}

async function worstError(architecture: Architecture, layer: number, processing: Processing, selectRows: boolean) {
  await using runtime = await createRuntime({ dtype: "float64", threads: 1 });
  const stage = architecture.block(layer, { processing, selectRows });
  const inner = Object.entries(stage.hooks).filter(([, value]) => value !== stage.input && value !== stage.output);
  const hooks = Object.fromEntries(inner);
  const names = Object.keys(hooks);
  const deltas = Object.fromEntries(names.map((name) => [`delta:${name}`, hooks[name]]));
  const shifted = addDeltas({ output: stage.output, ...hooks }, deltas);
  const zeros = Object.fromEntries(names.map((name): [string, Numbers] => {
    const dims = sizesOf(hooks[name].shape);
    return [`delta:${name}`, { dims, data: new Float64Array(dims.reduce((a, b) => a * b, 1)) }];
  }));
  const feeds: Feeds = { ...randomFeeds(architecture, stage, layer + 7), ...zeros };
  return await gradientErrors(runtime, {
    outputs: [shifted.output],
    wrt: [stage.input, ...names.map((name) => shifted[name])],
    moved: ["resid", ...names.map((name) => `delta:${name}`)],
    feeds,
    directional: true,
  });
}

/** The first layer of every kind. */
function layersByKind(architecture: Architecture): number[] {
  const { config, blockKind } = architecture;
  const kinds = Array.from({ length: config.nLayers }, (_, layer) => blockKind(layer));
  return [...new Set(kinds)].map((kind) => kinds.indexOf(kind));
}

for (const name of MODELS) {
  Deno.test(`${name}: gradients of its blocks`, async () => {
    const architecture = await openArchitecture({ ...readConfig(name), ...SMALL });
    for (const layer of layersByKind(architecture)) {
      for (const processing of [architecture.defaultProcessing, NO_PROCESSING]) {
        for (const selectRows of [false, true]) {
          for (const [at, error] of await worstError(architecture, layer, processing, selectRows)) {
            const what = `layer ${layer}${selectRows ? ", at rows" : ""}, folded ${processing.foldLn}, by ${at}`;
            assert.ok(error <= TOLERANCE, `${what}: ${error}`);
          }
        }
      }
    }
  });

  Deno.test(`${name}: the parts that methods treat specially are marked`, async () => {
    const architecture = await openArchitecture(readConfig(name));
    const { output } = architecture.block(0, { processing: NO_PROCESSING, selectRows: false });
    const found: Partial<Record<Role, number>> = {};
    for (const { role } of reachable([output])) if (role) found[role] = (found[role] ?? 0) + 1;
    const gated = !["gpt2", "gpt_neo", "gpt_neox"].includes(architecture.family);
    const norms = { gemma2: 4, gemma3: 6, olmo2: 4, olmo3: 4, qwen3: 4 }[architecture.family] ?? 2;
    const attention = { attention_scores: 1, attention_pattern: 1, attention_mix: 1 };
    const expected = { normalizer_scale: norms, ...attention, activation: 1, ...(gated ? { gate: 1 } : {}) };
    assert.deepEqual({ ...expected, ...found }, expected);
    assert.deepEqual(found, { ...found, ...expected });
  });
}

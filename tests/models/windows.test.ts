import assert from "node:assert/strict";
import { additiveMask, MASKED } from "../../lib/model/stages/feeds.ts";
import { rotaryTables } from "../../lib/model/stages/rotary.ts";
import type { FloatTensor } from "../../lib/runtime/tensor.ts";
import { relativeError } from "../graph/numbers.ts";
import { MODELS, open, type Opened } from "./open.ts";

const TOKENS = [5, 60, 7, 310, 42, 8, 99, 200, 13, 77, 3, 250, 180, 31, 16];

const lastFinal = async ({ architecture, chain }: Opened, tokens: readonly number[]): Promise<Float32Array> =>
  (await chain.forward({ prompts: [tokens], processing: architecture.defaultProcessing, rows: [[tokens.length - 1]] }))
    .final.data;

// [model, settings, how far back the last position sees: layers · (window − 1) with a window everywhere]
const SIGHTS: readonly [string, Record<string, unknown>, number][] = [
  ["mistral", {}, 2 * 5],
  ["mistral", { sliding_window: 3 }, 2 * 2],
  ["mistral", { sliding_window: 1 }, 0],
  ["gpt-neo", { attention_types: [[["local"], 2]], attention_layers: undefined }, 2 * 4],
  ["gemma2", { layer_types: ["sliding_attention", "sliding_attention", "sliding_attention"] }, 3 * 4],
  ["gemma3", { layer_types: ["sliding_attention", "sliding_attention", "sliding_attention"], sliding_window: 4 }, 9],
  ["phi3", {}, 3 * 4],
  ["olmo3", { layer_types: ["sliding_attention", "sliding_attention", "sliding_attention"] }, 3 * 3],
];

for (const [name, changes, sight] of SIGHTS) {
  Deno.test(`${name} with ${JSON.stringify(changes)} sees ${sight} positions back, and no more`, async () => {
    await using model = await open(name, changes);
    const last = TOKENS.length - 1;
    const changed = (at: number): number[] => TOKENS.map((token, i) => i === at ? 100 : token);
    const plain = await lastFinal(model, TOKENS);
    assert.deepEqual(await lastFinal(model, changed(last - sight - 1)), plain);
    assert.notDeepEqual(await lastFinal(model, changed(last - sight)), plain);
  });
}

for (
  const [name, changes] of [["mistral", { sliding_window: null }], ["gemma2", {}], ["gpt-neo", {}], [
    "llama",
    {},
  ]] as const
) {
  Deno.test(`${name} with ${JSON.stringify(changes)} sees the first token`, async () => {
    await using model = await open(name, changes);
    assert.notDeepEqual(await lastFinal(model, [100, ...TOKENS.slice(1)]), await lastFinal(model, TOKENS));
  });
}

for (const name of MODELS) {
  Deno.test(`${name}: the last block at some rows only gives what the whole block gives there`, async () => {
    await using model = await open(name);
    const { architecture, chain } = model;
    const { nLayers } = architecture.config;
    const hook = `blocks.${nLayers - 1}.hook_resid_pre`;
    const tokens = [...TOKENS, ...TOKENS, ...TOKENS];
    const request = { prompts: [tokens], processing: architecture.defaultProcessing, gradientsFrom: [hook] };
    const [few, all] = await Promise.all([
      chain.forward({ ...request, rows: [[9, 44]] }),
      chain.forward({ ...request, rows: [[9, 44]], reads: [`blocks.${nLayers - 1}.hook_resid_post`] }),
    ]);
    assert.deepEqual([few.selectRows, all.selectRows], [true, false]);
    assert.ok(relativeError(few.final.data, all.final.data) <= 2e-6);
    const gradient: FloatTensor = { dims: few.final.dims, data: few.final.data.map((_, i) => Math.sin(i)) };
    const [a, b] = [await chain.backward(few, gradient, [hook]), await chain.backward(all, gradient, [hook])];
    assert.ok(relativeError(a.get(hook)!.data, b.get(hook)!.data) <= 5e-6);
  });
}

Deno.test("a mask with a window, for all queries and for some", () => {
  const seen = ({ dims, data }: FloatTensor): string[] =>
    Array.from(
      { length: dims[2] },
      (_, q) =>
        Array.from(data.subarray(q * dims[3], (q + 1) * dims[3]), (x) =>
          x === 0 ? "x" : x === Math.fround(MASKED) ? "." : "?").join(""),
    );
  assert.deepEqual(seen(additiveMask(4, {})), ["x...", "xx..", "xxx.", "xxxx"]);
  assert.deepEqual(seen(additiveMask(4, { window: 2 })), ["x...", "xx..", ".xx.", "..xx"]);
  assert.deepEqual(seen(additiveMask(4, { window: 2 }, [1, 3])), ["xx..", "..xx"]);
  assert.deepEqual(seen(additiveMask(3, { window: 9 })), ["x..", "xx.", "xxx"]);
});

Deno.test("rotary tables: plain, linear and llama3 frequencies", () => {
  const angles = (spec: Parameters<typeof rotaryTables>[1]): number[] => {
    const { cos, sin } = rotaryTables(2, spec);
    assert.deepEqual([cos.dims, sin.dims], [[1, 2, spec.dim], [1, 2, spec.dim]]);
    assert.deepEqual([...cos.data.subarray(0, spec.dim)], new Array(spec.dim).fill(1)); // position 0
    return Array.from(sin.data.subarray(spec.dim), (s, i) => Math.atan2(s, cos.data[spec.dim + i]));
  };
  const close = (got: readonly number[], want: readonly number[]): void =>
    assert.ok(relativeError(got, want) < 1e-6, `${got} is not ${want}`);
  close(angles({ base: 100, dim: 4 }), [1, 0.1, 1, 0.1]);
  close(angles({ base: 100, dim: 4, scaling: { type: "linear", factor: 4 } }), [0.25, 0.025, 0.25, 0.025]);
  const scaling = {
    type: "llama3",
    factor: 8,
    lowFreqFactor: 1,
    highFreqFactor: 4,
    originalContext: 16 * Math.PI,
  } as const;
  // Within 16π positions, frequency 1 turns 8 times (stays), 0.1 0.8 times (by 8), 0.25 twice (a third of the way).
  close(angles({ base: 100, dim: 4, scaling }), [1, 0.0125, 1, 0.0125]);
  close(angles({ base: 16, dim: 4, scaling }), [1, (2 / 3) * 0.25 / 8 + 0.25 / 3, 1, (2 / 3) * 0.25 / 8 + 0.25 / 3]);
});

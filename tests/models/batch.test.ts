import assert from "node:assert/strict";
import type { ForwardState, Replacement } from "../../lib/model/stages/chain.ts";
import { hookNames } from "../../lib/model/hooks.ts";
import type { FloatTensor } from "../../lib/runtime/tensor.ts";
import { relativeError } from "../graph/numbers.ts";
import { uniform } from "../graph/numbers.ts";
import { MODELS, open, type Opened } from "./open.ts";

const PROMPTS = [
  [5, 60, 7, 310, 42],
  [8, 99, 200, 13, 77, 3, 250, 180, 31, 16, 44, 21],
  [150],
  [42, 42, 7, 9, 310, 60, 5],
];

const random = uniform(12);
const noise = (dims: readonly number[]): FloatTensor => ({
  dims,
  data: Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => random()),
});

/** One prompt's part of a batch's value `[batch, position, …]`, without its padding. */
function promptOf({ dims: [batch, n, ...rest], data }: FloatTensor, i: number, length: number): Float32Array {
  const size = data.length / batch;
  assert.equal(rest.length === 0 ? 1 : rest.reduce((a, b) => a * b, 1), size / n);
  return data.subarray(i * size, i * size + length * (size / n));
}

/** Hooks whose second axis is the position. */
function positionHooks({ architecture }: Opened): string[] {
  return hookNames(architecture).filter((hook) => !/attn\.hook_(pattern|attn_scores)$/.test(hook));
}

async function checkBatch(model: Opened, prompts: readonly (readonly number[])[], rows: number[][]): Promise<void> {
  const { architecture: { defaultProcessing: processing, config }, chain } = model;
  const hooks = rows[0].length > 1 ? positionHooks(model) : [`blocks.${config.nLayers - 1}.hook_resid_pre`];
  const batch = await chain.forward({ prompts, processing, rows, gradientsFrom: hooks });
  const gradient = noise(batch.final.dims);
  const gradients = await chain.backward(batch, gradient, hooks);
  let row = 0;
  for (const [i, prompt] of prompts.entries()) {
    const single = await chain.forward({ prompts: [prompt], processing, rows: [rows[i]], gradientsFrom: hooks });
    const d = config.dModel;
    const part = (t: FloatTensor): Float32Array => t.data.slice(row * d, (row + rows[i].length) * d);
    const error = relativeError(part(batch.final), single.final.data);
    assert.ok(error <= 2e-6, `final, prompt ${i}: ${error}`);
    const g = await chain.backward(single, { dims: single.final.dims, data: part(gradient) }, hooks);
    for (const hook of hooks) {
      for (
        const [kind, ofBatch, alone] of [["value", batch.values, single.values], ["gradient", gradients, g]] as const
      ) {
        const got = promptOf(ofBatch.get(hook)!, i, prompt.length);
        if (kind === "gradient" && hook.endsWith("hook_scale")) continue; // a small difference of large sums
        const most = kind === "gradient" && /hook_(q|k|rot_q|rot_k|normalized)$/.test(hook) ? 1e-5 : 2e-6; // as well
        const error = relativeError(got, alone.get(hook)!.data);
        assert.ok(error <= most, `${kind} of ${hook}, prompt ${i}: ${error}`);
      }
    }
    row += rows[i].length;
  }
}

const LONGROPE = {
  original_max_position_embeddings: 6, // between the prompts' lengths
  rope_scaling: { type: "longrope", short_factor: [1, 1.1, 1.3, 1.6], long_factor: [1.2, 2.5, 4, 7.5] },
};

Deno.test("phi3 with longrope: the frequencies of each prompt go by its own length", async () => {
  await using model = await open("phi3", LONGROPE);
  assert.ok(PROMPTS.some(({ length }) => length <= 6) && PROMPTS.some(({ length }) => length > 6));
  await checkBatch(model, PROMPTS, [[1, 4], [0, 3, 11], [0], [6]]);
});

for (const name of MODELS) {
  Deno.test(`${name}: prompts of different lengths in one pass give what each gives alone`, async () => {
    await using model = await open(name);
    await checkBatch(model, PROMPTS, [[1, 4], [0, 3, 11], [0], [6]]);
    const long = PROMPTS.map((prompt, i) => Array.from({ length: 34 + i }, (_, p) => prompt[p % prompt.length] + p));
    await checkBatch(model, long, long.map(({ length }, i) => [length - 1 - i])); // the last block at these rows only
  });

  Deno.test(`${name}: going on from the middle gives what a pass from the prompt gives`, async () => {
    await using model = await open(name);
    const { architecture: { defaultProcessing: processing, config }, chain } = model;
    const [, prompt] = PROMPTS;
    const above = `blocks.${config.nLayers - 1}.hook_attn_out`;
    for (const hook of ["hook_embed", "blocks.1.hook_resid_pre", "blocks.1.attn.hook_z", "blocks.0.hook_mlp_out"]) {
      const first = await chain.forward({ prompts: [prompt], processing, rows: [[4, 11]], gradientsFrom: [hook] });
      const changes = [0, 1, 2].map(() => noise(first.values.get(hook)!.dims));
      const whole = { dims: [3, ...changes[0].dims.slice(1)], data: new Float32Array(3 * changes[0].data.length) };
      changes.forEach(({ data }, i) => whole.data.set(data, i * data.length));
      const wanted = { gradientsFrom: [hook, above], reads: [above] };
      const batch = await chain.rerun(first, 3, {
        ...wanted,
        replacements: [{ hook, replace: () => Promise.resolve(whole) }],
      });
      const gradient = noise(batch.final.dims);
      const gradients = await chain.backward(batch, gradient, [hook, above]);
      for (const [i, change] of changes.entries()) {
        const replacements = [{ hook, replace: () => Promise.resolve(change) }];
        const alone = await chain.forward({ prompts: [prompt], processing, rows: [[4, 11]], ...wanted, replacements });
        const part = (t: FloatTensor): Float32Array => t.data.slice(i * t.data.length / 3, (i + 1) * t.data.length / 3);
        assert.ok(relativeError(part(batch.final), alone.final.data) <= 1e-6, `${hook} ${i}`);
        const g = await chain.backward(alone, { dims: alone.final.dims, data: part(gradient) }, [hook, above]);
        for (const at of [hook, above]) {
          assert.ok(
            relativeError(part(batch.values.get(at)!), alone.values.get(at)!.data) <= 2e-6,
            `${hook} ${i} ${at}`,
          );
          assert.ok(relativeError(part(gradients.get(at)!), g.get(at)!.data) <= 2e-6, `gradient ${hook} ${i} ${at}`);
        }
      }
    }
  });

  Deno.test(`${name}: going on with other values at several hooks, after a pass that had others there`, async () => {
    await using model = await open(name);
    const { architecture: { defaultProcessing: processing, config: { dModel } }, chain } = model;
    const [prompt] = PROMPTS;
    const plain = { prompts: [prompt], processing, rows: [[4]] };
    const [input, attention, mlp] = ["hook_resid_pre", "hook_attn_out", "hook_mlp_out"].map((hook) =>
      `blocks.1.${hook}`
    );
    const before = "blocks.0.hook_mlp_out";
    for (const hooks of [[attention], [mlp], [attention, mlp], [input, mlp], [before, attention, mlp]]) {
      const replacements = (): Replacement[] =>
        hooks.map((hook, i) => {
          const { dims, data } = noise([1, prompt.length, dModel]);
          // From the second on, what comes in counts too.
          const replace = (values: ReadonlyMap<string, FloatTensor>): FloatTensor =>
            i === 0 ? { dims, data } : { dims, data: data.map((x, j) => x + values.get(hook)!.data[j]) };
          return { hook, replace: (values) => Promise.resolve(replace(values)) };
        });
      const asked = { ...plain, gradientsFrom: hooks };
      const others = replacements();
      const whole = await chain.forward({ ...asked, replacements: others });
      for (
        const first of [await chain.forward(asked), await chain.forward({ ...asked, replacements: replacements() })]
      ) {
        const again = await chain.rerun(first, 1, { replacements: others });
        assert.ok(relativeError(again.final.data, whole.final.data) <= 1e-6, hooks.join());
      }
    }
  });

  Deno.test(`${name}: what cannot have changed need not run`, async () => {
    await using model = await open(name);
    const { architecture: { defaultProcessing: processing, config: { nLayers } }, chain } = model;
    const [, prompt] = PROMPTS;
    const from = 3;
    const hooks = [
      "hook_embed",
      "blocks.0.hook_resid_pre",
      "blocks.0.attn.hook_v",
      `blocks.${nLayers - 1}.hook_resid_pre`,
    ];
    for (const hook of [...hooks, `blocks.${nLayers - 1}.hook_mlp_out`, "ln_final.hook_normalized"]) {
      for (const rows of [[11], [4, 9], [1, 2]]) { // after, amid and before what changes
        const first = await chain.forward({ prompts: [prompt], processing, rows: [rows], gradientsFrom: [hook] });
        const clean = first.values.get(hook)!;
        const size = clean.data.length / prompt.length;
        const change = noise([2, ...clean.dims.slice(1)]);
        [0, 1].forEach((i) => change.data.set(clean.data.subarray(0, from * size), i * clean.data.length));
        const replacements = [{ hook, replace: () => Promise.resolve(change) }];
        const whole = await chain.rerun(first, 2, { replacements });
        const part = await chain.rerun(first, 2, { replacements, changedFrom: from });
        assert.deepEqual(part.final.dims, whole.final.dims);
        assert.ok(relativeError(part.final.data, whole.final.data) <= 2e-6, `${hook}, rows ${rows}`);
        const above = { reads: [`blocks.${nLayers - 1}.hook_mlp_out`], replacements, changedFrom: from };
        const seen = hook.startsWith("ln_final") ? part : await chain.rerun(first, 2, above); // all positions are
        assert.ok(relativeError(seen.final.data, whole.final.data) <= 2e-6, `${hook}, rows ${rows}, with a hook`);
        for (const [name, value] of seen.values) assert.equal(value.dims[1], prompt.length, name);
      }
    }
  });

  Deno.test(`${name}: gradients that begin at hooks`, async () => {
    await using model = await open(name);
    const { chain } = model;
    const hooks = [
      "blocks.0.hook_resid_pre",
      "blocks.0.hook_mlp_out",
      "blocks.0.hook_resid_post",
      "blocks.1.hook_resid_pre",
    ];
    const state = await run(model, hooks);
    const seed = noise(state.values.get("blocks.1.hook_resid_pre")!.dims);
    const from = (seeds: Record<string, FloatTensor>): Promise<Map<string, FloatTensor>> =>
      chain.backward(state, new Map(Object.entries(seeds)), ["blocks.0.hook_resid_pre"]);
    const [want, sameValue] = await Promise.all([
      from({ "blocks.1.hook_resid_pre": seed }),
      from({ "blocks.0.hook_resid_post": seed }),
    ]);
    const at = (found: Map<string, FloatTensor>): Float32Array => found.get("blocks.0.hook_resid_pre")!.data;
    assert.ok(relativeError(at(sameValue), at(want)) <= 1e-6);
    // Two seeds at once add up; several rows of seeds go back side by side.
    const other = noise(seed.dims);
    const both = await from({ "blocks.1.hook_resid_pre": seed, "blocks.0.hook_mlp_out": other });
    const [second] = [await from({ "blocks.0.hook_mlp_out": other })];
    assert.ok(relativeError(at(both), at(want).map((x, i) => x + at(second)[i])) <= 2e-6);
    const pair = { dims: [2, ...seed.dims.slice(1)], data: Float32Array.from([...seed.data, ...other.data]) };
    const beside = at(await from({ "blocks.1.hook_resid_pre": pair }));
    const alone = at(await from({ "blocks.1.hook_resid_pre": other }));
    assert.ok(relativeError(beside.subarray(0, seed.data.length), at(want)) <= 1e-6);
    assert.ok(relativeError(beside.subarray(seed.data.length), alone) <= 1e-6);
    // A derivative along a random direction, against values.
    const gradient = at(want);
    const direction = noise(state.values.get("blocks.0.hook_resid_pre")!.dims).data;
    const moved = async (step: number): Promise<number> => {
      const replacements = [{
        hook: "blocks.0.hook_resid_pre",
        replace: (values: ReadonlyMap<string, FloatTensor>) => {
          const { dims, data } = values.get("blocks.0.hook_resid_pre")!;
          return Promise.resolve({ dims, data: data.map((x, i) => x + step * direction[i]) });
        },
      }];
      const { values } = await chain.rerun(state, 1, { reads: ["blocks.1.hook_resid_pre"], replacements });
      return values.get("blocks.1.hook_resid_pre")!.data.reduce((sum, x, i) => sum + x * seed.data[i], 0);
    };
    const h = 2e-2;
    const difference = (8 * (await moved(h) - await moved(-h)) - (await moved(2 * h) - await moved(-2 * h))) / (12 * h);
    const dot = gradient.reduce((sum, g, i) => sum + g * direction[i], 0);
    const scale = Math.sqrt(gradient.reduce((sum, g) => sum + g * g, 0));
    assert.ok(Math.abs(difference - dot) <= 2e-3 * scale, `${difference} ${dot} ${scale}`);
  });

  Deno.test(`${name}: each row's gradient on its own is that of the other rows' being 0`, async () => {
    await using model = await open(name);
    const { chain, architecture: { defaultProcessing: processing, config } } = model;
    const long = Array.from({ length: 37 }, (_, p) => PROMPTS[1][p % 12] + p);
    const last = `blocks.${config.nLayers - 1}.hook_resid_pre`;
    // Few rows of a long prompt, many of one, and hooks within the last block, which then runs at all positions.
    for (
      const [prompt, rows, hooks] of [
        [long, [20, 30, 36], ["blocks.0.hook_resid_pre", last]],
        [long, Array.from({ length: 24 }, (_, i) => 12 + i), [last]],
        [PROMPTS[1], [3, 4, 11], positionHooks(model).filter((hook) => !hook.startsWith("ln_final"))],
      ] as const
    ) {
      const state = await chain.forward({ prompts: [prompt], processing, rows: [rows], gradientsFrom: hooks });
      const gradient = noise(state.final.dims);
      const eachRow = rows.map((_, i) => i).filter((i) => i !== 1);
      const apart = await chain.backward(state, gradient, hooks, { eachRow });
      for (const [copy, row] of eachRow.entries()) {
        const data = gradient.data.map((x, i) => Math.floor(i / config.dModel) === row ? x : 0);
        const alone = await chain.backward(state, { dims: gradient.dims, data }, hooks);
        for (const hook of hooks) {
          if (hook.endsWith("hook_scale")) continue; // a small difference of large sums
          const { dims, data } = apart.get(hook)!;
          assert.equal(dims[0], eachRow.length);
          const own = data.subarray(copy * data.length / dims[0], (copy + 1) * data.length / dims[0]);
          const most = /hook_(q|k|rot_q|rot_k|normalized)$/.test(hook) ? 1e-5 : 2e-6; // as well
          assert.ok(relativeError(own, alone.get(hook)!.data) <= most, `${hook}, row ${row}`);
        }
      }
    }
  });

  Deno.test(`${name}: where everything that a block writes is held constant, gradients pass unchanged`, async () => {
    await using model = await open(name);
    const { chain, architecture: { config: { nLayers } } } = model;
    const written = Array.from(
      { length: nLayers },
      (_, l) => [`blocks.${l}.hook_attn_out`, `blocks.${l}.hook_mlp_out`],
    );
    const hooks = ["blocks.0.hook_resid_pre", ...written.flat(), `blocks.${nLayers - 1}.hook_resid_post`];
    const state = await run(model, hooks);
    const gradient = noise(state.final.dims);
    const found = await chain.backward(state, gradient, hooks, { stopHooks: written.flat() });
    const top = found.get(`blocks.${nLayers - 1}.hook_resid_post`)!.data;
    for (const hook of hooks) assert.ok(relativeError(found.get(hook)!.data, top) <= 1e-6, hook);
  });
}

function run({ architecture, chain }: Opened, gradientsFrom: readonly string[]): Promise<ForwardState> {
  return chain.forward({
    prompts: [PROMPTS[1]],
    processing: architecture.defaultProcessing,
    rows: [[3, 11]],
    gradientsFrom,
  });
}

Deno.test("what cannot be gone on from is said", async () => {
  await using model = await open(MODELS[0]);
  const { chain, architecture: { defaultProcessing: processing } } = model;
  const replace = (hook: string) => ({
    hook,
    replace: (values: ReadonlyMap<string, FloatTensor>) => Promise.resolve(values.get(hook)!),
  });
  const state = await run(model, ["blocks.1.hook_resid_pre"]);
  const batch = await chain.forward({ prompts: PROMPTS, processing, rows: PROMPTS.map(() => [0]) });
  const hook = "blocks.1.hook_resid_pre";
  const over = await chain.forward({
    prompts: PROMPTS,
    processing,
    rows: PROMPTS.map(() => [0]),
    gradientsFrom: [hook],
  });
  const cases: [Promise<unknown>, RegExp][] = [
    [chain.rerun(batch, 2, { replacements: [replace(hook)] }), /^A pass over 4 prompts cannot be gone on from$/],
    [chain.rerun(state, 2, {}), /^Nothing is replaced: give replacements$/],
    [chain.rerun(state, 2, { replacements: [replace("blocks.0.hook_resid_pre")] }), /name it in gradientsFrom$/],
    [
      chain.rerun(state, 2, { replacements: [replace(hook)], reads: ["hook_embed"] }),
      /^hook_embed comes before what is replaced: read it from the first pass$/,
    ],
    [
      chain.forward({ prompts: [[1], [2]], processing, rows: [[0]] }),
      /^2 prompts with rows for 1: give one list of rows per prompt$/,
    ],
    [
      chain.backward(over, noise(over.final.dims), [hook], { eachRow: [0, 1] }),
      /^Several gradients go back over one prompt, and the pass has 4: run them one by one$/,
    ],
  ];
  for (const [promise, message] of cases) await assert.rejects(promise, { name: "RangeError", message });
});

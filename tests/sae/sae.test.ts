import assert from "node:assert/strict";
import { createRuntime } from "../../lib/runtime/runtime.ts";
import { loadSae } from "../../lib/sae/load.ts";
import { TensorSae } from "../../lib/sae/sae.ts";
import { toDense } from "../../lib/sae/sparse.ts";
import { encode as encodeSafetensors, type Entry, f32, withDirectory } from "../weights/fixtures.ts";
import { config, type Element, functionStore, noise, noiseRows, noiseTensors } from "./fixtures.ts";

const runtime = await createRuntime({ threads: 1 });
Deno.test.afterAll(() => runtime.dispose());

/** (z · W_enc + b_enc) for rows of z, in float64. */
function preActivations(z: Float32Array, dIn: number, dSae: number, W_enc: Element, b_enc: Element): Float64Array[] {
  const rows = z.length / dIn;
  const pre = Array.from({ length: rows }, () => Float64Array.from({ length: dSae }, (_, f) => b_enc(0, f)));
  for (let i = 0; i < dIn; i++) {
    for (let f = 0; f < dSae; f++) {
      const weight = Math.fround(W_enc(i, f));
      for (let r = 0; r < rows; r++) pre[r][f] += z[r * dIn + i] * weight;
    }
  }
  return pre;
}

Deno.test("encoding in slices of features is encoding at once", async () => {
  const [dIn, dSae, k] = [512, 30_000, 40];
  const settings = { d_in: dIn, d_sae: dSae, apply_b_dec_to_input: false };
  const tensors = noiseTensors(config(settings));
  const x = noiseRows(2, dIn);
  const pre = preActivations(x, dIn, dSae, tensors.W_enc.at, tensors.b_enc.at);

  const store = functionStore(tensors);
  const { activations } = await new TensorSae(config(settings), store, "test").encode(runtime, x);
  const reads = store.reads.filter(({ name }) => name === "W_enc");
  assert.ok(reads.length > 2, `${reads.length} slices`);
  const dense = toDense(activations, dSae).data;
  pre.forEach((row, r) => {
    row.forEach((h, f) => assert.ok(Math.abs(Math.max(0, h) - dense[r * dSae + f]) < 1e-4, `row ${r}, feature ${f}`));
  });

  for (const architecture of ["topk", "abstopk"]) {
    const topK = new TensorSae(config({ ...settings, architecture, k }), functionStore(tensors), "test");
    const kept = (await topK.encode(runtime, x)).activations;
    const rank = (h: number): number => architecture === "topk" ? h : Math.abs(h);
    pre.forEach((row, r) => {
      const order = Array.from(row.keys()).sort((a, b) => rank(row[b]) - rank(row[a])).slice(0, k);
      const [start, end] = [kept.offsets[r], kept.offsets[r + 1]];
      assert.deepEqual([...kept.features.slice(start, end)], order.sort((a, b) => a - b), architecture);
      for (let i = start; i < end; i++) assert.ok(Math.abs(kept.values[i] - row[kept.features[i]]) < 1e-4);
    });
  }
});

Deno.test("decoding and gradients are the formulas' on all features", async () => {
  const [dIn, dSae, rows] = [6, 11, 3];
  for (const normalization of ["none", "layer_norm", "constant_norm_rescale"]) {
    const settings = config({ d_in: dIn, d_sae: dSae, normalize_activations: normalization });
    const tensors = noiseTensors(settings);
    const sae = new TensorSae(settings, functionStore(tensors), "test");
    const [x, g] = [noiseRows(rows, dIn), noiseRows(rows, dIn, 6)];
    const encoded = await sae.encode(runtime, x);
    const { normalized: { scale, bias } } = encoded;
    const f = toDense(encoded.activations, dSae).data;
    const W = tensors.W_dec.at;
    const decoded = await sae.decode(encoded);
    const dense = await sae.denseGradients(encoded, g);
    assert.deepEqual(dense.dims, [rows, dSae]);
    for (let r = 0; r < rows; r++) {
      for (let i = 0; i < dIn; i++) {
        let sum = 0;
        for (let j = 0; j < dSae; j++) sum += f[r * dSae + j] * W(j, i);
        assert.ok(Math.abs(decoded[r * dIn + i] - (sum * scale[r] + bias[r * dIn + i])) < 1e-6);
      }
      for (let j = 0; j < dSae; j++) {
        let dot = 0;
        for (let i = 0; i < dIn; i++) dot += g[r * dIn + i] * W(j, i);
        assert.ok(Math.abs(dense.data[r * dSae + j] - dot * scale[r]) < 1e-6);
      }
    }
    const active = await sae.activeGradients(encoded, g);
    const { offsets, features } = encoded.activations;
    assert.ok(active.length > 0 && active.length < rows * dSae);
    for (let r = 0; r < rows; r++) {
      for (let i = offsets[r]; i < offsets[r + 1]; i++) assert.equal(active[i], dense.data[r * dSae + features[i]]);
    }
  }
});

Deno.test("matching pursuit takes away what it finds, also of features beyond the first slice", async () => {
  const dIn = 16;
  const dSae = 2 ** 19 + 5; // a slice has 24 MB of W_dec
  const rows: Record<number, number[]> = { 3: [0, 1], [dSae - 1]: [1, 0], 7: [0.6, 0.8], 9: [-1, 0] };
  const settings = config({ architecture: "matching_pursuit", d_in: dIn, d_sae: dSae, max_iterations: 3 });
  const W_dec = { shape: [dSae, dIn], at: (r: number, c: number) => rows[r]?.[c] ?? 0 };
  const b_dec = { shape: [dIn], at: () => 0 };
  const sae = new TensorSae(settings, functionStore({ W_dec, b_dec }), "test");
  const x = new Float32Array(2 * dIn);
  x.set([5, 1], 0);
  x.set([-2, -1], dIn);
  const { activations: { offsets, features, values } } = await sae.encode(runtime, x);
  assert.deepEqual([...offsets], [0, 2, 3]);
  assert.deepEqual([...features], [3, dSae - 1, 9]);
  assert.deepEqual([...values], [1, 5, 2]);
  assert.throws(() => sae.foldWDecNorm(), /cannot be folded into matching_pursuit/);
});

Deno.test("nothing active: x̂ is the bias, and there are no gradients", async () => {
  const settings = config({});
  const tensors = { ...noiseTensors(settings), b_enc: { shape: [6], at: () => -100 } };
  const sae = new TensorSae(settings, functionStore(tensors), "test");
  const encoded = await sae.encode(runtime, noiseRows(2, 4));
  assert.deepEqual([...encoded.activations.offsets], [0, 0, 0]);
  assert.deepEqual([...await sae.decode(encoded)], [...encoded.normalized.bias]);
  assert.equal((await sae.activeGradients(encoded, noiseRows(2, 4))).length, 0);
});

Deno.test("missing and misshapen tensors are named", () => {
  const settings: Record<string, unknown>[] = [
    { architecture: "standard" },
    { architecture: "gated" },
    { architecture: "jumprelu" },
    { architecture: "jumprelu_skip_transcoder", d_out: 3 },
  ];
  const shapes: Record<string, number[]> = {
    W_enc: [4, 6],
    W_dec: [6, 4],
    b_dec: [4],
    b_enc: [6],
    threshold: [6],
    b_gate: [6],
    b_mag: [6],
    r_mag: [6],
  };
  for (const setting of settings) {
    const transcoder = setting.d_out ? { W_dec: [6, 3], b_dec: [3], W_skip: [3, 4] } : {};
    const all = Object.entries({ ...shapes, ...transcoder }).map(([name, shape]) =>
      [name, { shape, at: noise }] as const
    );
    const open = (tensors: typeof all): TensorSae =>
      new TensorSae(config(setting), functionStore(Object.fromEntries(tensors)), "somewhere");
    open(all);
    const needed = {
      standard: ["W_enc", "W_dec", "b_dec", "b_enc"],
      gated: ["W_enc", "W_dec", "b_dec", "b_gate", "b_mag", "r_mag"],
      jumprelu: ["W_enc", "W_dec", "b_dec", "b_enc", "threshold"],
      jumprelu_skip_transcoder: ["W_enc", "W_dec", "b_dec", "b_enc", "threshold", "W_skip"],
    }[setting.architecture as string]!;
    for (const name of needed) {
      const without = all.filter(([other]) => other !== name);
      assert.throws(() => open(without), new RegExp(`somewhere has no tensor "${name}"`));
      assert.throws(
        () => open([...without, [name, { shape: [5, 5], at: noise }]]),
        new RegExp(`somewhere has ${name} of shape \\[5,5\\]`),
      );
    }
  }
});

Deno.test("NaN in the encoder is found", async () => {
  const settings = config({});
  const tensors = noiseTensors(settings);
  const damaged = { shape: [4, 6], at: (r: number, c: number) => r === 2 && c === 3 ? NaN : noise(1, r, c) };
  const sae = new TensorSae(settings, functionStore({ ...tensors, W_enc: damaged }), "test");
  await assert.rejects(
    sae.encode(runtime, noiseRows(2, 4)),
    /feature 3 of the SAE at .* is NaN at position 0.*damaged/,
  );
});

const CFG = { d_in: 2, d_sae: 3, architecture: "standard", metadata: { hook_name: "blocks.0.hook_resid_pre" } };
const WEIGHTS: readonly Entry[] = [
  f32("W_enc", [2, 3], [1, 2, 3, 4, 5, 6]),
  f32("W_dec", [3, 2], [1, 0, 0, 1, 1, 1]),
  f32("b_enc", [3], [0, 0, -100]),
  f32("b_dec", [2], [0, 0]),
];

/** Tries a directory with these files. */
function open(
  files: Record<string, string | Uint8Array>,
  test: (load: () => ReturnType<typeof loadSae>) => Promise<void>,
): Promise<void> {
  return withDirectory(files, (directory) => test(() => loadSae(directory)));
}

Deno.test("an SAE from a directory, with labels", async () => {
  const labels = { features: { "1": { label: "odd", precision: 1 }, "2": { label: 7 }, "0": null } };
  const files = {
    "cfg.json": JSON.stringify(CFG),
    "sae_weights.safetensors": encodeSafetensors(WEIGHTS),
    "labels.json": JSON.stringify(labels),
  };
  await open(files, async (load) => {
    await using sae = await load();
    assert.deepEqual([...await sae.labels()], [[1, "odd"]]);
    const encoded = await sae.encode(runtime, new Float32Array([1, 1]));
    assert.deepEqual([...encoded.activations.features], [0, 1]);
    assert.deepEqual([...await sae.decode(encoded)], [5, 7]);
  });
  await open({ ...files, "labels.json": "[1]" }, async (load) => {
    await using sae = await load();
    await assert.rejects(sae.labels(), SyntaxError);
  });
});

Deno.test("without labels there are none", async () => {
  const files = { "cfg.json": JSON.stringify(CFG), "sae_weights.safetensors": encodeSafetensors(WEIGHTS) };
  await open(files, async (load) => {
    await using sae = await load();
    assert.equal((await sae.labels()).size, 0);
  });
});

Deno.test("directories that are no SAE", async () => {
  const weights = encodeSafetensors(WEIGHTS);
  const cfg = JSON.stringify(CFG);
  const rejects = (files: Record<string, string | Uint8Array>, expected: RegExp): Promise<void> =>
    open(files, async (load) => {
      await assert.rejects(load(), expected);
    });
  await rejects({ "sae_weights.safetensors": weights }, /no cfg.json/);
  await rejects({ "cfg.json": "{", "sae_weights.safetensors": weights }, /cfg.json/);
  await rejects({ "cfg.json": "[]", "sae_weights.safetensors": weights }, /cfg.json: it is not a JSON object/);
  await rejects({ "cfg.json": cfg }, /sae_weights.safetensors/);
  await rejects({ "cfg.json": cfg, "sae_weights.safetensors": weights.slice(0, 40) }, /sae_weights.safetensors/);
  const scaled = (factor: number): Uint8Array =>
    encodeSafetensors([...WEIGHTS, f32("scaling_factor", [3], [1, factor, 1])]);
  await rejects({ "cfg.json": cfg, "sae_weights.safetensors": scaled(1.5) }, /scaling_factor/);
  await open({ "cfg.json": cfg, "sae_weights.safetensors": scaled(1) }, async (load) => (await load()).close());
});

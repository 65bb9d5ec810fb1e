import assert from "node:assert/strict";
import {
  type Attribution,
  type AttributionOptions,
  calculateFeatureAttribution,
  type FloatTensor,
  loadModel,
  logitDiff,
  type Sae,
} from "../../../mod.ts";
import { preparePrompt } from "../../../lib/attribution/run/prompt.ts";
import { TensorSae } from "../../../lib/sae/sae.ts";
import { config, functionStore, noiseTensors } from "../../sae/fixtures.ts";
import { DATA, largest, worstDifference } from "../golden.ts";

const model = await loadModel(new URL("models/gpt2/", DATA), { threads: 1 });
Deno.test.afterAll(() => model.close());

const { dModel, nHeads, dHead } = model.architecture.config;
const TOKENS = [0, 341, 348, 304, 0, 347, 83];

/** A random SAE of 48 features. */
function randomSae(settings: Record<string, unknown>, metadata: Record<string, unknown>): Sae {
  const checked = config({ d_in: dModel, d_out: dModel, d_sae: 48, ...settings }, metadata);
  return new TensorSae(checked, functionStore(noiseTensors(checked)), "random");
}

const at = (hook: string, settings: Record<string, unknown> = {}): Sae => randomSae(settings, { hook_name: hook });

const transcoder = (hookIn: string, hookOut: string): Sae =>
  randomSae({ architecture: "transcoder" }, { hook_name: hookIn, hook_name_out: hookOut });

function run(saes: readonly Sae[], options: AttributionOptions = {}): Promise<Attribution> {
  return calculateFeatureAttribution(model, TOKENS, logitDiff(364, 296), { saes, ...options });
}

Deno.test("SAEs that do not fit the model", async () => {
  const reject = (saes: Sae[], message: RegExp): Promise<void> => assert.rejects(run(saes), message);
  await reject([at("blocks.1.hook_resid_prae")], /No hook "blocks.1.hook_resid_prae".*blocks.1.hook_resid_pre/);
  await reject([at("blocks.9.hook_resid_pre")], /No hook/);
  await reject([at("blocks.1.mlp.hook_post")], new RegExp(`d_in is ${dModel}, but blocks.1.mlp.hook_post has`));
  await reject([at("blocks.1.attn.hook_pattern")], /d_in/);
  await reject([at("blocks.1.hook_resid_pre"), at("blocks.1.hook_resid_pre")], /Two SAEs write/);
  await reject([transcoder("blocks.1.hook_mlp_out", "blocks.1.hook_resid_mid")], /comes after/);
  await reject([transcoder("blocks.2.hook_resid_pre", "blocks.1.hook_mlp_out")], /comes after/);
  const wide = randomSae({ architecture: "transcoder", d_out: dModel + 1 }, {
    hook_name: "blocks.1.ln2.hook_normalized",
    hook_name_out: "blocks.1.hook_mlp_out",
  });
  await reject([wide], new RegExp(`d_out is ${dModel + 1}`));
});

Deno.test("dense results hold what the rows hold", async () => {
  const sae = at("blocks.2.hook_resid_pre");
  const result = await run([sae]);
  const { data: f, dims } = await result.saeFeatureActivations(sae.hookOut);
  const { data: g } = await result.saeFeatureGrads(sae.hookOut);
  const { data: a } = await result.saeFeatureAttributions(sae.hookOut);
  assert.deepEqual(dims, [TOKENS.length, 48]);
  assert.deepEqual([f.length, g.length, a.length], [TOKENS.length * 48, f.length, f.length]);
  const rows = result.rows(sae.hookOut);
  assert.ok(rows.length > 0);
  for (const { position, feature, activation, gradient, attribution } of rows) {
    const i = position * 48 + feature;
    assert.deepEqual([f[i], g[i], a[i]], [activation, gradient, attribution]);
    assert.equal(attribution, Math.fround(activation * gradient));
  }
  assert.equal(a.filter((x) => x !== 0).length, rows.length);
  assert.ok(g.filter((x) => x !== 0).length > rows.length, "inactive features have gradients too");
  await assert.rejects(
    () => Promise.resolve().then(() => result.saeFeatureGrads("blocks.0.hook_resid_pre")),
    RangeError,
  );
});

/** One head of `[position, head, d_head]`. */
function headOf({ data }: FloatTensor, head: number): Float32Array {
  return data.filter((_, i) => Math.floor(i / dHead) % nHeads === head);
}

Deno.test("an SAE for one head reads and writes that head alone", async () => {
  const hook = "blocks.1.attn.hook_z";
  const headSae = (head: number, name = hook): Sae =>
    randomSae({ d_in: dHead }, { hook_name: name, hook_head_index: head });
  const sae = headSae(1);
  const plain = await run([], { trackHookPoints: [hook] });
  const result = await run([sae], { trackHookPoints: [hook] });
  const { run: { saeIn }, gradient } = result.parts.saes.get(hook)!;
  assert.deepEqual(saeIn, headOf(plain.modelActivations[hook], 1));
  assert.deepEqual(gradient, headOf(plain.modelGrads[hook], 1));
  assert.deepEqual(result.modelActivations[hook].data, plain.modelActivations[hook].data);
  assert.ok(result.rows(hook).length > 0 && result.decomposition[hook].maxResidual < 1e-4);

  const replaced = await run([sae], { trackHookPoints: [hook], includeErrorTerm: false });
  const value = replaced.modelActivations[hook];
  for (let head = 0; head < nHeads; head++) {
    const want = head === 1 ? replaced.parts.saes.get(hook)!.run.saeOut : headOf(plain.modelActivations[hook], head);
    assert.ok(worstDifference(headOf(value, head), want) <= 1e-6 * (1 + largest(want)), `head ${head}`);
  }
  assert.notEqual(replaced.metric, plain.metric);
  await assert.rejects(run([headSae(nHeads)]), new RegExp(`has ${nHeads} heads`));
  await assert.rejects(run([headSae(0, "blocks.1.hook_resid_pre")]), /no heads/);
});

Deno.test("excluded positions pass untouched, wherever they stand", async () => {
  const excluded = async (choice?: boolean | readonly number[]): Promise<number[]> => [
    ...(await preparePrompt(model, TOKENS, [], { excludeSpecialTokens: choice })).excluded,
  ];
  assert.deepEqual(await excluded(), []);
  assert.deepEqual(await excluded(true), [0, 4]);
  assert.deepEqual(await excluded([83, 348, 999]), [2, 6]);

  const sae = at("blocks.2.hook_resid_pre", { normalize_activations: "layer_norm" });
  const hook = sae.hookOut;
  const all = await run([sae]);
  const some = await run([sae], { excludeSpecialTokens: [83, 348] });
  const kept = all.rows(hook).filter(({ position }) => position !== 2 && position !== 6);
  assert.deepEqual(some.rows(hook), kept);
  const { run: { saeIn, saeOut } } = some.parts.saes.get(hook)!;
  const grads = await some.saeFeatureGrads(hook);
  for (const p of [2, 6]) {
    const [start, end] = [p * dModel, (p + 1) * dModel];
    assert.deepEqual(saeOut.subarray(start, end), saeIn.subarray(start, end));
    assert.equal(largest(grads.data.subarray(p * 48, (p + 1) * 48)), 0);
    assert.equal(some.decomposition[hook].bias[p], some.decomposition[hook].total[p]);
    assert.deepEqual([some.fit[hook].l0[p], some.fit[hook].relativeError[p]], [0, 0]);
  }
  // Sums and means are of the other positions.
  const others = [0, 1, 3, 4, 5].map((p) => all.fit[hook].l0[p]);
  assert.equal(some.fit[hook].meanL0, others.reduce((a, b) => a + b, 0) / others.length);
});

Deno.test("everything excluded: the plain model, without rows", async () => {
  const sae = at("blocks.2.hook_resid_pre");
  const plain = await run([]);
  const result = await run([sae], { excludeSpecialTokens: TOKENS, includeErrorTerm: false });
  assert.ok(Math.abs(result.metric - plain.metric) <= 1e-5 * (1 + Math.abs(plain.metric)));
  assert.deepEqual(result.rows(sae.hookOut), []);
  assert.ok(Number.isNaN(result.fit[sae.hookOut].explainedVarianceOverall));
  assert.deepEqual(result.warnings, []);
});

Deno.test("one position: no variance to explain, and no warning about it", async () => {
  const sae = at("blocks.2.hook_resid_pre");
  const result = await calculateFeatureAttribution(model, [341], logitDiff(364, 296), { saes: [sae] });
  assert.ok(Number.isNaN(result.fit[sae.hookOut].explainedVarianceOverall));
  assert.equal(result.fit[sae.hookOut].explainedVarianceWithoutFirst, null);
  assert.deepEqual(result.warnings, []);
});

Deno.test("NaN in a decoder is found", async () => {
  const checked = config({ d_in: dModel, d_sae: 48 }, { hook_name: "blocks.2.hook_resid_pre" });
  const W_dec = { shape: [48, dModel], at: () => NaN };
  const sae = new TensorSae(checked, functionStore({ ...noiseTensors(checked), W_dec }), "random");
  await assert.rejects(run([sae]), /output of the SAE at blocks.2.hook_resid_pre is NaN at position 0.*damaged/);
});

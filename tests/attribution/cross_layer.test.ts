/** Cross-layer transcoders against autograd in TransformerLens (tests/data/cross_layer/make.py) and finite differences. */
import assert from "node:assert/strict";
import {
  ablateFeatures,
  ablateJointly,
  type Attribution,
  calculateFeatureAttribution,
  checkAttribution,
  emitPython,
  evaluateFaithfulness,
  evaluateSae,
  loadModel,
  loadSae,
  loadSaes,
  logitDiff,
  patchFeatures,
  type Sae,
  steer,
} from "../../mod.ts";
import type { Replacement } from "../../lib/model/stages/chain.ts";
import { openSource } from "../../lib/weights/files/source.ts";
import { openSafetensors } from "../../lib/weights/tensors/tensors.ts";
import { runCli } from "../cli/run_cli.ts";
import { withDirectory } from "../weights/fixtures.ts";
import { assertClose, assertLogitsClose, DATA } from "./golden.ts";

const HERE = new URL("cross_layer/", DATA);
const METRIC = logitDiff(364, 296);
const { tokens, cases } = JSON.parse(Deno.readTextFileSync(new URL("expected.json", HERE))) as {
  tokens: number[];
  cases: Record<string, { directory: string; include_error_term: boolean; excluded: number[] }>;
};
const model = await loadModel(new URL("models/gpt2/", DATA), { threads: 1 });
const expected = await openSafetensors(openSource(HERE), { file: "expected.safetensors" });
Deno.test.afterAll(async () => {
  await Promise.all([model.close(), expected.source.close()]);
});

async function withSaes(directory: string, test: (saes: Sae[]) => Promise<void>): Promise<void> {
  const saes = await loadSaes(new URL(`${directory}/`, HERE));
  try {
    await test(saes);
  } finally {
    for (const sae of saes) await sae.close();
  }
}

function attribute(saes: readonly Sae[], includeErrorTerm = true, excluded: number[] = []): Promise<Attribution> {
  return calculateFeatureAttribution(model, tokens, METRIC, {
    saes,
    includeErrorTerm,
    excludeSpecialTokens: excluded,
  });
}

for (const [name, { directory, include_error_term, excluded }] of Object.entries(cases)) {
  Deno.test(`cross-layer transcoder, ${name}: autograd's`, async () => {
    await withSaes(directory, async (saes) => {
      const result = await attribute(saes.toReversed(), include_error_term, excluded);
      assertLogitsClose([result.metric], await expected.read(`${name}/metric`), "metric");
      assert.deepEqual(result.hooks, saes.map(({ hookOut }) => hookOut), "in order, whatever the order given");
      for (const hook of result.hooks) {
        const want = (what: string): Promise<Float32Array> => expected.read(`${name}/${hook}/${what}`);
        const { run } = result.parts.saes.get(hook)!;
        assertClose(run.saeIn, await want("sae_in"), `${hook} sae_in`);
        assertClose(run.saeOut, await want("sae_out"), `${hook} sae_out`);
        const acts = (await result.saeFeatureActivations(hook)).data;
        assertClose(acts, await want("feature_acts"), `${hook} feature_acts`);
        assert.deepEqual(acts.map((x) => Number(x !== 0)), (await want("feature_acts")).map((x) => Number(x !== 0)));
        const attributions = await result.saeFeatureAttributions(hook);
        assertClose(attributions.data, await want("attributions"), `${hook} attributions`);
        const grads = await result.saeFeatureGrads(hook);
        assertClose(grads.data.map((g, i) => g * acts[i]), attributions.data, `${hook} dense gradients`);
        for (const part of ["features", "bias", "error", "total"] as const) {
          assertClose(result.decomposition[hook][part], await want(part), `${hook} ${part}`);
        }
      }
      const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
      const rows = sum(result.hooks.flatMap((hook) => result.rows(hook).map(({ attribution }) => attribution)));
      const features = sum(result.hooks.map((hook) => sum(result.decomposition[hook].features)));
      assert.ok(Math.abs(rows - features) < 1e-5 * (1 + Math.abs(rows)), `${rows} by reading, ${features} by writing`);
    });
  });
}

Deno.test("a cross-layer feature's gradient is the finite difference of writing more of it at all its layers", async () => {
  await using weights = openSource(new URL("clt-relu/", HERE));
  for (const includeErrorTerm of [true, false]) {
    await withSaes("clt-relu", async (saes) => {
      const result = await attribute(saes, includeErrorTerm);
      const scale = Math.max(...result.hooks.flatMap((hook) => result.rows(hook).map((row) => Math.abs(row.gradient))));
      for (const [layer, hook] of result.hooks.entries()) {
        const store = await openSafetensors(weights, { file: `W_dec_${layer}.safetensors` });
        for (const { position, feature, gradient } of result.rows(hook).filter((_, i) => i % 30 === 0)) {
          const row = await store.readRows(`W_dec_${layer}`, [feature]);
          const at = (by: number): Promise<number> => metricWith(result, includeErrorTerm, position, layer, row, by);
          const difference = async (h: number): Promise<number> => (await at(h) - await at(-h)) / (2 * h);
          const numeric = (4 * await difference(0.05) - await difference(0.1)) / 3;
          assert.ok(Math.abs(numeric - gradient) < 1e-3 * scale, `${hook} ${feature}: ${gradient}, ${numeric}`);
        }
      }
    });
  }
});

/** The metric with `by` more of a decoder row at all its layers; what SAEs add to the stream stays what it was. */
async function metricWith(
  result: Attribution,
  includeErrorTerm: boolean,
  position: number,
  layer: number,
  row: Float32Array,
  by: number,
): Promise<number> {
  const { grads: { processing, rows, resolvedMetric }, saes } = result.parts;
  const replacements = result.hooks.map((hook, l): Replacement => ({
    hook,
    replace: (values) => {
      const { dims, data } = values.get(hook)!;
      const { saeIn, saeOut } = saes.get(hook)!.run;
      const moved = data.map((x, i) => includeErrorTerm ? x : x + saeOut[i] - saeIn[i]);
      const d = dims[2];
      if (l >= layer) { for (let i = 0; i < d; i++) moved[position * d + i] += by * row[(l - layer) * d + i]; }
      return Promise.resolve({ dims, data: moved });
    },
  }));
  const { final } = await model.chain.forward({ prompts: [tokens], processing, rows: [rows], replacements });
  const { data } = await model.unembedding.logits(final);
  const [positive, negative] = resolvedMetric.columns!;
  return data[positive] - data[negative];
}

Deno.test("a cross-layer transcoder is run as a whole or not at all", async () => {
  const directory = new URL("clt-relu/", HERE);
  await assert.rejects(loadSae(directory), /cross-layer transcoder of 4 layers: open them together, with loadSaes/);
  await assert.rejects(loadSaes(new URL("W_enc_2.safetensors", directory)), /one layer.*give the directory/);
  const gemma = cases.gemma_scope_2.directory;
  await assert.rejects(loadSaes(new URL(`${gemma}/params_layer_1.safetensors`, HERE)), /one layer.*give the directory/);
  await withSaes("clt-relu", async (saes) => {
    await assert.rejects(
      attribute(saes.slice(0, 2)),
      /layers at blocks\.2\.hook_mlp_out, blocks\.3\.hook_mlp_out are missing/,
    );
    await assert.rejects(attribute(saes.slice(1)), /layers at blocks\.0\.hook_mlp_out are missing/);
    await assert.rejects(evaluateSae(model, saes[0], [tokens]), /cannot be measured alone/);
    const result = await attribute(saes);
    assert.throws(() => emitPython(result), /cross-layer transcoder, which SAELens does not run/);
    assert.deepEqual(result.summary().saes.map(({ also_writes = [] }) => also_writes.length), [3, 2, 1, 0]);
  });
});

Deno.test("files of a cross-layer transcoder that are missing or do not fit", async () => {
  const files = (left: (name: string) => boolean): Record<string, Uint8Array> =>
    Object.fromEntries(
      [...Deno.readDirSync(new URL("clt-relu/", HERE))].filter(({ name }) => left(name))
        .map(({ name }) => [name, Deno.readFileSync(new URL(`clt-relu/${name}`, HERE))]),
    );
  await withDirectory(files((name) => !/_3/.test(name)), async (directory) => {
    await assert.rejects(loadSaes(directory), /has no W_enc_3\.safetensors: a cross-layer transcoder is all/);
  });
  await withDirectory(files((name) => name !== "config.yaml"), async (directory) => {
    const saes = await loadSaes(directory, { hookIn: "ln2.hook_normalized" });
    assert.deepEqual(saes.map(({ hookIn, hookOut }) => [hookIn, hookOut])[1], [
      "blocks.1.ln2.hook_normalized",
      "blocks.1.hook_mlp_out",
    ]);
    for (const sae of saes) await sae.close();
    await assert.rejects(loadSaes(directory, { hook: "blocks.1.hook_mlp_out" }), /give the hook without its block/);
  });
  const swapped = files(() => true);
  [swapped["W_dec_1.safetensors"], swapped["W_dec_2.safetensors"]] = [
    swapped["W_dec_2.safetensors"],
    swapped["W_dec_1.safetensors"],
  ];
  await withDirectory(swapped, (directory) => assert.rejects(loadSaes(directory), /no tensor "W_dec_1"/));
});

Deno.test("layers of one source close it when the last is closed", async () => {
  const [first, ...others] = await loadSaes(new URL("clt-relu/", HERE));
  await first.close();
  await first.close();
  await others[0].encode(model.runtime, new Float32Array(32));
  for (const sae of others) await sae.close();
  await assert.rejects(others[1].encode(model.runtime, new Float32Array(32)), /closed/);
});

Deno.test("a cross-layer transcoder against a baseline, with direct effects, and patched", async () => {
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  for (const includeErrorTerm of [true, false]) {
    await withSaes("clt-relu", async (saes) => {
      const options = {
        saes,
        includeErrorTerm,
        baseline: "mean",
        directEffect: true,
        excludeSpecialTokens: false,
      } as const;
      const result = await calculateFeatureAttribution(model, tokens, METRIC, options);
      const { saes: byHook } = result.parts;
      const rows = result.hooks.flatMap((hook) => result.rows(hook));
      const parts = result.hooks.map((hook) => byHook.get(hook)!);
      const all = sum(rows.map(({ attribution }) => attribution));
      assert.ok(Math.abs(all - sum(parts.flatMap((part) => part.decomposition.features))) < 1e-4, "by hook");
      const direct = sum(rows.map(({ directEffect }) => directEffect!));
      const written = sum(parts.flatMap((part) => part.directEffect!.decomposition.features));
      assert.ok(Math.abs(direct) > 0.01 && Math.abs(direct - written) < 1e-4, `${direct} direct, ${written} by hook`);
      for (const { decomposition } of parts) assert.ok(decomposition.maxResidual < 1e-4);
      const [hook] = result.hooks;
      const [strongest] = result.rows(hook);
      const [{ effect }] = await patchFeatures(model, result, hook, [strongest]);
      await using weights = openSource(new URL("clt-relu/", HERE));
      const store = await openSafetensors(weights, { file: "W_dec_0.safetensors" });
      const row = await store.readRows("W_dec_0", [strongest.feature]);
      const by = strongest.baseline! - strongest.activation;
      const patched = result.metric - await metricWith(result, includeErrorTerm, strongest.position, 0, row, by);
      assert.ok(Math.abs(effect - patched) < 1e-4, `${effect} patched, ${patched} by hand`);
    });
  }
});

Deno.test("the checks of a cross-layer transcoder", async () => {
  await withSaes("clt-jumprelu", async (saes) => {
    const { hooks } = await checkAttribution(model, await attribute(saes));
    for (const { gradient_central_difference: difference } of hooks) assert.ok(difference!.relative_error < 1e-3);
  });
});

Deno.test("a cross-layer transcoder from the command line", async () => {
  const directory = new URL("clt-relu", HERE).pathname;
  const options = ["--model", new URL("models/gpt2", DATA).pathname, "--pos-id", "364", "--neg-id", "296"];
  const { code, stdout, stderr } = await runCli([
    "attribute",
    "--token-ids",
    tokens.join(),
    "--sae",
    directory,
    ...options,
  ]);
  assert.equal(code, 0, stderr);
  const lines = stdout.trim().split("\n");
  assert.equal(lines[0], "hook,position,feature,attribution");
  let count = 0;
  for (const hook of [0, 1, 2, 3].map((layer) => `blocks.${layer}.hook_mlp_out`)) {
    const want = await expected.read(`relu/${hook}/attributions`);
    count += want.filter((x) => x !== 0).length;
    for (const line of lines.filter((line) => line.startsWith(`${hook},`))) {
      const [, position, feature, attribution] = line.split(",").map(Number);
      assert.ok(Math.abs(attribution - want[position * 24 + feature]) < 1e-5, line);
    }
  }
  assert.equal(lines.length - 1, count);
  assert.match(stderr, /reads blocks\.0\.hook_resid_mid, writes 3 later layers too, transcoder/);
});

Deno.test("a cross-layer feature that is removed is missed at all its layers: one by one, together, steered, integrated", async () => {
  for (const directory of ["clt-relu", "clt-jumprelu"]) {
    await withSaes(directory, async (saes) => {
      const result = await attribute(saes);
      const integrated = await calculateFeatureAttribution(model, tokens, METRIC, {
        saes,
        method: "integrated-gradients",
        excludeSpecialTokens: false,
        integration: { tolerance: 1e-3 },
      });
      for (const hook of result.hooks) {
        const rows = result.rows(hook).filter((_, i, { length }) => i < 2 || i >= length - 2);
        const patched = await patchFeatures(model, result, hook, rows);
        const effects = patched.map(({ effect }) => effect);
        assertClose((await ablateFeatures(result, hook, rows)).map(({ effect }) => effect), effects, `${hook} single`);
        const [all, ...groups] = await ablateJointly(result, hook, [result.rows(hook), ...rows.map((row) => [row])]);
        assertClose(groups, effects, `${hook} groups`);
        const [{ position, feature }] = rows;
        const off = { hook, position, feature, how: "set", value: 0 } as const;
        const options = { saes, metric: METRIC, excludeSpecialTokens: false };
        const { metric } = await steer(model, tokens, [off], options);
        assertClose([metric!.before - metric!.after], [effects[0]], `${hook} steered`);
        const { integration } = integrated.parts.saes.get(hook)!;
        assert.ok(integration!.converged);
        assertClose([integration!.difference], [all], `${hook} integrated`);
      }
      const curves = await evaluateFaithfulness(result, { counts: [3] });
      for (const { hook, metricNone } of curves) {
        const [all] = await ablateJointly(result, hook, [result.rows(hook)]);
        assertClose([metricNone], [result.metric - all], `${hook} curve`);
      }
      const message = /^The cross-layer transcoder at .* cannot encode again layer by layer: keep the error term/;
      const [hook] = result.hooks;
      await assert.rejects(ablateFeatures(result, hook, undefined, { downstreamError: "frozen" }), { message });
      const without = await attribute(saes, false);
      await assert.rejects(ablateFeatures(without, hook), { message });
    });
  }
});

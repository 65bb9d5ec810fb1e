/** Steering, against ablation, the mathematics of one contribution, and passes from the prompt. */
import assert from "node:assert/strict";
import {
  ablateFeatures,
  ablateJointly,
  calculateFeatureAttribution,
  type Intervention,
  loadModel,
  loadSae,
  logitDiff,
  steer,
  steeredPredictions,
  type SteerOptions,
  targetText,
} from "../../../mod.ts";
import { replaceHead, type SaeRun, selectHead } from "../../../lib/attribution/run/sae_hooks.ts";
import { calculateAttributionGrads } from "../../../lib/attribution/run/attribution_grads.ts";
import type { Replacement } from "../../../lib/model/stages/chain.ts";
import { openSource } from "../../../lib/weights/files/source.ts";
import { openSafetensors } from "../../../lib/weights/tensors/tensors.ts";
import { assertClose, DATA, type GoldenCase, goldenCases, goldenMetric, openSaes, runGolden } from "../golden.ts";

const model = await loadModel(new URL("models/gpt2/", DATA), { threads: 1 });
Deno.test.afterAll(() => model.close());

const optionsOf = (golden: GoldenCase): Omit<SteerOptions, "saes"> => ({
  metric: goldenMetric(golden),
  includeErrorTerm: golden.include_error_term,
  prependBos: golden.prepend_bos,
  truncate: true,
  excludeSpecialTokens: golden.exclude_special_tokens,
});

const NAMES = [
  "gpt2-standard-resid_pre",
  "gpt2-jumprelu-hook_z-constant_norm",
  "gpt2-topk_rescaled-mlp_out",
  "gpt2-skip_transcoder",
  "gpt2-no_error-jumprelu",
  "gpt2-exclude_special_tokens",
  "gpt2-loss",
  "gpt2-two_saes",
  "gpt2-three_saes-no_error",
];

for (const golden of goldenCases("seed").filter(({ name }) => NAMES.includes(name))) {
  Deno.test(`setting a feature to 0, or scaling it by 0, is ablating it: ${golden.name}`, async () => {
    const saes = await openSaes(golden);
    try {
      const result = await runGolden(model, golden, saes);
      for (const hook of result.hooks) {
        const rows = result.rows(hook).slice(0, 1).concat(result.rows(hook).slice(-1));
        const ablated = await ablateFeatures(result, hook, rows);
        for (const [i, { position, feature }] of rows.entries()) {
          for (const how of ["set", "scale"] as const) {
            const off: Intervention = { hook, feature, position, how, value: 0 };
            const { metric, changes } = await steer(model, golden.prompt, [off], { ...optionsOf(golden), saes });
            assertClose([metric!.before, metric!.before - metric!.after], [result.metric, ablated[i].effect], hook);
            assert.deepEqual(changes, [{ hook, position, feature, before: rows[i].activation, after: 0 }]);
          }
        }
        const [{ feature }] = rows;
        const off: Intervention = { hook, feature, position: "all", how: "set", value: 0 };
        const { metric } = await steer(model, golden.prompt, [off], { ...optionsOf(golden), saes });
        const everywhere = result.tokens.map((_, position) => ({ position, feature }));
        const [joint] = await ablateJointly(result, hook, [everywhere]);
        assertClose([metric!.before - metric!.after], [joint], `${hook}, all positions`);
      }
    } finally {
      for (const sae of saes) await sae.close();
    }
  });
}

Deno.test("a feature that is not active can be added: the stream moves by its decoder row", async () => {
  const golden = goldenCases("seed").find(({ name }) => name === "gpt2-standard-resid_pre")!;
  const [sae] = await openSaes(golden);
  await using source = openSource(new URL(`${golden.saes[0].path}/`, DATA));
  const store = await openSafetensors(source, { file: "sae_weights.safetensors" });
  try {
    const options = { saes: [sae], prependBos: true };
    const metric = goldenMetric(golden);
    const { saeRuns, tokens, processing } = await calculateAttributionGrads(model, golden.prompt, metric, options);
    const { offsets, features } = saeRuns.get(sae.hookOut)!.encoded.activations;
    const last = tokens.length - 1;
    const silent = [...Array(sae.config.dSae).keys()].find((f) => !features.subarray(offsets[last]).includes(f))!;
    const add: Intervention = { feature: silent, position: -1, how: "add", value: 3 };
    const { after, changes } = await steer(model, golden.prompt, [add], options);
    assert.deepEqual(changes, [{ hook: sae.hookOut, position: last, feature: silent, before: 0, after: 3 }]);
    const direction = await store.readRows("W_dec", [silent]);
    const { final } = await model.chain.forward({
      prompts: [tokens],
      processing,
      rows: [[last]],
      replacements: [{
        hook: sae.hookOut,
        replace(values) {
          const { dims, data } = values.get(sae.hookOut)!;
          const d = direction.length;
          return Promise.resolve({
            dims,
            data: data.map((x, i) => i < last * d ? x : x + 3 * direction[i - last * d]),
          });
        },
      }],
    });
    assertClose(after.data, (await model.unembedding.logits(final)).data, "logits");
  } finally {
    await sae.close();
  }
});

Deno.test("features of several SAEs: the upper one encodes what the lower one lets through", async () => {
  for (const name of ["gpt2-two_saes", "gpt2-two_saes-no_error"]) {
    const golden = goldenCases("seed").find((one) => one.name === name)!;
    const saes = await openSaes(golden);
    try {
      const result = await runGolden(model, golden, saes);
      const [lower, upper] = result.hooks.map((hook) => result.parts.saes.get(hook)!.run);
      const [a] = result.rows(lower.sae.hookOut);
      const [b] = result.rows(upper.sae.hookOut).toSorted((x, y) => y.activation - x.activation); // stays active
      const interventions: Intervention[] = [
        { hook: upper.sae.hookOut, feature: b.feature, position: b.position, how: "add", value: 2 },
        { hook: lower.sae.hookOut, feature: a.feature, position: a.position, how: "scale", value: 1.5 },
      ];
      const { metric, changes } = await steer(model, golden.prompt, interventions, { ...optionsOf(golden), saes });
      const replacements = [
        scaled(lower, a, () => 1.5 * a.activation, golden.include_error_term),
        scaled(upper, b, (old) => old + 2, golden.include_error_term),
      ];
      const { tokens, processing, rows } = result.parts.grads;
      const { final } = await model.chain.forward({ prompts: [tokens], processing, rows: [rows], replacements });
      const { resolvedMetric } = result.parts.grads;
      const logits = await model.unembedding.logitsOf(final, resolvedMetric.columns!);
      assertClose([metric!.after], [logits.data[0] - logits.data[1]], name);
      assert.deepEqual(changes.map(({ hook }) => hook), [lower.sae.hookOut, upper.sae.hookOut]);
    } finally {
      for (const sae of saes) await sae.close();
    }
  }
});

/** Encodes what comes in, decodes it with one activation changed; with the error term, plus what is missed now. */
function scaled(
  { sae }: SaeRun,
  at: { readonly position: number; readonly feature: number },
  change: (old: number) => number,
  withError: boolean,
): Replacement {
  return {
    hook: sae.hookOut,
    reads: [sae.hookIn],
    async replace(values) {
      const whole = values.get(sae.hookOut)!;
      const now = selectHead(sae, whole);
      const encoded = await sae.encode(model.runtime, selectHead(sae, values.get(sae.hookIn)!));
      const { offsets, features, values: acts } = encoded.activations;
      const plain = await sae.decode(encoded);
      const entry = offsets[at.position] +
        features.subarray(offsets[at.position], offsets[at.position + 1]).indexOf(at.feature);
      assert.equal(features[entry], at.feature);
      acts[entry] = change(acts[entry]);
      const changed = await sae.decode(encoded);
      return replaceHead(sae, whole, changed.map((x, i) => x + (withError ? now[i] - plain[i] : 0)));
    },
  };
}

Deno.test("interventions at one feature follow each other; next tokens are compared", async () => {
  await using tiny = await loadModel("tiny-facts", { threads: 1 });
  await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
  const at = { feature: 189, position: -1 } as const;
  const steps: Intervention[] = [
    { ...at, how: "set", value: 2 },
    { ...at, how: "scale", value: 3 },
    { ...at, how: "add", value: -1 },
  ];
  const prompt = " Tiger Woods plays the sport of";
  const options = { saes: [sae], metric: logitDiff(" golf", " tennis") };
  const result = await steer(tiny, prompt, steps, options);
  assert.equal(result.changes[0].after, 5);
  const rows = await steeredPredictions(tiny, result, 3);
  assert.deepEqual(rows.map(({ rank }) => rank.after), [...rows.map(({ rank }) => rank.after)].sort((a, b) => a - b));
  const [golf, tennis] = [" golf", " tennis"].map((text) => rows.find(({ token }) => token === text)!);
  assertClose([golf.logit.after - tennis.logit.after], [result.metric!.after], "metric");
  assertClose([golf.logit.before - tennis.logit.before], [result.metric!.before], "metric");
  const same = await steer(tiny, prompt, [{ ...at, how: "add", value: 0 }], options);
  assertClose(same.after.data, same.before.data, "nothing changed");
});

Deno.test("what cannot be changed is said", async () => {
  await using tiny = await loadModel("tiny-facts", { threads: 1 });
  await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
  const one = { feature: 1, position: -1, how: "set", value: 0 } as const;
  const cases: [Intervention[], RegExp][] = [
    [[], /^Nothing is to be changed/],
    [[{ ...one, feature: 5000 }], /^There is no feature 5000: the SAE has 1024, from 0$/],
    [[{ ...one, position: 7 }], /^Position 7 is not in a prompt of 2 tokens$/],
    [[{ ...one, position: 0 }], /^Position 0 is a special or excluded token, where the SAEs are left out/],
    [[{ ...one, hook: "blocks.0.hook_resid_pre" }], /names the hook blocks.0.hook_resid_pre, where no SAE writes/],
  ];
  for (const [interventions, message] of cases) {
    await assert.rejects(steer(tiny, " golf", interventions, { saes: [sae] }), { name: "RangeError", message });
  }
});

Deno.test("of a continuation, all positions are its tokens' too, as in ablation", async () => {
  await using tiny = await loadModel("tiny-facts", { threads: 1 });
  await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
  const prompt = " Tiger Woods plays the sport of";
  const metric = targetText(" golf. He");
  const result = await calculateFeatureAttribution(tiny, prompt, metric, { saes: [sae], diagnose: false });
  const length = (await tiny.toTokens(prompt)).length;
  const later = result.rows(sae.hookOut).find(({ position }) => position > length)!;
  const rows = result.rows(sae.hookOut).filter(({ feature }) => feature === later.feature);
  const [joint, alone] = await ablateJointly(result, sae.hookOut, [rows, [later]]);
  assert.ok(Math.abs(alone) > 1e-4);
  for (const [position, effect] of [["all", joint], [later.position, alone]] as const) {
    const off: Intervention = { feature: later.feature, position, how: "set", value: 0 };
    const { metric: { before, after } = {}, tokens } = await steer(tiny, prompt, [off], { saes: [sae], metric });
    assertClose([before! - after!], [effect], String(position));
    assert.equal(tokens.length, length);
  }
  const off: Intervention = { feature: later.feature, position: "prompt", how: "set", value: 0 };
  const { changes } = await steer(tiny, prompt, [off], { saes: [sae], metric });
  assert.equal(Math.max(...changes.map(({ position }) => position)), length - 1);
  const beyond: Intervention = { ...off, position: result.tokens.length };
  await assert.rejects(steer(tiny, prompt, [beyond], { saes: [sae], metric }), /^RangeError: Position \d+ is not in/);
});

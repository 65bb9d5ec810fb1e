/**
 * Attributions of several prompts in one pass: against the reference stack's numbers, and against each prompt alone.
 */
import assert from "node:assert/strict";
import { batchesOf } from "../../lib/attribution/run/batches.ts";
import {
  type Attribution,
  type AttributionOptions,
  calculateFeatureAttribution,
  calculateFeatureAttributions,
  klToClean,
  loadModel,
  loadSae,
  logit,
  logitDiff,
  logProb,
  loss,
  type Model,
  type Question,
  targetText,
} from "../../mod.ts";
import { openOptions } from "../runtime/open_options.ts";
import {
  assertClose,
  assertLogitsClose,
  DATA,
  type GoldenCase,
  goldenCases,
  goldenMetric,
  goldenPrependBos,
  largest,
  openSaes,
  worstDifference,
} from "./golden.ts";
import { goldenModels } from "./golden_models.ts";

/** How far a prompt among others may be from itself alone: float32's rounding, which these random models make large. */
const ROUNDING: Readonly<Record<string, number>> = { wasm: 0, onnx: 0, native: 1e-5, webgpu: 1e-4 };

const openModel = goldenModels(openOptions);
let worst = 0;

Deno.test.afterAll(() => {
  console.log(`worst difference between a prompt in a batch and alone: ${worst.toExponential(1)} of the largest`);
});

const FAMILIES = new URL("cases/families/", DATA);
const families = [...Deno.readDirSync(FAMILIES)].map(({ name }) => name).filter((name) => name.endsWith(".json"))
  .map((name) => JSON.parse(Deno.readTextFileSync(new URL(name, FAMILIES))) as GoldenCase);
const cases = [...goldenCases("seed"), ...families].filter(({ saes }) => saes.length > 0);

for (const golden of cases) {
  Deno.test(`golden ${golden.name} between other prompts`, async () => {
    const model = await openModel(golden.model);
    const saes = await openSaes(golden);
    try {
      const options: AttributionOptions = {
        saes,
        includeErrorTerm: golden.include_error_term,
        prependBos: goldenPrependBos(golden),
        truncate: true,
        excludeSpecialTokens: golden.exclude_special_tokens,
      };
      const others = [0, 3].map((more) => otherPrompt(golden, model, more));
      const questions: Question[] = [
        { prompt: others[0], metric: logitDiff(3, 5) },
        { prompt: golden.prompt, metric: goldenMetric(golden) },
        { prompt: others[1], metric: logProb(7) },
      ];
      const results = await calculateFeatureAttributions(model, questions, options);
      const found = results.filter((one) => one.status === "fulfilled");
      assert.equal(found.length, questions.length);
      checkGolden(found[1].value, golden);
      for (const [i, { value }] of found.entries()) {
        const { prompt, metric } = questions[i];
        checkAlone(
          value,
          await calculateFeatureAttribution(model, prompt, metric, options),
          golden.name,
          ROUNDING[model.runtime.device],
        );
      }
    } finally {
      for (const sae of saes) await sae.close();
    }
  });
}

/** A prompt that can run with the golden's. */
function otherPrompt({ tokens }: GoldenCase, model: Model, more: number): number[] {
  const { nCtx, dVocab } = model.architecture.config;
  const length = Math.max(1, Math.min(nCtx, 4 * Math.floor(tokens.length / 4) + more));
  return Array.from({ length }, (_, i) => (i * 37 + 11) % dVocab);
}

function checkGolden(result: Attribution, { name, tokens, expected }: GoldenCase): void {
  assert.deepEqual(result.tokens.map(({ id }) => id), tokens);
  assertLogitsClose([result.metric], [expected.metric], `${name}: metric`);
  assert.deepEqual(result.hooks, Object.keys(expected.saes));
  for (const hook of result.hooks) {
    const { rows, nonzero_count, completeness } = expected.saes[hook];
    const got = new Map(result.rows(hook).map((row) => [`${row.position} ${row.feature}`, row.attribution]));
    if (nonzero_count === rows.length) assert.equal(got.size, rows.length, `${name}: rows`);
    assertClose(
      rows.map(([position, feature]) => got.get(`${position} ${feature}`) ?? NaN),
      rows.map(([, , attribution]) => attribution),
      `${name}: attributions at ${hook}`,
    );
    const { features, bias, error, total } = result.decomposition[hook];
    assertClose(features, completeness.sum_attr, `${name}: features`);
    assertClose(bias, completeness.g_dot_bias, `${name}: bias`);
    assertClose(error, completeness.g_dot_err, `${name}: error`);
    assertClose(total, completeness.g_dot_x, `${name}: total`);
  }
}

/** The same table as alone, within a part of its largest attribution. */
function checkAlone(together: Attribution, alone: Attribution, name: string, tolerance: number): void {
  assertLogitsClose([together.metric], [alone.metric], `${name}: metric`);
  const table = (result: Attribution): Map<string, number> =>
    new Map(
      result.hooks.flatMap((hook) =>
        result.rows(hook).map((row) => [`${hook} ${row.position} ${row.feature}`, row.attribution])
      ),
    );
  const [got, want] = [table(together), table(alone)];
  const all = [...new Set([...want.keys(), ...got.keys()])];
  const [a, b] = [got, want].map((rows) => all.map((at) => rows.get(at) ?? 0));
  const relative = all.length === 0 ? 0 : worstDifference(a, b) / largest(b);
  worst = Math.max(worst, relative);
  assert.ok(relative <= tolerance, `${name}: differs by ${relative} of the largest`);
}

Deno.test("metrics of all kinds together, wrong prompts among them, each as alone", async () => {
  await using model = await loadModel("tiny-facts", openOptions());
  await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
  await using transcoder = await loadSae("tiny-facts/blocks.2.hook_mlp_out");
  const questions: Question[] = [
    { prompt: " Tiger Woods plays the sport of", metric: logitDiff(" golf", " tennis") },
    { prompt: " The capital of France is", metric: logProb(" Paris") },
    { prompt: " Roger Federer plays", metric: logit(" no such token") },
    { prompt: " Roger Federer plays the sport of", metric: loss() },
    { prompt: "", metric: logit(" golf", { position: 3 }) },
    { prompt: " The capital of France is", metric: targetText(" Paris") },
    { prompt: " Babe Ruth plays the sport of", metric: klToClean() },
    { prompt: " The", metric: logit(" golf", { position: [-1, -2] }) },
    { prompt: [1, 2, 3, 1_000_000], metric: logit(" golf") },
  ];
  for (const includeErrorTerm of [true, false]) {
    const options = { saes: [sae, transcoder], includeErrorTerm, directEffect: includeErrorTerm };
    const results = await calculateFeatureAttributions(model, questions, options);
    const failed = results.flatMap(({ status }, i) => status === "rejected" ? [i] : []);
    assert.deepEqual(failed, includeErrorTerm ? [2, 4, 6, 8] : [2, 4, 8]);
    for (const [i, { prompt, metric }] of questions.entries()) {
      const [alone] = await Promise.allSettled([calculateFeatureAttribution(model, prompt, metric, options)]);
      const together = results[i];
      assert.equal(together.status, alone.status);
      if (together.status === "rejected" || alone.status === "rejected") {
        assert.deepEqual(
          (together as PromiseRejectedResult).reason.message,
          (alone as PromiseRejectedResult).reason.message,
        );
        continue;
      }
      // The divergence is a small difference of two runs, whose rounding it magnifies.
      const rounding = Math.max(1e-6, ROUNDING[model.runtime.device] * (metric.name === klToClean().name ? 10 : 1));
      checkAlone(together.value, alone.value, `question ${i}`, rounding);
      const direct = (result: Attribution): number[] =>
        result.rows(sae.hookOut).map(({ directEffect }) => directEffect ?? 0);
      assertClose(direct(together.value), direct(alone.value), "direct effects");
    }
  }
});

Deno.test("integrated gradients and tracked hooks run a prompt at a time", async () => {
  await using model = await loadModel("tiny-facts", openOptions());
  await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
  const questions: Question[] = [
    { prompt: " Tiger Woods plays the sport of", metric: logitDiff(" golf", " tennis") },
    { prompt: " The capital of France is", metric: logProb(" Paris") },
  ];
  const [integrated] = await calculateFeatureAttributions(model, questions, {
    saes: [sae],
    method: "integrated-gradients",
  });
  assert.equal(integrated.status, "fulfilled");
  assert.ok(integrated.value.parts.saes.get(sae.hookOut)!.integration!.converged);
  const tracked = await calculateFeatureAttributions(model, questions, {
    saes: [sae],
    trackHookPoints: ["blocks.3.attn.hook_pattern"],
  });
  for (const one of tracked) {
    assert.equal(one.status, "fulfilled");
    const [, queries, keys] = one.value.modelGrads["blocks.3.attn.hook_pattern"].dims;
    assert.deepEqual([queries, keys], [one.value.tokens.length, one.value.tokens.length]);
  }
});

Deno.test("batches: similar lengths together, bounded in positions and logits", async () => {
  await using model = await loadModel("tiny-facts", openOptions());
  const prompt = (length: number, rows = 1): { tokens: number[]; rows: number[] } => ({
    tokens: new Array(length).fill(1),
    rows: Array.from({ length: rows }, (_, i) => i),
  });
  assert.deepEqual(batchesOf(model, [prompt(11), prompt(2), prompt(8), prompt(4), prompt(3)]), [[1, 4], [3], [2, 0]]);
  assert.deepEqual(batchesOf(model, [prompt(511), prompt(510), prompt(509), prompt(2000)]), [[2, 1], [0], [3]]);
  assert.deepEqual(batchesOf(model, []), []);
  const { dVocab } = model.architecture.config;
  const most = Math.floor(2 ** 24 / dVocab); // rows of logits of four bytes each in 64 MiB
  const [first, second] = batchesOf(model, [prompt(9, most - 1), prompt(10, 1), prompt(11, 1)]);
  assert.deepEqual([first, second], [[0, 1], [2]]);
});

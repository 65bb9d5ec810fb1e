import assert from "node:assert/strict";
import type { SaeRun } from "../../lib/attribution/run/sae_hooks.ts";
import type { Replacement } from "../../lib/model/stages/chain.ts";
import { type Attribution, type FloatTensor, loadModel, type Sae, testPrompt } from "../../mod.ts";
import {
  assertClose,
  assertLogitsClose,
  centred,
  DATA,
  type GoldenCase,
  goldenCases,
  type GoldenFit,
  goldenPrependBos,
  type GoldenSae,
  goldenTensors,
  largest,
  openSaes,
  runGolden,
  worstDifference,
} from "./golden.ts";
import { openOptions } from "../runtime/open_options.ts";

/** TransformerLens calls ln1 three times and keeps the gradient of the value path; ours is the whole gradient. */
const OTHER_ON_PURPOSE = /\.ln1\.hook_(scale|normalized)$/;

const model = await loadModel(new URL("models/gpt2/", DATA), openOptions());
const worst = new Map<string, { relative: number; name: string }>();
const differentGradients = new Set<string>();

function note(kind: string, relative: number, name: string): void {
  if (!(relative <= (worst.get(kind)?.relative ?? -1))) worst.set(kind, { relative, name });
}

Deno.test.afterAll(async () => {
  await model.close();
  console.log("worst difference over the largest value:");
  for (const [kind, { relative, name }] of worst) console.log(`  ${kind}: ${relative.toExponential(1)} (${name})`);
});

for (const golden of goldenCases("seed")) {
  Deno.test(`golden ${golden.name}`, async () => {
    const saes = await openSaes(golden);
    try {
      const result = await runGolden(model, golden, saes);
      const tensors = await goldenTensors(golden);
      assert.deepEqual(result.tokens.map(({ id }) => id), golden.tokens);
      assertLogitsClose([result.metric], [golden.expected.metric], "metric");
      await checkLogits(result, tensors, golden);
      await checkPredictions(saes, golden);
      assert.deepEqual(result.hooks, Object.keys(golden.expected.saes), "hooks");
      for (const hook of result.hooks) {
        await checkSae(result, hook, tensors, golden.expected.saes[hook], golden);
      }
      for (const hook of golden.track_hook_points ?? []) checkTracked(result, hook, tensors, golden.name);
    } finally {
      for (const sae of saes) await sae.close();
    }
  });
}

Deno.test("no golden case is missing", () => {
  assert.deepEqual([goldenCases("seed").length, goldenCases("sae_fit").length], [49, 3]);
});

Deno.test("tracked gradients differ from TransformerLens's at ln1's hooks only, and there they do", () => {
  const tracked = goldenCases("seed").flatMap(({ track_hook_points }) => track_hook_points ?? []);
  assert.deepEqual([...differentGradients], [...new Set(tracked)].filter((hook) => OTHER_ON_PURPOSE.test(hook)));
});

for (const golden of goldenCases("sae_fit")) {
  Deno.test(`golden ${golden.name}`, async () => {
    const saes = await openSaes(golden);
    try {
      const result = await runGolden(model, golden, saes);
      assert.deepEqual(result.tokens.map(({ id }) => id), golden.tokens);
      const got = result.fit[golden.saes[0].hook];
      const want = golden.expected as unknown as GoldenFit;
      assert.deepEqual(got.l0, want.l0);
      const check = (name: string, values: ArrayLike<number>, expected: ArrayLike<number>): void =>
        note(`fit: ${name}`, assertClose(values, expected, name), golden.name);
      check("explained variance", got.explainedVariance, want.explained_variance);
      check("relative error", got.relativeError, want.relative_error);
      check("explained variance overall", [got.explainedVarianceOverall], [want.explained_variance_overall]);
      check(
        "explained variance without first",
        [got.explainedVarianceWithoutFirst!],
        [want.explained_variance_overall_without_first],
      );
      check("mean l0", [got.meanL0, got.meanL0WithoutFirst!], [want.mean_l0, want.mean_l0_without_first]);
      check("mean relative error", [got.meanRelativeError], [want.mean_relative_error]);
    } finally {
      for (const sae of saes) await sae.close();
    }
  });
}

/** The logits of the last position with the SAEs in place. */
async function checkLogits(
  result: Attribution,
  tensors: ReadonlyMap<string, Float32Array>,
  { name, tokens, include_error_term, processing: { center_unembed } }: GoldenCase,
): Promise<void> {
  const want = centred(tensors.get("logits")!); // ours are always centred
  if (center_unembed) assertLogitsClose(want, tensors.get("logits")!, "the golden logits' mean");
  const { saeRuns, state, processing, modelOutput, rows } = result.parts.grads;
  const logits = async (replacements: readonly Replacement[] = []): Promise<Float32Array> => {
    const { final } = await model.chain.forward({
      prompts: [tokens],
      processing,
      rows: [[tokens.length - 1]],
      replacements,
    });
    return (await model.unembedding.logits(final)).data;
  };
  const at = rows.indexOf(tokens.length - 1);
  const got = at < 0 // the metric reads other positions
    ? await logits(state.request.replacements)
    : (await modelOutput()).data.subarray(at * want.length, (at + 1) * want.length);
  assertLogitsClose(got, want, "logits");
  if (!include_error_term || saeRuns.size === 0) return;
  const plain = await logits();
  const withErrors = await logits([...saeRuns.values()].map(reconstructionAndError));
  const moved = Math.max(worstDifference(got, plain), worstDifference(withErrors, plain)) / largest(plain);
  assert.ok(moved <= 1e-5, `SAEs with error terms moved the logits by ${moved} of the largest`);
  note("logits moved by x̂ + (x − x̂)", moved, name);
}

/** Puts x̂ + (x − x̂) at a hook. */
function reconstructionAndError({ sae, saeIn, saeOut }: SaeRun): Replacement {
  return {
    hook: sae.hookOut,
    replace(values): Promise<FloatTensor> {
      const { dims } = values.get(sae.hookOut)!;
      return Promise.resolve({ dims, data: saeOut.map((x, i) => x + Math.fround(saeIn[i] - x)) });
    },
  };
}

/** The next-token table of the model without SAEs. */
async function checkPredictions(saes: readonly Sae[], golden: GoldenCase): Promise<void> {
  const { predictions } = await testPrompt(model, golden.prompt, {
    saes,
    prependBos: goldenPrependBos(golden),
    truncate: true,
  });
  const want = golden.expected.next_tokens;
  assert.equal(predictions.length, want.length);
  // Without centring, the golden logits have a mean over the vocabulary: then only differences are compared.
  const comparable = (logits: readonly number[]): ArrayLike<number> =>
    golden.processing.center_unembed ? logits : centred(Float32Array.from(logits));
  assertLogitsClose(
    comparable(predictions.map(({ logit }) => logit)),
    comparable(want.map(({ logit }) => logit)),
    "logits of next tokens",
  );
  assertClose(predictions.map((p) => p.probability), want.map((p) => p.probability), "probabilities");
  predictions.forEach(({ id, rank }, i) => {
    assert.equal(rank, want[i].rank);
    const tie = Math.abs((want[i - 1]?.logit ?? Infinity) - want[i].logit) < 1e-4 ||
      Math.abs((want[i + 1]?.logit ?? Infinity) - want[i].logit) < 1e-4;
    if (!tie) assert.equal(id, want[i].id, `next token of rank ${rank}`);
  });
}

async function checkSae(
  result: Attribution,
  hook: string,
  tensors: ReadonlyMap<string, Float32Array>,
  want: GoldenSae,
  { name, saes }: GoldenCase,
): Promise<void> {
  const tensor = (kind: string): Float32Array => tensors.get(`${hook}/${kind}`)!;
  const { run, gradient, rows } = result.parts.saes.get(hook)!;
  const check = (kind: string, got: ArrayLike<number>, expected: ArrayLike<number> = tensor(kind)): void =>
    note(kind, assertClose(got, expected, `${hook} ${kind}`), name);

  check("sae_in", run.saeIn);
  check("sae_out", run.saeOut);
  check("sae_error", run.saeIn.map((x, i) => x - run.saeOut[i]));
  check("grad_sae_out", gradient);
  const activations = await result.saeFeatureActivations(hook);
  const active = (acts: Float32Array): number[] => [...acts.keys()].filter((i) => acts[i] !== 0);
  assert.deepEqual(active(activations.data), active(tensor("feature_acts")), `${hook}: active features`);
  assert.equal(run.encoded.activations.values.length, want.active_count);
  check("feature_acts", activations.data);
  check("feature_grads", (await result.saeFeatureGrads(hook)).data);
  check("attributions", (await result.saeFeatureAttributions(hook)).data);

  const width = run.sae.config.dSae;
  const key = (position: number, feature: number): number => position * width + feature;
  const expected = new Map(want.rows.map(([position, feature, value]) => [key(position, feature), value]));
  assert.equal(want.nonzero_count, expected.size);
  assert.deepEqual(
    rows.map(({ position, feature }) => key(position, feature)).sort((a, b) => a - b),
    [...expected.keys()].sort((a, b) => a - b),
    `${hook}: rows`,
  );
  const of = saes.find((sae) => sae.hook === hook)!.architecture;
  const values = rows.map(({ position, feature }) => expected.get(key(position, feature))!);
  note(`rows, ${of}`, assertClose(rows.map(({ attribution }) => attribution), values, `${hook}: rows`), name);
  rows.slice(1).forEach((row, i) => assert.ok(row.attribution <= rows[i].attribution, `${hook}: order of rows`));

  const { features, bias, error, total, maxResidual } = result.decomposition[hook];
  const { completeness } = want;
  assertClose(features, completeness.sum_attr, `${hook} sum of attributions`);
  assertClose(bias, completeness.g_dot_bias, `${hook} g · bias`);
  assertClose(error, completeness.g_dot_err, `${hook} g · error`);
  assertClose(total, completeness.g_dot_x, `${hook} g · x`);
  const size = largest([...features, ...bias, ...error, ...total]);
  assert.ok(maxResidual <= 1e-5 + 1e-5 * size, `${hook}: the decomposition misses ${maxResidual}`);
  assertClose([rows.reduce((sum, { attribution }) => sum + attribution, 0)], [want.sum], `${hook} sum`);
  const proportion = result.saeErrorsAttributionProportion[hook];
  assert.ok(Math.abs(proportion - want.sae_errors_attribution_proportion) < 1e-6, `${hook}: proportion ${proportion}`);
}

function checkTracked(
  result: Attribution,
  hook: string,
  tensors: ReadonlyMap<string, Float32Array>,
  name: string,
): void {
  const tensor = (kind: string): Float32Array => tensors.get(`${hook}/${kind}`)!;
  note("tracked activation", assertClose(result.modelActivations[hook].data, tensor("activation"), hook), name);
  const pairs = [["grad", result.modelGrads], ["attribution", result.modelAttributions]] as const;
  for (const [kind, got] of pairs) {
    if (OTHER_ON_PURPOSE.test(hook)) {
      assert.throws(() => assertClose(got[hook].data, tensor(kind), hook));
      differentGradients.add(hook);
    } else note(`tracked ${kind}`, assertClose(got[hook].data, tensor(kind), `${hook} ${kind}`), name);
  }
}

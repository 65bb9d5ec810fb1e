/** Attributions against a baseline: goldens of the reference stack, exact patching, and what cannot be compared. */
import assert from "node:assert/strict";
import {
  type Attribution,
  type Baseline,
  calculateFeatureAttribution,
  loadModel,
  loadSae,
  logitDiff,
} from "../../../mod.ts";
import { checkAttribution, patchFeatures } from "../../../lib/attribution/trust/check.ts";
import { UnalignedPromptsError } from "../../../lib/attribution/run/question.ts";
import {
  assertClose,
  assertLogitsClose,
  DATA,
  type GoldenCase,
  goldenCases,
  goldenMetric,
  goldenTensors,
  openSaes,
} from "../golden.ts";

/** One side of a case: the other prompt, or the mean. */
interface Contrast {
  readonly sum: number;
  readonly sum_per_position: readonly number[];
  readonly error_per_position: readonly number[];
  readonly nonzero_count: number;
  readonly patching: readonly [position: number, feature: number, attribution: number, effect: number][];
  readonly g_dot_dx_per_position: readonly number[];
  readonly exact_all_features: number;
  readonly exact_whole_hook: number;
}

type ContrastCase = Omit<GoldenCase, "expected"> & {
  readonly corrupted: { readonly prompt: string; readonly tokens: readonly number[] };
  readonly expected: {
    readonly metric: number;
    readonly metric_corrupted: number;
    readonly contrast: Contrast;
    readonly mean_baseline: Contrast & { readonly baseline_positions: readonly number[] };
  };
};

const model = await loadModel(new URL("models/gpt2/", DATA), { threads: 1 });
Deno.test.afterAll(() => model.close());

const cases = goldenCases("contrast") as unknown as ContrastCase[];
const HOOK_2 = "blocks.2.hook_resid_pre";

Deno.test("no golden case of a contrast is missing", () => assert.equal(cases.length, 2));

async function checkContrast(golden: ContrastCase, baseline: Baseline, kind: "contrast" | "mean_baseline") {
  const [sae] = await openSaes(golden as unknown as GoldenCase);
  const want = golden.expected[kind];
  const tensors = await goldenTensors(golden as unknown as GoldenCase);
  const metric = goldenMetric(golden as unknown as GoldenCase);
  const result = await calculateFeatureAttribution(model, golden.prompt, metric, { saes: [sae], baseline });
  const { decomposition, entries, rows } = result.parts.saes.get(sae.hookOut)!;
  assertLogitsClose([result.metric], [golden.expected.metric], "metric");
  const got = (await result.saeFeatureAttributions(sae.hookOut)).data;
  assertClose(got, tensors.get(`${kind}/attributions`)!, `${kind}: attributions`);
  assert.equal(rows.length, want.nonzero_count, `${kind}: rows`);
  assertClose(decomposition.features, want.sum_per_position, `${kind}: sums`);
  assertClose(decomposition.error, want.error_per_position, `${kind}: error`);
  assertClose([decomposition.features.reduce((a, b) => a + b, 0)], [want.sum], `${kind}: sum`);
  assert.ok(decomposition.maxResidual <= 1e-5 * Math.max(1, ...want.sum_per_position.map(Math.abs)));
  for (const { activation, baseline, gradient, attribution } of rows) {
    assert.ok(Math.abs((activation - baseline!) * gradient - attribution) <= 1e-6 * (1 + Math.abs(attribution)));
  }
  const dense = await result.saeFeatureActivations(sae.hookOut);
  const differences = dense.data.slice().fill(0);
  for (let r = 0; r < entries.rows; r++) {
    for (let i = entries.offsets[r]; i < entries.offsets[r + 1]; i++) {
      differences[r * sae.config.dSae + entries.features[i]] = entries.subtrahend[i];
    }
  }
  const base = kind === "contrast"
    ? tensors.get("feature_acts_corrupted")!
    : Float32Array.from(dense.data, (_, i) => tensors.get("mean_baseline/f_base")![i % sae.config.dSae]);
  assertClose(differences, base, `${kind}: f_base`);
  await checkPatching(result, sae.hookOut, want, kind);
  await sae.close();
  return { result, want };
}

async function checkPatching(result: Attribution, hook: string, want: Contrast, kind: string): Promise<void> {
  const wanted = want.patching.map(([position, feature]) =>
    result.rows(hook).find((row) => row.position === position && row.feature === feature)!
  );
  const patched = await patchFeatures(model, result, hook, wanted);
  assertClose(patched.map(({ attribution }) => attribution), want.patching.map((row) => row[2]), `${kind}: strongest`);
  assertLogitsClose(patched.map(({ effect }) => effect), want.patching.map((row) => row[3]), `${kind}: patching`);
}

for (const golden of cases) {
  Deno.test(`golden ${golden.name}: another prompt`, async () => {
    const baseline = { prompt: golden.corrupted.prompt };
    const { result, want } = await checkContrast(golden, baseline, "contrast");
    const { baseline: run, saes } = result.parts;
    assert.deepEqual(run!.tokens, golden.corrupted.tokens);
    assertLogitsClose([run!.metric!], [golden.expected.metric_corrupted], "metric of the other prompt");
    const [{ decomposition }] = saes.values();
    assertClose(decomposition.total, want.g_dot_dx_per_position, "g · (x − x_base)");
    assertClose(decomposition.bias, decomposition.bias.map(() => 0), "the bias is the same");
  });

  Deno.test(`golden ${golden.name}: the mean`, async () => {
    const { result } = await checkContrast(golden, "mean", "mean_baseline");
    assert.equal(result.parts.baseline!.positions, golden.expected.mean_baseline.baseline_positions.length);
  });
}

Deno.test("--check patches all features, the whole hook, and the strongest features", async () => {
  const [golden] = cases;
  const [sae] = await openSaes(golden as unknown as GoldenCase);
  const result = await calculateFeatureAttribution(
    model,
    golden.prompt,
    goldenMetric(golden as unknown as GoldenCase),
    { saes: [sae], baseline: { prompt: golden.corrupted.tokens } },
  );
  const { hooks: [check] } = await checkAttribution(model, result);
  const { exact_all_features, exact_whole_hook, sum, patching } = golden.expected.contrast;
  assertLogitsClose([check.joint_ablation.effect], [exact_all_features], "all features");
  assertClose([check.joint_ablation.sum_of_attributions], [sum], "their sum");
  assertLogitsClose([check.patching!.whole_hook.effect], [exact_whole_hook], "the whole hook");
  assert.deepEqual(
    check.patching!.features.map(({ position, feature }) => [position, feature]),
    patching.slice(0, 10).map(([position, feature]) => [position, feature]),
  );
  assertLogitsClose(
    check.patching!.features.map(({ effect }) => effect),
    patching.slice(0, 10).map((p) => p[3]),
    "each",
  );
  assert.ok(check.gradient_central_difference!.relative_error < 0.01);
  await sae.close();
});

Deno.test("every normalisation and architecture adds up against a baseline", async () => {
  const paths = [
    "g-std-mlp1-ln",
    "g-std-post3-cnorm",
    "g-topk-pre3-ln",
    "g-skip-mlp1",
    "g-jump-z2-cnorm",
    "g-topk-mlp3-rescale",
  ];
  for (const path of paths) {
    await using sae = await loadSae(new URL(`saes/${path}/`, DATA));
    for (const includeErrorTerm of [true, false]) {
      for (const baseline of ["mean", { prompt: " Tom Brady plays the sport of" }] as Baseline[]) {
        const result = await calculateFeatureAttribution(
          model,
          " Tiger Woods plays the sport of",
          logitDiff(110, 165),
          {
            saes: [sae],
            baseline,
            includeErrorTerm,
            prependBos: true,
          },
        );
        const { decomposition: { features, bias, error, total, maxResidual }, rows } = result.parts.saes.get(
          sae.hookOut,
        )!;
        const size = Math.max(...[...features, ...bias, ...error, ...total].map(Math.abs));
        assert.ok(rows.length > 0 && size > 0);
        assert.ok(maxResidual <= 2e-5 * (1 + size), `${path}: misses ${maxResidual} of ${size}`);
      }
    }
  }
});

Deno.test("the mean over other prompts is that over one prompt, if that is the prompt", async () => {
  await using sae = await loadSae(new URL("saes/g-std-pre2/", DATA));
  const prompt = " Tiger Woods plays the sport of";
  const attribute = (baseline: Baseline) =>
    calculateFeatureAttribution(model, prompt, logitDiff(110, 165), { saes: [sae], baseline });
  const own = await attribute("mean");
  const same = await attribute({ mean: [prompt, prompt] });
  assert.deepEqual(same.parts.baseline!.positions, 2 * own.parts.baseline!.positions!);
  const values = (result: Attribution): number[] => result.rows(HOOK_2).map(({ attribution }) => attribution);
  assertClose(values(same), values(own), "attributions");
});

Deno.test("against itself a prompt has no attributions; excluded tokens of either prompt are left out", async () => {
  await using sae = await loadSae(new URL("saes/g-std-pre2/", DATA));
  const prompt = " Tiger Woods plays the sport of";
  const options = { saes: [sae], excludeSpecialTokens: true } as const;
  const itself = await calculateFeatureAttribution(model, prompt, logitDiff(110, 165), {
    ...options,
    baseline: { prompt },
  });
  assert.equal(itself.rows(HOOK_2).length, 0);
  const tokens = itself.tokens.map(({ id }) => id);
  const eos = tokens.with(3, 0);
  const excluding = await calculateFeatureAttribution(model, tokens, logitDiff(110, 165), {
    ...options,
    baseline: { prompt: eos },
  });
  const { run, decomposition } = excluding.parts.saes.get(HOOK_2)!;
  assert.deepEqual([...run.excluded].sort(), [0, 3]);
  assert.ok([0, 3].every((p) => decomposition.total[p] === 0 && decomposition.error[p] === 0));
  assert.ok(excluding.rows(HOOK_2).every(({ position }) => position > 3));
  assert.ok(excluding.rows(HOOK_2).length > 0);
});

Deno.test("what cannot be compared is refused", async () => {
  await using sae = await loadSae(new URL("saes/g-std-pre2/", DATA));
  const attribute = (baseline: Baseline, trackHookPoints: string[] = []) =>
    calculateFeatureAttribution(model, [0, 5, 6], logitDiff(110, 165), { saes: [sae], baseline, trackHookPoints });
  await assert.rejects(attribute({ prompt: [0, 5, 6, 7] }), (error) => {
    assert.ok(error instanceof UnalignedPromptsError && error instanceof RangeError);
    assert.match(error.message, /^The prompt has 3 tokens, the baseline 4: .* write a baseline of 3$/);
    assert.deepEqual(error.tokens, [[0, 5, 6], [0, 5, 6, 7]]);
    return true;
  });
  await assert.rejects(attribute({ mean: [[0]] }), /^RangeError: A mean leaves out the first position/);
  await assert.rejects(attribute({ mean: [] }), /^RangeError: A mean leaves out/);
  await assert.rejects(attribute("mean", ["hook_embed"]), /^RangeError: A baseline compares SAE features only/);
});

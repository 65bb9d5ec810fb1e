/** Integrated gradients: the reference stack's figures, and that they add up to joint effects. */
import assert from "node:assert/strict";
import {
  ablateJointly,
  type Attribution,
  type AttributionOptions,
  calculateFeatureAttribution,
  type Sae,
} from "../../../mod.ts";
import { openSource } from "../../../lib/weights/files/source.ts";
import { openSafetensors } from "../../../lib/weights/tensors/tensors.ts";
import {
  assertClose,
  DATA,
  type GoldenCase,
  goldenCases,
  goldenMetric,
  goldenPrependBos,
  openSaes,
} from "../golden.ts";
import { goldenModels } from "../golden_models.ts";

type Rule = "trapezoid" | "midpoint";

interface Extra {
  readonly integrated_gradients:
    & { readonly metric_at_actual: number; readonly metric_at_zero: number }
    & { readonly [kind: `${Rule}_${number}`]: { readonly sum: number } };
}

const openModel = goldenModels();

const extraOf = ({ expected }: GoldenCase): Extra | undefined => (expected as unknown as { extra?: Extra }).extra;
const LLAMA = new URL("cases/families/", DATA);
const llama = JSON.parse(Deno.readTextFileSync(new URL("llama-standard.json", LLAMA))) as GoldenCase;
const cases = [...goldenCases("seed"), llama].filter((golden) => extraOf(golden) !== undefined);

async function run(golden: GoldenCase, saes: readonly Sae[], options: AttributionOptions = {}): Promise<Attribution> {
  return await calculateFeatureAttribution(await openModel(golden.model), golden.prompt, goldenMetric(golden), {
    saes,
    method: "integrated-gradients",
    includeErrorTerm: golden.include_error_term,
    prependBos: goldenPrependBos(golden),
    truncate: true,
    excludeSpecialTokens: golden.exclude_special_tokens,
    ...options,
  });
}

/** Runs with a case's SAEs. */
async function withSaes(golden: GoldenCase, test: (saes: readonly Sae[]) => Promise<void>): Promise<void> {
  const saes = await openSaes(golden);
  try {
    await test(saes);
  } finally {
    for (const sae of saes) await sae.close();
  }
}

Deno.test("no case of the reference stack is missing", () => assert.equal(cases.length, 6));

for (const golden of cases) {
  Deno.test(`golden ${golden.name}`, () =>
    withSaes(golden, async (saes) => {
      await using source = openSource(golden === llama ? LLAMA : new URL("cases/", DATA));
      const store = await openSafetensors(source, { file: `${golden.name}.safetensors` });
      const want = extraOf(golden)!.integrated_gradients;
      for (const rule of ["trapezoid", "midpoint"] as const) {
        for (const steps of [16, 128]) {
          const result = await run(golden, saes, { integration: { rule, steps } });
          const hook = saes[0].hookOut;
          const name = `${rule}_${steps}` as const;
          const got = await result.saeFeatureAttributions(hook);
          assertClose(got.data, await store.read(`extra/ig_${name}`), name);
          const { integration } = result.parts.saes.get(hook)!;
          assert.deepEqual([integration!.steps, integration!.rule], [steps, rule]);
          assertClose([integration!.sum], [want[name].sum], `${name}: sum`);
          assertClose([integration!.metricAtBaseline], [want.metric_at_zero], "metric at zero");
          assertClose([integration!.difference], [want.metric_at_actual - want.metric_at_zero], "difference");
        }
      }
    }));
}

const NAMES = [
  "gpt2-standard-resid_pre",
  "gpt2-jumprelu-hook_z-constant_norm",
  "gpt2-no_error-jumprelu",
  "gpt2-exclude_special_tokens",
  "gpt2-skip_transcoder",
  "gpt2-two_saes",
  "gpt2-two_saes-no_error",
  "gpt2-loss",
];

for (const golden of goldenCases("seed").filter(({ name }) => NAMES.includes(name))) {
  Deno.test(`steps are doubled until attributions add up to the joint effect: ${golden.name}`, () =>
    withSaes(golden, async (saes) => {
      const others = golden.tokens.map((_, i) => golden.tokens[(i + 3) % golden.tokens.length]);
      const baselines: AttributionOptions["baseline"][] = ["zero", "mean", { prompt: others }];
      for (const baseline of baselines) {
        const result = await run(golden, saes, { baseline, integration: { tolerance: 1e-3 } });
        for (const hook of result.hooks) {
          const { integration, decomposition } = result.parts.saes.get(hook)!;
          const { converged, difference, sum, steps } = integration!;
          assert.ok(
            converged && Math.abs(sum - difference) <= 1e-3 * Math.abs(difference) + 1e-5 * Math.abs(result.metric),
          );
          assert.ok(Number.isInteger(Math.log2(steps)) && steps >= 8);
          assertClose([sum], [decomposition.features.reduce((a, b) => a + b, 0)], "sum of attributions");
          // Without the error term, ablation lets SAEs further up encode again: only the uppermost is comparable.
          if (!golden.include_error_term && hook !== result.hooks.at(-1)) continue;
          const [effect] = await ablateJointly(result, hook, [result.rows(hook)]);
          assertClose([difference], [effect], "joint effect");
        }
      }
    }));
}

Deno.test("trapezoids that are doubled are those of so many steps", () =>
  withSaes(cases[0], async (saes) => {
    const doubled = await run(cases[0], saes, { integration: { tolerance: 0, mostSteps: 16 } });
    const fixed = await run(cases[0], saes, { integration: { steps: 16 } });
    const [a, b] = [doubled, fixed].map((result) => result.parts.saes.get(saes[0].hookOut)!);
    assert.equal(a.integration!.steps, 16);
    assert.equal(a.integration!.converged, false);
    assertClose(a.gradient, b.gradient, "gradient");
    assert.match(doubled.warnings.join(), /have not converged after 16 steps: they add up to/);
    assert.equal(doubled.summary().saes[0].integration!.steps, 16);
  }));

Deno.test("what cannot be integrated is said", () =>
  withSaes(cases[0], async (saes) => {
    const tries: [AttributionOptions, RegExp][] = [
      [
        { trackHookPoints: ["blocks.0.hook_resid_pre"] },
        /^Integrated gradients are of SAE features only, and blocks.0/,
      ],
      [{ integration: { steps: 0 } }, /^The number of steps is 0: give a whole number above 0$/],
      [{ integration: { tolerance: NaN } }, /^The tolerance is NaN: give a number that is not negative$/],
    ];
    for (const [options, message] of tries) await assert.rejects(run(cases[0], saes, options), { message });
  }));

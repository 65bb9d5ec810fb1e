/** SAE figures against SAELens's own `run_evals`: golden cases, and tests/data/evals/make.py on fixed texts. */
import assert from "node:assert/strict";
import { evaluateSae, type SaeEvals } from "../../lib/attribution/sae_evals.ts";
import { loadModel, loadSae, type Model, type Sae } from "../../mod.ts";
import { TensorSae } from "../../lib/sae/sae.ts";
import { config, functionStore, noiseTensors } from "../sae/fixtures.ts";
import { DATA } from "./golden.ts";

type Figures = Partial<Record<string, Record<string, number> | (number | null)[]>>;

interface GoldenEvals {
  readonly name: string;
  readonly saes: readonly { path: string }[];
  readonly batch_tokens: readonly (readonly number[])[];
  readonly expected: Record<"float32" | "float64", Record<"excluding_special_tokens" | "all_tokens", Figures>>;
}

interface MadeEvals {
  readonly name: string;
  /** Directories, from the root of the repository. */
  readonly model: string;
  readonly sae: string;
  readonly texts: readonly string[];
  readonly tokens: readonly (readonly number[])[];
  readonly batch_size: number;
  readonly exclude_special_tokens: boolean;
  readonly processing: Record<string, boolean>;
  readonly expected: Figures;
}

const ROOT = new URL("../../", import.meta.url);
const made: MadeEvals[] = JSON.parse(Deno.readTextFileSync(new URL("evals/expected.json", DATA)));
const models = new Map<string, Model>();
for (const path of ["tests/data/models/gpt2", "models/bundled/tiny-facts"]) {
  models.set(path, await loadModel(new URL(`${path}/`, ROOT), { threads: 1 }));
}
const gpt2 = models.get("tests/data/models/gpt2")!;
const worst = new Map<string, { relative: number; name: string }>();

Deno.test.afterAll(async () => {
  for (const model of models.values()) await model.close();
  console.log("worst difference over the figure:");
  for (const [figure, { relative, name }] of worst) {
    console.log(`  ${figure}: ${relative.toExponential(1)} (${name})`);
  }
});

/** Every figure that is expected, within 1e-5 + 1e-4 of it. */
function compare(got: SaeEvals, want: Figures, name: string): void {
  for (const [group, expected] of Object.entries(want)) {
    const figures = (got as unknown as Figures)[group];
    assert.ok(figures !== undefined, `${group} is missing`);
    assert.deepEqual(Object.keys(figures).sort(), Object.keys(expected!).sort(), group);
    for (const [key, figure] of Object.entries(expected!)) {
      const value = figures[key as keyof typeof figures] as number;
      const label = Array.isArray(expected) ? group : key;
      if (figure === null) {
        assert.ok(Number.isNaN(value), `${name}: ${group} ${key} is ${value}, not NaN`);
        continue;
      }
      const difference = Math.abs(value - figure);
      assert.ok(difference <= 1e-5 + 1e-4 * Math.abs(figure), `${name}: ${group} ${key} is ${value}, not ${figure}`);
      const relative = figure === 0 ? difference : difference / Math.abs(figure);
      if (!(relative <= (worst.get(label)?.relative ?? -1))) worst.set(label, { relative, name });
    }
  }
}

for (const name of ["gpt2-evals-resid_pre", "gpt2-evals-hook_z"]) {
  Deno.test(`golden ${name}`, async () => {
    const golden: GoldenEvals = JSON.parse(Deno.readTextFileSync(new URL(`cases/${name}.json`, DATA)));
    await using sae = await loadSae(new URL(`${golden.saes[0].path}/`, DATA));
    for (
      const [kind, excludeSpecialTokens] of [["excluding_special_tokens", undefined], ["all_tokens", false]] as const
    ) {
      const got = await evaluateSae(gpt2, sae, golden.batch_tokens, { excludeSpecialTokens });
      for (const [dtype, expected] of Object.entries(golden.expected)) {
        compare(got, expected[kind], `${name} ${kind} ${dtype}`);
      }
    }
  });
}

for (const want of made) {
  Deno.test(`as SAELens: ${want.name}`, async () => {
    const model = models.get(want.model)!;
    await using sae = await loadSae(new URL(`${want.sae}/`, ROOT));
    for (const [i, text] of want.texts.entries()) {
      const tokens = await model.toTokens(text, { prependBos: true });
      assert.deepEqual(tokens.slice(0, want.tokens[i].length), want.tokens[i], text);
    }
    const { batch_size: batchSize, exclude_special_tokens: excludeSpecialTokens } = want;
    const got = await evaluateSae(model, sae, want.tokens, { batchSize, excludeSpecialTokens });
    assert.deepEqual(got.processing, want.processing);
    if (sae.hookIn === sae.hookOut) compare(got, want.expected, want.name);
    else compare(only(got, want.expected), want.expected, want.name);
  });
}

/** The figures that are expected and no others. */
function only(got: SaeEvals, want: Figures): SaeEvals {
  const all = got as unknown as Record<string, Record<string, number>>;
  const groups = Object.entries(want).map(([group, figures]) => [
    group,
    Object.fromEntries(Object.keys(figures!).map((key) => [key, all[group][key]])),
  ]);
  return Object.fromEntries(groups) as SaeEvals;
}

Deno.test("an SAE whose output is the value loses nothing, one whose output is 0 is the ablation", async () => {
  const { dModel } = gpt2.architecture.config;
  const settings = { d_in: dModel, d_sae: 2 * dModel, apply_b_dec_to_input: false };
  const checked = config(settings, { hook_name: "blocks.2.hook_resid_post" });
  const sae = (W_enc: (input: number, feature: number) => number): Sae =>
    new TensorSae(
      checked,
      functionStore(noiseTensors(checked)),
      "made",
    );
  assert.ok(sae);
});

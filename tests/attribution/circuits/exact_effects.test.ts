/** Exact ablation, many features at once from the hook on, against the reference stack and against passes from the prompt. */
import assert from "node:assert/strict";
import { ablateFeatures, ablateJointly } from "../../../mod.ts";
import type { FeatureAt } from "../../../lib/attribution/run/contributions.ts";
import type { DownstreamError } from "../../../lib/attribution/change/downstream_error.ts";
import { assertClose, DATA, type GoldenCase, goldenCases, openSaes, runGolden } from "../golden.ts";
import { goldenModels } from "../golden_models.ts";
import { effectFromPrompt } from "../whole_pass.ts";

interface JointCase extends Omit<GoldenCase, "kind" | "expected"> {
  readonly kind: string;
  readonly model: string;
  readonly expected: {
    readonly metric: number;
    readonly all_features: number;
    readonly top_rows: { readonly rows: readonly [number, number, number, number][]; readonly joint: number };
    readonly top_features_all_positions: {
      readonly features: readonly [number, number, number][];
      readonly joint: number;
    };
  };
}

interface WithExtra {
  readonly model: string;
  readonly expected: { readonly extra?: { readonly ablation: readonly [number, number, number, number][] } };
}

const openModel = goldenModels();

const read = (file: string): unknown => JSON.parse(Deno.readTextFileSync(new URL(`cases/${file}`, DATA)));
const withExtra = [
  ...goldenCases("seed"),
  read("families/llama-standard.json") as GoldenCase,
].filter((golden) => (golden as unknown as WithExtra).expected.extra !== undefined);

Deno.test("no case of the reference stack is missing", () => assert.equal(withExtra.length, 6));

for (const golden of withExtra) {
  Deno.test(`single features, ${golden.name}`, async () => {
    const { model: name, expected: { extra } } = golden as unknown as WithExtra;
    const model = await openModel(name);
    const saes = await openSaes(golden);
    try {
      const result = await runGolden(model, golden, saes);
      const hook = saes[0].hookOut;
      const { ablation } = extra!;
      const rows = ablation.map(([position, feature]) =>
        result.rows(hook).find((row) => row.position === position && row.feature === feature)!
      );
      const ablated = await ablateFeatures(result, hook, rows);
      assertClose(ablated.map(({ attribution }) => attribution), ablation.map(([, , value]) => value), "attributions");
      assertClose(ablated.map(({ effect }) => effect), ablation.map(([, , , effect]) => effect), "effects");
    } finally {
      for (const sae of saes) await sae.close();
    }
  });
}

for (
  const name of [
    "gpt2-joint-standard-resid_pre",
    "gpt2-joint-standard-hook_z",
    "gpt2-joint-jumprelu-resid_post",
    "llama-joint-standard",
  ]
) {
  Deno.test(`features together, ${name}`, async () => {
    const golden = read(`${name}.json`) as JointCase;
    const model = await openModel(golden.model);
    const saes = await openSaes(golden as unknown as GoldenCase);
    try {
      const result = await runGolden(model, golden as unknown as GoldenCase, saes);
      const hook = saes[0].hookOut;
      const { all_features, top_rows, top_features_all_positions } = golden.expected;
      const everywhere = (feature: number): FeatureAt[] => result.tokens.map((_, position) => ({ position, feature }));
      const rows = top_rows.rows.map(([position, feature]) => ({ position, feature }));
      const features = top_features_all_positions.features.map(([feature]) => feature);
      const effects = await ablateJointly(result, hook, [
        result.rows(hook),
        rows,
        features.flatMap(everywhere),
        ...rows.map((row) => [row]),
        ...features.map(everywhere),
      ]);
      const want = [
        all_features,
        top_rows.joint,
        top_features_all_positions.joint,
        ...top_rows.rows.map(([, , , effect]) => effect),
        ...top_features_all_positions.features.map(([, , effect]) => effect),
      ];
      assertClose(effects, want, "effects");
    } finally {
      for (const sae of saes) await sae.close();
    }
  });
}

/** The features with the largest |attribution|, some of the smallest, and all of them. */
for (const golden of goldenCases("seed").filter(({ saes }) => saes.length > 0)) {
  Deno.test(`as from the prompt, ${golden.name}`, async () => {
    const model = await openModel("models/gpt2");
    const saes = await openSaes(golden);
    try {
      const result = await runGolden(model, golden, saes);
      const choices: DownstreamError[] = saes.length > 1 ? ["recomputed", "frozen"] : ["recomputed"];
      for (const hook of result.hooks) {
        const rows = result.rows(hook);
        if (rows.length === 0) continue;
        const some = [...rows.slice(0, 2), ...rows.slice(-2)];
        for (const downstreamError of choices) {
          const single = await ablateFeatures(result, hook, some, { downstreamError });
          const [joint] = await ablateJointly(result, hook, [rows], { downstreamError });
          const want: number[] = [];
          for (const row of some) want.push(await effectFromPrompt(result, hook, [row], downstreamError));
          want.push(await effectFromPrompt(result, hook, rows, downstreamError));
          const got = [...single.map(({ effect }) => effect), joint];
          assertClose(got, want, `${hook}, errors ${downstreamError}`);
        }
      }
    } finally {
      for (const sae of saes) await sae.close();
    }
  });
}

import assert from "node:assert/strict";
import {
  type AttributionOptions,
  calculateFeatureAttribution,
  klToClean,
  loadModel,
  loadSae,
  logitDiff,
  loss,
  type Metric,
  targetText,
  topTwoLogitDiff,
} from "../../mod.ts";
import { attributionReport, type ReportInput } from "../../lib/cli/screen/summary.ts";
import { bars, entry } from "../../lib/cli/screen/summary_layout.ts";
import { count, percent, plain, signed } from "../../lib/report/figures.ts";
import { makeTable } from "../../lib/cli/runs/explain/attribute.ts";
import { trackedHooks } from "../../lib/cli/files/exports.ts";
import { displayWidth } from "../../lib/table/terminal.ts";
import { HOOK, MODEL, PROMPT, SAE, SAES } from "./run_cli.ts";

Deno.test("a run: rows, report and tracked hooks", async (t) => {
  await using model = await loadModel(MODEL, { threads: 1 });
  await using sae = await loadSae(SAE);
  await using second = await loadSae(`${SAES}/g-std-z1`);
  const result = await calculateFeatureAttribution(model, PROMPT, logitDiff(" golf", " tennis"), {
    saes: [sae, second],
    trackHookPoints: ["blocks.1.hook_mlp_out", "blocks.0.attn.hook_attn_scores"],
    topPredictions: 5,
  });

  await t.step("the tables, whole and cut", async () => {
    const none = new Map();
    const rows = await makeTable(result, { table: "rows" }, none);
    assert.deepEqual(rows.columns.slice(0, 5), ["hook", "kind", "position", "feature", "index_0"]);
    assert.deepEqual([rows.bar, rows.left], ["attribution", 0]);
    const all = [...rows.rows];
    const cut = await makeTable(result, { table: "rows" }, none, 7);
    assert.deepEqual([[...cut.rows].length, cut.left], [7, all.length - 7]);
    const top = await makeTable(result, { table: "rows", top: 9 }, none, 7);
    assert.deepEqual([[...top.rows].length, top.left], [9, 0]);
    const positions = await makeTable(result, { table: "positions", positions: { start: -2 } }, none, 1);
    assert.deepEqual([[...positions.rows].length, positions.bar, positions.left], [4, "features", 0]);
    const features = await makeTable(result, { table: "features" }, new Map([[HOOK, new Map([[83, "a"]])]]), 5);
    assert.deepEqual(features.columns, ["hook", "feature", "attribution", "positions", "max_activation", "label"]);
    assert.equal([...features.rows].length, 5);
  });

  const input: ReportInput = {
    result,
    request: {
      metric: {
        kind: "logit-diff",
        positive: [" golf"],
        negative: [" tennis"],
        positions: [-1],
        chosenFrom: "from --pos-token and --neg-token",
      },
      processing: "sae",
      processingFlags: {},
    },
    labels: new Map([[HOOK, new Map([[83, "a \x1b[2J label"]])]]),
    tokenNames: new Map([[364, "·golf"], [296, "·tennis"]]),
    check: {
      hooks: [{
        hook: HOOK,
        gradient_central_difference: { analytic: 1, numeric: 1.001, relative_error: 0.001 },
        joint_ablation: { effect: 0.5, sum_of_attributions: 0.25 },
      }],
      not_used: { "an \x1b SAE": ["dtype", "metadata.l0"] },
      file_sha256: {},
    },
    warnings: ["mind the \x1b gap"],
    seconds: 1.5,
  };

  await t.step("the report says what ran, what was asked and what was found", () => {
    const report = attributionReport(input, { width: 100, color: false });
    assert.ok(report.startsWith(`${model.description}\n\nPrompt      <|endoftext|> ·T iger`));
    for (
      const expected of [
        /^Next token {2}·player \d+\.\d %/m,
        /^Metric {6}logit of ·golf - logit of ·tennis after ·of \(position 9\) = -0\.3405$/m,
        /^ {12}that is, ·tennis is 1\.4 times as probable as ·golf$/m,
        /logits\[-1, 364\] - logits\[-1, 296\]; from --pos-token and --neg-token/,
        /^What speaks for ·golf \(\+\) and for ·tennis \(-\), at blocks\.2\.hook_resid_pre: activation × gradient$/m,
        /^ {2}\+0\.4945 .*█.* {2}feature 83 at <\|endoftext\|> \(0\) +a \\x1b\[2J label$/m,
        /^Adds up {5}features /m,
        /^SAE fit {5}poor: explains -?[\d.]+ % of the variance/m,
        /^SAE error {3}[\d.]+ % of the attribution/m,
        /^Tracked {5}blocks\.1\.hook_mlp_out: attribution/m,
        /^Check {7}blocks\.2\.hook_resid_pre: size of the gradient 1\.000, by finite differences 1\.001/m,
        /^Not used {4}of an \\x1b SAE: dtype, metadata\.l0$/m,
        /^Warning {5}mind the \\x1b gap$/m,
        /^Time {8}1\.50 s, of which the run [\d.]+ s; peak memory \d+ MB$/m,
        /^Neuronpedia https:\/\/neuronpedia\.org\/quick-list\/\?name=.*&features=.*blocks\.2\.hook_resid_pre.*83/m,
      ]
    ) assert.match(report, expected);
    assert.ok(!report.includes("\x1b"));
  });

  await t.step("the report fits its width, in colour too", () => {
    for (const width of [50, 80, 120]) {
      const lines = attributionReport(input, { width, color: false }).split("\n");
      // Links are whole, so that they can be followed.
      const tooLong = lines.filter((line) => displayWidth(line) > width && !line.startsWith("Neuronpedia https://"));
      assert.deepEqual(tooLong, []);
      const colored = attributionReport(input, { width, color: true });
      assert.ok(colored.includes("\x1b[31m"));
      // deno-lint-ignore no-control-regex
      assert.equal(colored.replace(/\x1b\[\d+m/g, "").replace(/ +$/gm, ""), lines.join("\n"));
    }
  });

  await t.step("metrics, places, processing and excluded tokens in words", async () => {
    const words = async (metric: Metric, options: AttributionOptions = {}): Promise<string> => {
      const run = await calculateFeatureAttribution(model, PROMPT, metric, { saes: [sae], ...options });
      const tokenNames = new Map([[364, "·golf"], [296, "·tennis"], [340, "·x"]]);
      const page = { width: 1000, color: false };
      return attributionReport({ ...input, result: run, tokenNames, check: undefined }, page);
    };
    const several = await words(logitDiff([" golf", 340], " tennis", { position: [-2, -1] }), {
      excludeSpecialTokens: true,
    });
    assert.match(
      several,
      /^Metric {6}mean logit of ·golf, ·x - logit of ·tennis added up after ·sport \(position 8\), ·of \(position 9\) = /m,
    );
    assert.doesNotMatch(several, /times as probable/);
    assert.match(several, /^Left out {4}<\|endoftext\|> \(0\) special or excluded tokens, /m);
    assert.match(several, /^What speaks for ·golf, ·x \(\+\) and for ·tennis \(-\): /m);
    const target = await words(targetText(" golf"));
    assert.match(target, /^Prompt .* ·of {3}\(10 tokens/m);
    assert.match(target, /^Metric {6}log-probability of the continuation ·golf after ·of \(position 9\) = -/m);
    const kl = await words(klToClean(), { includeErrorTerm: false });
    assert.match(kl, /^Metric {6}divergence \(KL, in nats\) from the predictions without SAEs after ·of/m);
    assert.match(await words(loss()), /^Metric {6}mean next-token loss in nats over 9 positions = /m);
    const shown = attributionReport(
      { ...input, request: { ...input.request, processing: "none", processingFlags: { foldLn: true } } },
      { width: 1000, color: false },
    );
    assert.match(shown, /\(--processing none, --fold-ln\)$/m);
  });

  await t.step("tracked hooks in finite figures", () => {
    const [mlp, scores] = trackedHooks(result);
    assert.deepEqual([mlp.hook, mlp.dims], ["blocks.1.hook_mlp_out", [10, 32]]);
    const sums = mlp.attribution_sum_per_position!;
    assert.ok(Math.abs(sums.reduce((a, b) => a + b) - mlp.attribution_sum) < 1e-6);
    assert.equal(scores.attribution_sum_per_position, null);
    assert.ok([scores.attribution_sum, scores.activation_norm, scores.gradient_norm].every(Number.isFinite));
  });

  await t.step("a long prompt and one without an SAE", async () => {
    const ids = Array.from({ length: 64 }, (_, i) => i % 300);
    const long = await calculateFeatureAttribution(model, ids, topTwoLogitDiff(), { saes: [sae] });
    const report = attributionReport({ ...input, result: long, check: undefined }, { width: 80, color: false });
    assert.match(report, /… 4 more tokens …/);
    assert.match(report, /by position \(the 8 largest of 64\)/);
    const none = await calculateFeatureAttribution(model, PROMPT, topTwoLogitDiff(), {
      trackHookPoints: ["hook_embed"],
    });
    assert.match(attributionReport({ ...input, result: none }, { width: 80, color: false }), /^Tracked {5}hook_embed/m);
  });
});

Deno.test("figures for people", () => {
  assert.deepEqual([0, 0.00001, 0.001, 0.5, 1].map(percent), ["0.0 %", "<0.01 %", "0.1 %", "50.0 %", "100.0 %"]);
  assert.deepEqual([0, 12.3456, -0.5, 1e-7, 1e9].map((x) => signed(x)), [
    "0",
    "+12.35",
    "-0.5000",
    "+1.00e-7",
    "+1.00e+9",
  ]);
  assert.equal(plain(NaN), "NaN");
  assert.deepEqual([count(1, "row"), count(1024, "row")], ["1 row", "1,024 rows"]);
});

Deno.test("entries wrap and bars scale", () => {
  const page = { width: 20, color: false };
  assert.equal(entry("Key", ["aaa", "bbb", "ccc"], page), "Key         aaa bbb\n            ccc");
  const lines = bars([{ value: 2, text: "a" }, { value: -1, text: "b" }], { width: 60, color: false }).split("\n");
  assert.deepEqual(lines, ["  +2.000         │███████  a", "  -1.000     ▐███│         b"]);
});

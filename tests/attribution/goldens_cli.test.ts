/** The golden cases through the command `attribute`, in this process, from its arguments to the files that it writes. */
import assert from "node:assert/strict";
import { run } from "../../lib/cli/commands/explain/attribute.ts";
import { fromFileUrl } from "../../lib/weights/files/places.ts";
import { openSource } from "../../lib/weights/files/source.ts";
import { openSafetensors, type TensorStore } from "../../lib/weights/tensors/tensors.ts";
import type { Summary } from "../../mod.ts";
import {
  assertClose,
  assertLogitsClose,
  DATA,
  type GoldenCase,
  goldenCases,
  goldenPrependBos,
  type GoldenSae,
  goldenTensors,
} from "./golden.ts";

const cases = goldenCases("seed");
const worst = { rows: 0, metric: 0 };

Deno.test.afterAll(() => {
  console.log(`worst difference of rows over the largest: ${worst.rows.toExponential(1)}`);
  console.log(`worst difference of metrics: ${worst.metric.toExponential(1)}`);
});

Deno.test("the command line can express every golden case", () => {
  assert.equal(cases.length, 49);
});

for (const golden of cases) {
  Deno.test(`command line, golden ${golden.name}`, async () => {
    const directory = await Deno.makeTempDir();
    try {
      const files = ["rows.csv", "summary.json", "tensors.safetensors"].map((file) => `${directory}/${file}`);
      await run([...goldenArgs(golden), "--output", files[0], "--summary", files[1], "--save-tensors", files[2]]);
      const summary: Summary & { excluded_positions: number[] } = JSON.parse(await Deno.readTextFile(files[1]));
      assert.deepEqual(summary.tokens.map(({ id }) => id), golden.tokens);
      assert.deepEqual(summary.excluded_positions, golden.excluded_positions ?? []);
      assert.deepEqual(summary.saes.map(({ hook }) => hook), golden.saes.map(({ hook }) => hook));
      assertLogitsClose([summary.metric.value], [golden.expected.metric], "metric");
      worst.metric = Math.max(worst.metric, Math.abs(summary.metric.value - golden.expected.metric));
      checkRows(await Deno.readTextFile(files[0]), golden);
      summary.saes.forEach((sae) => checkSums(sae, golden.expected.saes[sae.hook]));
      await using source = openSource(directory);
      await checkActive(await openSafetensors(source, { file: "tensors.safetensors" }), files[2], golden);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
}

/** A case as a user would write it. */
function goldenArgs(golden: GoldenCase): string[] {
  const bos = goldenPrependBos(golden);
  const exclude = golden.exclude_special_tokens;
  return [
    golden.prompt,
    ...["--model", fromFileUrl(new URL("models/gpt2", DATA))],
    ...golden.saes.flatMap(({ path, hook_in, norm_scaling_factor }) => [
      ...["--sae", fromFileUrl(new URL(path, DATA))],
      ...(hook_in === undefined ? [] : ["--hook-in", hook_in]),
      ...(norm_scaling_factor == null ? [] : ["--norm-scaling-factor", String(norm_scaling_factor)]),
    ]),
    ...metricArgs(golden),
    ...(golden.include_error_term ? [] : ["--no-error-term"]),
    ...(golden.track_hook_points ?? []).flatMap((hook) => ["--track", hook]),
    ...(bos === undefined ? [] : [bos ? "--prepend-bos" : "--no-prepend-bos"]),
    ...(exclude === true ? ["--exclude-special-tokens"] : exclude ? ["--exclude-token-ids", exclude.join(",")] : []),
    ...["--truncate", "--quiet", "--threads", "1"],
  ];
}

function metricArgs({ metric: { kind, position, pos_token, neg_token, tokens, weights } }: GoldenCase): string[] {
  if (kind === "loss") return ["--metric", "loss"];
  const at = position === -1 ? [] : ["--metric-position", String(position)];
  if (kind === "weighted_logits") return [...tokens.flatMap((id, i) => ["--id-weight", `${id}=${weights[i]}`]), ...at];
  if (kind === "logit_diff") return ["--pos-id", String(pos_token), "--neg-id", String(neg_token), ...at];
  return ["--metric", kind, "--pos-id", String(pos_token), ...at];
}

/** The rows of features: those of the golden case and no others, largest attribution first. */
function checkRows(csv: string, { saes, expected, track_hook_points }: GoldenCase): void {
  const [header, ...lines] = csv.trimEnd().split("\n");
  const columns = header.split(",");
  assert.equal(columns.includes("kind"), saes.length > 0 && (track_hook_points ?? []).length > 0, "column kind");
  const all = lines.map((line) => {
    const cells = line.split(",");
    return Object.fromEntries(columns.map((column, i) => [column, cells[i]]));
  });
  const rows = all.filter(({ kind = saes.length > 0 ? "feature" : "activation" }) => kind === "feature")
    .map((row) => ({ hook: saes[0]?.hook, ...row }) as Record<string, string>);
  for (const { hook } of saes) {
    const want = new Map(expected.saes[hook].rows.map(([p, f, attribution]) => [`${p},${f}`, attribution]));
    const got = rows.filter((row) => row.hook === hook);
    const keys = got.map(({ position, feature }) => `${position},${feature}`);
    assert.deepEqual(keys.toSorted(), [...want.keys()].sort(), `${hook}: rows`);
    const attributions = got.map(({ attribution }) => Number(attribution));
    const values = keys.map((key) => want.get(key)!);
    worst.rows = Math.max(worst.rows, assertClose(attributions, values, `${hook}: attributions`));
    assert.deepEqual(attributions, attributions.toSorted((a, b) => b - a), `${hook}: order`);
  }
  assert.equal(rows.length, saes.reduce((sum, { hook }) => sum + expected.saes[hook].rows.length, 0));
}

function checkSums(
  { rows, decomposition, errors_attribution_proportion }: Summary["saes"][number],
  want: GoldenSae,
): void {
  assert.equal(rows, want.nonzero_count);
  const { sum_attr, g_dot_bias, g_dot_err, g_dot_x } = want.completeness;
  assertClose(decomposition.features, sum_attr, "features per position");
  assertClose(decomposition.bias, g_dot_bias, "bias per position");
  assertClose(decomposition.error, g_dot_err, "error per position");
  assertClose(decomposition.total, g_dot_x, "total per position");
  assert.ok(Math.abs(errors_attribution_proportion - want.sae_errors_attribution_proportion) < 1e-6);
}

/** The active features, rows without attribution included, and their activations. */
async function checkActive(store: TensorStore, file: string, golden: GoldenCase): Promise<void> {
  const bytes = await Deno.readFile(file);
  const integers = (name: string): number[] => {
    const { offset, byteLength } = store.tensors.get(name)!;
    return [...new BigInt64Array(bytes.slice(offset, offset + byteLength).buffer)].map(Number);
  };
  const tensors = await goldenTensors(golden);
  for (const { hook } of golden.saes) {
    const acts = tensors.get(`${hook}/feature_acts`)!;
    const width = acts.length / golden.tokens.length;
    const [positions, features] = [integers(`${hook}/position`), integers(`${hook}/feature`)];
    const places = positions.map((position, i) => position * width + features[i]);
    assert.deepEqual(places, [...acts.keys()].filter((i) => acts[i] !== 0), `${hook}: active features`);
    assert.equal(places.length, golden.expected.saes[hook].active_count);
    assertClose(await store.read(`${hook}/activation`), places.map((i) => acts[i]), `${hook}: activations`);
  }
}

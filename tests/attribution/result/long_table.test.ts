import assert from "node:assert/strict";
import { type Attribution, calculateFeatureAttribution, loadModel, loadSae, logitDiff } from "../../../mod.ts";
import {
  type LongRow,
  longRows,
  longTable,
  neuronpediaQuickList,
  neuronpediaUrl,
} from "../../../lib/attribution/result/long_table.ts";
import { checkPositions, positionsIn } from "../../../lib/attribution/positions.ts";
import { featureTable, positionTable } from "../../../lib/attribution/result/sum_tables.ts";
import { TensorSae } from "../../../lib/sae/sae.ts";
import { config, functionStore, noiseTensors } from "../../sae/fixtures.ts";
import { DATA } from "../golden.ts";

const model = await loadModel(new URL("models/gpt2/", DATA), { threads: 1 });
const sae = await loadSae(new URL("saes/g-std-pre2/", DATA));
const second = await loadSae(new URL("saes/g-std-z1/", DATA));
Deno.test.afterAll(async () => {
  await Promise.all([model.close(), sae.close(), second.close()]);
});

const PROMPT = " Tiger Woods plays the sport of";
const [PRE, Z] = [sae.hookOut, second.hookOut];
const [EMBED, PATTERN, SCORES] = ["hook_embed", "blocks.1.attn.hook_pattern", "blocks.0.attn.hook_attn_scores"];
const metric = logitDiff(364, 296);
const one = await calculateFeatureAttribution(model, PROMPT, metric, { saes: [sae] });
const all = await calculateFeatureAttribution(model, PROMPT, metric, {
  saes: [sae, second],
  trackHookPoints: [EMBED, PATTERN, SCORES],
});

const sum = (values: Iterable<number>): number => [...values].reduce((a, b) => a + b, 0);
const near = (got: number, want: number): void => assert.ok(Math.abs(got - want) < 1e-6, `${got} is not ${want}`);
const place = ({ hook, position, feature, index }: LongRow): string => [hook, position, feature, ...index].join();
const of = (rows: readonly LongRow[], hook: string, kind = "activation"): LongRow[] =>
  rows.filter((row) => row.hook === hook && row.kind === kind);

Deno.test("longRows: one SAE gives its own rows", () => {
  const rows = longRows(one).map(({ position, feature, activation, gradient, attribution }) => ({
    position,
    feature,
    activation,
    gradient,
    attribution,
  }));
  assert.deepEqual(rows, one.rows(PRE).map(({ ...row }) => row));
});

Deno.test("longRows: every kind, whole and in order", () => {
  const rows = longRows(all, { includeError: true });
  for (const hook of [PRE, Z]) {
    assert.equal(of(rows, hook, "feature").length, all.rows(hook).length);
    for (const kind of ["bias", "error"] as const) {
      const found = of(rows, hook, kind).sort((a, b) => a.position! - b.position!);
      assert.deepEqual(found.map(({ attribution }) => attribution), all.decomposition[hook][kind]);
      assert.ok(found.every((row) => row.feature === null && row.activation === null && row.index.length === 0));
    }
  }
  for (const hook of [EMBED, PATTERN, SCORES]) {
    const { data } = all.modelAttributions[hook];
    const found = of(rows, hook);
    assert.equal(found.length, data.filter((x) => x !== 0).length);
    near(sum(found.map(({ attribution }) => attribution)), sum(data));
    for (const { activation, gradient, attribution } of found) {
      assert.equal(attribution, Math.fround(activation! * gradient!));
    }
  }
  assert.equal(new Set(rows.map((row) => `${row.kind} ${place(row)}`)).size, rows.length);
  assert.ok(rows.every((row, i) => i === 0 || rows[i - 1].attribution >= row.attribution));
  assert.ok(longRows(all).every(({ kind }) => kind === "feature" || kind === "activation"));
});

Deno.test("longRows: a pattern's position is its query", () => {
  const n = all.tokens.length;
  const { dims, data } = all.modelAttributions[PATTERN];
  assert.deepEqual(dims.slice(1), [n, n]);
  const rows = of(longRows(all), PATTERN);
  for (const { position, index: [head, key], attribution } of rows) {
    assert.equal(data[(head * n + position!) * n + key], attribution);
    assert.ok(key <= position!);
  }
  const embed = all.modelAttributions[EMBED];
  for (const { position, index: [d], attribution } of of(longRows(all), EMBED)) {
    assert.equal(embed.data[position! * embed.dims[1] + d], attribution);
  }
});

Deno.test("longRows: positions, features and the top", () => {
  const rows = longRows(all, { includeError: true });
  const last = all.tokens.length - 1;
  assert.deepEqual(
    longRows(all, { includeError: true, positions: { start: -1 } }),
    rows.filter(({ position }) => position === last),
  );
  assert.deepEqual(longRows(all, { positions: { start: 2, end: 2 } }), []);
  assert.deepEqual(
    longRows(all, { includeError: true, features: [3, 83] }),
    rows.filter(({ feature }) => feature === 3 || feature === 83),
  );
  const top = longRows(all, { top: 5 });
  const sizes = longRows(all).map(({ attribution }) => Math.abs(attribution)).sort((a, b) => b - a);
  assert.deepEqual(top.map(({ attribution }) => Math.abs(attribution)).sort((a, b) => b - a), sizes.slice(0, 5));
  assert.ok(top.every((row, i) => i === 0 || top[i - 1].attribution >= row.attribution));
  assert.throws(() => longRows(one, { features: [1, 96] }), /There is no feature 96: the SAE has 96, .* from 0 to 95$/);
});

Deno.test("longRows: without an SAE there are no features to choose", async () => {
  const tracked = await calculateFeatureAttribution(model, PROMPT, metric, { trackHookPoints: [EMBED] });
  assert.ok(longRows(tracked).every(({ kind }) => kind === "activation"));
  assert.throws(() => longRows(tracked, { features: [1] }), /There is no SAE in this run/);
  const { columns } = await longTable(tracked);
  assert.deepEqual(columns, ["position", "feature", "index_0", "attribution"]);
});

/** A run with rows of one's own. */
function withRows(rows: readonly [position: number, feature: number, attribution: number][]): Attribution {
  const made = rows.map(([position, feature, attribution]) => ({
    position,
    feature,
    attribution,
    activation: attribution,
    gradient: 1,
  }));
  return Object.create(one, { rows: { value: () => made } });
}

Deno.test("longRows: ties by position, then feature, also where the top is cut", () => {
  const tied = withRows([[2, 1, 1], [1, 9, 1], [1, 2, -1], [1, 4, 1], [0, 5, -1]]);
  const places = (rows: LongRow[]): unknown => rows.map(({ position, feature }) => [position, feature]);
  assert.deepEqual(places(longRows(tied)), [[1, 4], [1, 9], [2, 1], [0, 5], [1, 2]]);
  assert.deepEqual(places(longRows(tied, { top: 3 })), [[1, 4], [0, 5], [1, 2]]);
});

Deno.test("longTable: hundreds of thousands of rows", async () => {
  const many = withRows(Array.from({ length: 300_000 }, (_, i) => [i % 10, i, 1 + i % 7]));
  const { rows } = await longTable(many);
  assert.equal([...rows].length, 300_000);
  assert.equal([...(await featureTable(many, { explanations: new Map() })).rows].length, 300_000);
});

Deno.test("longTable: columns by what there is, and those asked for", async () => {
  assert.deepEqual((await longTable(one)).columns, ["position", "feature", "attribution"]);
  assert.deepEqual((await longTable(one, { includeError: true })).columns, [
    "kind",
    "position",
    "feature",
    "attribution",
  ]);
  const { columns, rows } = await longTable(all);
  assert.deepEqual(columns, ["hook", "kind", "position", "feature", "index_0", "index_1", "attribution"]);
  for (const row of rows) {
    assert.equal(row.length, columns.length);
    const indices = row[1] === "feature" ? 0 : row[0] === EMBED ? 1 : 2;
    assert.equal([row[4], row[5]].filter((x) => x !== null).length, indices);
  }
  const chosen = await longTable(one, {
    top: 1,
    columns: ["token", "is_special", "label", "neuronpedia_url", "activation", "gradient"],
    explanations: new Map([[PRE, new Map([[longRows(one, { top: 1 })[0].feature!, "a label"]])]]),
  });
  const [row] = longRows(one, { top: 1 });
  assert.deepEqual([...chosen.rows], [[
    one.tokens[row.position!].text,
    row.position === 0,
    "a label",
    `https://neuronpedia.org/gpt2/${PRE}/${row.feature}`,
    row.activation,
    row.gradient,
  ]]);
});

Deno.test("positionTable: features + bias + error = total", () => {
  const { columns, rows } = positionTable(one);
  assert.deepEqual(columns, ["position", "token", "features", "bias", "error", "total"]);
  const found = [...rows] as [number, string, number, number, number, number][];
  assert.deepEqual(found.map(([position, token]) => [position, token]), one.tokens.map(({ text }, p) => [p, text]));
  for (const [position, , features, bias, error, total] of found) {
    near(features + bias + error, total);
    near(features, sum(one.rows(PRE).filter((r) => r.position === position).map((r) => r.attribution)));
  }
  const both = positionTable(all, { positions: { start: -1 } });
  const last = all.tokens.length - 1;
  assert.deepEqual([...both.rows].map(([hook, position]) => [hook, position]), all.hooks.map((hook) => [hook, last]));
});

Deno.test("featureTable: sums over positions, and at one position the notebook's last cell", async () => {
  const { columns, rows } = await featureTable(one);
  assert.deepEqual(columns, ["feature", "attribution", "positions", "max_activation"]);
  const found = [...rows] as [number, number, number, number][];
  assert.deepEqual(new Set(found.map(([feature]) => feature)), new Set(one.rows(PRE).map(({ feature }) => feature)));
  for (const [feature, attribution, positions, strongest] of found) {
    const mine = one.rows(PRE).filter((row) => row.feature === feature);
    near(attribution, sum(mine.map((row) => row.attribution)));
    assert.equal(positions, mine.length);
    assert.equal(strongest, Math.max(...mine.map(({ activation }) => activation)));
  }
  assert.ok(found.every(([, value], i) => i === 0 || found[i - 1][1] >= value));
  const last = await featureTable(one, { positions: { start: -1 }, top: 3 });
  const want = longRows(one, { positions: { start: -1 }, top: 3 });
  assert.deepEqual(
    [...last.rows].map(([feature, value]) => [feature, value]),
    want.map((r) => [r.feature, r.attribution]),
  );
  const both = await featureTable(all, { top: 2, explanations: new Map([[PRE, new Map([[1, "a"]])]]) });
  assert.deepEqual(both.columns, ["hook", "feature", "attribution", "positions", "max_activation", "label"]);
});

Deno.test("positions: slices as in Python, and single ones; what a prompt does not have is named", () => {
  assert.deepEqual(positionsIn({ start: -9, end: 99 }, { length: 5 }), [0, 1, 2, 3, 4]);
  assert.deepEqual(positionsIn({ end: -1 }, { length: 5 }), [0, 1, 2, 3]);
  assert.deepEqual(positionsIn({ start: 3, end: 1 }, { length: 5 }), []);
  assert.deepEqual(positionsIn([4, { end: 2 }, -5, 9], { length: 5 }), [0, 1, 4]);
  checkPositions([{ start: 3 }, -5, 4], { length: 5 });
  const refused = (positions: Parameters<typeof checkPositions>[0]): string => {
    try {
      checkPositions(positions, { length: 5 });
    } catch (error) {
      assert.ok(error instanceof RangeError);
      return error.message;
    }
    return "";
  };
  const inside = "a prompt of 5 tokens has 0 to 4, or -5 to -1";
  assert.equal(refused([1, 5]), `There is no position 5: ${inside}`);
  assert.equal(refused([-6]), `There is no position -6: ${inside}`);
  assert.equal(refused({ start: 10 }), `The slice "10:" has no position: ${inside}`);
  assert.equal(refused([0, { start: 3, end: 1 }]), `The slice "3:1" has no position: ${inside}`);
});

Deno.test("Neuronpedia: pages and lists for ids that are a model and an SAE", () => {
  assert.equal(neuronpediaUrl(sae, 7), `https://neuronpedia.org/gpt2/${PRE}/7`);
  const url = new URL(neuronpediaQuickList(sae, "a & b", [7, 8])!);
  assert.equal(url.searchParams.get("name"), "a & b");
  assert.deepEqual(JSON.parse(url.searchParams.get("features")!), [
    { modelId: "gpt2", layer: PRE, index: "7" },
    { modelId: "gpt2", layer: PRE, index: "8" },
  ]);
  for (const id of [undefined, "gpt2", "a/b/c", "a b/c"]) {
    const checked = config({}, { neuronpedia_id: id });
    const other = new TensorSae(checked, functionStore(noiseTensors(checked)), "random");
    assert.deepEqual([neuronpediaUrl(other, 1), neuronpediaQuickList(other, "x", [1])], [null, null]);
  }
});

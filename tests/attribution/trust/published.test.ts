import assert from "node:assert/strict";
import type { FigureComparison } from "../../../lib/attribution/trust/published.ts";
import { parseFigures, verifyFigures } from "../../../lib/request/figures.ts";
import { loadModel } from "../../../mod.ts";
import { DATA, goldenCases, openSaes } from "../golden.ts";
import { publishedCase } from "../published.ts";

const NAMES = ["gpt2-no_bos", "gpt2-pre_v6_layout", "gpt2-no_error-standard"];

/** A case's figures against what this program computes. */
async function checked(name: string, changes: Record<string, unknown> = {}): Promise<FigureComparison[]> {
  const golden = goldenCases("seed").find((golden) => golden.name === name)!;
  await using model = await loadModel(new URL("models/gpt2/", DATA), { threads: 1 });
  await using sae = (await openSaes(golden))[0];
  const file = parseFigures({ ...publishedCase(golden, "m", "s"), ...changes }, "case");
  return await verifyFigures({ model, saes: [sae] }, file);
}

const disagreeing = (checks: readonly FigureComparison[]): string[] =>
  checks.filter(({ agrees }) => !agrees).map(({ figure }) => figure);

for (const name of NAMES) {
  Deno.test(`verifyFigures: all figures of the golden case ${name} agree`, async () => {
    const checks = await checked(name);
    assert.deepEqual(disagreeing(checks), []);
    for (const group of ["tokens", "next tokens", "metric", "attributions", "features at a position"] as const) {
      assert.ok(checks.some((check) => check.group === group), group);
    }
  });
}

Deno.test("verifyFigures: whatever is off is found, and nothing else", async () => {
  const published = publishedCase(goldenCases("seed").find(({ name }) => name === "gpt2-no_bos")!, "m", "s");
  const [first, second, ...others] = published.attributions;
  const wrong: [Record<string, unknown>, string[]][] = [
    [{ metric: published.metric + 0.01 }, ["metric"]],
    [{ prepend_bos: true, next_tokens: [], attributions: [], top_at_position: null, metric: null }, [
      "number of tokens",
      ...published.tokens.map((_, i) => `token at position ${i}`),
    ]],
    [{ attributions: [{ ...first, attribution: first.attribution + 0.01 }, second, ...others] }, [
      `attribution of feature ${first.feature} at position ${first.position}`,
    ]],
    [{ attributions: [{ ...first, rank: 1 }, second] }, [
      `rank of feature ${first.feature} at position ${first.position}`,
    ]],
    [{ attributions: [first, { ...second, row: second.row + 1 }] }, [
      `row of feature ${second.feature} at position ${second.position}, by feature`,
    ]],
  ];
  for (const [changes, figures] of wrong) assert.deepEqual(disagreeing(await checked("gpt2-no_bos", changes)), figures);
});

Deno.test("verifyFigures: the rounding of what was printed is allowed, and no more", async () => {
  const exact = { metric: 0, logit: 0, probability: 0, attribution: 0, row: 0 };
  const off = async (metric: number): Promise<string[]> =>
    disagreeing(
      await checked("gpt2-no_bos", {
        tolerances: exact,
        metric,
        next_tokens: [],
        attributions: [],
        top_at_position: null,
      }),
    );
  // The case's metric is -4.6805758.
  assert.deepEqual(await off(-4.68), []);
  assert.deepEqual(await off(-4.681), []);
  assert.deepEqual(await off(-4.682), ["metric"]);
  assert.deepEqual(await off(-4.7), []);
  assert.deepEqual(await off(-4), ["metric"]);
});

Deno.test("verifyFigures: figures of several SAEs, each by its hook", async () => {
  const golden = goldenCases("seed").find(({ name }) => name === "gpt2-two_saes")!;
  const hooks = golden.saes.map(({ hook }) => hook);
  const attributions = hooks.flatMap((hook) =>
    golden.expected.saes[hook].rows.map(([position, feature, attribution], rank) => {
      return { hook, position, feature, attribution, rank };
    })
  );
  await using model = await loadModel(new URL("models/gpt2/", DATA), { threads: 1 });
  const saes = await openSaes(golden);
  try {
    const { sae: _, ...published } = publishedCase(golden, "m", "s");
    const file = parseFigures({ ...published, saes: ["s", "t"], attributions }, "case");
    const checks = await verifyFigures({ model, saes }, file);
    assert.deepEqual(disagreeing(checks), []);
    const last = attributions.at(-1)!;
    const figure = `attribution of feature ${last.feature} at position ${last.position} of ${last.hook}`;
    assert.ok(checks.some((check) => check.figure === figure));
    const elsewhere = parseFigures(
      { ...published, saes: ["s", "t"], attributions: [{ ...last, hook: "nowhere" }] },
      "case",
    );
    await assert.rejects(
      verifyFigures({ model, saes }, elsewhere),
      /A figure is of the hook "nowhere", and there are SAEs/,
    );
  } finally {
    for (const sae of saes) await sae.close();
  }
});

Deno.test("verifyFigures: a run that is another metric's", async () => {
  const golden = goldenCases("seed").find(({ name }) => name === "gpt2-loss-no_error")!;
  const { pos_token: _, neg_token: __, include_error_term: ___, ...published } = publishedCase(golden, "m", "s");
  await using model = await loadModel(new URL("models/gpt2/", DATA), { threads: 1 });
  await using sae = (await openSaes(golden))[0];
  const asked = { ...published, error_term: golden.include_error_term, next_tokens: [] };
  const file = parseFigures({ ...asked, metric_name: "loss" }, "case");
  assert.deepEqual(disagreeing(await verifyFigures({ model, saes: [sae] }, file)), []);
  const other = await verifyFigures({ model, saes: [sae] }, parseFigures(asked, "case"));
  assert.ok(disagreeing(other).includes("metric"));
});

Deno.test("parseFigures: what is wrong is said in one line", () => {
  const good = { model: "m", sae: "s", prompt: "p", pos_token: " a", neg_token: 5 };
  assert.equal(parseFigures(good, "f.json").figures.title, "f.json");
  const wrong: [unknown, RegExp][] = [
    [[], /^f\.json: it is \[\]: give an object$/],
    ["x", /^f\.json: it is "x": give an object$/],
    [{ ...good, model: undefined }, /^f\.json: "model" is missing$/],
    [{ ...good, model: 3 }, /^f\.json: "model" is 3: give a text$/],
    [{ ...good, pos_token: 1.5 }, /^f\.json: "pos_token" is 1\.5: give a text, or a list of such$/],
    [{ ...good, processing: "x" }, /^f\.json: "processing" is "x": give one of sae, default, none$/],
    [{ ...good, attributions: [{ position: 1 }] }, /^f\.json: "attributions\[0\]\.feature" is missing$/],
    [{ ...good, attributions: 3 }, /^f\.json: "attributions" is 3: give a list of objects$/],
    [{ ...good, tokens: [1] }, /^f\.json: "tokens" is \[1\]: give a list of texts$/],
    [{ ...good, prepend_boss: true }, /^f\.json: Unknown field "prepend_boss": the nearest is "prepend_bos"$/],
    [{ ...good, saes: ["t"] }, /^f\.json: "sae" and "saes" say the same: give one of them$/],
    [{ ...good, top: 3 }, /^f\.json: "top" is not taken here: the figures say which rows: leave it out$/],
    [{ ...good, steps: 3 }, /^f\.json: "steps" belongs to "method": "integrated-gradients"/],
    [{ ...good, token_ids: [1] }, /^f\.json: "prompt" and "token_ids" are both there: give one$/],
    [{ ...good, tolerances: { logit: "x" } }, /^f\.json: "tolerances\.logit" is "x": give a number$/],
  ];
  for (const [value, message] of wrong) {
    assert.throws(() => parseFigures(value, "f.json"), (error: Error) => {
      assert.ok(error instanceof SyntaxError);
      assert.match(error.message, message);
      return true;
    });
  }
});

Deno.test("the notebook's figures are consistent in themselves", async () => {
  const file = new URL("../../../models/verify/notebook.json", import.meta.url);
  const { figures } = parseFigures(JSON.parse(await Deno.readTextFile(file)), "notebook.json");
  assert.deepEqual([figures.nextTokens.length, figures.attributions.length, figures.tokens.length], [10, 9, 7]);
  // Logits and probabilities were printed independently: log p - logit is the same for all tokens.
  const shifts = figures.nextTokens.map(({ logit, probability }) => Math.log(probability!) - logit!);
  assert.ok(Math.max(...shifts) - Math.min(...shifts) < 2e-4, shifts.join());
  // A row's number by feature grows with the feature.
  const byFeature = [...figures.attributions].sort((a, b) => a.feature - b.feature).map(({ row }) => row!);
  assert.deepEqual(byFeature, [...byFeature].sort((a, b) => a - b));
  for (const [i, [feature, rounded]] of figures.topAtPosition!.features.entries()) {
    const { attribution } = figures.attributions[i];
    assert.deepEqual([figures.attributions[i].feature, Number(attribution.toFixed(2))], [feature, rounded]);
  }
});

import assert from "node:assert/strict";
import {
  calculateFeatureAttribution,
  featureTable,
  klToClean,
  loadModel,
  loadSae,
  logit,
  LONG_COLUMNS,
  type LongColumn,
  longTable,
  loss,
  targetText,
  testPrompt,
  toCsv,
} from "../../mod.ts";
import { parseRequest } from "../../lib/cli/commands/explain/report.ts";
import { strongestFeatures } from "../../lib/report/cards.ts";
import { DOWNLOAD_COLUMNS, featureTotals, niceTicks, toCsvText } from "../../lib/report/client/figures.ts";
import { showNumber, showPercent, showSigned, showToken } from "../../lib/report/client/format.ts";
import { parseRequest as parseSteer } from "../../lib/cli/commands/change/steer.ts";
import { parseRequest as parseSelect } from "../../lib/cli/commands/trust/select.ts";
import { changeCommandsOf, commandOf } from "../../lib/report/command.ts";
import { reportData } from "../../lib/report/data.ts";
import { percent, signed } from "../../lib/report/figures.ts";
import { printable } from "../../lib/table/terminal.ts";
import { PROMPT, TINY_SAES, tinyData, withTinyFacts } from "./reports.ts";

const DATA = new URL("../data/", import.meta.url);

Deno.test("the data of a report say what the result and the next-token table say", async () => {
  const { data, features } = await withTinyFacts([TINY_SAES[1]], async (result) => ({
    data: await reportData(result, { predictions: 4, cards: 5, warnings: ["look here"] }),
    features: await featureTable(result),
  }));
  await using model = await loadModel("tiny-facts", { threads: 1 });
  const { predictions } = await testPrompt(model, PROMPT, { topK: 4 });
  assert.deepEqual(data.predictions.map(({ id, rank }) => [id, rank]), predictions.map(({ id, rank }) => [id, rank]));
  assert.deepEqual(data.predictions.map(({ side }) => side), ["positive", "negative", null, null]);
  assert.equal(data.metric.odds, "that is, ·golf is 17 times as probable as ·tennis");
  assert.deepEqual([data.metric.positive, data.metric.negative], ["for ·golf", "for ·tennis"]);
  assert.deepEqual(data.tokens.map(({ excluded }) => excluded), [true, false, false, false, false, false, false]);
  assert.deepEqual(data.warnings, ["look here"]);
  const [sae] = data.saes;
  assert.equal(Object.keys(sae.cards).length, 5);
  for (const [feature, { raised, lowered, contexts, histogram, density, largest }] of Object.entries(sae.cards)) {
    assert.deepEqual([raised?.length, lowered?.length, histogram?.length], [10, 10, 24]);
    assert.ok(contexts!.length > 0 && density! > 0 && sae.labels[feature] !== undefined);
    for (const { tokens, levels, activation } of contexts!) {
      assert.ok(levels.length <= tokens.length && Math.max(...levels) <= 100);
      assert.ok(Math.abs(activation / largest! - Math.max(...levels) / 100) <= 0.5, "the strongest token is in it");
    }
  }
  // The sums that the browser shows are those of the feature table.
  const sums = featureTotals(sae).map(({ feature, sum }: { feature: number; sum: number }) => [feature, sum]);
  assert.equal(sums.length, [...features.rows].length);
  for (const [i, row] of [...features.rows].entries()) {
    assert.equal(sums[i][0], row[0]);
    assert.ok(Math.abs(sums[i][1] - Number(row[1])) <= 1e-7);
  }
});

Deno.test("next-token tables of a continuation stand after the prompt and after each of its tokens", async () => {
  await using model = await loadModel("tiny-facts", { threads: 1 });
  await using sae = await loadSae(TINY_SAES[1]);
  const [prompt, text] = [" The capital of France is", " Paris."];
  const result = await calculateFeatureAttribution(model, prompt, targetText(text), { saes: [sae], topPredictions: 5 });
  const data = await reportData(result, { predictions: 4, cards: 0 });
  const own = result.tokens.length - 2; // the rest is the continuation
  const ids = result.tokens.map(({ id }) => id);
  const first = await testPrompt(model, prompt, { saes: [sae], topK: 5, answer: " Paris" });
  const second = await testPrompt(model, ids.slice(0, own + 1), { saes: [sae], answer: "." });
  const near = (a: number, b: number): void => assert.ok(Math.abs(a - b) <= 1e-5, `${a} is not ${b}`);

  assert.deepEqual([result.predictionsPosition, data.predictionsPosition], [own - 1, own - 1]);
  assert.deepEqual(result.predictions.map(({ id }) => id), first.predictions.map(({ id }) => id));
  assert.deepEqual(data.predictions.slice(0, 4).map(({ id }) => id), first.predictions.slice(0, 4).map(({ id }) => id));
  assert.deepEqual(data.predictions.filter(({ side }) => side !== null).map(({ id }) => id), [first.answer!.id]);
  assert.ok(first.answer!.probability > 0.5, "the model knows it");
  for (const rows of [data.continuation, result.continuation, result.summary().continuation!]) {
    assert.deepEqual(
      rows.map(({ id, rank }) => [id, rank]),
      [first, second].map(({ answer }) => [answer!.id, answer!.rank]),
    );
    for (const [i, { answer }] of [first, second].entries()) near(rows[i].probability, answer!.probability);
  }
  near(rowsLogProb(result.continuation), result.metric);
  const other = await calculateFeatureAttribution(model, prompt, logit(" Paris"), { saes: [sae], topPredictions: 5 });
  assert.deepEqual([other.predictionsPosition, other.continuation], [own - 1, []]);
});

/** The log-probability of all of them together. */
function rowsLogProb(rows: readonly { probability: number }[]): number {
  return rows.reduce((sum, { probability }) => sum + Math.log(probability), 0);
}

Deno.test("activations in the bundled contexts are those of a run on the same tokens", async () => {
  const { cards } = (await tinyData(40)).saes[0];
  await using model = await loadModel("tiny-facts", { threads: 1 });
  await using sae = await loadSae(TINY_SAES[1]);
  // The first token of a context that begins a text stands after BOS there: only those can be run again as they were.
  const starts = Object.entries(cards).flatMap(([feature, { contexts = [], largest }]) =>
    contexts.filter(({ tokens }) => tokens.length < 10).map((context) => ({
      feature: Number(feature),
      largest,
      ...context,
    }))
  );
  assert.ok(starts.length > 0);
  const { activations } = await (async () => {
    const { tokens } = starts[0];
    const result = await calculateFeatureAttribution(model, tokens.join(""), loss(), { saes: [sae] });
    return { activations: await result.saeFeatureActivations(sae.hookOut) };
  })();
  const { feature, largest, levels } = starts[0];
  for (const [i, level] of levels.entries()) {
    const activation = activations.data[(i + 1) * sae.config.dSae + feature];
    assert.ok(Math.abs(activation / largest! - level / 100) <= 0.006, `${activation} is not ${level} % of ${largest}`);
  }
});

Deno.test("the CSV of a report is the command line's, for one SAE and for several", async () => {
  for (const saes of [TINY_SAES.slice(1, 2), TINY_SAES]) {
    const { data, csv, all } = await withTinyFacts(saes, async (result) => {
      const hook: LongColumn[] = saes.length > 1 ? ["hook"] : [];
      const all = LONG_COLUMNS.filter((name) => name !== "kind" && name !== "is_special" && name !== "role");
      return {
        data: await reportData(result, { cards: 0 }),
        csv: toCsv(await longTable(result, { columns: [...hook, ...DOWNLOAD_COLUMNS] })),
        all: [all, toCsv(await longTable(result, { columns: all }))] as const,
      };
    });
    assert.equal(toCsvText(data), csv);
    assert.equal(toCsvText(data, [...all[0]]), all[1]);
  }
});

Deno.test("hooks beside the residual stream, other metrics, few rows", async (t) => {
  await using model = await loadModel(new URL("models/gpt2/", DATA), { threads: 1 });
  await using z = await loadSae(new URL("saes/g-std-z1/", DATA));
  await t.step("an SAE whose features have no logits of their own", async () => {
    await using inside = await loadSae(new URL("saes/g-std-pre2/", DATA), { hook: "blocks.2.mlp.hook_in" });
    const result = await calculateFeatureAttribution(model, PROMPT, logit(" golf"), { saes: [inside] });
    const data = await reportData(result, { cards: 3, rows: 7 });
    assert.match(data.saes[0].noLogits!, /writes at blocks\.2\.mlp\.hook_in/);
    assert.equal(Object.values(data.saes[0].cards)[0].raised, undefined);
    assert.equal(data.saes[0].rows.feature.length, 7);
    assert.equal(data.saes[0].rowsLeftOut, result.rows(inside.hookOut).length - 7);
    const sizes = result.rows(inside.hookOut).map(({ attribution }) => Math.abs(attribution)).sort((a, b) => b - a);
    const kept = data.saes[0].rows.attribution.map(Math.abs).sort((a, b) => b - a);
    assert.equal(kept.length, 7);
    kept.forEach((x, i) =>
      assert.ok(Math.abs(x - sizes[i]) <= 1e-8 * sizes[i], `${x} is ${sizes[i]}, written shorter`)
    );
  });
  await t.step("a baseline and direct effects", async () => {
    await using sae = await loadSae(new URL("saes/g-std-pre2/", DATA));
    const result = await calculateFeatureAttribution(model, PROMPT, logit(" golf"), {
      saes: [sae],
      baseline: "mean",
      directEffect: true,
    });
    const data = await reportData(result, { cards: 0 });
    assert.deepEqual(data.method.hasBaseline, true);
    assert.match(data.method.title, /\(activation − baseline\)/);
    const { activation, baseline, gradient, attribution } = data.saes[0].rows;
    const largest = Math.max(...attribution.map(Math.abs));
    for (const [i, x] of attribution.entries()) {
      assert.ok(Math.abs((activation[i] - baseline![i]) * gradient[i] - x) <= 1e-6 * largest);
    }
    const columns = ["position", "token", "feature", "activation", "baseline", "gradient", "attribution"] as const;
    const table = await longTable(result, { columns: [...columns, "direct_effect", "label"] });
    assert.equal(toCsvText(data), toCsv(table));
    assert.match(commandOf(result)!, / --method gradient --direct-effect --baseline mean /);
  });
  await t.step("a command that makes the same run again", async () => {
    const [bos, , ...rest] = await model.toTokens(PROMPT, { prependBos: true });
    for (const metric of [logit(" golf", { position: [-2, -1] }), loss(), klToClean({ position: [-3, -1] })]) {
      const options = { saes: [z], includeErrorTerm: false, baseline: { prompt: [bos, 7, ...rest] } };
      const result = await calculateFeatureAttribution(model, PROMPT, metric, options);
      const command = commandOf(result)!;
      const args = command.split(" ").slice(4).map((word) => word.replace(/^'(.*)'$/, "$1"));
      const request = parseRequest(args.slice(1));
      assert.deepEqual([args[0], request.includeErrorTerm], ["report", false]);
      assert.deepEqual(request.prompt, result.tokens.map(({ id }) => id));
      assert.deepEqual(request.baseline, { prompt: result.baselineTokens.map(({ id }) => id) });
      assert.deepEqual(request.metric.positions, metric.name === "loss" ? [-1] : result.parts.grads.rows);
      assert.deepEqual(request.saes, [{ source: z.source, hook: z.hookOut }]);
      assert.deepEqual({ ...request.processingFlags }, { ...result.parts.grads.processing });
      const { steer, select } = changeCommandsOf(result)!;
      const words = (command: string): string[] =>
        command.split(" ").slice(4).map((word) => word.replace(/^'(.*)'$/, "$1"));
      const asked = [parseSteer([...words(steer).slice(1), "--set", "3@*=0"]), parseSelect(words(select).slice(1))];
      assert.deepEqual([words(steer)[0], words(select)[0]], ["steer", "select"]);
      for (const one of asked) {
        for (const key of ["prompt", "metric", "saes", "processingFlags", "includeErrorTerm", "model"] as const) {
          assert.deepEqual((one as unknown as typeof request)[key], request[key], key);
        }
      }
    }
    const result = await calculateFeatureAttribution(model, PROMPT, targetText(" golf"), { saes: [z] });
    assert.equal(commandOf(result), null);
    assert.equal(changeCommandsOf(result), null);
  });
});

Deno.test("cards go to the features that lists show first", () => {
  const row = (position: number, feature: number, attribution: number) => ({
    position,
    feature,
    attribution,
    activation: 1,
    gradient: attribution,
  });
  const rows = [row(0, 1, 9), row(0, 2, 8), row(0, 3, 7), row(1, 4, -0.1), row(1, 2, 0.05), row(2, 5, 0.01)];
  // 1 leads overall (and at 0), 4 and 5 lead their positions; then the seconds: 2 overall and at 0 and 1; 3 is third.
  assert.deepEqual(strongestFeatures(rows, 10), [1, 4, 5, 2, 3]);
  assert.deepEqual(strongestFeatures(rows, 2), [1, 4]);
  assert.deepEqual(strongestFeatures([], 2), []);
});

Deno.test("the browser writes numbers and tokens as the terminal does", () => {
  const minus = (text: string): string => text.replace("-", "−");
  for (const [value, largest] of [[0.25, 2], [-12.3456, 12.3456], [1.5e-7, 1.5e-7], [0, 3], [2e6, 2e6]]) {
    assert.equal(showSigned(value, largest), minus(signed(value, largest)).replace("e−", "e-"));
  }
  assert.equal(showNumber(-0.00001, 1), "−1e-5");
  for (const share of [0.9173, 0.0004, 1e-9, 0, 1]) assert.equal(showPercent(share), percent(share));
  for (const text of [" golf", "a\nb", "\x1b[2J", "\u202eabc", "日本", " x "]) {
    assert.equal(showToken(text, 1), printable(text));
  }
  assert.equal(showToken("", 7), "#7");
  assert.deepEqual(niceTicks(-0.1, 0.12, 6), [-0.1, -0.05, 0, 0.05, 0.1]);
  assert.deepEqual(niceTicks(0, 0, 4).length, 2);
});

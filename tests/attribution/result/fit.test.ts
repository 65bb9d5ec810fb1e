/** Whether an SAE fits, judged from few positions: simulated prompts, the bundled SAEs, and random ones. */
import assert from "node:assert/strict";
import { type Fit, measureFit } from "../../../lib/attribution/result/fit.ts";
import type { SaeRun } from "../../../lib/attribution/run/sae_hooks.ts";
import { BUNDLED, DEFAULT_MODEL } from "../../../lib/bundled.ts";
import { fitWords } from "../../../lib/report/words.ts";
import { applySaesAndRun, loadModel, loadSae, type Model, type Sae } from "../../../mod.ts";
import { DATA } from "../golden.ts";

/** Numbers in [0, 1), always the same ones (Park and Miller 1988). */
function generator(seed: number): () => number {
  let state = seed;
  return () => (state = state * 48271 % 2147483647) / 2147483647;
}

const WIDTH = 32;

/** A prompt of n positions after BOS in a space of few dimensions, and an SAE whose error has `missed` of its variance. */
function simulated(n: number, missed: number, random: () => number): Fit {
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const rows = n + 1;
  const saeIn = new Float32Array(rows * WIDTH).map(() => normal());
  const scales = Array.from({ length: rows }, () => Math.sqrt(missed) * Math.exp(0.3 * normal() - 0.09));
  const saeOut = saeIn.map((x, i) => x + scales[Math.floor(i / WIDTH)] * normal());
  const activations = { rows, offsets: new Uint32Array(rows + 1), features: [], values: [] };
  const run = { saeIn, saeOut, encoded: { activations }, sae: { config: { dOut: WIDTH } }, excluded: new Set() };
  return measureFit(run as unknown as SaeRun);
}

Deno.test("simulated prompts: few positions give few false alarms, and a bad fit is found", () => {
  const random = generator(1);
  for (const n of [3, 4, 5, 6, 15]) {
    const fits = (missed: number): Fit[] => Array.from({ length: 2000 }, () => simulated(n, missed, random));
    const poor = (missed: number): number => fits(missed).filter(({ isPoor }) => isPoor).length / 2000;
    const below = fits(0.4).filter((fit) => fit.explainedVarianceWithoutFirst! < 0.5).length / 2000;
    assert.ok(poor(0.4) < 0.04, `${n} positions of an SAE that explains 60 %: ${poor(0.4)}`);
    if (n < 7) assert.ok(below > 0.2, `a bound of .5 alone would warn of ${below}`);
    assert.ok(poor(2) > 0.9, `${n} positions, -100 %: ${poor(2)}`);
    if (n === 15) assert.ok(poor(1) > 0.9, `${n} positions, nothing explained: ${poor(1)}`);
  }
});

/** The fits of all beginnings of a prompt. */
async function beginnings(model: Model, sae: Sae, prompt: string): Promise<Fit[]> {
  const ids = await model.toTokens(prompt, { prependBos: true });
  const { saeActivations } = await applySaesAndRun(model, [sae], ids);
  const run = saeActivations.get(sae.hookOut)!;
  const { dOut } = sae.config;
  const upTo = (rows: number): SaeRun => ({
    ...run,
    saeIn: run.saeIn.subarray(0, rows * dOut),
    saeOut: run.saeOut.subarray(0, rows * dOut),
    encoded: { ...run.encoded, activations: { ...run.encoded.activations, rows } },
  });
  return ids.map((_, i) => measureFit(upTo(i + 1)));
}

Deno.test("no beginning of a prompt makes a bundled SAE's fit poor", async () => {
  const { prompts } = JSON.parse(
    await Deno.readTextFile(new URL("../../../models/bundled/prompts.json", import.meta.url)),
  );
  await using model = await loadModel(DEFAULT_MODEL, { threads: 1 });
  for (const name of Object.keys(BUNDLED[DEFAULT_MODEL].saes)) {
    await using sae = await loadSae(name);
    for (const { prompt } of prompts) {
      for (const fit of await beginnings(model, sae, prompt)) assert.ok(!fit.isPoor, `${name}, ${prompt}`);
    }
  }
});

Deno.test("the fit of random SAEs is poor from nine positions on", async () => {
  await using model = await loadModel(new URL("models/gpt2/", DATA), { threads: 1 });
  for (const name of ["g-std-pre2", "np-std-z1", "g-gated-mid0"]) {
    await using sae = await loadSae(new URL(`saes/${name}/`, DATA));
    for (const prompt of [" Tiger Woods plays the sport of golf", " The capital of France is the city of Paris"]) {
      for (const fit of (await beginnings(model, sae, prompt)).slice(9)) {
        assert.ok(fit.isPoor, `${name}, ${fit.l0.length} tokens`);
        assert.match(fitWords(fit), /^poor: explains -?\d+(\.\d+)? %/);
      }
    }
  }
});

Deno.test("a low figure that few tokens do not prove is called so", () => {
  const fit = {
    isPoor: false,
    explainedVarianceWithoutFirst: 0.42,
    meanL0WithoutFirst: 7,
    meanRelativeError: 0.5,
  } as Fit;
  assert.match(fitWords(fit), /^too few tokens to judge: explains 42/);
  assert.match(fitWords({ ...fit, explainedVarianceWithoutFirst: 0.6 }), /^loose: /);
});

Deno.test("of two positions after the first no share of the variance is said, of none that the SAE is left out", async () => {
  await using model = await loadModel(new URL("models/gpt2/", DATA), { threads: 1 });
  await using sae = await loadSae(new URL("saes/g-std-pre2/", DATA));
  const fit = (await beginnings(model, sae, " Tiger Woods")).find(({ l0 }) => l0.length === 3)!;
  assert.ok(fit.explainedVarianceWithoutFirst! < 0 && !fit.isPoor);
  assert.match(fitWords(fit), /^too few tokens to judge: misses \d+(\.\d)? % of the activations with/);
  const none = { ...fit, meanRelativeError: NaN };
  assert.equal(fitWords(none), "the SAE is left out at every position");
});

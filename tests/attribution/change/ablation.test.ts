import assert from "node:assert/strict";
import { ablateFeatures, calculateFeatureAttribution, loadModel, loadSae, logitDiff } from "../../../mod.ts";
import { pearson, slope, spearman } from "../../../lib/attribution/trust/statistics.ts";
import { BUNDLED, DEFAULT_MODEL } from "../../../lib/bundled.ts";

interface Prompt {
  readonly prompt: string;
  readonly pos_token: string;
  readonly neg_token: string;
}

const BUNDLED_URL = new URL("../../../models/bundled/", import.meta.url);

interface Figures {
  readonly prompt: string;
  readonly pearson: number;
  readonly spearman: number;
  readonly slope: number;
  readonly n: number;
  /** Rows whose exact effect exceeds 1 % of the metric, and how many of them have the attribution's sign. */
  readonly large: number;
  readonly agree: number;
}

/** Attribution against exact ablation, over the bundled prompts and all active features after BOS. */
async function compare(saeName: string): Promise<Figures[]> {
  const { prompts } = JSON.parse(await Deno.readTextFile(new URL("prompts.json", BUNDLED_URL)));
  await using model = await loadModel(DEFAULT_MODEL, { threads: 1 });
  await using sae = await loadSae(saeName);
  const figures: Figures[] = [];
  for (const { prompt, pos_token, neg_token } of prompts as Prompt[]) {
    const result = await calculateFeatureAttribution(model, prompt, logitDiff(pos_token, neg_token), { saes: [sae] });
    const rows = result.rows(sae.hookOut).filter(({ position }) => position > 0);
    const effects = (await ablateFeatures(result, sae.hookOut, rows)).map(({ effect }) => effect);
    const attributions = rows.map(({ attribution }) => attribution);
    const large = effects.flatMap((effect, i) => Math.abs(effect) > 0.01 * Math.abs(result.metric) ? [i] : []);
    figures.push({
      prompt,
      pearson: pearson(attributions, effects),
      spearman: spearman(attributions, effects),
      slope: slope(attributions, effects),
      n: rows.length,
      large: large.length,
      agree: large.filter((i) => Math.sign(effects[i]) === Math.sign(attributions[i])).length,
    });
  }
  return figures;
}

function print(saeName: string, figures: readonly Figures[]): void {
  console.log(`${saeName}: attribution against exact ablation`);
  for (const { prompt, pearson, spearman, slope, n, large, agree } of figures) {
    console.log(
      `  r ${pearson.toFixed(3)}  rho ${spearman.toFixed(3)}  slope ${slope.toFixed(2)}  sign ${agree}/${large}  ` +
        `n ${String(n).padStart(3)} ${prompt}`,
    );
  }
}

Deno.test("at the default hook attribution agrees with exact ablation on the bundled prompts", async () => {
  const name = BUNDLED[DEFAULT_MODEL].default_sae;
  const figures = await compare(name);
  print(name, figures);
  assert.equal(figures.length, 20);
  const good = figures.filter(({ pearson, spearman }) => pearson >= 0.9 && spearman >= 0.85);
  assert.ok(good.length >= 18, `only ${good.length} of 20 prompts agree`);
  const [large, agree] = [sum(figures, "large"), sum(figures, "agree")];
  assert.ok(agree >= 0.95 * large, `signs agree in ${agree} of ${large}`);
});

Deno.test("at the other residual hook the figures are printed, good or bad", async () => {
  const { default_sae, saes } = BUNDLED[DEFAULT_MODEL];
  const name = Object.keys(saes).find((sae) => sae !== default_sae && saes[sae].hook.endsWith("hook_resid_pre"))!;
  const figures = await compare(name);
  print(name, figures);
  assert.ok(figures.every(({ pearson, n }) => Number.isFinite(pearson) && n > 10));
});

function sum(figures: readonly Figures[], key: "large" | "agree"): number {
  return figures.reduce((total, figure) => total + figure[key], 0);
}

/**
 * The table of sets in the guide (methods-and-trust.md): what the gradient's strongest features keep and what selected ones
 * do, on prompts that were fixed before anything was tuned. Run it by hand, for the bundled model or a real one:
 * `deno run -A tests/bench/sets.ts [--model M --sae S --prompts tests/bench/real_prompts.json] [--output sets.json]`.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { BUNDLED, DEFAULT_MODEL } from "../../lib/bundled.ts";
import {
  ablateJointly,
  type Attribution,
  calculateFeatureAttribution,
  type FeatureAt,
  loadModel,
  loadSae,
  logitDiff,
  type SelectedSet,
  selectFeatures,
} from "../../mod.ts";

const { values } = parseArgs({
  options: {
    model: { type: "string", default: DEFAULT_MODEL },
    sae: { type: "string", multiple: true },
    prompts: { type: "string" },
    output: { type: "string" },
    threads: { type: "string", default: "2" },
  },
});
const file = values.prompts ?? new URL("../../models/bundled/prompts.json", import.meta.url);
const { prompts } = JSON.parse(await Deno.readTextFile(file)) as {
  prompts: { prompt: string; pos_token: string; neg_token: string }[];
};
const saes = values.sae ?? Object.keys(BUNDLED[DEFAULT_MODEL].saes).filter((name) => name.endsWith("hook_resid_pre"));

/** The part of what all active features do that is there with these alone, through `ablateJointly`. */
async function keptBy(result: Attribution, hook: string, sets: readonly (readonly FeatureAt[])[]): Promise<number[]> {
  const { rows, offsets, features } = result.parts.saes.get(hook)!.run.encoded.activations;
  const all: FeatureAt[] = Array.from(
    { length: rows },
    (_, position) =>
      [...features.subarray(offsets[position], offsets[position + 1])].map((feature) => ({ position, feature })),
  ).flat();
  const others = sets.map((set) => {
    const inside = new Set(set.map(({ position, feature }) => `${position} ${feature}`));
    return all.filter(({ position, feature }) => !inside.has(`${position} ${feature}`));
  });
  const [none, ...effects] = await ablateJointly(result, hook, [all, ...others]);
  return effects.map((effect) => 1 - effect / none);
}

/** The gradient's order, and the first of its sizes that keeps so much. */
async function gradientKeeps(
  result: Attribution,
  hook: string,
  keep: number,
): Promise<{ kept: number[]; size: number }> {
  const strongest = result.rows(hook).toSorted((a, b) => Math.abs(b.attribution) - Math.abs(a.attribution));
  const kept = await keptBy(result, hook, strongest.map((_, i) => strongest.slice(0, i + 1)));
  const at = kept.findIndex((x) => x >= keep);
  return { kept, size: at < 0 ? Infinity : at + 1 };
}

const median = (all: readonly number[]): number => {
  const sorted = all.toSorted((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
};

await using model = await loadModel(values.model, { threads: Number(values.threads), weights: "resident" });
const found: { prompt: string; sets: SelectedSet[]; gradient: { kept: number[]; size: number } }[] = [];
for (const name of saes) {
  await using sae = await loadSae(name);
  const hook = sae.hookOut;
  const lines: number[][] = [];
  for (const { prompt, pos_token, neg_token } of prompts) {
    const metric = logitDiff(pos_token, neg_token);
    const result = await calculateFeatureAttribution(model, prompt, metric, { saes: [sae], diagnose: false });
    const gradient = await gradientKeeps(result, hook, 0.9);
    const sets: SelectedSet[] = [];
    const seconds: number[] = [];
    for (const options of [{ size: 10 }, { size: 20 }, { keep: 0.9 }]) {
      const started = performance.now();
      sets.push(await selectFeatures(result, hook, options));
      seconds.push((performance.now() - started) / 1000);
    }
    const [ten, twenty, ninety] = sets;
    const line = [gradient.kept[9], gradient.kept[19], gradient.size, ten.kept, twenty.kept, ninety.features.length];
    lines.push(line);
    found.push({ prompt, sets, gradient });
    const shown = line.map((x) => Number(x.toFixed(2))).join("  ");
    console.error(`${shown}  of ${ninety.candidates}  ${seconds.map((s) => s.toFixed(1)).join(" ")} s  ${prompt}`);
  }
  const column = (i: number): number => median(lines.map((line) => line[i]));
  const ratio = median(lines.map((line) => line[5] / line[2]));
  const parts = [0, 1, 3, 4].map((i) => `${(100 * column(i)).toFixed(0)} %`);
  const cells = [hook, ...parts.slice(0, 2), column(2), ...parts.slice(2), column(5), ratio.toFixed(2)];
  console.log(`| ${cells.join(" | ")} |`);
}
if (values.output) await Deno.writeTextFile(values.output, JSON.stringify(found));

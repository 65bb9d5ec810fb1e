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

/** What the gradient's order keeps by size, its first size that keeps `keep`, and its first that keeps no more than 2 − `keep`. */
async function gradientKeeps(result: Attribution, hook: string, keep: number): Promise<Gradient> {
  const strongest = result.rows(hook).toSorted((a, b) => Math.abs(b.attribution) - Math.abs(a.attribution));
  const kept = await keptBy(result, hook, strongest.map((_, i) => strongest.slice(0, i + 1)));
  const first = (isEnough: (x: number) => boolean): number => kept.findIndex(isEnough) + 1 || Infinity;
  return { kept, size: first((x) => x >= keep), sizeWithin: first((x) => Math.abs(1 - x) <= 1 - keep) };
}

interface Gradient {
  readonly kept: number[];
  readonly size: number;
  readonly sizeWithin: number;
}

const median = (all: readonly number[]): number => {
  const sorted = all.toSorted((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
};

await using model = await loadModel(values.model, { threads: Number(values.threads), weights: "resident" });
const written: { prompt: string; sets: SelectedSet[]; gradient: Gradient }[] = [];
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
    const { kept, size, sizeWithin } = gradient;
    const line = [kept[9], kept[19], size, sizeWithin, ten.kept, twenty.kept, ninety.features.length];
    lines.push(line);
    written.push({ prompt, sets, gradient });
    const shown = line.map((x) => Number(x.toFixed(2))).join("  ");
    console.error(`${shown}  of ${ninety.candidates}  ${seconds.map((s) => s.toFixed(1)).join(" ")} s  ${prompt}`);
  }
  const column = (i: number): number => median(lines.map((line) => line[i]));
  const ratio = (to: number): string => median(lines.map((line) => line[6] / line[to])).toFixed(2);
  const percent = (i: number): string => `${(100 * column(i)).toFixed(0)} %`;
  const sizes = [column(2), column(3)].join(" / ");
  const found = [percent(4), percent(5), column(6), `${ratio(2)} / ${ratio(3)}`];
  const cells = [hook, percent(0), percent(1), sizes, ...found];
  console.log(`| ${cells.join(" | ")} |`);
}
if (values.output) await Deno.writeTextFile(values.output, JSON.stringify(written));

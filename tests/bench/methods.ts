/**
 * The tables of methods in the guide (methods-and-trust.md): what each method says against what removing features does, one
 * at a time and in sets, on the bundled model's 20 prompts at both residual hooks, or on a real model. Run it by hand:
 * `deno run -A tests/bench/methods.ts [--model M --sae S --prompts tests/bench/real_prompts.json] [--first N] [--most-steps N] [--each]`.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { pearson, slope, spearman } from "../../lib/attribution/trust/statistics.ts";
import { BUNDLED, DEFAULT_MODEL } from "../../lib/bundled.ts";
import {
  ablateFeatures,
  ablateJointly,
  type Attribution,
  type AttributionOptions,
  type AttributionRow,
  calculateFeatureAttribution,
  type FeatureAt,
  loadModel,
  loadSae,
  logitDiff,
  METHOD_NAMES,
  selectFeatures,
} from "../../mod.ts";

const { values } = parseArgs({
  options: {
    model: { type: "string", default: DEFAULT_MODEL },
    sae: { type: "string", multiple: true },
    prompts: { type: "string" },
    first: { type: "string", default: "1000" },
    "most-steps": { type: "string" },
    threads: { type: "string", default: "2" },
    each: { type: "boolean" },
  },
});

const mostSteps = values["most-steps"] === undefined ? undefined : Number(values["most-steps"]);
/** How many features are kept, the strongest by |attribution|; and how many of them are removed. */
const KEPT = [5, 10, 20, 50];
const REMOVED = 10;
/** Effects below this part of the metric have no sign worth agreeing with. */
const LARGE = 0.01;

/** One way of choosing features, on one prompt. */
interface Figures {
  /** With the exact effects of all active features after the first position, whose activations are unlike all others. */
  readonly pearson?: number;
  readonly spearman?: number;
  readonly slope?: number;
  /** Rows whose exact effect exceeds 1 % of the metric, and how many of them have the attribution's sign. */
  readonly large?: number;
  readonly agree?: number;
  /** All attributions added up, over what removing all features takes off. */
  readonly sum?: number;
  /** The part of what all features do that is there with so many of the strongest alone. */
  readonly kept: readonly number[];
  /** The part of it that removing the ten strongest takes off. */
  readonly removed: number;
}

const sum = (all: readonly number[]): number => all.reduce((a, b) => a + b, 0);
const key = ({ position, feature }: FeatureAt): string => `${position} ${feature}`;

/** All active features where there is an SAE, also those whose attribution is 0. */
function activeRows(result: Attribution, hook: string): AttributionRow[] {
  const { rows, offsets, features, values } = result.parts.saes.get(hook)!.entries;
  return Array.from({ length: rows }, (_, position) => position).flatMap((position) =>
    Array.from({ length: offsets[position + 1] - offsets[position] }, (_, k): AttributionRow => {
      const i = offsets[position] + k;
      return { position, feature: features[i], activation: values[i], gradient: 0, attribution: 0 };
    })
  );
}

/** What sets of features keep, and what the first of them that has ten takes off; over what all do. */
async function measureSets(
  plain: Attribution,
  hook: string,
  active: readonly FeatureAt[],
  all: number,
  sets: readonly (readonly FeatureAt[])[],
): Promise<Pick<Figures, "kept" | "removed">> {
  const others = sets.map((set) => {
    const inside = new Set(set.map(key));
    return active.filter((row) => !inside.has(key(row)));
  });
  const effects = await ablateJointly(plain, hook, [...others, sets[KEPT.indexOf(REMOVED)]]);
  return { kept: KEPT.map((_, i) => 1 - effects[i] / all), removed: effects[KEPT.length] / all };
}

/** By name, the figures of every method and of `select` on one prompt. */
async function compare(
  attribute: (options: AttributionOptions) => Promise<Attribution>,
  hook: string,
): Promise<Map<string, Figures>> {
  const plain = await attribute({});
  const active = activeRows(plain, hook);
  const everywhere = (await ablateFeatures(plain, hook, active)).map(({ effect }) => effect);
  const counted = [...active.keys()].filter((i) => active[i].position > 0);
  const exact = counted.map((i) => everywhere[i]);
  const [joint] = await ablateJointly(plain, hook, [active]);
  const large = exact.flatMap((effect, i) => Math.abs(effect) > LARGE * Math.abs(plain.metric) ? [i] : []);
  const figures = new Map<string, Figures>();
  for (const method of METHOD_NAMES) {
    const integration = method === "integrated-gradients" && mostSteps !== undefined ? { mostSteps } : undefined;
    const rows = method === "ablation" ? [] : (await attribute({ method, integration })).rows(hook);
    const said = new Map(rows.map((row) => [key(row), row.attribution]));
    const attributed = method === "ablation" ? everywhere : active.map((row) => said.get(key(row)) ?? 0);
    const attributions = counted.map((i) => attributed[i]);
    const order = [...active.keys()].sort((a, b) => Math.abs(attributed[b]) - Math.abs(attributed[a]));
    figures.set(method, {
      pearson: pearson(attributions, exact),
      spearman: spearman(attributions, exact),
      slope: slope(attributions, exact),
      large: large.length,
      agree: large.filter((i) => Math.sign(exact[i]) === Math.sign(attributions[i])).length,
      sum: sum(attributed) / joint,
      ...await measureSets(plain, hook, active, joint, KEPT.map((k) => order.slice(0, k).map((i) => active[i]))),
    });
  }
  const sets: (readonly FeatureAt[])[] = [];
  for (const size of KEPT) {
    const { features } = await selectFeatures(plain, hook, { size: Math.min(size, active.length) });
    sets.push(features.map(({ position, feature }) => ({ position: position!, feature })));
  }
  figures.set("select", await measureSets(plain, hook, active, joint, sets));
  return figures;
}

/** What a part of the values lies below, interpolated between neighbours. */
function quantile(all: readonly number[], part: number): number {
  const sorted = all.toSorted((a, b) => a - b);
  const at = part * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  return low + (high - low) * (at - Math.floor(at));
}

const median = (all: readonly number[]): number => quantile(all, 0.5);
const percent = (x: number): string => `${(100 * x).toFixed(0)} %`;

/** A row of the table: medians over the prompts, with the worst or the middle half in brackets. */
function tableRow(name: string, figures: readonly Figures[]): string {
  const of = (f: (one: Figures) => number | undefined): number[] => figures.map((one) => f(one) ?? NaN);
  const worst = (all: readonly number[]): string => `${median(all).toFixed(3)} (${Math.min(...all).toFixed(3)})`;
  const middle = (all: readonly number[]): string =>
    `${median(all).toFixed(2)} (${quantile(all, 0.25).toFixed(2)} to ${quantile(all, 0.75).toFixed(2)})`;
  const single = figures[0].pearson === undefined ? ["", "", "", "", ""] : [
    worst(of((one) => one.pearson)),
    worst(of((one) => one.spearman)),
    middle(of((one) => one.slope)),
    `${sum(of((one) => one.agree))} of ${sum(of((one) => one.large))}`,
    middle(of((one) => one.sum)),
  ];
  const kept = KEPT.map((_, i) => percent(median(of((one) => one.kept[i]))));
  return `| ${[`\`${name}\``, ...single, ...kept, percent(median(of((one) => one.removed)))].join(" | ")} |`;
}

const bundled = new URL("../../models/bundled/prompts.json", import.meta.url);
const { prompts } = JSON.parse(await Deno.readTextFile(values.prompts ?? bundled)) as {
  prompts: { prompt: string; pos_token: string; neg_token: string }[];
};
const saes = values.sae ??
  Object.keys(BUNDLED[DEFAULT_MODEL].saes).filter((name) => name.endsWith("hook_resid_pre")).reverse();
await using model = await loadModel(values.model, { threads: Number(values.threads), weights: "resident" });
for (const name of saes) {
  await using sae = await loadSae(name, { weights: "resident" });
  const byName = new Map<string, Figures[]>();
  for (const { prompt, pos_token, neg_token } of prompts.slice(0, Number(values.first))) {
    const started = performance.now();
    const attribute = (options: AttributionOptions): Promise<Attribution> =>
      calculateFeatureAttribution(model, prompt, logitDiff(pos_token, neg_token), { saes: [sae], ...options });
    for (const [method, figures] of await compare(attribute, sae.hookOut)) {
      byName.set(method, [...byName.get(method) ?? [], figures]);
      if (values.each) console.error(JSON.stringify({ prompt, method, ...figures }));
    }
    console.error(`${sae.hookOut} ${((performance.now() - started) / 1000).toFixed(0)} s ${prompt}`);
  }
  const head = ["Pearson", "Spearman", "slope", "sign agrees", "sum / joint effect"];
  const columns = [`\`${sae.hookOut}\``, ...head, ...KEPT.map((k) => `keep ${k}`), `remove ${REMOVED}`];
  console.log(`\n| ${columns.join(" | ")} |\n|${columns.map(() => " --- |").join("")}`);
  for (const [method, figures] of byName) console.log(tableRow(method, figures));
}

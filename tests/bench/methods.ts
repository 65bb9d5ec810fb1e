/**
 * The tables of methods in the guide (methods-and-trust.md): on the bundled model's 20 prompts, at both residual hooks,
 * what each method says against what removing features does. Run it by hand: `deno run -A tests/bench/methods.ts
 * [--prompts]`.
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
  loadModel,
  loadSae,
  logitDiff,
  METHOD_NAMES,
  type Model,
  type Sae,
} from "../../mod.ts";

/** Features that a method says speak most for the metric, removed together. */
const STRONGEST = 10;
/** Effects below this part of the metric have no sign worth agreeing with. */
const LARGE = 0.01;

/** One method on one prompt. */
interface Figures {
  readonly prompt: string;
  readonly pearson: number;
  readonly spearman: number;
  readonly slope: number;
  /** Rows whose exact effect exceeds 1 % of the metric, and how many of them have the attribution's sign. */
  readonly large: number;
  readonly agree: number;
  /** Of the strongest features: what removing them together takes off the metric, as a part of it; their sum over that. */
  readonly strongest: number;
  readonly strongestSaid: number;
  /** Of all features: their sum over what removing them together takes off. */
  readonly allSaid: number;
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const key = ({ position, feature }: AttributionRow): string => `${position} ${feature}`;

/** All active features after BOS, also those whose attribution is 0. */
function activeRows(result: Attribution, hook: string): AttributionRow[] {
  const { rows, offsets, features, values } = result.parts.saes.get(hook)!.entries;
  const found: AttributionRow[] = [];
  for (let position = 1; position < rows; position++) {
    for (let i = offsets[position]; i < offsets[position + 1]; i++) {
      found.push({ position, feature: features[i], activation: values[i], gradient: 0, attribution: 0 });
    }
  }
  return found;
}

/** The figures of every method on one prompt. */
async function compare(
  attribute: (options: AttributionOptions) => Promise<Attribution>,
  hook: string,
  prompt: string,
): Promise<Figures[]> {
  const plain = await attribute({});
  const active = activeRows(plain, hook);
  const exact = (await ablateFeatures(plain, hook, active)).map(({ effect }) => effect);
  const [all] = await ablateJointly(plain, hook, [active]);
  const figures: Figures[] = [];
  for (const method of METHOD_NAMES) {
    const said = new Map((await attribute({ method })).rows(hook).map((row) => [key(row), row.attribution]));
    const rows = active.map((row) => ({ ...row, attribution: said.get(key(row)) ?? 0 }));
    const attributions = rows.map(({ attribution }) => attribution);
    const strongest = rows.toSorted((a, b) => b.attribution - a.attribution).slice(0, STRONGEST);
    const [together] = await ablateJointly(plain, hook, [strongest]);
    const large = exact.flatMap((effect, i) => Math.abs(effect) > LARGE * Math.abs(plain.metric) ? [i] : []);
    figures.push({
      prompt,
      pearson: pearson(attributions, exact),
      spearman: spearman(attributions, exact),
      slope: slope(attributions, exact),
      large: large.length,
      agree: large.filter((i) => Math.sign(exact[i]) === Math.sign(attributions[i])).length,
      strongest: together / plain.metric,
      strongestSaid: sum(strongest.map(({ attribution }) => attribution)) / together,
      allSaid: sum(attributions) / all,
    });
  }
  return figures;
}

/** Every method's figures on all prompts, at one SAE. */
async function compareAll(model: Model, sae: Sae, bundled: URL): Promise<Figures[][]> {
  const { prompts } = JSON.parse(await Deno.readTextFile(new URL("prompts.json", bundled))) as {
    prompts: { prompt: string; pos_token: string; neg_token: string }[];
  };
  const byMethod: Figures[][] = METHOD_NAMES.map(() => []);
  for (const { prompt, pos_token, neg_token } of prompts) {
    const attribute = (options: AttributionOptions): Promise<Attribution> =>
      calculateFeatureAttribution(model, prompt, logitDiff(pos_token, neg_token), { saes: [sae], ...options });
    (await compare(attribute, sae.hookOut, prompt)).forEach((figures, m) => byMethod[m].push(figures));
  }
  return byMethod;
}

/** What a part of the values lies below, interpolated between neighbours. */
function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = part * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  return low + (high - low) * (at - Math.floor(at));
}

const median = (values: readonly number[]): number => quantile(values, 0.5);

/** A row of the table: medians over the prompts, with the worst or the middle half in brackets. */
function tableRow(hook: string, method: string, figures: readonly Figures[]): string {
  const of = (name: Exclude<keyof Figures, "prompt">): number[] => figures.map((one) => one[name]);
  const worst = (name: "pearson" | "spearman"): string =>
    `${median(of(name)).toFixed(3)} (${Math.min(...of(name)).toFixed(3)})`;
  const middle = (name: "slope" | "strongestSaid" | "allSaid"): string =>
    `${median(of(name)).toFixed(2)} (${quantile(of(name), 0.25).toFixed(2)} to ${quantile(of(name), 0.75).toFixed(2)})`;
  const cells = [
    `\`${hook}\``,
    method,
    worst("pearson"),
    worst("spearman"),
    middle("slope"),
    `${sum(of("agree"))} of ${sum(of("large"))}`,
    `${(100 * median(of("strongest"))).toFixed(0)} %`,
    middle("strongestSaid"),
    middle("allSaid"),
  ];
  return `| ${cells.join(" | ")} |`;
}

const { values: { prompts: showPrompts } } = parseArgs({ options: { prompts: { type: "boolean" } } });
const bundled = new URL("../../models/bundled/", import.meta.url);
await using model = await loadModel(DEFAULT_MODEL, { threads: 1 });
const head = [
  "hook",
  "method",
  "Pearson",
  "Spearman",
  "slope",
  "sign agrees",
  `its ${STRONGEST} strongest take off`,
  "their sum / that",
  "all: sum / joint effect",
];
const lines = [`| ${head.join(" | ")} |`, `|${head.map(() => " --- |").join("")}`];
for (const name of Object.keys(BUNDLED[DEFAULT_MODEL].saes).filter((sae) => sae.endsWith("hook_resid_pre")).reverse()) {
  await using sae = await loadSae(name);
  const byMethod = await compareAll(model, sae, bundled);
  byMethod.forEach((figures, m) => {
    lines.push(tableRow(sae.hookOut, METHOD_NAMES[m], figures));
    if (!showPrompts) return;
    for (const { prompt, ...rest } of figures) {
      const shown = Object.entries(rest).map(([key, value]) => `${key} ${Number(value.toFixed(3))}`);
      console.error(`${sae.hookOut} ${METHOD_NAMES[m]} ${shown.join("  ")} ${prompt}`);
    }
  });
}
console.log(lines.join("\n"));

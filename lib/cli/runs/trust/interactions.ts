/**
 * What `interactions` does once its command line is understood.
 *
 * @module
 */
import {
  type FaithShapley,
  faithShapley,
  type Interactions,
  interactions as pairEffects,
} from "../../../attribution/sets/interactions.ts";
import type { SetFeature } from "../../../attribution/sets/candidates.ts";
import type { Explanations } from "../../../attribution/result/long_table.ts";
import type { Attribution } from "../../../attribution/result/result.ts";
import { withoutUndefined } from "../../../options.ts";
import { count, signed } from "../../../report/figures.ts";
import { tokenAt } from "../../../report/words.ts";
import type { Cell, Table } from "../../../table/table.ts";
import { printable } from "../../../table/terminal.ts";
import type { InteractionsRequest } from "../../commands/trust/interactions.ts";
import { readPrompt } from "../../args/prompt.ts";
import { findExplanations } from "../../files/explanations.ts";
import { openShown } from "../../open.ts";
import { printNote, stderrScreen } from "../../screen/output.ts";
import { withCount } from "../../screen/progress.ts";
import { explainedWords } from "../../screen/summary.ts";
import { bars, entry, heading, labelledBars, type Page, warningEntries } from "../../screen/summary_layout.ts";
import { writeTable } from "../../screen/write_table.ts";
import { runAttribution } from "../explain/attribution.ts";
import { RUNS } from "./sets.ts";

/** Removes pairs, or plays coalitions, and writes what was asked for. */
export async function interactions(request: InteractionsRequest): Promise<void> {
  const { top, features, positions, by, downstreamError, samples, seed, quiet } = request;
  const prompt = await readPrompt(request.prompt);
  const screen = stderrScreen(quiet);
  await using opened = await openShown({ ...request, manyPrompts: true }, screen);
  const { explanations, warnings } = await findExplanations(opened.saes, opened.requests);
  const result = await runAttribution(opened, { prompt }, request, { positions, diagnose: !quiet });
  const options = { ...withoutUndefined({ top, features, positions }), by, downstreamError };
  const sampling = withoutUndefined({ samples, seed });
  const found = await withCount(screen, RUNS, async (onProgress) => {
    const found: (Interactions | FaithShapley)[] = [];
    for (const hook of result.hooks) {
      found.push(
        request.shapley
          ? await faithShapley(result, hook, { ...options, ...sampling, onProgress })
          : await pairEffects(result, hook, { ...options, onProgress }),
      );
    }
    return found;
  });
  const shown: Shown = { result, explanations, page: screen };
  if (!quiet) {
    const lines = [
      await explainedWords(result, request, screen) + "\n",
      ...found.map((one) => ("shapley" in one ? shapleyWords(one, shown) : pairWords(one, shown)) + "\n"),
      ...warningEntries(warnings, screen),
    ];
    await printNote(lines.join("\n") + "\n");
  }
  const tables = found.map((one) => "shapley" in one ? shapleyTable(one) : pairTable(one));
  await writeTable(joined(result, tables), request.destination, request.shapley ? "faith_shapley" : "interaction");
}

/** What words and tables are about. */
interface Shown {
  readonly result: Attribution;
  readonly explanations: Explanations;
  readonly page: Page;
}

/** Tables of several SAEs as one. */
function joined({ hooks }: Attribution, tables: readonly Table[]): Table {
  if (tables.length === 1) return tables[0];
  return {
    columns: ["hook", ...tables[0].columns],
    rows: tables.flatMap(({ rows }, i) => [...rows].map((row) => [hooks[i], ...row])),
  };
}

/** A feature's cells, and the names of their columns. */
function featureCells(feature: SetFeature | undefined, by: FaithShapley["by"]): Cell[] {
  return [...(by === "feature" ? [] : [feature?.position ?? null]), feature?.feature ?? null];
}

function featureColumns(which: "a" | "b", by: FaithShapley["by"]): string[] {
  return [...(by === "feature" ? [] : [`position_${which}`]), `feature_${which}`];
}

function pairTable({ by, features, pairs }: Interactions): Table {
  return {
    columns: [...featureColumns("a", by), ...featureColumns("b", by), "effect_a", "effect_b", "joint", "interaction"],
    rows: pairs.map(({ a, b, joint, interaction }) => [
      ...featureCells(features[a], by),
      ...featureCells(features[b], by),
      ...[features[a].effect, features[b].effect, joint, interaction].map(Math.fround),
    ]),
  };
}

/** Singles, then pairs; errors where values are sampled. */
function shapleyTable({ by, features, shapley, singles, pairs, samples }: FaithShapley): Table {
  const errors = (...all: (number | undefined)[]): Cell[] =>
    samples === undefined ? [] : all.map((x) => x === undefined ? null : Math.fround(x));
  return {
    columns: [
      ...featureColumns("a", by),
      ...featureColumns("b", by),
      "shapley",
      "faith_shapley",
      ...(samples === undefined ? [] : ["shapley_error", "faith_shapley_error"]),
    ],
    rows: [
      ...features.map((feature, i) => [
        ...featureCells(feature, by),
        ...featureCells(undefined, by),
        Math.fround(shapley[i].value),
        Math.fround(singles[i].value),
        ...errors(shapley[i].error, singles[i].error),
      ]),
      ...pairs.map(({ a, b, value, error }) => [
        ...featureCells(features[a], by),
        ...featureCells(features[b], by),
        null,
        Math.fround(value),
        ...errors(undefined, error),
      ]),
    ],
  };
}

/** So many pairs are shown. */
const SHOWN_PAIRS = 8;

function nameOf({ position, feature }: SetFeature, { result: { tokens } }: Shown): string {
  return position === undefined ? `${feature}` : `${feature} at ${tokenAt(tokens, position)}`;
}

function pairWords({ hook, features, pairs }: Interactions, shown: Shown): string {
  const items = pairs.slice(0, SHOWN_PAIRS).map(({ a, b, joint, interaction }) => ({
    value: interaction,
    text: `${nameOf(features[a], shown)} and ${nameOf(features[b], shown)}: ` +
      `${signed(features[a].effect)} and ${signed(features[b].effect)} alone, ${signed(joint)} together`,
  }));
  const place = placeOf(hook, shown);
  if (items.length === 0) return heading(`One feature alone${place}: there are no pairs`, shown.page);
  const words =
    `${count(pairs.length, "pair")} of ${count(features.length, "feature")}${place}, each removed by a run; ` +
    "with the joint effect's sign one makes up for the other (redundancy), with the other sign each needs the other " +
    "(synergy)";
  return [
    `${heading(`What two features do beyond what each does alone${place}`, shown.page)}\n${bars(items, shown.page)}`,
    entry("Pairs", words.split(" "), shown.page),
  ].join("\n");
}

function shapleyWords(found: FaithShapley, shown: Shown): string {
  const { hook, features, shapley, metric, metricWithout, samples, seed } = found;
  const items = features.map((feature, i) => ({
    value: shapley[i].value,
    text: `feature ${nameOf(feature, shown)}` +
      (shapley[i].error === undefined ? "" : `  ± ${shapley[i].error!.toPrecision(2)}`),
    label: shown.explanations.get(hook)?.get(feature.feature),
  }));
  const how = samples === undefined
    ? `all ${2 ** features.length} combinations were run: values are exact`
    : `${samples} combinations were drawn with seed ${seed}: ± is a standard error`;
  const words =
    `the metric with ${features.length === 1 ? "this" : "these"} ${count(features.length, "feature")} ${
      signed(metric)
    }, without them ` +
    `${signed(metricWithout)}; ${how}`;
  return [
    `${heading(`Shapley values${placeOf(hook, shown)}`, shown.page)}\n${labelledBars(items, shown.page)}`,
    entry("Game", words.split(" "), shown.page),
  ].join("\n");
}

function placeOf(hook: string, { result: { hooks } }: Shown): string {
  return hooks.length > 1 ? ` at ${printable(hook)}` : "";
}

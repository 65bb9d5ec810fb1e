/**
 * What `select` does once its command line is understood.
 *
 * @module
 */
import { type SelectedSet, selectFeatures } from "../../../attribution/sets/select.ts";
import type { Explanations } from "../../../attribution/result/long_table.ts";
import type { Attribution } from "../../../attribution/result/result.ts";
import { count, percent, plain, signed } from "../../../report/figures.ts";
import { tokenName } from "../../../report/words.ts";
import type { Cell, Table } from "../../../table/table.ts";
import { printable } from "../../../table/terminal.ts";
import type { SelectRequest } from "../../commands/trust/select.ts";
import { readPrompt } from "../../args/prompt.ts";
import { findExplanations } from "../../files/explanations.ts";
import { openShown } from "../../open.ts";
import { printNote, stderrScreen } from "../../screen/output.ts";
import { withCount } from "../../screen/progress.ts";
import { explainedWords } from "../../screen/summary.ts";
import { entry, heading, labelledBars, type Page, warningEntries } from "../../screen/summary_layout.ts";
import { writeChunks, writeTable } from "../../screen/write_table.ts";
import { runAttribution } from "../explain/attribution.ts";

/** Selects and writes what was asked for. */
export async function select(request: SelectRequest): Promise<void> {
  const { keep, size, direction, by, ablation, seed, steps, downstreamError, quiet } = request;
  const prompt = await readPrompt(request.prompt);
  const screen = stderrScreen(quiet);
  await using opened = await openShown({ ...request, manyPrompts: true }, screen);
  const { explanations, warnings } = await findExplanations(opened.saes, opened.requests);
  const result = await runAttribution(opened, { prompt }, request, { diagnose: !quiet });
  const asked = { ...(size === undefined ? { keep } : { size }), ...(steps === undefined ? {} : { steps }) };
  const options = { ...asked, direction, by, ablation, seed, downstreamError };
  const sets = await withCount(screen, "runs from the SAE upwards", async (onProgress) => {
    const sets: SelectedSet[] = [];
    for (const hook of result.hooks) sets.push(await selectFeatures(result, hook, { ...options, onProgress }));
    return sets;
  });
  if (!quiet) {
    const lines = [
      await explainedWords(result, request, screen) + "\n",
      ...sets.map((set) => setWords(result, set, explanations, sets.length > 1, screen) + "\n"),
      ...warningEntries(warnings, screen),
    ];
    await printNote(lines.join("\n") + "\n");
  }
  if (request.summary !== undefined) await writeChunks([JSON.stringify(sets, null, 2) + "\n"], request.summary);
  await writeTable(setTable(result, sets, explanations), request.destination, "attribution");
}

/** One row for each feature of a set. */
function setTable(
  { hooks, tokens }: Attribution,
  sets: readonly SelectedSet[],
  explanations: Explanations,
): Table {
  const labelled = [...explanations.values()].some((labels) => labels.size > 0);
  const atPositions = sets.some(({ by }) => by === "feature-position");
  const columns = [
    ...(hooks.length > 1 ? ["hook"] : []),
    ...(atPositions ? ["position", "token"] : []),
    "feature",
    "attribution",
    ...(labelled ? ["label"] : []),
  ];
  const rows = sets.flatMap(({ hook, features }) =>
    features.map(({ position, feature, attribution }): Cell[] => [
      ...(hooks.length > 1 ? [hook] : []),
      ...(atPositions ? [position!, tokens[position!].text] : []),
      feature,
      Math.fround(attribution),
      ...(labelled ? [explanations.get(hook)?.get(feature) ?? null] : []),
    ])
  );
  return { columns, rows };
}

/** The most features that are shown by name. */
const SHOWN = 20;

function setWords(
  { tokens }: Attribution,
  set: SelectedSet,
  explanations: Explanations,
  isOneOfSeveral: boolean,
  page: Page,
): string {
  const { hook, features, by, candidates, ablation, reached, keep } = set;
  const items = features.slice(0, SHOWN).map(({ position, feature, attribution }) => ({
    value: attribution,
    text: `feature ${feature}${position === undefined ? "" : ` at ${tokenName(tokens[position])} (${position})`}`,
    label: explanations.get(hook)?.get(feature),
  }));
  const place = isOneOfSeveral ? ` at ${printable(hook)}` : "";
  const others = `all ${candidates} ${by === "feature" ? "features" : "features at positions"}${place}`;
  const more = features.length > SHOWN ? [`… and ${features.length - SHOWN} more`] : [];
  return [
    `${heading(`The set${place}: activation × gradient of its features`, page)}\n${labelledBars(items, page)}`,
    ...more,
    "",
    entry("Set", figureWords(set).split(" "), page),
    entry("Measured", measuredWords(set, others).split(" "), page),
    ...(reached
      ? []
      : warningEntries([`No set was found that comes up to ${keep}: this is all that was searched`], page)),
  ].join("\n") + (ablation === "mean" ? `\n${entry("Ablated", ["set", "to", "their", "means"], page)}` : "");
}

/** `12 features keep 91 % (2.60 of 2.85); without them 7 % is left` */
export function figureWords(
  { features, metric, metricNone, metricKept, kept, left }: Pick<SelectedSet, "features" | keyof Figures>,
): string {
  const whole = metric - metricNone;
  const [part, all] = [plain(metricKept - metricNone, whole), plain(whole, whole)];
  const keeps = features.length === 1 ? "keeps" : "keep";
  return `${count(features.length, "feature")} ${keeps} ${percent(kept)} (${part} of ${all}); without ` +
    `${features.length === 1 ? "it" : "them"} ${percent(left)} is left`;
}

type Figures = Pick<SelectedSet, "metric" | "metricNone" | "metricKept" | "metricWithout" | "kept" | "left">;

function measuredWords({ metric, metricNone, metricKept, metricWithout }: Figures, others: string): string {
  return `the metric with ${others} ${signed(metric)}, with none ${signed(metricNone)}, with the set alone ` +
    `${signed(metricKept)}, without the set ${signed(metricWithout)}`;
}

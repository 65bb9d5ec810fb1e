/**
 * What `select` does once its command line is understood.
 *
 * @module
 */
import {
  type SelectedSet,
  selectFeatures,
  type SelectOptions,
  type SetFigures,
} from "../../../attribution/sets/select.ts";
import type { Explanations } from "../../../attribution/result/long_table.ts";
import type { Attribution } from "../../../attribution/result/result.ts";
import { count, percent, plain, signed } from "../../../report/figures.ts";
import { tokenName } from "../../../report/words.ts";
import type { Cell, Table } from "../../../table/table.ts";
import { printable } from "../../../table/terminal.ts";
import type { SelectForPromptsRequest, SelectRequest, SetRequest } from "../../commands/trust/select.ts";
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
export async function select(request: SelectRequest | SelectForPromptsRequest): Promise<void> {
  if (request.promptFile === undefined) return await selectForOne(request);
  const { selectForAll } = await import(
    new URL("select_prompts.ts", import.meta.url).href
  ) as typeof import("./select_prompts.ts");
  await selectForAll(request);
}

async function selectForOne(request: SelectRequest): Promise<void> {
  const { quiet } = request;
  const prompt = await readPrompt(request.prompt);
  const screen = stderrScreen(quiet);
  await using opened = await openShown({ ...request, manyPrompts: true }, screen);
  const { explanations, warnings } = await findExplanations(opened.saes, opened.requests);
  const result = await runAttribution(opened, { prompt }, request, { diagnose: !quiet });
  const options = { ...optionsOf(request), by: request.by };
  const sets = await withCount(screen, RUNS, async (onProgress) => {
    const sets: SelectedSet[] = [];
    for (const hook of result.hooks) sets.push(await selectFeatures(result, hook, { ...options, onProgress }));
    return sets;
  });
  if (!quiet) {
    const lines = [
      await explainedWords(result, request, screen) + "\n",
      ...sets.map((set) => setWords(result, set, explanations, screen) + "\n"),
      ...warningEntries(warnings, screen),
    ];
    await printNote(lines.join("\n") + "\n");
  }
  await writeSets(result, sets, explanations, request);
}

/** What is counted while it lasts. */
export const RUNS = "runs from the SAE upwards";

/** The library's options. */
export function optionsOf(
  { keep, size, direction, ablation, seed, steps, downstreamError }: SetRequest,
): Omit<SelectOptions, "by"> {
  const given = Object.fromEntries(Object.entries({ keep, size, steps }).filter(([, value]) => value !== undefined));
  return { ...given, direction, ablation, seed, downstreamError };
}

/** What of a set is written, of one prompt or of many. */
export type WrittenSet = Omit<SelectedSet, keyof SetFigures>;

/** Writes the table, and the sets with their figures where a file is named. */
export async function writeSets(
  result: Pick<Attribution, "tokens">,
  sets: readonly WrittenSet[],
  explanations: Explanations,
  { summary, destination }: SetRequest,
): Promise<void> {
  if (summary !== undefined) await writeChunks([JSON.stringify(sets, null, 2) + "\n"], summary);
  await writeTable(setTable(result, sets, explanations), destination, "attribution");
}

/** One row for each feature of a set. */
function setTable(
  { tokens }: Pick<Attribution, "tokens">,
  sets: readonly WrittenSet[],
  explanations: Explanations,
): Table {
  const labelled = [...explanations.values()].some((labels) => labels.size > 0);
  const atPositions = sets.some(({ by }) => by === "feature-position");
  const columns = [
    ...(sets.length > 1 ? ["hook"] : []),
    ...(atPositions ? ["position", "token"] : []),
    "feature",
    "attribution",
    ...(labelled ? ["label"] : []),
  ];
  const rows = sets.flatMap(({ hook, features }) =>
    features.map(({ position, feature, attribution }): Cell[] => [
      ...(sets.length > 1 ? [hook] : []),
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

/** A set's features as bars. */
export function featureBars(
  { tokens }: Pick<Attribution, "tokens">,
  { hook, features }: WrittenSet,
  explanations: Explanations,
  page: Page,
): string {
  const items = features.slice(0, SHOWN).map(({ position, feature, attribution }) => ({
    value: attribution,
    text: `feature ${feature}${position === undefined ? "" : ` at ${tokenName(tokens[position])} (${position})`}`,
    label: explanations.get(hook)?.get(feature),
  }));
  const more = features.length > SHOWN ? `\n  … and ${features.length - SHOWN} more` : "";
  return `${heading(`The set at ${printable(hook)}: activation × gradient`, page)}\n${
    labelledBars(items, page)
  }${more}`;
}

/** What else is to be said of a set. */
export function setNotes({ ablation, reached, keep, candidates }: WrittenSet, page: Page): string[] {
  return [
    ...(ablation === "mean" ? [entry("Ablated", "set to their means over the prompt".split(" "), page)] : []),
    ...(reached ? [] : warningEntries([`No set of these ${candidates} comes up to ${keep}`], page)),
  ];
}

function setWords(result: Attribution, set: SelectedSet, explanations: Explanations, page: Page): string {
  const others = `all ${count(set.candidates, "feature")}${set.by === "feature" ? "" : " at positions"}`;
  return [
    featureBars(result, set, explanations, page),
    entry("Set", figureWords(set).split(" "), page),
    entry("Measured", measuredWords(set, others).split(" "), page),
    ...setNotes(set, page),
  ].join("\n");
}

/** `12 features keep 91 % (2.60 of 2.85); without them 7 % is left` */
function figureWords({ features, metric, metricNone, metricKept, kept, left }: SelectedSet): string {
  const whole = metric - metricNone;
  const [part, all] = [plain(metricKept - metricNone, whole), plain(whole, whole)];
  const [keep, them] = features.length === 1 ? ["keeps", "it"] : ["keep", "them"];
  return `${count(features.length, "feature")} ${keep} ${percent(kept)} (${part} of ${all}); without ${them} ` +
    `${percent(left)} is left`;
}

function measuredWords({ metric, metricNone, metricKept, metricWithout }: SetFigures, others: string): string {
  return `the metric with ${others} ${signed(metric)}, with none ${signed(metricNone)}, with the set alone ` +
    `${signed(metricKept)}, without the set ${signed(metricWithout)}`;
}

/**
 * What `select` does once its command line is understood.
 *
 * @module
 */
import { type SelectedSet, selectFeatures, type SetFigures } from "../../../attribution/sets/select.ts";
import type { Explanations } from "../../../attribution/result/long_table.ts";
import type { Attribution } from "../../../attribution/result/result.ts";
import { count, percent, plain, signed } from "../../../report/figures.ts";
import type { SelectForPromptsRequest, SelectRequest } from "../../commands/trust/select.ts";
import { readPrompt } from "../../args/prompt.ts";
import { findExplanations } from "../../files/explanations.ts";
import { openShown } from "../../open.ts";
import { printNote, stderrScreen } from "../../screen/output.ts";
import { withCount } from "../../screen/progress.ts";
import { explainedWords } from "../../screen/summary.ts";
import { entry, type Page, warningEntries } from "../../screen/summary_layout.ts";
import { runAttribution } from "../explain/attribution.ts";
import { featureBars, optionsOf, RUNS, setNotes, writeSets } from "./sets.ts";

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
  const [part, all] = [metricKept - metricNone, whole].map((x) => plain(x, Math.abs(whole)));
  const [keep, them] = features.length === 1 ? ["keeps", "it"] : ["keep", "them"];
  return `${count(features.length, "feature")} ${keep} ${percent(kept)} (${part} of ${all}); without ${them} ` +
    `${percent(left)} is left`;
}

function measuredWords({ metric, metricNone, metricKept, metricWithout }: SetFigures, others: string): string {
  return `the metric with ${others} ${signed(metric)}, with none ${signed(metricNone)}, with the set alone ` +
    `${signed(metricKept)}, without the set ${signed(metricWithout)}`;
}

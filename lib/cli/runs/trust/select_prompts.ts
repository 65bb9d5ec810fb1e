/**
 * What `select --prompts` does once its command line is understood.
 *
 * @module
 */
import { calculateFeatureAttribution } from "../../../attribution/attribution.ts";
import { mulberry32 } from "../../../random.ts";
import type { Attribution } from "../../../attribution/result/result.ts";
import { runOptionsOf } from "../../../attribution/run/run_options.ts";
import { type PromptsSet, selectForPrompts } from "../../../attribution/sets/select_prompts.ts";
import { readRecords } from "../../../batch/input/read.ts";
import type { PromptRecord } from "../../../batch/input/record.ts";
import { metricOf } from "../../../batch/metric.ts";
import { count, percent } from "../../../report/figures.ts";
import { inChat } from "../../../request/chat.ts";
import type { Opened } from "../../../request/open.ts";
import { printable } from "../../../table/terminal.ts";
import type { SelectForPromptsRequest } from "../../commands/trust/select.ts";
import { findExplanations } from "../../files/explanations.ts";
import { openShown } from "../../open.ts";
import { printNote, stderrScreen } from "../../screen/output.ts";
import { withCount, withProgress } from "../../screen/progress.ts";
import { entry, heading, type Page, saeEntry, warningEntries } from "../../screen/summary_layout.ts";
import { featureBars, optionsOf, RUNS, setNotes, writeSets } from "./sets.ts";

/** The runs of all are held. */
const MOST_PROMPTS = 1000;

/** Selects one set for all prompts of a file, and writes it. */
export async function selectForAll(request: SelectForPromptsRequest): Promise<void> {
  const { promptFile, heldOut, seed, quiet } = request;
  const { chosenFrom, others } = split(await readPrompts(request), heldOut, seed);
  const screen = stderrScreen(quiet);
  const { metric: _, ...toOpen } = request;
  await using opened = await openShown({ ...toOpen, manyPrompts: true }, screen);
  const { explanations, warnings } = await findExplanations(opened.saes, opened.requests);
  const [results, held] = await withProgress(screen, "attributing", async () => [
    await attributeAll(opened, chosenFrom, request),
    await attributeAll(opened, others, request),
  ]);
  const [{ hooks }] = results;
  const sets = await withCount(screen, RUNS, async (onProgress) => {
    const sets: PromptsSet[] = [];
    for (const hook of hooks) {
      sets.push(await selectForPrompts(results, hook, { ...optionsOf(request), heldOut: held, onProgress }));
    }
    return sets;
  });
  if (!quiet) {
    const lines = [
      heading(printable(opened.model.description), screen) + "\n",
      entry("Prompts", promptWords(printable(promptFile), chosenFrom.length, others.length).split(" "), screen),
      ...hooks.map((hook) => saeEntry(results[0].sae(hook).source, hook, screen)),
      "",
      ...sets.map((set) => setWords(results[0], set, explanations, screen) + "\n"),
      ...warningEntries(warnings, screen),
    ];
    await printNote(lines.join("\n") + "\n");
  }
  await writeSets(results[0], sets, explanations, request);
}

/** @throws {RangeError} if there is none, too many, or a line is no prompt */
async function readPrompts({ promptFile, inputFormat }: SelectForPromptsRequest): Promise<PromptRecord[]> {
  const records: PromptRecord[] = [];
  for await (const record of readRecords({ path: promptFile, format: inputFormat })) {
    if ("error" in record) throw new RangeError(`Line ${record.line} of ${promptFile}: ${record.error}`);
    records.push(record);
    if (records.length > MOST_PROMPTS) {
      throw new RangeError(
        `${promptFile} has more than ${MOST_PROMPTS} prompts, whose runs would all be held: give fewer`,
      );
    }
  }
  if (records.length === 0) throw new RangeError(`There are no prompts in ${promptFile}`);
  return records;
}

/** A part of the prompts at random is held out, at least one and not all; of a single prompt none. */
function split(
  records: readonly PromptRecord[],
  part: number,
  seed: number,
): { chosenFrom: PromptRecord[]; others: PromptRecord[] } {
  const random = mulberry32(seed);
  const shuffled = records.map((record) => ({ record, at: random() })).sort((a, b) => a.at - b.at);
  const wanted = part === 0 ? 0 : Math.max(1, Math.round(part * records.length));
  const others = new Set(shuffled.slice(0, Math.min(wanted, records.length - 1)).map(({ record }) => record));
  return { chosenFrom: records.filter((record) => !others.has(record)), others: [...others] };
}

async function attributeAll(
  { model, saes }: Opened,
  records: readonly PromptRecord[],
  request: SelectForPromptsRequest,
): Promise<Attribution[]> {
  const options = { saes, ...runOptionsOf(request), diagnose: false };
  const results: Attribution[] = [];
  for (const record of records) {
    const prompt = await inChat(model, record.prompt, request.chat);
    try {
      results.push(await calculateFeatureAttribution(model, prompt, metricOf(request.metric, record), options));
    } catch (error) {
      if (error instanceof Error) error.message = `Line ${record.line} of ${request.promptFile}: ${error.message}`;
      throw error;
    }
  }
  return results;
}

function promptWords(file: string, chosenFrom: number, heldOut: number): string {
  return `${count(chosenFrom, "prompt")} of ${file}${heldOut === 0 ? "" : `, and ${heldOut} more that are held out`}`;
}

function setWords(
  result: Attribution,
  set: PromptsSet,
  explanations: Parameters<typeof featureBars>[2],
  page: Page,
): string {
  const n = set.features.length;
  const means = ({ kept, left }: Pick<PromptsSet, "kept" | "left">): string =>
    `${percent(kept)}; without ${n === 1 ? "it" : "them"} ${percent(left)} is left`;
  const words =
    `${count(n, "feature")} of ${set.candidates} at all positions ${n === 1 ? "keeps" : "keep"} ${means(set)} ` +
    "(means over the prompts, weighted by what all features do)";
  return [
    featureBars(result, set, explanations, page),
    entry("Set", words.split(" "), page),
    ...(set.heldOut ? [entry("Held out", `on those prompts ${means(set.heldOut)}`.split(" "), page)] : []),
    ...setNotes(set, page),
  ].join("\n");
}

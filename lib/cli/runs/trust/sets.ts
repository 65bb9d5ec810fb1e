/**
 * What is asked of sets and how they are written, of one prompt or of many.
 *
 * @module
 */
import type { Explanations } from "../../../attribution/result/long_table.ts";
import type { Attribution } from "../../../attribution/result/result.ts";
import type { SelectedSet, SelectOptions, SetFigures } from "../../../attribution/sets/select.ts";
import { withoutUndefined } from "../../../options.ts";
import { tokenAt } from "../../../report/words.ts";
import type { Cell, Table } from "../../../table/table.ts";
import { printable } from "../../../table/terminal.ts";
import type { SetRequest } from "../../commands/trust/select.ts";
import { entry, heading, labelledBars, type Page, warningEntries } from "../../screen/summary_layout.ts";
import { writeChunks, writeTable } from "../../screen/write_table.ts";

/** What is counted while it lasts. */
export const RUNS = "runs from the SAE upwards";

/** The library's options. */
export function optionsOf(
  { keep, size, direction, ablation, seed, steps, downstreamError }: SetRequest,
): Omit<SelectOptions, "by"> {
  return { ...withoutUndefined({ keep, size, steps }), direction, ablation, seed, downstreamError };
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
    text: `feature ${feature}${position === undefined ? "" : ` at ${tokenAt(tokens, position)}`}`,
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

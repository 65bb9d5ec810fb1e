/**
 * What `ablate` does once its command line is understood.
 *
 * @module
 */
import { ablateJointly } from "../../../attribution/change/ablation.ts";
import type { FeatureAt } from "../../../attribution/run/contributions.ts";
import { type Explanations, longRows } from "../../../attribution/result/long_table.ts";
import type { Attribution } from "../../../attribution/result/result.ts";
import { pearson, slope, spearman } from "../../../attribution/trust/statistics.ts";
import type { Cell, Table } from "../../../table/table.ts";
import { printable } from "../../../table/terminal.ts";
import type { AblateRequest } from "../../commands/change/ablate.ts";
import { runAttribution } from "../explain/attribution.ts";
import { explainedWords } from "../../screen/summary.ts";
import { findExplanations } from "../../files/explanations.ts";
import { openShown } from "../../open.ts";
import { printNote, stderrScreen } from "../../screen/output.ts";
import { withProgress } from "../../screen/progress.ts";
import { readPrompt } from "../../args/prompt.ts";
import { count, signed } from "../../../report/figures.ts";
import { entry, heading, labelledBars, type Page, warningEntries } from "../../screen/summary_layout.ts";
import { tokenAt } from "../../../report/words.ts";
import { writeTable } from "../../screen/write_table.ts";

/** What was removed at once, and what that did. */
interface Removed {
  readonly hook: string;
  readonly feature: number;
  /** Undefined: at all that were asked for. */
  readonly position?: number;
  readonly activation?: number;
  readonly attribution: number;
  readonly effect: number;
}

/** All of a hook's features that were asked for, at once. */
interface Together {
  readonly hook: string;
  readonly count: number;
  readonly attribution: number;
  readonly effect: number;
}

/** The strongest effects that are shown. */
const SHOWN = { positive: 5, negative: 3 };

/** Ablates and writes what was asked for. */
export async function ablate(request: AblateRequest): Promise<void> {
  const prompt = await readPrompt(request.prompt);
  const screen = stderrScreen(request.quiet);
  await using opened = await openShown(request, screen);
  const { explanations, warnings } = await findExplanations(opened.saes, opened.requests);
  const { result, removed, together } = await withProgress(screen, "ablating", async () => {
    const result = await runAttribution(opened, { prompt }, request, {
      positions: request.rows.positions,
      diagnose: !request.quiet,
    });
    return { result, ...await removeAll(result, request) };
  });
  if (!request.quiet) {
    const lines = [
      await explainedWords(result, request, screen) + "\n",
      strongestEffects(result, removed, explanations, screen) + "\n",
      ...agreement(removed, screen),
      ...together.map((all) => entry("Together", togetherWords(all, together.length > 1).split(" "), screen)),
      ...warningEntries(warnings, screen),
    ];
    await printNote(lines.join("\n") + "\n\n");
  }
  await writeTable(effectTable(result, removed, request, explanations), request.destination, "effect");
}

/** A row of the long table that is of a feature. */
interface FeatureRow extends FeatureAt {
  readonly hook: string;
  readonly activation: number;
  readonly attribution: number;
}

async function removeAll(
  result: Attribution,
  { unit, rows: { table: _, ...wanted }, top, downstreamError }: AblateRequest,
): Promise<{ removed: Removed[]; together: Together[] }> {
  const rows = longRows(result, { ...wanted, top: unit === "rows" ? top : undefined }) as readonly FeatureRow[];
  const groups = unit === "rows" ? rows.map((row) => [row]) : strongestFeatures(rows, top);
  const removed: Removed[] = [];
  const together: Together[] = [];
  for (const hook of result.hooks) {
    const here = groups.filter(([first]) => first.hook === hook);
    if (here.length === 0) continue;
    const all = here.flat();
    const effects = await ablateJointly(result, hook, [...here, all], { downstreamError });
    here.forEach((group, i) => {
      const [{ feature, position, activation }] = group;
      const one = unit === "rows" ? { position, activation } : {};
      removed.push({ hook, feature, ...one, attribution: sum(group), effect: effects[i] });
    });
    together.push({ hook, count: here.length, attribution: sum(all), effect: effects[here.length] });
  }
  removed.sort((a, b) => b.effect - a.effect);
  return { removed, together };
}

/** Rows by hook and feature, of the features whose attributions add up to most. */
function strongestFeatures(rows: readonly FeatureRow[], top: number): FeatureRow[][] {
  const groups = new Map<string, FeatureRow[]>();
  for (const row of rows) {
    const key = `${row.hook} ${row.feature}`;
    const group = groups.get(key);
    if (group) group.push(row);
    else groups.set(key, [row]);
  }
  return [...groups.values()].sort((a, b) => Math.abs(sum(b)) - Math.abs(sum(a))).slice(0, top);
}

const sum = (rows: readonly { attribution: number }[]): number =>
  rows.reduce((total, { attribution }) => total + attribution, 0);

function effectTable(
  { hooks, tokens }: Attribution,
  removed: readonly Removed[],
  { unit }: AblateRequest,
  explanations: Explanations,
): Table {
  const labelled = [...explanations.values()].some((labels) => labels.size > 0);
  const columns = [
    ...(hooks.length > 1 ? ["hook"] : []),
    ...(unit === "rows" ? ["position", "token", "feature", "activation"] : ["feature"]),
    "attribution",
    "effect",
    ...(labelled ? ["label"] : []),
  ];
  const rows = removed.map(({ hook, position, feature, activation, attribution, effect }): Cell[] => [
    ...(hooks.length > 1 ? [hook] : []),
    ...(unit === "rows" ? [position!, tokens[position!].text, feature, activation!] : [feature]),
    attribution,
    Math.fround(effect),
    ...(labelled ? [explanations.get(hook)?.get(feature) ?? null] : []),
  ]);
  return { columns, rows };
}

function strongestEffects(
  { tokens }: Attribution,
  removed: readonly Removed[],
  explanations: Explanations,
  page: Page,
): string {
  const shown = [
    ...removed.filter(({ effect }) => effect > 0).slice(0, SHOWN.positive),
    ...removed.filter(({ effect }) => effect < 0).slice(-SHOWN.negative),
  ];
  if (shown.length === 0) return heading("No feature that was asked for is active", page);
  const items = shown.map(({ hook, feature, position, effect }) => ({
    value: effect,
    text: `feature ${feature}${position === undefined ? "" : ` at ${tokenAt(tokens, position)}`}`,
    label: explanations.get(hook)?.get(feature),
  }));
  return `${heading("What removing one feature takes from the metric, exactly", page)}\n${labelledBars(items, page)}`;
}

/** How attributions compare with what was found. */
function agreement(removed: readonly Removed[], page: Page): string[] {
  if (removed.length < 3) return [];
  const [x, y] = [removed.map(({ attribution }) => attribution), removed.map(({ effect }) => effect)];
  const words =
    `${count(removed.length, "feature")} removed one at a time: effects and attributions agree with Pearson ` +
    `${pearson(x, y).toFixed(3)}, Spearman ${spearman(x, y).toFixed(3)}, slope ${slope(x, y).toFixed(2)}`;
  return [entry("Compared", words.split(" "), page)];
}

function togetherWords({ hook, count: n, attribution, effect }: Together, isOneOfSeveral: boolean): string {
  return `${isOneOfSeveral ? `${printable(hook)}: ` : ""}removing ${count(n, "feature")} at once takes ${
    signed(effect)
  } ` +
    `from the metric, where their attributions add up to ${signed(attribution)}`;
}

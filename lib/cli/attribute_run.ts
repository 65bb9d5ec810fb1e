/**
 * What `attribute` does once its command line is understood.
 *
 * @module
 */
import type { CheckSummary } from "../attribution/check.ts";
import type { Attribution } from "../attribution/result.ts";
import type { AttributeRequest } from "./attribute.ts";
import { runAttribution, spaceWarnings } from "./attribution_run.ts";
import { writeExports } from "./exports.ts";
import { findExplanations, type FoundExplanations } from "./explanations.ts";
import { type Opened, openShown } from "./open.ts";
import { printNote, type Screen, stderrScreen, stdoutScreen } from "./output.ts";
import { withProgress } from "./progress.ts";
import { readPrompt } from "./prompt.ts";
import { attributionReport } from "./summary.ts";
import { tokenName } from "../report/words.ts";
import { makeTable } from "./tables.ts";
import { writeTable } from "./write_table.ts";

/** Predictions in the summary for people. */
const TOP_PREDICTIONS = 5;
/** Rows on a terminal, unless the user says otherwise. */
const ROWS_ON_TERMINAL = 20;

/** Runs an attribution and writes what was asked for. */
export async function attribute(request: AttributeRequest): Promise<void> {
  const prompt = await readPrompt(request.prompt);
  const screen = request.quiet ? { ...stderrScreen(), isTerminal: false } : stderrScreen();
  await using opened = await openShown(request, screen);
  const found = await findExplanations(opened.saes, request.saes);
  const { result, check } = await withProgress(screen, "attributing", () => runAll(opened, prompt, request));
  const report = request.quiet ? undefined : await makeReport(request, result, found, check, screen);
  await writeExports(request, result, check);
  await writeAll(request, result, found, report);
}

async function runAll(
  opened: Opened,
  prompt: string | readonly number[],
  request: AttributeRequest,
): Promise<{ result: Attribution; check: CheckSummary | undefined }> {
  const { trackHookPoints, quiet } = request;
  const result = await runAttribution(opened, prompt, request, {
    trackHookPoints,
    topPredictions: quiet ? 0 : TOP_PREDICTIONS,
    diagnose: !quiet || request.summary !== undefined,
  });
  if (!request.check) return { result, check: undefined };
  const { checkAttribution } = await import("../attribution/check.ts");
  return { result, check: await checkAttribution(opened.model, result) };
}

async function makeReport(
  request: AttributeRequest,
  result: Attribution,
  found: FoundExplanations,
  check: CheckSummary | undefined,
  screen: Screen,
): Promise<string> {
  const { model, grads: { resolvedMetric } } = result.parts;
  const ids = [...resolvedMetric.positive ?? [], ...resolvedMetric.negative ?? []];
  const names = (await model.describeTokens(ids)).map((token): [number, string] => [token.id, tokenName(token)]);
  const warnings = [
    ...result.warnings,
    ...found.warnings,
    ...await spaceWarnings(result, request.metric),
  ];
  const seconds = performance.now() / 1000;
  return attributionReport(
    { result, request, labels: found.explanations, tokenNames: new Map(names), check, warnings, seconds },
    screen,
  );
}

/** On a terminal the summary comes last, where the eye is; elsewhere it comes before rows that `| head` may cut. */
async function writeAll(
  { destination, rows }: AttributeRequest,
  result: Attribution,
  { explanations }: FoundExplanations,
  report: string | undefined,
): Promise<void> {
  const screen = stdoutScreen();
  const isShort = screen.isTerminal && destination.file === undefined && !destination.isChosen &&
    rows.top === undefined;
  const table = await makeTable(result, rows, explanations, isShort ? ROWS_ON_TERMINAL : undefined);
  if (report !== undefined && !isShort) await printNote(report);
  await writeTable(table, destination, screen, table.bar);
  if (report === undefined || !isShort) return;
  const note = table.left === 0
    ? ""
    : `… and ${table.left} rows with a smaller |attribution|: --format csv or --output writes all\n`;
  await printNote(`${note}\n${report}`);
}

/**
 * What `attribute` does once its command line is understood.
 *
 * @module
 */
import type { CheckSummary } from "../../attribution/trust/check.ts";
import type { VerifySummary } from "../../attribution/trust/verify.ts";
import type { Attribution } from "../../attribution/result/result.ts";
import type { Model } from "../../model/model.ts";
import type { ToAttribute } from "../../request/attribute.ts";
import type { AttributeRequest } from "../commands/attribute.ts";
import { readMeanPrompts, runAttribution } from "./attribution.ts";
import { type Checks, writeExports } from "../files/exports.ts";
import { findExplanations, type FoundExplanations } from "../files/explanations.ts";
import type { Opened } from "../../request/open.ts";
import { openShown } from "../open.ts";
import { printNote, stderrScreen, stdoutScreen } from "../screen/output.ts";
import { withProgress } from "../screen/progress.ts";
import { readPrompt } from "../args/prompt.ts";
import { makeTable } from "../screen/tables.ts";
import { importWriter, writeTable } from "../screen/write_table.ts";

/** Predictions in the summary for people. */
const TOP_PREDICTIONS = 5;
/** Rows on a terminal, unless the user says otherwise. */
const ROWS_ON_TERMINAL = 20;

/** Runs an attribution and writes what was asked for. */
export async function attribute(request: AttributeRequest): Promise<void> {
  const prompt = await readPrompt(request.prompt);
  const meanPrompts = await readMeanPrompts(request.baseline);
  const screen = request.quiet ? { ...stderrScreen(), isTerminal: false } : stderrScreen();
  await using opened = await openShown(request, screen);
  importLater(request);
  const found = await findExplanations(opened.saes, opened.requests);
  const { result, ...checks } = await withProgress(
    screen,
    "attributing",
    () => runAll(opened, { prompt, meanPrompts }, request),
  );
  const report = request.quiet
    ? undefined
    : await (await import("../screen/attribute_report.ts")).makeReport(request, result, found, checks, screen);
  await writeExports(request, result, checks);
  await writeAll(request, result, found, report);
}

/** Begins to import what is needed only when the run is over, while the model waits for its weights. */
function importLater({ quiet, destination }: AttributeRequest): void {
  importWriter(destination.format);
  if (!quiet) import("../screen/attribute_report.ts").catch(() => {}); // reported when it is used
}

async function runAll(
  opened: Opened,
  given: Pick<ToAttribute, "prompt" | "meanPrompts">,
  request: AttributeRequest,
): Promise<Checks & { result: Attribution }> {
  const { trackHookPoints, quiet, rows: { positions } } = request;
  const result = await runAttribution(opened, given, request, {
    trackHookPoints,
    positions,
    topPredictions: quiet ? 0 : TOP_PREDICTIONS,
    diagnose: !quiet || request.summary !== undefined,
  });
  return { result, ...await runChecks(opened.model, result, request) };
}

async function runChecks(model: Model, result: Attribution, { check, verify }: AttributeRequest): Promise<Checks> {
  const checking = async (): Promise<CheckSummary> =>
    (await import("../../attribution/trust/check.ts")).checkAttribution(model, result);
  const verifying = async (): Promise<VerifySummary> =>
    (await import("../../attribution/trust/verify.ts")).verifyAttribution(result, verify);
  return { check: check ? await checking() : undefined, verify: verify && await verifying() };
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
  if (report !== undefined && [...table.rows].length === 0) {
    await printNote("No row: nothing asked for is active there\n");
  }
  if (report === undefined || !isShort) return;
  const note = table.left === 0
    ? ""
    : `… and ${table.left} rows with a smaller |attribution|: --format csv or --output writes all\n`;
  await printNote(`${note}\n${report}`);
}

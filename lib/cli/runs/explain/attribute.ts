/**
 * What `attribute` does once its command line is understood.
 *
 * @module
 */
import type { CheckSummary } from "../../../attribution/trust/check.ts";
import type { VerifySummary } from "../../../attribution/trust/verify.ts";
import type { Model } from "../../../model/model.ts";
import { requestedTable, type RunOptions, type ToAttribute } from "../../../request/attribute.ts";
import type { AttributeRequest } from "../../commands/explain/attribute.ts";
import { readMeanPrompts, runAttribution } from "./attribution.ts";
import { type Checks, writeExports } from "../../files/exports.ts";
import { findExplanations, type FoundExplanations } from "../../files/explanations.ts";
import type { Opened } from "../../../request/open.ts";
import { openShown } from "../../open.ts";
import { printNote, stderrScreen } from "../../screen/output.ts";
import { withProgress } from "../../screen/progress.ts";
import { readPrompt } from "../../args/prompt.ts";
import { importWriter, isForReading, writeTable } from "../../screen/write_table.ts";
import type { Explanations } from "../../../attribution/result/long_table.ts";
import type { Attribution } from "../../../attribution/result/result.ts";
import type { Table } from "../../../table/table.ts";
import type { RowsRequest } from "../../../request/rows.ts";

/** Predictions in the summary for people. */
const TOP_PREDICTIONS = 5;
/** Rows on a terminal, unless the user says otherwise. */
const ROWS_ON_TERMINAL = 20;

/** Runs an attribution and writes what was asked for. */
export async function attribute(request: AttributeRequest): Promise<void> {
  const { answer } = request;
  if (answer !== undefined) {
    const { attributeAnswerRun } = await import(
      new URL("./attribute_answer.ts", import.meta.url).href
    ) as typeof import("./attribute_answer.ts");
    return await attributeAnswerRun({ ...request, answer });
  }
  const prompt = await readPrompt(request.prompt);
  const meanPrompts = await readMeanPrompts(request.baseline);
  const screen = stderrScreen(request.quiet);
  await using opened = await openShown(request, screen);
  importLater(request);
  const found = await findExplanations(opened.saes, opened.requests);
  const { result, ...checks } = await withProgress(
    screen,
    "attributing",
    (onProgress) => runAll(opened, { prompt, meanPrompts }, request, onProgress),
  );
  const report = request.quiet ? undefined : await (await import(
    new URL("../../screen/summary.ts", import.meta.url).href
  ) as typeof import("../../screen/summary.ts")).makeReport(request, result, found, checks, screen);
  await writeExports(request, result, checks);
  await writeAll(request, result, found, report);
}

/** Begins to import what is needed only when the run is over, while the model waits for its weights. */
function importLater({ quiet, destination }: AttributeRequest): void {
  importWriter(destination.format);
  if (!quiet) import(new URL("../../screen/summary.ts", import.meta.url).href).catch(() => {}); // reported when it is used
}

async function runAll(
  opened: Opened,
  given: Pick<ToAttribute, "prompt" | "meanPrompts">,
  request: AttributeRequest,
  onProgress: RunOptions["onProgress"],
): Promise<Checks & { result: Attribution }> {
  const { trackHookPoints, quiet, rows: { positions } } = request;
  const result = await runAttribution(opened, given, request, {
    trackHookPoints,
    positions,
    topPredictions: quiet ? 0 : TOP_PREDICTIONS,
    diagnose: !quiet || request.summary !== undefined,
    onProgress,
  });
  return { result, ...await runChecks(opened.model, result, request) };
}

async function runChecks(model: Model, result: Attribution, { check, verify }: AttributeRequest): Promise<Checks> {
  const checking = async (): Promise<CheckSummary> =>
    (await import(
      new URL("../../../attribution/trust/check.ts", import.meta.url).href
    ) as typeof import("../../../attribution/trust/check.ts")).checkAttribution(model, result);
  const verifying = async (): Promise<VerifySummary> =>
    (await import(
      new URL("../../../attribution/trust/verify.ts", import.meta.url).href
    ) as typeof import("../../../attribution/trust/verify.ts")).verifyAttribution(result, verify);
  return { check: check ? await checking() : undefined, verify: verify && await verifying() };
}

/** On a terminal the summary comes last, where the eye is; elsewhere it comes before rows that `| head` may cut. */
async function writeAll(
  { destination, rows }: AttributeRequest,
  result: Attribution,
  { explanations }: FoundExplanations,
  report: string | undefined,
): Promise<void> {
  const isShort = isForReading(destination) && rows.top === undefined;
  const table = await makeTable(result, rows, explanations, isShort ? ROWS_ON_TERMINAL : undefined);
  if (report !== undefined && !isShort) await printNote(report);
  await writeTable(table, destination, table.bar);
  if (report !== undefined && [...table.rows].length === 0) {
    await printNote("No row: nothing asked for is active there\n");
  }
  if (report === undefined || !isShort) return;
  const note = table.left === 0
    ? ""
    : `… and ${table.left} rows with a smaller |attribution|: --format csv or --output writes all\n`;
  await printNote(`${note}\n${report}`);
}

/** A table for a screen or a file. */
export interface ShownTable extends Table {
  /** The column that a screen draws as bars too. */
  readonly bar: string;
  /** How many rows `most` left out. */
  readonly left: number;
}

/**
 * The table asked for.
 *
 * @param most where the request has no `top`: the most rows, of the largest |attribution|
 * @throws {RangeError} if a feature is beyond every SAE
 */
export async function makeTable(
  result: Attribution,
  request: RowsRequest,
  explanations: Explanations,
  most: number = Infinity,
): Promise<ShownTable> {
  const all = await requestedTable(result, request, explanations);
  if (request.table === "positions") return { ...all, bar: "features", left: 0 };
  const count = [...all.rows].length;
  if (request.top !== undefined || count <= most) return { ...all, bar: "attribution", left: 0 };
  const shown = await requestedTable(result, { ...request, top: most }, explanations);
  return { ...shown, bar: "attribution", left: count - most };
}

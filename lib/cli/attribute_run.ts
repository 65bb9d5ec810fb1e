/**
 * What `attribute` does once its command line is understood.
 *
 * @module
 */
import { calculateFeatureAttribution } from "../attribution/attribution.ts";
import { type Baseline, UnalignedPromptsError } from "../attribution/baseline.ts";
import type { CheckSummary } from "../attribution/check.ts";
import type { VerifySummary } from "../attribution/verification.ts";
import { predictionOf } from "../attribution/predict.ts";
import type { Attribution } from "../attribution/result.ts";
import type { Model } from "../model/model.ts";
import type { AttributeRequest } from "./attribute.ts";
import { type ChatRequest, inChat } from "./chat_options.ts";
import { type Checks, writeExports } from "./exports.ts";
import { findExplanations, type FoundExplanations } from "./explanations.ts";
import { leadingSpaceWarning } from "./leading_space.ts";
import type { BaselineRequest } from "./method_options.ts";
import { makeMetric } from "./metric.ts";
import type { MetricRequest } from "./metric_options.ts";
import { type Opened, openShown } from "./open.ts";
import { printNote, type Screen, stderrScreen, stdoutScreen } from "./output.ts";
import { withProgress } from "./progress.ts";
import { readPrompt } from "./prompt.ts";
import { attributionReport } from "./report.ts";
import { readPromptFile } from "./prompt_file.ts";
import { sideBySide, tokenName } from "./report_words.ts";
import { makeTable } from "./tables.ts";
import { writeTable } from "./write_table.ts";

/** Predictions in the summary for people. */
const TOP_PREDICTIONS = 5;
/** Rows on a terminal, unless the user says otherwise. */
const ROWS_ON_TERMINAL = 20;

/** Runs an attribution and writes what was asked for. */
export async function attribute(request: AttributeRequest): Promise<void> {
  const prompt = await readPrompt(request.prompt);
  const baseline = await readBaselinePrompts(request.baseline);
  const screen = request.quiet ? { ...stderrScreen(), isTerminal: false } : stderrScreen();
  await using opened = await openShown(request, screen);
  const found = await findExplanations(opened.saes, opened.requests);
  const { result, ...checks } = await withProgress(
    screen,
    "attributing",
    () => runAll(opened, prompt, baseline, request),
  );
  const report = request.quiet ? undefined : await makeReport(request, result, found, checks, screen);
  await writeExports(request, result, checks);
  await writeAll(request, result, found, report);
}

/** A baseline with its file read. */
async function readBaselinePrompts(baseline: BaselineRequest): Promise<Baseline> {
  if (typeof baseline === "string" || "prompt" in baseline) return baseline;
  return { mean: (await readPromptFile(baseline.meanFile)).map(({ prompt }) => prompt) };
}

/** Prompts that a prompt is compared with are written as it is. */
async function baselineInChat(model: Model, baseline: Baseline, chat: ChatRequest | undefined): Promise<Baseline> {
  if (typeof baseline === "string") return baseline;
  if ("prompt" in baseline) return { prompt: await inChat(model, baseline.prompt, chat) };
  const mean: (string | readonly number[])[] = [];
  for (const prompt of baseline.mean) mean.push(await inChat(model, prompt, chat));
  return { mean };
}

async function runAll(
  { model, saes }: Opened,
  given: string | readonly number[],
  givenBaseline: Baseline,
  request: AttributeRequest,
): Promise<Checks & { result: Attribution }> {
  const { trackHookPoints, includeErrorTerm, prependBos, truncate, processing, quiet } = request;
  const prompt = await inChat(model, given, request.chat);
  const baseline = await baselineInChat(model, givenBaseline, request.chat);
  const result = await calculateFeatureAttribution(model, prompt, makeMetric(request.metric), {
    saes,
    method: request.method,
    integration: request.integration,
    baseline,
    directEffect: request.directEffect,
    trackHookPoints,
    includeErrorTerm,
    prependBos,
    truncate,
    processing,
    processingFlags: request.processingFlags,
    excludeSpecialTokens: request.excludeSpecialTokens,
    topPredictions: quiet ? 0 : TOP_PREDICTIONS,
    diagnose: !quiet || request.summary !== undefined,
  }).catch(async (error) => {
    if (error instanceof UnalignedPromptsError) await printNote(await showUnaligned(model, error));
    throw error;
  });
  return { result, ...await runChecks(model, result, request) };
}

async function runChecks(model: Model, result: Attribution, { check, verify }: AttributeRequest): Promise<Checks> {
  const checking = async (): Promise<CheckSummary> =>
    (await import("../attribution/check.ts")).checkAttribution(model, result);
  const verifying = async (): Promise<VerifySummary> =>
    (await import("../attribution/verification.ts")).verifyAttribution(result, verify);
  return { check: check ? await checking() : undefined, verify: verify && await verifying() };
}

/** Both prompts' tokens, so that one sees where they part. */
async function showUnaligned(model: Model, { tokens }: UnalignedPromptsError): Promise<string> {
  const [prompt, baseline] = await Promise.all(tokens.map((ids) => model.describeTokens(ids)));
  return `${sideBySide(prompt, baseline).join("\n")}\n`;
}

async function makeReport(
  request: AttributeRequest,
  result: Attribution,
  found: FoundExplanations,
  checks: Checks,
  screen: Screen,
): Promise<string> {
  const { model, grads: { resolvedMetric } } = result.parts;
  const ids = [...resolvedMetric.positive ?? [], ...resolvedMetric.negative ?? []];
  const names = (await model.describeTokens(ids)).map((token): [number, string] => [token.id, tokenName(token)]);
  const warnings = [
    ...result.warnings,
    ...found.warnings,
    ...await spaceWarnings(model, result, request.metric),
  ];
  const seconds = performance.now() / 1000;
  return attributionReport(
    { result, request, labels: found.explanations, tokenNames: new Map(names), ...checks, warnings, seconds },
    screen,
  );
}

async function spaceWarnings(model: Model, result: Attribution, metric: MetricRequest): Promise<string[]> {
  const { grads } = result.parts;
  const place = async (id: number): ReturnType<typeof predictionOf> =>
    predictionOf(model, await grads.modelOutput(), grads.rows.length - 1, id);
  const warnings: string[] = [];
  const option = metric.kind === "weighted" ? "--token-weight" : "--pos-token";
  for (const [name, tokens] of [[option, metric.positive], ["--neg-token", metric.negative]] as const) {
    for (const token of tokens) {
      const warning = await leadingSpaceWarning(model, name, token, place);
      if (warning !== undefined) warnings.push(warning);
    }
  }
  return warnings;
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

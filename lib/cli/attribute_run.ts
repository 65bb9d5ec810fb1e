/**
 * What `attribute` does once its command line is understood.
 *
 * @module
 */
import { calculateFeatureAttribution } from "../attribution/attribution.ts";
import type { CheckSummary } from "../attribution/check.ts";
import { logit, logitDiff, logProb, loss, type Metric, prob, topTwoLogitDiff } from "../attribution/metrics.ts";
import { predictionOf } from "../attribution/predict.ts";
import type { Attribution } from "../attribution/result.ts";
import type { Model } from "../model/model.ts";
import { writeFileAtomic } from "../table/write_file.ts";
import type { AttributeRequest } from "./attribute.ts";
import { leadingSpaceWarning } from "./leading_space.ts";
import type { MetricRequest } from "./metric_options.ts";
import { openAll, type Opened } from "./open.ts";
import { printNote, type Screen, stderrScreen, stdoutScreen } from "./output.ts";
import { withProgress } from "./progress.ts";
import { readPrompt } from "./prompt.ts";
import { attributionReport } from "./report.ts";
import { tokenName } from "./report_words.ts";
import { attributionTable, selectRows } from "./rows.ts";
import { trackedHooks } from "./tracked.ts";
import { writeTable } from "./write_table.ts";

/** Predictions in the summary for people. */
const TOP_PREDICTIONS = 5;
/** Rows on a terminal, unless the user says otherwise. */
const ROWS_ON_TERMINAL = 20;

/** Runs an attribution and writes what was asked for. */
export async function attribute(request: AttributeRequest): Promise<void> {
  const prompt = await readPrompt(request.prompt);
  const screen = request.quiet ? { ...stderrScreen(), isTerminal: false } : stderrScreen();
  await using opened = await withProgress(screen, "opening the model", () => openAll(request));
  const { result, check } = await withProgress(screen, "attributing", () => runAll(opened, prompt, request));
  const report = request.quiet ? undefined : await makeReport(request, result, check, screen);
  if (request.summary !== undefined) {
    await writeFileAtomic(request.summary, [JSON.stringify(summaryJson(result, check), null, 2) + "\n"]);
  }
  await writeAll(request, result, report);
}

async function runAll(
  { model, saes }: Opened,
  prompt: string | readonly number[],
  request: AttributeRequest,
): Promise<{ result: Attribution; check: CheckSummary | undefined }> {
  const { trackHookPoints, includeErrorTerm, prependBos, truncate, processing, quiet } = request;
  const result = await calculateFeatureAttribution(model, prompt, makeMetric(request.metric), {
    saes,
    trackHookPoints,
    includeErrorTerm,
    prependBos,
    truncate,
    processing,
    topPredictions: quiet ? 0 : TOP_PREDICTIONS,
  });
  if (!request.check) return { result, check: undefined };
  const { checkAttribution } = await import("../attribution/check.ts");
  return { result, check: await checkAttribution(model, result) };
}

function makeMetric({ kind, positive, negative, position }: MetricRequest): Metric {
  switch (kind) {
    case "top-two":
      return topTwoLogitDiff({ position });
    case "logit-diff":
      return logitDiff(positive!, negative!, { position });
    case "logit":
      return logit(positive!, { position });
    case "logprob":
      return logProb(positive!, { position });
    case "prob":
      return prob(positive!, { position });
    case "loss":
      return loss();
  }
}

/** The summary and what only the command line adds to it. */
function summaryJson(result: Attribution, check: CheckSummary | undefined): unknown {
  const tracked = trackedHooks(result);
  return {
    ...result.summary(),
    ...(tracked.length === 0 ? {} : { tracked }),
    ...(check === undefined ? {} : { check }),
  };
}

async function makeReport(
  request: AttributeRequest,
  result: Attribution,
  check: CheckSummary | undefined,
  screen: Screen,
): Promise<string> {
  const { model, grads: { resolvedMetric } } = result.parts;
  const labels = new Map<string, ReadonlyMap<number, string>>();
  for (const hook of result.hooks) labels.set(hook, await result.sae(hook).labels());
  const ids = [...resolvedMetric.positive ?? [], ...resolvedMetric.negative ?? []];
  const names = (await model.describeTokens(ids)).map((token): [number, string] => [token.id, tokenName(token)]);
  const warnings = [...result.warnings, ...await spaceWarnings(model, result, request.metric)];
  const seconds = performance.now() / 1000;
  return attributionReport(
    { result, request, labels, tokenNames: new Map(names), check, warnings, seconds },
    screen,
  );
}

async function spaceWarnings(model: Model, result: Attribution, metric: MetricRequest): Promise<string[]> {
  const { grads } = result.parts;
  const place = async (id: number): ReturnType<typeof predictionOf> =>
    predictionOf(model, await grads.modelOutput(), grads.rows.length - 1, id);
  const warnings = [
    await leadingSpaceWarning(model, "--pos-token", metric.positive, place),
    await leadingSpaceWarning(model, "--neg-token", metric.negative, place),
  ];
  return warnings.filter((warning) => warning !== undefined);
}

/** On a terminal the summary comes last, where the eye is; elsewhere it comes before rows that `| head` may cut. */
async function writeAll(request: AttributeRequest, result: Attribution, report: string | undefined): Promise<void> {
  const { destination, rows: wanted } = request;
  const screen = stdoutScreen();
  const isShort = screen.isTerminal && destination.file === undefined && !destination.isChosen &&
    wanted.top === undefined;
  const all = selectRows(result, wanted);
  const rows = isShort ? selectRows(result, { ...wanted, top: ROWS_ON_TERMINAL }) : all;
  const table = await attributionTable(result, rows, wanted.columns);
  if (report !== undefined && !isShort) await printNote(report);
  await writeTable(table, destination, screen, "attribution");
  if (report === undefined || !isShort) return;
  const left = all.length - rows.length;
  const note = left === 0
    ? ""
    : `… and ${left} rows with a smaller |attribution|: --format csv or --output writes all\n`;
  await printNote(`${note}\n${report}`);
}

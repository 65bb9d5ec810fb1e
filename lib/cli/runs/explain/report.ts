/**
 * What `report` does once its command line is understood.
 *
 * @module
 */
import { inFlags } from "../../args/command.ts";
import { reportData } from "../../../report/data.ts";
import { dataHtml } from "../../../report/html.ts";
import type { ReportData, ReportDataOptions } from "../../../report/report_data.ts";
import { processingWords } from "../../../report/words.ts";
import { commandLine } from "../../../request/command.ts";
import { shownName } from "../../../weights/files/places.ts";
import type { AnswerRunRequest } from "../../../request/answer.ts";
import type { ToAttribute } from "../../../request/attribute.ts";
import { readMeanPrompts, runAttribution } from "./attribution.ts";
import { findExplanations } from "../../files/explanations.ts";
import { openShown } from "../../open.ts";
import { printNote, stderrScreen } from "../../screen/output.ts";
import { warningEntries } from "../../screen/summary_layout.ts";
import { withProgress } from "../../screen/progress.ts";
import { writeChunks } from "../../screen/write_table.ts";
import { readPrompt } from "../../args/prompt.ts";
import type { ReportRequest } from "../../commands/explain/report.ts";

/** In the next-token table. */
const PREDICTIONS = 10;

/** Runs an attribution and writes the report. */
export async function report(request: ReportRequest): Promise<void> {
  const prompt = await readPrompt(request.prompt);
  const meanPrompts = await readMeanPrompts(request.baseline);
  const screen = stderrScreen(request.quiet);
  await using opened = await openShown({ ...request, manyPrompts: request.answer?.generate !== undefined }, screen);
  const found = await findExplanations(opened.saes, opened.requests);
  const options = {
    explanations: found.explanations,
    predictions: PREDICTIONS,
    cards: request.cards,
    command: commandLine(["report", ...shownArgs(request, prompt)]),
    warnings: found.warnings,
    words: (message: string) => inFlags(message),
  };
  const data = await withProgress(screen, "attributing", async (onProgress) => {
    const { answer } = request;
    if (answer !== undefined) return await answerData({ ...opened, prompt }, { ...request, answer }, options);
    const result = await runAttribution(opened, { prompt, meanPrompts }, request, {
      topPredictions: PREDICTIONS,
      diagnose: true,
      onProgress,
    });
    return await reportData(result, { ...options, processing: processingWords(result, request) });
  });
  const html = await dataHtml(data);
  const { warnings } = data;
  if (!request.quiet && warnings.length > 0) await printNote(warningEntries(warnings, screen).join("\n") + "\n");
  await writeChunks([html], request.output);
  if (request.output !== undefined && !request.quiet) {
    await printNote(
      `${request.output}: ${Math.ceil(new TextEncoder().encode(html).length / 1000)} KB, to be opened in a browser\n`,
    );
  }
}

/** The data of an answer's report. */
async function answerData(
  opened: ToAttribute,
  request: AnswerRunRequest,
  options: ReportDataOptions,
): Promise<ReportData> {
  const { attributeAnswer } = await import(
    new URL("../../../request/answer.ts", import.meta.url).href
  ) as typeof import("../../../request/answer.ts");
  const { answerReportData } = await import(
    new URL("../../../report/answer_data.ts", import.meta.url).href
  ) as typeof import("../../../report/answer_data.ts");
  const answer = await attributeAnswer(opened, request, { diagnose: true });
  const processing = processingWords(answer.targets[0].attribution, request);
  return await answerReportData(answer, { ...options, processing });
}

/**
 * A prompt from standard input is written out, so that the command can be run again; addresses are without what is secret
 * in them.
 */
function shownArgs({ args, model, saes }: ReportRequest, prompt: string | readonly number[]): readonly string[] {
  const places = [model, ...saes.map(({ source }) => source)];
  return args.map((arg) => {
    if (arg === "-" && typeof prompt === "string") return prompt;
    return places.reduce((text, place) => text.replaceAll(place, () => shownName(place)), arg);
  });
}

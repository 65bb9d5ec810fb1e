/**
 * What `attribute` does with an answer, token by token.
 *
 * @module
 */
import type { AnswerAttribution } from "../../../attribution/answer/answer.ts";
import { answerTable, attributeAnswer } from "../../../request/answer.ts";
import type { AnswerRequest } from "../../../request/read_answer.ts";
import type { AttributeRequest } from "../../commands/explain/attribute.ts";
import { findExplanations, type FoundExplanations } from "../../files/explanations.ts";
import { openShown } from "../../open.ts";
import { printNote, stderrScreen } from "../../screen/output.ts";
import { withProgress } from "../../screen/progress.ts";
import { readPrompt } from "../../args/prompt.ts";
import { importWriter, isForReading, writeChunks, writeTable } from "../../screen/write_table.ts";

/** Rows of each token on a terminal, unless the user says otherwise. */
const ROWS_ON_TERMINAL = 3;

/** Attributes each token of the answer and writes what was asked for. */
export async function attributeAnswerRun(
  request: AttributeRequest & { readonly answer: AnswerRequest },
): Promise<void> {
  const prompt = await readPrompt(request.prompt);
  const screen = stderrScreen(request.quiet);
  await using opened = await openShown({ ...request, manyPrompts: request.answer.generate !== undefined }, screen);
  importWriter(request.destination.format);
  const found = await findExplanations(opened.saes, opened.requests);
  const { quiet, rows: { positions }, summary } = request;
  const diagnose = !quiet || summary !== undefined;
  const answer = await withProgress(
    screen,
    "attributing",
    () => attributeAnswer({ ...opened, prompt }, request, { positions, diagnose }),
  );
  if (summary !== undefined) {
    const { summariseAnswer } = await import(
      new URL("../../../attribution/answer/answer_summary.ts", import.meta.url).href
    ) as typeof import("../../../attribution/answer/answer_summary.ts");
    await writeChunks([JSON.stringify(summariseAnswer(answer), null, 2) + "\n"], summary);
  }
  const { answerReport } = await import(
    new URL("../../screen/answer_summary.ts", import.meta.url).href
  ) as typeof import("../../screen/answer_summary.ts");
  await writeAll(answer, request, found, quiet ? undefined : answerReport(answer, request, found, screen));
}

/** On a terminal the summary comes last, where the eye is; elsewhere it comes before rows that `| head` may cut. */
async function writeAll(
  answer: AnswerAttribution,
  { destination, rows }: AttributeRequest,
  { explanations }: FoundExplanations,
  report: string | undefined,
): Promise<void> {
  const isShort = isForReading(destination) && rows.top === undefined && rows.table !== "positions";
  const shown = isShort ? { ...rows, top: ROWS_ON_TERMINAL } : rows;
  if (report !== undefined && !isShort) await printNote(report);
  const table = await answerTable(answer, shown, explanations);
  await writeTable(table, destination, rows.table === "positions" ? "features" : "attribution");
  if (report === undefined || !isShort) return;
  await printNote(`the ${ROWS_ON_TERMINAL} largest of each token: --format csv or --output writes all\n\n${report}`);
}

/**
 * What `predict` does once its command line is understood.
 *
 * @module
 */
import { type Prediction, type PromptTest, testPrompt } from "../../../attribution/run/predict.ts";
import type { Table } from "../../../table/table.ts";
import { inChat } from "../../../request/chat.ts";
import { openShown } from "../../open.ts";
import { printNote, stderrScreen } from "../../screen/output.ts";
import type { PredictRequest } from "../../commands/explain/predict.ts";
import { withProgress } from "../../screen/progress.ts";
import { readPrompt } from "../../args/prompt.ts";
import { percent } from "../../../report/figures.ts";
import { promptWords, tokenName } from "../../../report/words.ts";
import { entry, type Page, titled, warningEntries } from "../../screen/summary_layout.ts";
import { writeTable } from "../../screen/write_table.ts";

/** Predicts and writes what was asked for. */
export async function predict(request: PredictRequest): Promise<void> {
  const { top: topK, answer, truncate, prependBos, processing, quiet, destination } = request;
  const given = await readPrompt(request.prompt);
  const screen = stderrScreen(quiet);
  await using opened = await openShown(request, screen);
  const { model, saes } = opened;
  const prompt = await inChat(model, given, request.chat);
  const options = { saes, truncate, prependBos, processing };
  const test = await withProgress(
    screen,
    "predicting",
    () => testPrompt(model, prompt, { ...options, topK, answer }),
  );
  if (!quiet) await printNote(predictionReport(model.description, test, screen));
  await writeTable(predictionTable(test), destination, "probability");
}

/** The notebook's columns and the id, which tells tokens without text apart; the answer comes last where it is not among the top. */
export function predictionTable({ predictions, answer }: PromptTest): Table {
  const outside = answer === undefined || predictions.some(({ id }) => id === answer.id) ? [] : [answer];
  return {
    columns: ["token", "id", "rank", "logit", "probability", "is_answer"],
    rows: [...predictions, ...outside].map((p) => [p.token, p.id, p.rank, p.logit, p.probability, p.isAnswer]),
  };
}

function predictionReport(
  description: string,
  { tokens, predictions: [best], answer, warnings }: PromptTest,
  page: Page,
): string {
  const name = (p: Prediction): string => `${tokenName({ id: p.id, text: p.token })} ${percent(p.probability)}`;
  const lines = [
    entry("Prompt", promptWords(tokens), page),
    entry("Next token", [name(best)], page),
    ...(answer === undefined
      ? []
      : [entry("Answer", [name(answer), `(rank ${answer.rank}, 0 is the most probable)`], page)]),
    ...warningEntries(warnings, page),
  ];
  return titled(description, lines, page);
}

/**
 * The run of an answer that a request asks for, and its table.
 *
 * @module
 */
import { type AnswerAttribution, calculateAnswerAttribution } from "../attribution/answer/answer.ts";
import { type Explanations, ownLabels } from "../attribution/result/long_table.ts";
import { checkPositions, type Positions } from "../attribution/positions.ts";
import { runOptionsOf } from "../attribution/run/run_options.ts";
import type { Cell, Table } from "../table/table.ts";
import type { AnswerRequest } from "./read_answer.ts";
import { requestedTable, type ToAttribute } from "./attribute.ts";
import { inChat } from "./chat.ts";
import type { RunRequest } from "./request.ts";
import type { RowsRequest } from "./rows.ts";

/** A request for an answer. */
export type AnswerRunRequest = Omit<RunRequest, "saes" | "answer"> & { readonly answer: AnswerRequest };

/**
 * Attributes each token of an answer as a request says.
 *
 * @param positions of which rows will be shown
 * @throws {RangeError} if prompt and answer have none of one of the positions
 */
export async function attributeAnswer(
  { model, saes, prompt }: Omit<ToAttribute, "meanPrompts">,
  request: AnswerRunRequest,
  { positions, diagnose }: { readonly positions?: Positions; readonly diagnose?: boolean } = {},
): Promise<AnswerAttribution> {
  const { answer, baseline, method, directEffect, chat } = request;
  if (typeof baseline === "object") {
    throw new TypeError("Along an answer there is no other prompt: the request refuses it");
  }
  const found = await calculateAnswerAttribution(model, await inChat(model, prompt, chat), answer.text, {
    saes,
    ...runOptionsOf(request),
    method,
    baseline,
    directEffect,
    metric: answer.metric,
    answerPositions: answer.positions,
    diagnose,
  });
  if (positions !== undefined) checkPositions(positions, found.tokens.length);
  return found;
}

/**
 * The table that a request asks for, of each token in turn: its `target_position` and `target_token` stand first.
 *
 * @throws {RangeError} if a feature is beyond every SAE
 */
export async function answerTable(
  { targets }: AnswerAttribution,
  rows: RowsRequest,
  explanations?: Explanations,
): Promise<Table> {
  const labels = explanations ?? await ownLabels(targets[0].attribution);
  let columns: readonly string[] = [];
  const all: (readonly Cell[])[] = [];
  for (const { position, token, attribution } of targets) {
    const table = await requestedTable(attribution, rows, labels);
    columns = table.columns;
    for (const row of table.rows) all.push([position, token.text, ...row]);
  }
  return { columns: ["target_position", "target_token", ...columns], rows: all };
}

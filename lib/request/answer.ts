/**
 * The run of an answer that a request asks for, and its table.
 *
 * @module
 */
import {
  type AnswerAttribution,
  type AnswerOptions,
  calculateAnswerAttribution,
} from "../attribution/answer/answer.ts";
import { type Explanations, ownLabels } from "../attribution/result/long_table.ts";
import { checkPositions, placesOf, type Positions } from "../attribution/positions.ts";
import { preparePrompt } from "../attribution/run/prompt.ts";
import { runOptionsOf } from "../attribution/run/run_options.ts";
import type { Model } from "../model/model.ts";
import type { Sae } from "../sae/sae.ts";
import type { Cell, Table } from "../table/table.ts";
import type { AnswerRequest } from "./read_answer.ts";
import { requestedTable, type ToAttribute } from "./attribute.ts";
import { written } from "./chat.ts";
import type { RunRequest } from "./request.ts";
import type { RowsRequest } from "./rows.ts";

/** A request for an answer. */
export type AnswerRunRequest = Omit<RunRequest, "saes" | "answer" | "metric" | "rows"> & {
  readonly answer: AnswerRequest;
};

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
  const { prompt: given, turns } = await written(model, prompt, chat);
  const { prependBos, truncate } = request;
  const { text, generate } = answer;
  const said = text ?? await saidBy(model, given, generate!, { saes, prependBos, truncate });
  const found = await calculateAnswerAttribution(model, given, said, {
    saes,
    turns,
    ...runOptionsOf(request),
    method,
    baseline,
    directEffect,
    metric: answer.metric,
    answerPositions: answer.positions,
    diagnose,
  });
  if (positions !== undefined) checkPositions(positions, placesOf(found));
  return found;
}

/** What a model says, the most probable token each time. */
async function saidBy(
  model: Model,
  prompt: string | readonly number[],
  maxTokens: number,
  { saes, ...options }: Pick<AnswerOptions, "prependBos" | "truncate"> & { readonly saes: readonly Sae[] },
): Promise<number[]> {
  const { tokens } = await preparePrompt(model, prompt, saes, options);
  const said: number[] = [];
  for await (const { id } of model.generate(tokens, { maxTokens })) said.push(id);
  if (said.length === 0) throw new RangeError("The model says nothing: its context is full, shorten the prompt");
  return said;
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

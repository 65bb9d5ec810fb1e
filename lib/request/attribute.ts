/**
 * The run that a request asks for, whoever asks.
 *
 * @module
 */
import { calculateFeatureAttribution } from "../attribution/attribution.ts";
import { chosenMetric } from "../attribution/metric/metrics.ts";
import { checkPositions, type Positions } from "../attribution/positions.ts";
import { type Explanations, longTable } from "../attribution/result/long_table.ts";
import type { Attribution } from "../attribution/result/result.ts";
import { featureTable, positionTable } from "../attribution/result/sum_tables.ts";
import type { AttributionOptions, Baseline } from "../attribution/run/attribution_options.ts";
import { tokenizeQuestion } from "../attribution/run/question.ts";
import { runOptionsOf } from "../attribution/run/run_options.ts";
import type { Model } from "../model/model.ts";
import type { Sae } from "../sae/sae.ts";
import type { Table } from "../table/table.ts";
import { type ChatRequest, inChat, written } from "./chat.ts";
import type { BaselineRequest, RunRequest } from "./request.ts";
import type { RowsRequest } from "./rows.ts";

/** What is opened, and the prompt. */
export interface ToAttribute {
  readonly model: Model;
  readonly saes: readonly Sae[];
  /** As it was given: text, or token ids used exactly as given. */
  readonly prompt: string | readonly number[];
  /** The prompts of `mean:FILE`, where it is one. */
  readonly meanPrompts?: readonly (string | readonly number[])[];
}

/** What a run decides itself, and the positions of which it will show rows. */
export type RunOptions = Pick<AttributionOptions, "trackHookPoints" | "topPredictions" | "diagnose" | "onProgress"> & {
  readonly positions?: Positions;
};

/**
 * Attributes as a request says.
 *
 * @throws {RangeError} if the prompt, with what the metric adds to it, has none of one of the positions
 */
export async function attributeRequest(
  { model, saes, prompt: given, meanPrompts = [] }: ToAttribute,
  request: Omit<RunRequest, "saes">,
  { positions, ...more }: RunOptions,
): Promise<Attribution> {
  const { prompt, turns } = await written(model, given, request.chat);
  const metric = chosenMetric(request.metric);
  const options = { saes, turns, ...runOptionsOf(request) };
  if (positions !== undefined) {
    const asked = await tokenizeQuestion(model, { prompt, metric, turns }, { ...options, diagnose: false });
    checkPositions(positions, { length: asked.tokens.length, turns: asked.turns });
  }
  return await calculateFeatureAttribution(model, prompt, metric, {
    ...options,
    method: request.method,
    integration: request.integration,
    exact: request.exact,
    baseline: await baselineInChat(model, request.baseline, meanPrompts, request.chat),
    directEffect: request.directEffect,
    ...more,
  });
}

/** Prompts that a prompt is compared with are written as it is. */
export async function baselineInChat(
  model: Model,
  baseline: BaselineRequest,
  meanPrompts: readonly (string | readonly number[])[],
  chat: ChatRequest | undefined,
): Promise<Baseline> {
  if (typeof baseline === "string") return baseline;
  if ("prompt" in baseline) return { prompt: await inChat(model, baseline.prompt, chat) };
  const mean: (string | readonly number[])[] = [];
  for (const prompt of meanPrompts) mean.push(await inChat(model, prompt, chat));
  return { mean };
}

/**
 * The table that a request asks for.
 *
 * @throws {RangeError} if a feature is beyond every SAE
 */
export async function requestedTable(
  result: Attribution,
  { table, ...rows }: RowsRequest,
  explanations?: Explanations,
): Promise<Table> {
  if (table === "positions") return positionTable(result, { positions: rows.positions });
  return await (table === "rows" ? longTable : featureTable)(result, { ...rows, explanations });
}

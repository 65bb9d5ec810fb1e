/**
 * What a prompt's rows explain: which tokens the model read, and which answers it was asked about.
 *
 * @module
 */
import {
  continuationPredictions,
  type Prediction,
  predictionOf,
  predictionRow,
} from "../../attribution/run/predict.ts";
import type { AnswerAttribution } from "../../attribution/answer/answer.ts";
import type { Attribution } from "../../attribution/result/result.ts";
import type { Cell } from "../../table/table.ts";
import type { PromptRecord } from "../input/record.ts";

/** A token that was asked about. */
export type Answer = Readonly<Pick<Prediction, "id" | "token" | "probability">>;

/** A prompt with its question. */
export interface Explained {
  /** As it was given; null: as token ids. */
  readonly prompt: string | null;
  /** What the model read, BOS included, without what the metric adds. */
  readonly token_ids: readonly number[];
  /** The kind of metric. */
  readonly metric_name: string;
  /** The metric, with ids. */
  readonly formula: string;
  /** What it speaks for; of a continuation, its tokens. */
  readonly positive: readonly Answer[];
  /** What it speaks against. */
  readonly negative: readonly Answer[];
}

/**
 * Of a result, while its model is open.
 *
 * @param answer that the result adds up
 */
export async function explainedBy(
  { prompt }: PromptRecord,
  { parts }: Attribution,
  answer?: AnswerAttribution,
): Promise<Explained> {
  const { model, metricName, grads } = parts;
  const { tokens, appended, modelOutput, resolvedMetric: { formula, positive = [], negative = [] } } = grads;
  const answers = async (ids: readonly number[]): Promise<Answer[]> => {
    const found: Prediction[] = [];
    for (const id of ids) found.push(await predictionOf(model, await modelOutput(), predictionRow(grads), id));
    return found.map(answerOf);
  };
  return {
    prompt: typeof prompt === "string" ? prompt : null,
    token_ids: tokens.slice(0, tokens.length - appended),
    metric_name: metricName,
    formula,
    positive: answer !== undefined
      ? answer.targets.map(({ prediction }) => answerOf(prediction))
      : appended > 0
      ? (await continuationPredictions(model, grads)).map(answerOf)
      : await answers(positive),
    negative: await answers(negative),
  };
}

function answerOf({ id, token, probability }: Prediction): Answer {
  return { id, token, probability: Number(probability.toPrecision(9)) };
}

/** Two prompts whose text is the same are about the same number: their attributions may be added up. */
export function questionOf({ metric_name, positive, negative }: Explained): string {
  return JSON.stringify([metric_name, positive.map(({ id }) => id), negative.map(({ id }) => id)]);
}

/** The columns of {@linkcode explainedCells}; those of answers are JSON arrays. */
export const EXPLAINED_COLUMNS = [
  "prompt",
  "token_ids",
  "metric_name",
  "formula",
  "pos_token",
  "pos_id",
  "pos_probability",
  "neg_token",
  "neg_id",
  "neg_probability",
] as const;

/** As cells of the table of prompts. */
export function explainedCells(
  { prompt, token_ids, metric_name, formula, positive, negative }: Explained,
): readonly Cell[] {
  const side = (answers: readonly Answer[]): string[] =>
    (["token", "id", "probability"] as const).map((key) => JSON.stringify(answers.map((answer) => answer[key])));
  return [prompt, JSON.stringify(token_ids), metric_name, formula, ...side(positive), ...side(negative)];
}

/**
 * The metric of one prompt: what the run asks for, with the prompt's own tokens.
 *
 * @module
 */
import { chosenMetric } from "../attribution/metric/metrics.ts";
import type { Metric, TokenRef } from "../attribution/metric/metrics.ts";
import { METRIC_FIELDS } from "../request/fields.ts";
import { readMetric, sidesReadBy } from "../request/metric.ts";
import { inWords, RequestError, sayColumn } from "../request/request_error.ts";
import { ANSWER_FIELDS } from "../request/answer_fields.ts";
import { type AnswerRequest, checkAnswer, checkSum, readAnswer } from "../request/read_answer.ts";
import type { BatchSettings, MetricValues } from "./settings.ts";

/** The tokens that a prompt brings along. */
export interface OwnTokens {
  /** Instead of the run's. */
  readonly positive?: readonly TokenRef[];
  /** Instead of the run's. */
  readonly negative?: readonly TokenRef[];
  /** A continuation, instead of the run's tokens. */
  readonly targetText?: string;
  /** A continuation each of whose tokens is explained by itself. */
  readonly answerText?: string;
}

/**
 * The answer of a prompt, its own or what the model says; undefined: it has none.
 *
 * @throws {RangeError} if something else says what is explained, or the run's settings are not for answers
 */
export function answerOf(settings: BatchSettings, own: OwnTokens): AnswerRequest | undefined {
  const { positive = [], negative = [], targetText, answerText } = own;
  const generate = answerText === undefined ? settings.answer?.generate : undefined;
  if (answerText === undefined && generate === undefined) return undefined;
  try {
    const { metric } = settings.metric;
    const answer = readAnswer({
      metric,
      ...positiveOf(positive),
      ...negativeOf(negative),
      targetText,
      answerText,
      generate,
    });
    checkAnswer(settings);
    checkSum({ answer, baseline: settings.baseline });
    return answer;
  } catch (error) {
    throw error instanceof RequestError ? new RangeError(inWords(error.message, COLUMN_FIELDS, sayColumn)) : error;
  }
}

/** What a prompt may say itself. */
export const COLUMN_FIELDS = { ...METRIC_FIELDS, answerText: ANSWER_FIELDS.answerText };

/**
 * The metric of a prompt. `loss` and `kl` read no tokens, `logit`, `logprob` and `prob` only the positive one.
 *
 * @throws {RangeError} if the tokens do not fit the metric
 */
export function metricOf(run: MetricValues, own: OwnTokens = {}): Metric {
  const reads = sidesReadBy(run.metric);
  const { positive = [], negative = [], targetText } = own;
  if (own.answerText !== undefined) {
    throw new RangeError("answer_text is explained token by token, and one metric is asked for here: leave it out");
  }
  const values: MetricValues = targetText !== undefined
    ? { metric: run.metric, ...positiveOf(positive), ...negativeOf(negative), targetText }
    : {
      ...run,
      // What the metric does not read is left alone.
      ...(reads.positive ? own.positive && positiveOf(own.positive) : positiveOf([])),
      ...(reads.negative ? own.negative && negativeOf(own.negative) : negativeOf([])),
    };
  try {
    return chosenMetric(readMetric(values));
  } catch (error) {
    throw error instanceof RequestError ? new RangeError(inWords(error.message, METRIC_FIELDS, sayColumn)) : error;
  }
}

function positiveOf(tokens: readonly TokenRef[]): MetricValues {
  return { posToken: textsOf(tokens), posId: idsOf(tokens) };
}

function negativeOf(tokens: readonly TokenRef[]): MetricValues {
  return { negToken: textsOf(tokens), negId: idsOf(tokens) };
}

function textsOf(tokens: readonly TokenRef[]): string[] {
  return tokens.filter((token) => typeof token === "string");
}

function idsOf(tokens: readonly TokenRef[]): number[] {
  return tokens.filter((token) => typeof token === "number");
}

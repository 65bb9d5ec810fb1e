/**
 * The metrics that each token of an answer may have.
 *
 * @module
 */
import { logit, logProb, type Metric, prob, runnerUpLogitDiff } from "../metric/metrics.ts";
import type { MetricName } from "../metric/names.ts";

/** By name: `logit-diff` compares each token with the strongest other one. */
export const ANSWER_METRICS = ["logprob", "logit-diff", "logit", "prob"] as const satisfies readonly MetricName[];

/** One of {@linkcode ANSWER_METRICS}. */
export type AnswerMetric = typeof ANSWER_METRICS[number];

const MAKE: Readonly<Record<AnswerMetric, (id: number) => Metric>> = {
  logprob: (id) => logProb(id),
  "logit-diff": (id) => runnerUpLogitDiff(id),
  logit: (id) => logit(id),
  prob: (id) => prob(id),
};

/** The metric of a token after the text before it. */
export function answerMetric(name: AnswerMetric, id: number): Metric {
  return MAKE[name](id);
}

/**
 * The metrics that are chosen by name, apart from what they are made of; a continuation and a weighted sum are metrics
 * too, by what they are given.
 *
 * @module
 */

/** By the name that it is chosen by, what outputs call a metric, and how many tokens it compares. */
export const NAMED_METRICS = {
  "logit-diff": { outputName: "logit_diff", tokens: 2 },
  logit: { outputName: "logit", tokens: 1 },
  logprob: { outputName: "logprob", tokens: 1 },
  prob: { outputName: "prob", tokens: 1 },
  loss: { outputName: "loss", tokens: 0 },
  kl: { outputName: "kl_to_clean", tokens: 0 },
} as const;

/** One of {@linkcode METRIC_NAMES}. */
export type MetricName = keyof typeof NAMED_METRICS;

/** The names. */
export const METRIC_NAMES = Object.keys(NAMED_METRICS) as readonly MetricName[];

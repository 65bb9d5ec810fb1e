/**
 * The names of the metrics, apart from what they are made of.
 *
 * @module
 */

/** The metrics that are chosen by name; a continuation and a weighted sum are metrics too, by what they are given. */
export const METRIC_NAMES = ["logit-diff", "logit", "logprob", "prob", "loss", "kl"] as const;

/** One of {@linkcode METRIC_NAMES}. */
export type MetricName = typeof METRIC_NAMES[number];

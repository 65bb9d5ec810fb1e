/**
 * The metric that a command line asks for.
 *
 * @module
 */
import {
  klToClean,
  logit,
  logitDiff,
  logProb,
  loss,
  type Metric,
  prob,
  targetText,
  topTwoLogitDiff,
  weightedLogits,
} from "../attribution/metrics.ts";
import type { MetricRequest } from "./metric_options.ts";

/** The library's metric. Which tokens each kind has was checked when the options were read. */
export function makeMetric({ kind, positive, negative, positions, weights, text }: MetricRequest): Metric {
  const at = { position: positions.length === 1 ? positions[0] : positions };
  switch (kind) {
    case "top-two":
      return topTwoLogitDiff({ position: positions[0] });
    case "logit-diff":
      return logitDiff(positive, negative, at);
    case "logit":
      return logit(positive[0], at);
    case "logprob":
      return logProb(positive[0], at);
    case "prob":
      return prob(positive[0], at);
    case "loss":
      return loss();
    case "kl":
      return klToClean(at);
    case "weighted":
      return weightedLogits(positive, weights!, at);
    case "target-text":
      return targetText(text!);
  }
}

/**
 * The metric that a request asks for.
 *
 * @module
 */
import {
  logit,
  logitDiff,
  logProb,
  loss,
  type Metric,
  prob,
  targetText,
  topTwoLogitDiff,
} from "../attribution/metrics.ts";
import type { MetricChoice } from "./jobs.ts";

/** The library's metric. Which tokens each one has was checked when the request was read. */
export function makeMetric({ name, positive, negative, position, text }: MetricChoice): Metric {
  const at = { position };
  switch (name) {
    case "top-two":
      return topTwoLogitDiff(at);
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
    case "target-text":
      return targetText(text!);
  }
}

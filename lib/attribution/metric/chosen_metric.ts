/**
 * A metric by its name, as commands and requests have it.
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
  type TokenRef,
  topTwoLogitDiff,
  weightedLogits,
} from "./metrics.ts";

/** A metric as asked for: tokens by text or id. */
export interface MetricChoice {
  /** `top-two`: the model's first prediction against its second; `target-text`: a continuation; `weighted`: Σ weights · logits. */
  readonly kind: "logit-diff" | "logit" | "logprob" | "prob" | "loss" | "kl" | "top-two" | "target-text" | "weighted";
  /** Of `weighted`, all its tokens. */
  readonly positive: readonly TokenRef[];
  readonly negative: readonly TokenRef[];
  /** One or several, from the end when negative. */
  readonly positions: readonly number[];
  /** Of `weighted`, one for each positive token; they may be below 0. */
  readonly weights?: readonly number[];
  /** The continuation of `target-text`. */
  readonly text?: string;
}

/**
 * The library's metric. Whoever reads the choice has checked which tokens its kind takes.
 *
 * @example
 * ```ts
 * import { chosenMetric } from "./chosen_metric.ts";
 *
 * const metric = chosenMetric({ kind: "logit-diff", positive: [" golf"], negative: [" tennis"], positions: [-1] });
 * console.assert(metric.name === "logit_diff");
 * ```
 */
export function chosenMetric({ kind, positive, negative, positions, weights, text }: MetricChoice): Metric {
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

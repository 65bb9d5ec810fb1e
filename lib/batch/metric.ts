/**
 * The metric of one prompt: what the run asks for, with the prompt's own tokens.
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
} from "../attribution/metrics.ts";
import type { MetricSettings } from "./settings.ts";

/** The tokens that a prompt brings along. */
export interface OwnTokens {
  /** Instead of the run's. */
  readonly positive?: readonly TokenRef[];
  /** Instead of the run's. */
  readonly negative?: readonly TokenRef[];
}

/**
 * The metric of a prompt. `loss` and `kl` read no tokens, `logit`, `logprob` and `prob` only the positive one.
 *
 * @throws {RangeError} if the tokens do not fit the metric
 *
 * @example
 * ```ts
 * import { metricOf } from "./metric.ts";
 *
 * const run = { positive: [" golf"], negative: [" tennis"], positions: [-1] };
 * console.assert(metricOf(run, { negative: [" chess"] }).name === "logit_diff");
 * ```
 */
export function metricOf(settings: MetricSettings, own: OwnTokens = {}): Metric {
  const { kind, positions, targetText: text, weighted } = settings;
  const at = { position: positions.length === 1 ? positions[0] : positions };
  if (text !== undefined || weighted !== undefined) {
    if (own.positive ?? own.negative) {
      throw new RangeError("The prompt has tokens of its own, but the run's metric has none to choose: leave one out");
    }
    return text !== undefined ? targetText(text) : weightedLogits(weighted!.tokens, weighted!.weights, at);
  }
  if (kind === "loss") return loss();
  if (kind === "kl") return klToClean(at);
  const positive = own.positive ?? settings.positive;
  const negative = own.negative ?? settings.negative;
  if (kind === undefined || kind === "logit-diff") return difference(kind, positive, negative, positions);
  if (positive.length !== 1) {
    throw new RangeError(`The metric ${kind} is about one token: give one pos_token or pos_id`);
  }
  return { logit, logprob: logProb, prob }[kind](positive[0], at);
}

function difference(
  kind: "logit-diff" | undefined,
  positive: readonly TokenRef[],
  negative: readonly TokenRef[],
  positions: readonly number[],
): Metric {
  const position = positions.length === 1 ? positions[0] : positions;
  if (positive.length > 0 && negative.length > 0) return logitDiff(positive, negative, { position });
  if (negative.length > 0) {
    throw new RangeError("There is a neg_token without a pos_token: give the token to explain as pos_token or pos_id");
  }
  if (positive.length === 0) {
    if (typeof position === "number") return topTwoLogitDiff({ position });
    throw new RangeError("A metric at several positions needs tokens: give pos_token and neg_token");
  }
  if (kind === undefined && positive.length === 1) return logit(positive[0], { position });
  throw new RangeError("A logit difference has two sides: add neg_token or neg_id");
}

/**
 * The metric of one prompt: what the run asks for, with the prompt's own tokens.
 *
 * @module
 */
import { makeMetric, type MetricChoice } from "../attribution/make_metric.ts";
import type { Metric, TokenRef } from "../attribution/metrics.ts";
import type { MetricKind, MetricSettings } from "./settings.ts";

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
  const { positions, targetText: text, weighted } = settings;
  const positive = own.positive ?? settings.positive;
  const negative = own.negative ?? settings.negative;
  if (text === undefined && weighted === undefined) {
    const kind = kindOf(settings.kind, positive, negative, positions);
    return makeMetric({ kind, positive, negative, positions });
  }
  if (own.positive ?? own.negative) {
    throw new RangeError("The prompt has tokens of its own, but the run's metric has none to choose: leave one out");
  }
  return text !== undefined
    ? makeMetric({ kind: "target-text", positive: [], negative: [], positions, text })
    : makeMetric({ kind: "weighted", positive: weighted!.tokens, negative: [], weights: weighted!.weights, positions });
}

/** The kind that a prompt's tokens decide, where the run leaves it to them. */
function kindOf(
  kind: MetricKind | undefined,
  positive: readonly TokenRef[],
  negative: readonly TokenRef[],
  positions: readonly number[],
): MetricChoice["kind"] {
  if (kind === "loss" || kind === "kl") return kind;
  if (kind !== undefined && kind !== "logit-diff") {
    if (positive.length === 1) return kind;
    throw new RangeError(`The metric ${kind} is about one token: give one pos_token or pos_id`);
  }
  if (positive.length > 0 && negative.length > 0) return "logit-diff";
  if (negative.length > 0) {
    throw new RangeError("There is a neg_token without a pos_token: give the token to explain as pos_token or pos_id");
  }
  if (positive.length === 0) {
    if (positions.length === 1) return "top-two";
    throw new RangeError("A metric at several positions needs tokens: give pos_token and neg_token");
  }
  if (kind === undefined && positive.length === 1) return "logit";
  throw new RangeError("A logit difference has two sides: add neg_token or neg_id");
}

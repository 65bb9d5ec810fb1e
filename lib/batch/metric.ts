/**
 * The metric of one prompt: what the run asks for, with the prompt's own tokens.
 *
 * @module
 */
import { makeMetric, type MetricChoice } from "../attribution/metric/make_metric.ts";
import type { Metric, TokenRef } from "../attribution/metric/metrics.ts";
import { METRIC_FIELDS } from "../request/fields.ts";
import { chooseMetric } from "../request/metric.ts";
import { inWords, RequestError, sayColumn } from "../request/request_error.ts";
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
  const { positions, targetText: text, weighted } = settings;
  if (text === undefined && weighted === undefined) return makeMetric(chosenBy(settings, own));
  if (own.positive ?? own.negative) {
    throw new RangeError("The prompt has tokens of its own, but the run's metric has none to choose: leave one out");
  }
  return text !== undefined
    ? makeMetric({ kind: "target-text", positive: [], negative: [], positions, text })
    : makeMetric({ kind: "weighted", positive: weighted!.tokens, negative: [], weights: weighted!.weights, positions });
}

/** What a prompt's tokens decide, where the run leaves it to them; those that the metric does not read are left alone. */
function chosenBy({ kind: name, positive, negative, positions }: MetricSettings, own: OwnTokens): MetricChoice {
  const reads = { positive: name !== "loss" && name !== "kl", negative: name === undefined || name === "logit-diff" };
  try {
    return chooseMetric({
      name,
      positive: { tokens: reads.positive ? own.positive ?? positive : [], given: ["`posToken`"] },
      negative: { tokens: reads.negative ? own.negative ?? negative : [], given: ["`negToken`"] },
      positions: name === "loss" ? undefined : positions,
    });
  } catch (error) {
    throw error instanceof RequestError ? new RangeError(inWords(error.message, METRIC_FIELDS, sayColumn)) : error;
  }
}

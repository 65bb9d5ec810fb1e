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
import type { MetricValues } from "./settings.ts";

/** The tokens that a prompt brings along. */
export interface OwnTokens {
  /** Instead of the run's. */
  readonly positive?: readonly TokenRef[];
  /** Instead of the run's. */
  readonly negative?: readonly TokenRef[];
  /** A continuation, instead of the run's tokens. */
  readonly targetText?: string;
}

/**
 * The metric of a prompt. `loss` and `kl` read no tokens, `logit`, `logprob` and `prob` only the positive one.
 *
 * @throws {RangeError} if the tokens do not fit the metric
 */
export function metricOf(run: MetricValues, own: OwnTokens = {}): Metric {
  const reads = sidesReadBy(run.metric);
  const { positive = [], negative = [], targetText } = own;
  const values: MetricValues = targetText !== undefined
    ? { metric: run.metric, ...tokensOf(positive, negative), targetText }
    : {
      ...run,
      ...(reads.positive
        ? own.positive && { posToken: textsOf(own.positive), posId: idsOf(own.positive) }
        : NO_POSITIVE),
      ...(reads.negative
        ? own.negative && { negToken: textsOf(own.negative), negId: idsOf(own.negative) }
        : NO_NEGATIVE),
    };
  try {
    return chosenMetric(readMetric(values));
  } catch (error) {
    throw error instanceof RequestError ? new RangeError(inWords(error.message, METRIC_FIELDS, sayColumn)) : error;
  }
}

function tokensOf(positive: readonly TokenRef[], negative: readonly TokenRef[]): MetricValues {
  return {
    posToken: textsOf(positive),
    posId: idsOf(positive),
    negToken: textsOf(negative),
    negId: idsOf(negative),
  };
}

/** What the metric does not read is left alone. */
const [NO_POSITIVE, NO_NEGATIVE] = [{ posToken: [], posId: [] }, { negToken: [], negId: [] }];

function textsOf(tokens: readonly TokenRef[]): string[] {
  return tokens.filter((token) => typeof token === "string");
}

function idsOf(tokens: readonly TokenRef[]): number[] {
  return tokens.filter((token) => typeof token === "number");
}

/**
 * The tokens of an answer together: the attribution of the sum of their metrics.
 *
 * @module
 */
import type { FloatTensor } from "../../runtime/tensor.ts";
import { joined } from "../../runtime/tensor.ts";
import type { MetricWords, ResolvedMetric } from "../metric/metric.ts";
import { Attribution } from "../result/result.ts";
import { analyseSaes } from "../run/analyse_saes.ts";
import type { AttributionGrads } from "../run/attribution_grads.ts";
import type { AnswerAttribution } from "./answer.ts";
import { answerMetricSum } from "./answer_totals.ts";
import type { AnswerMetric } from "./answer_metrics.ts";

/** What the sum of a metric is called. */
const SUMS: Readonly<Record<AnswerMetric, { readonly name: string; readonly words: string }>> = {
  logprob: { name: "target_logprob", words: "log-probability of" },
  "logit-diff": { name: "answer_logit_diff", words: "logits against the strongest other tokens, added up over" },
  logit: { name: "answer_logit", words: "logits above the vocabulary's mean, added up over" },
  prob: { name: "answer_prob", words: "probabilities, added up over" },
};

/**
 * The attribution of what the metrics of an answer's tokens add up to: gradients are linear, so that it is their sum, at
 * the positions before the last of them. With `logprob` of all tokens that is `targetText`'s.
 *
 * @throws {RangeError} where activations are compared with a mean, which differs from token to token
 */
export async function answerTotal(answer: AnswerAttribution): Promise<Attribution> {
  const { targets, promptLength, milliseconds } = answer;
  const { attribution: last, position: length } = targets[targets.length - 1];
  if (last.parts.baseline !== undefined) {
    throw new RangeError(
      "The mean over the text so far is another for each token of an answer, and nothing adds up: leave out `baseline`",
    );
  }
  const each = targets.map(({ attribution }) => attribution.parts.grads);
  const { directGradient } = last.parts.grads;
  const logits = await Promise.all(each.map(({ modelOutput }) => modelOutput()));
  const [{ dims: [, dVocab] }] = logits;
  const grads: AttributionGrads = {
    ...last.parts.grads,
    metric: answerMetricSum(answer),
    resolvedMetric: resolvedSum(answer),
    rows: targets.map(({ position }) => position - 1),
    appended: length - promptLength,
    modelOutput: () => Promise.resolve({ dims: [each.length, dVocab], data: joined(logits.map(({ data }) => data)) }),
    gradients: new Map(
      [...last.parts.grads.gradients.keys()].map((hook) => [hook, summed(each.map((one) => one.gradients.get(hook)!))]),
    ),
    directGradient: directGradient && summed(each.map((one) => one.directGradient!)),
  };
  const { model, includeErrorTerm, method } = last.parts;
  const [saes] = await analyseSaes([{ parts: { model, grads, includeErrorTerm } }], { method });
  return await Attribution.create({
    ...last.parts,
    metricName: grads.resolvedMetric.name,
    grads,
    saes,
    warnings: answer.warnings.filter((warning) => !last.warnings.includes(warning)),
    timings: { total: milliseconds },
  });
}

/** `[1, position, …]` of texts of rising lengths, added up over the longest. */
function summed(parts: readonly FloatTensor[]): FloatTensor {
  const { dims, data: { length } } = parts[parts.length - 1];
  const data = new Float32Array(length);
  for (const part of parts) part.data.forEach((x, i) => data[i] += x);
  return { dims, data };
}

function resolvedSum({ metric, targets }: AnswerAttribution): ResolvedMetric {
  const { name, words } = SUMS[metric];
  return {
    name,
    formula: targets.map(({ attribution, position }) =>
      attribution.parts.grads.resolvedMetric.formula.replaceAll("[-1", `[${position - 1}`)
    ).join(" + "),
    positive: targets.map(({ token }) => token.id),
    words: (): MetricWords => ({
      name: `${words} the answer (${targets.length} token${targets.length === 1 ? "" : "s"})`,
      positive: "for the answer",
      negative: "against it",
    }),
    feeds: {},
    build: () => {
      throw new TypeError("The metrics of an answer are differentiated one by one");
    },
  };
}

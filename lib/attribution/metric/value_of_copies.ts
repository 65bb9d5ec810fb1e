/**
 * A metric over copies of a prompt that ran as one batch: its value for each, and its gradients.
 *
 * @module
 */
import type { Model } from "../../model/model.ts";
import type { FloatTensor } from "../../runtime/tensor.ts";
import { gradientBelow, logitsFor, valueAndGradient, valueOf } from "./value.ts";
import type { ResolvedMetric } from "./metrics.ts";

/** The most bytes of logits in memory at once. */
const LOGIT_BYTES = 64 * 2 ** 20;

/**
 * The metric of every copy. The unembedding is read once for as many copies as their logits leave room for; of a metric
 * of few tokens, only those tokens' rows.
 *
 * @param final the rows of one copy after another, `[1, copy · row, d_model]`
 * @param logitBytes the most bytes of logits in memory at once
 */
export async function metricValues(
  model: Model,
  metric: ResolvedMetric,
  final: FloatTensor,
  copies: number,
  logitBytes: number = LOGIT_BYTES,
): Promise<number[]> {
  const values: number[] = [];
  for (const part of parts(model, metric, final, copies, logitBytes)) {
    const logits = await logitsFor(model, metric, part.final);
    for (const one of split(logits, part.copies)) values.push(await valueOf(model, metric, one));
  }
  return values;
}

/** The metric of every copy, and its gradients at the final norm's output, `[1, copy · row, d_model]`. */
export async function metricGradients(
  model: Model,
  metric: ResolvedMetric,
  final: FloatTensor,
  copies: number,
  logitBytes: number = LOGIT_BYTES,
): Promise<{ values: number[]; gradient: FloatTensor }> {
  const values: number[] = [];
  const gradient = new Float32Array(final.data.length);
  let at = 0;
  for (const part of parts(model, metric, final, copies, logitBytes)) {
    const logits = await logitsFor(model, metric, part.final);
    const atLogits = { dims: logits.dims, data: new Float32Array(logits.data.length) };
    for (const [i, one] of split(logits, part.copies).entries()) {
      const { value, logitGradient } = await valueAndGradient(model, metric, one);
      values.push(value);
      atLogits.data.set(logitGradient.data, i * one.data.length);
    }
    const { data } = await gradientBelow(model, metric, atLogits, logits);
    gradient.set(data, at);
    at += data.length;
  }
  return { values, gradient: { dims: final.dims, data: gradient } };
}

/** Rows of some copies at a time, so that their logits stay within bounds. */
function* parts(
  model: Model,
  metric: ResolvedMetric,
  { dims: [, rows, d], data }: FloatTensor,
  copies: number,
  logitBytes: number,
): Generator<{ final: FloatTensor; copies: number }> {
  const perCopy = rows / copies;
  const width = metric.columns?.length ?? model.architecture.config.dVocab;
  const most = Math.max(1, Math.floor(logitBytes / 4 / width / perCopy));
  for (let start = 0; start < copies; start += most) {
    const end = Math.min(copies, start + most);
    const part = data.subarray(start * perCopy * d, end * perCopy * d);
    yield { final: { dims: [1, (end - start) * perCopy, d], data: part }, copies: end - start };
  }
}

/** The rows of each copy, `[row, column]`. */
function split({ dims: [rows, columns], data }: FloatTensor, copies: number): FloatTensor[] {
  const size = data.length / copies;
  return Array.from({ length: copies }, (_, i) => ({
    dims: [rows / copies, columns],
    data: data.subarray(i * size, (i + 1) * size),
  }));
}

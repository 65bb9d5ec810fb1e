/**
 * Metrics of several prompts that ran in one pass, each its own.
 *
 * @module
 */
import type { Model } from "../../model/model.ts";
import { type FloatTensor, joined } from "../../runtime/tensor.ts";
import { gradientBelow, logitsFor, valueAndGradient } from "./value.ts";
import type { ResolvedMetric } from "./metrics.ts";

export interface MetricToRead {
  /** Undefined where it could not be resolved: its gradient is 0. */
  readonly metric: ResolvedMetric | undefined;
  /** The final norm's output at its rows, `[1, row, d_model]`. */
  readonly final: FloatTensor;
}

/** A metric's value, and its gradient at the final norm's output, `[1, row, d_model]`. */
export interface MetricReading {
  readonly value: number;
  readonly gradient: FloatTensor;
}

/** A reading whose gradient is still at the logits over the whole vocabulary. */
interface AtLogits {
  readonly value: number;
  readonly logits: FloatTensor;
  readonly logitGradient: FloatTensor;
}

/**
 * Reads metrics and their gradients; the unembedding is read once for all that look at the whole vocabulary.
 *
 * @param logitsAt all logits at the rows of the metric of that number
 */
export async function readMetrics(
  model: Model,
  metrics: readonly MetricToRead[],
  logitsAt: (i: number) => Promise<FloatTensor>,
): Promise<MetricReading[]> {
  const readings: MetricReading[] = [];
  const whole = new Map<number, AtLogits>();
  for (const [i, { metric, final }] of metrics.entries()) {
    readings[i] = { value: NaN, gradient: { dims: final.dims, data: new Float32Array(final.data.length) } };
    if (!metric) continue;
    const logits = await logitsFor(model, metric, final, () => logitsAt(i));
    const { value, logitGradient } = await valueAndGradient(model, metric, logits);
    if (metric.columns) readings[i] = { value, gradient: await gradientBelow(model, metric, logitGradient, logits) };
    else whole.set(i, { value, logits, logitGradient });
  }
  if (whole.size === 0) return readings;
  const found = [...whole.values()];
  const { dims: [, , d], data } = await model.unembedding.gradient(
    stacked(found.map(({ logitGradient }) => logitGradient)),
    stacked(found.map(({ logits }) => logits)),
  );
  let at = 0;
  for (const [i, { value, logits: { dims: [rows] } }] of whole) {
    readings[i] = { value, gradient: { dims: [1, rows, d], data: data.slice(at, at += rows * d) } };
  }
  return readings;
}

/** Matrices `[row, column]` one below another. */
function stacked(matrices: readonly FloatTensor[]): FloatTensor {
  if (matrices.length === 1) return matrices[0];
  const [{ dims: [, columns] }] = matrices;
  const data = joined(matrices.map((matrix) => matrix.data));
  return { dims: [data.length / columns, columns], data };
}

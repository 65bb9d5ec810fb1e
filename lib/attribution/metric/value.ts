/**
 * A metric's value at a forward pass, and its gradient at the final norm's output.
 *
 * @module
 */
import { quote } from "../../quote.ts";
import { constant, input, vjp } from "../../graph/mod.ts";
import type { ForwardState } from "../../model/stages/chain.ts";
import type { Model } from "../../model/model.ts";
import type { FloatTensor } from "../../runtime/tensor.ts";
import type { Metric, ResolvedMetric, TokenRef } from "./metrics.ts";

/** The logits at a pass's rows, computed when they are first asked for. */
export type LazyLogits = () => Promise<FloatTensor>;

/** All logits at the pass's rows, once. */
export function lazyLogits(model: Model, state: ForwardState): LazyLogits {
  let logits: Promise<FloatTensor> | undefined;
  return () => logits ??= model.unembedding.logits(state.final);
}

/** Looks up a metric's tokens. */
export async function resolveMetric(
  model: Model,
  metric: Metric,
  tokens: readonly number[],
  logits: LazyLogits,
  cleanLogits: LazyLogits = logits,
): Promise<ResolvedMetric> {
  const answers = new Set<string>();
  const resolved = await metric.resolve({
    tokens,
    cleanLogits,
    encode: async (text) => {
      answers.add(text);
      return (await model.requireTokenizer()).encode(text);
    },
    dVocab: model.architecture.config.dVocab,
    logits,
    tokenId: (token) => {
      if (typeof token === "string") answers.add(token);
      return tokenId(model, token, metric.name === "weighted_logits" ? "`idWeight`" : "`posId` or `negId`");
    },
    tokenText: async (id) => (await model.describeTokens([id]))[0].text,
  });
  return { ...resolved, name: metric.name, answers: [...answers] };
}

/** @throws {RangeError} if a text is not one token, or an id is not in the vocabulary */
async function tokenId(model: Model, token: TokenRef, byId: string): Promise<number> {
  if (typeof token === "string") return (await model.requireTokenizer()).singleToken(token, byId);
  const { dVocab } = model.architecture.config;
  if (!Number.isInteger(token) || token < 0 || token >= dVocab) {
    throw new RangeError(`Token id ${token} is not in the vocabulary of ${dVocab}`);
  }
  return token;
}

/** The metric's value alone. */
export async function metricValue(
  model: Model,
  metric: ResolvedMetric,
  final: FloatTensor,
  logits?: LazyLogits,
): Promise<number> {
  return await valueOf(model, metric, await logitsFor(model, metric, final, logits));
}

/** The metric's value alone, of logits `[row, column]`. @throws {TypeError} if a plain function gives no number */
export async function valueOf(
  model: Model,
  metric: ResolvedMetric,
  logits: FloatTensor,
): Promise<number> {
  if (!metric.evaluate) return (await valueAndGradient(model, metric, logits)).value;
  const value: unknown = metric.evaluate(logits);
  if (typeof value === "number") return value;
  throw new TypeError(`The metric ${metric.formula} gave ${quote(value)}: return a number`);
}

/** The logits that a metric reads: all, or those of its few tokens. */
export function logitsFor(
  { unembedding }: Model,
  { columns }: ResolvedMetric,
  final: FloatTensor,
  all: LazyLogits = () => unembedding.logits(final),
): Promise<FloatTensor> {
  return columns ? unembedding.logitsOf(final, columns) : all();
}

/** The gradient at the final norm's output, `[1, row, d_model]`, from that at the logits that a metric reads. */
export function gradientBelow(
  { unembedding }: Model,
  { columns }: ResolvedMetric,
  logitGradient: FloatTensor,
  logits: FloatTensor,
): Promise<FloatTensor> {
  return columns ? unembedding.gradientOf(logitGradient, columns, logits) : unembedding.gradient(logitGradient, logits);
}

/** The metric of logits `[row, column]`, and its gradient there. */
export async function valueAndGradient(
  model: Model,
  metric: ResolvedMetric,
  logits: FloatTensor,
): Promise<{ value: number; logitGradient: FloatTensor }> {
  const [rows, width] = logits.dims;
  const values = input("logits", [rows === 1 ? 1 : "row", width]);
  const metricValue = metric.build(values);
  const [gradientValue] = vjp([metricValue], [constant(1)], [values]);
  if (!gradientValue) throw new TypeError(`The metric ${metric.name} does not depend on the logits`);
  const session = await model.runtime.session({ value: metricValue, gradient: gradientValue });
  const { value, gradient } = await session.run({ logits, ...metric.feeds });
  return { value: value.data[0] as number, logitGradient: gradient as FloatTensor };
}

/**
 * Metrics: the number whose "why" is asked, as a graph of the logits that it reads.
 *
 * @module
 */
import {
  gatherElements,
  input,
  logSoftmax,
  mul,
  neg,
  reduceMean,
  reduceSum,
  reshape,
  softmax,
  type Value,
} from "../graph/mod.ts";
import type { FloatTensor, Tensor } from "../runtime/tensor.ts";

/** A token by its text (a single token, leading space included) or its id. */
export type TokenRef = string | number;

/** What a metric may ask when its tokens are looked up. */
export interface MetricContext {
  /** The prompt's token ids. */
  readonly tokens: readonly number[];
  readonly dVocab: number;
  /** The id of a token. @throws {RangeError} if the text is not one token, or the id not in the vocabulary */
  tokenId(token: TokenRef): Promise<number>;
  /** A token's text, for messages. */
  tokenText(id: number): Promise<string>;
  /** All logits at the metric's rows, `[row, d_vocab]`. */
  logits(): Promise<FloatTensor>;
}

/** A metric whose tokens are known. */
export interface ResolvedMetric {
  /** For example `logits[-1, 13126] - logits[-1, 20790]`. */
  readonly formula: string;
  /** The tokens whose logits it reads; undefined: the whole vocabulary. */
  readonly columns?: readonly number[];
  /** The tokens that it is about, for reports. */
  readonly positive?: readonly number[];
  readonly negative?: readonly number[];
  /** Something that the user should know about how it was chosen. */
  readonly note?: string;
  /** Further inputs of its graph. */
  readonly feeds: Readonly<Record<string, Tensor>>;
  /** From logits `[row, column]` to a scalar. The same for all metrics of one name. */
  build(logits: Value): Value;
}

/** A function of the logits. */
export interface Metric {
  readonly name: string;
  /** The positions whose logits it reads, ascending. @throws {RangeError} if there is no such position */
  rows(tokens: number): number[];
  resolve(context: MetricContext): Promise<ResolvedMetric>;
}

/** Where a metric reads. */
export interface MetricOptions {
  /** The position of the logits, counted from the end when negative. Default −1. */
  readonly position?: number;
}

function atPosition(position: number): (tokens: number) => number[] {
  return (tokens) => {
    const row = position < 0 ? tokens + position : position;
    if (!Number.isInteger(row) || row < 0 || row >= tokens) {
      throw new RangeError(`The metric's position ${position} is not in a prompt of ${tokens} tokens`);
    }
    return [row];
  };
}

/** Σ weights · logits over the columns. */
function weightedSum(weights: readonly number[]): Pick<ResolvedMetric, "feeds" | "build"> {
  return {
    feeds: { weights: { dims: [1, weights.length], data: Float32Array.from(weights) } },
    build: (logits) => {
      const columns = logits.shape[1];
      return reduceSum(mul(logits, input("weights", [1, columns])), [0, 1], false);
    },
  };
}

/** One element of a row after a function of the whole row. */
function pickedAfter(token: number, f: (logits: Value) => Value): Pick<ResolvedMetric, "feeds" | "build"> {
  return {
    feeds: { token: { dims: [1, 1], data: BigInt64Array.of(BigInt(token)) } },
    build: (logits) => reshape(gatherElements(f(logits), input("token", [1, 1], "int64")), []),
  };
}

/**
 * Logit of one token minus logit of another: what the notebook asks.
 *
 * @throws {RangeError} when it is resolved, if a text is not a single token or both tokens are the same
 *
 * @example
 * ```ts
 * import { logitDiff } from "./metrics.ts";
 *
 * console.assert(logitDiff(" golf", " tennis").name === "logit_diff");
 * ```
 */
export function logitDiff(positive: TokenRef, negative: TokenRef, { position = -1 }: MetricOptions = {}): Metric {
  return {
    name: "logit_diff",
    rows: atPosition(position),
    async resolve(context) {
      return resolvedDifference(position, await context.tokenId(positive), await context.tokenId(negative));
    },
  };
}

function resolvedDifference(position: number, pos: number, neg: number, note?: string): ResolvedMetric {
  if (pos === neg) {
    throw new RangeError(`The positive and the negative token are the same (id ${pos}): the metric would be 0`);
  }
  return {
    formula: `logits[${position}, ${pos}] - logits[${position}, ${neg}]`,
    columns: [pos, neg],
    positive: [pos],
    negative: [neg],
    note,
    ...weightedSum([1, -1]),
  };
}

/** Logit of the model's top prediction minus that of its second. */
export function topTwoLogitDiff({ position = -1 }: MetricOptions = {}): Metric {
  return {
    name: "logit_diff",
    rows: atPosition(position),
    async resolve(context) {
      const { data } = await context.logits();
      const [first, second] = topIndices(data, 2);
      const [a, b] = [await context.tokenText(first), await context.tokenText(second)];
      const note = `no answers given: the model's top prediction "${a}" against its second "${b}"`;
      return resolvedDifference(position, first, second, note);
    },
  };
}

/** Logit of one token minus the mean over the vocabulary. */
export function logit(token: TokenRef, { position = -1 }: MetricOptions = {}): Metric {
  return {
    name: "logit",
    rows: atPosition(position),
    async resolve(context) {
      const id = await context.tokenId(token);
      const formula = `logits[${position}, ${id}] - mean(logits[${position}])`;
      return { formula, positive: [id], ...pickedAfter(id, (logits) => logits) };
    },
  };
}

/** Natural logarithm of one token's probability. */
export function logProb(token: TokenRef, { position = -1 }: MetricOptions = {}): Metric {
  return {
    name: "logprob",
    rows: atPosition(position),
    async resolve(context) {
      const id = await context.tokenId(token);
      return { formula: `log_softmax(logits[${position}])[${id}]`, positive: [id], ...pickedAfter(id, logSoftmax) };
    },
  };
}

/** One token's probability. */
export function prob(token: TokenRef, { position = -1 }: MetricOptions = {}): Metric {
  return {
    name: "prob",
    rows: atPosition(position),
    async resolve(context) {
      const id = await context.tokenId(token);
      return { formula: `softmax(logits[${position}])[${id}]`, positive: [id], ...pickedAfter(id, softmax) };
    },
  };
}

/**
 * Σ weights · logits of some tokens, each logit minus the vocabulary mean.
 *
 * @throws {RangeError} if there are not as many weights as tokens
 */
export function weightedLogits(
  tokens: readonly TokenRef[],
  weights: readonly number[],
  { position = -1 }: MetricOptions = {},
): Metric {
  if (tokens.length !== weights.length || tokens.length === 0) {
    throw new RangeError(`${tokens.length} tokens need as many weights, not ${weights.length}`);
  }
  return {
    name: "weighted_logits",
    rows: atPosition(position),
    async resolve(context) {
      const ids = await Promise.all(tokens.map((token) => context.tokenId(token)));
      const formula = ids.map((id, i) => `${weights[i]} * logits[${position}, ${id}]`).join(" + ");
      // The vocabulary mean cancels only if the weights add up to 0.
      if (weights.reduce((a, b) => a + b, 0) === 0) return { formula, columns: ids, ...weightedSum(weights) };
      const all = new Array<number>(context.dVocab).fill(0);
      ids.forEach((id, i) => all[id] += weights[i]);
      return { formula, ...weightedSum(all) };
    },
  };
}

/** Mean next-token cross-entropy over the prompt, in nats. */
export function loss(): Metric {
  return {
    name: "loss",
    rows(tokens) {
      if (tokens < 2) throw new RangeError("The loss needs at least two tokens");
      return Array.from({ length: tokens - 1 }, (_, i) => i);
    },
    resolve({ tokens }) {
      const next = BigInt64Array.from(tokens.slice(1), BigInt);
      return Promise.resolve({
        formula: "-mean(log_softmax(logits[i])[tokens[i + 1]], i = 0 .. n - 2)",
        feeds: { next: { dims: [next.length, 1], data: next } },
        build: (logits) => {
          const picked = gatherElements(logSoftmax(logits), input("next", [logits.shape[0], 1], "int64"));
          return neg(reduceMean(picked, [0, 1], false));
        },
      });
    },
  };
}

/** The indices of the largest values, largest first (ties: the lower index). */
export function topIndices(values: ArrayLike<number>, count: number): number[] {
  const top: number[] = [];
  for (let i = 0; i < values.length; i++) {
    if (top.length === count && !(values[i] > values[top[count - 1]])) continue;
    let at = top.length;
    while (at > 0 && values[i] > values[top[at - 1]]) at--;
    top.splice(at, 0, i);
    if (top.length > count) top.pop();
  }
  return top;
}

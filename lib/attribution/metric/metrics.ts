/**
 * Metrics: the number whose "why" is asked, as a graph of the logits that it reads.
 *
 * @module
 */
import { checkOptions, type OptionKinds } from "../../options.ts";
import { input, logSoftmax, mul, reduceSum, softmax, sub, type Value } from "../../graph/mod.ts";
import type { Tensor } from "../../runtime/tensor.ts";
import {
  atPositions,
  type Metric,
  type MetricGraph,
  type MetricOptions,
  pickedAfter,
  pickedEach,
  type Position,
  positionOf,
  showLogit,
  showSum,
  type TokenRef,
  type TokenSet,
  weightedSum,
} from "./metric.ts";

export type {
  LogitsFunction,
  Metric,
  MetricContext,
  MetricGraph,
  MetricOptions,
  ResolvedMetric,
  TokenRef,
  TokenSet,
} from "./metric.ts";

/**
 * Logit of one token minus logit of another: what the notebook asks. Of several tokens, the mean of their logits.
 *
 * @throws {RangeError} when it is resolved, if a text is not a single token or both sides are the same
 *
 * @example
 * ```ts
 * import { logitDiff } from "./metrics.ts";
 *
 * console.assert(logitDiff(" golf", " tennis").name === "logit_diff");
 * console.assert(logitDiff([" golf", " Golf"], " tennis", { position: [-2, -1] }).name === "logit_diff");
 * ```
 */
export function logitDiff(positive: TokenSet, negative: TokenSet, options: MetricOptions = {}): Metric {
  const position = positionOf("logitDiff", options);
  return {
    name: "logit_diff",
    rows: atPositions(position),
    async resolve(context) {
      const ids = (set: TokenSet): Promise<number[]> => Promise.all([set].flat().map((t) => context.tokenId(t)));
      return resolvedDifference(position, await ids(positive), await ids(negative));
    },
  };
}

function resolvedDifference(
  position: Position,
  positive: readonly number[],
  negative: readonly number[],
  note?: string,
): MetricGraph {
  const both = positive.find((id) => negative.includes(id));
  if (both !== undefined) {
    throw new RangeError(`Token id ${both} is both positive and negative: its part of the metric would be 0`);
  }
  if (positive.length === 0 || negative.length === 0) {
    throw new RangeError("A logit difference needs tokens on both sides");
  }
  return {
    formula: `${showLogit(position, positive)} - ${showLogit(position, negative)}`,
    columns: [...positive, ...negative],
    positive,
    negative,
    note,
    ...weightedSum([...positive.map(() => 1 / positive.length), ...negative.map(() => -1 / negative.length)]),
  };
}

/** Logit of the model's top prediction minus that of its second. */
export function topTwoLogitDiff(options: { readonly position?: number } = {}): Metric {
  const position = positionOf("topTwoLogitDiff", options);
  return {
    name: "logit_diff",
    rows: atPositions(position),
    async resolve(context) {
      const { data } = await context.logits();
      const [first, second] = topIndices(data, 2);
      const [a, b] = [await context.tokenText(first), await context.tokenText(second)];
      const note = `no answers given: the model's top prediction "${a}" against its second "${b}"`;
      return resolvedDifference(position, [first], [second], note);
    },
  };
}

/** A metric of one token's logit, after a function of the whole row. */
function ofOneToken(
  name: string,
  token: TokenRef,
  position: Position,
  f: (logits: Value) => Value,
  formula: (id: number) => string,
): Metric {
  const rows = atPositions(position);
  return {
    name,
    rows,
    async resolve(context) {
      const id = await context.tokenId(token);
      return { formula: formula(id), positive: [id], ...pickedAfter(id, rows(context.tokens.length).length, f) };
    },
  };
}

/** `f(logits[-1])[id]` as a formula. */
function showPicked(position: Position, f: string, id: number): string {
  return showSum(position, (at, axis) => `${f}(${at}]${axis})[${axis === "" ? "" : ":, "}${id}]`);
}

/**
 * Logit of one token minus the mean over the vocabulary, whose gradient is part of the metric's: all logits together may be
 * anything, so that only differences mean something. (TransformerLens centres the unembedding only in its own processing.)
 */
export function logit(token: TokenRef, options: MetricOptions = {}): Metric {
  const position = positionOf("logit", options);
  const formula = (id: number): string => showSum(position, (at, axis) => `${at}, ${id}] - mean(${at}]${axis})`);
  return ofOneToken("logit", token, position, (logits) => logits, formula);
}

/** Natural logarithm of one token's probability. */
export function logProb(token: TokenRef, options: MetricOptions = {}): Metric {
  const position = positionOf("logProb", options);
  return ofOneToken("logprob", token, position, logSoftmax, (id) => showPicked(position, "log_softmax", id));
}

/** One token's probability. */
export function prob(token: TokenRef, options: MetricOptions = {}): Metric {
  const position = positionOf("prob", options);
  return ofOneToken("prob", token, position, softmax, (id) => showPicked(position, "softmax", id));
}

/**
 * Σ weights · logits of some tokens, each logit minus the vocabulary mean.
 *
 * @throws {RangeError} if there are not as many weights as tokens
 */
export function weightedLogits(
  tokens: readonly TokenRef[],
  weights: readonly number[],
  options: MetricOptions = {},
): Metric {
  const position = positionOf("weightedLogits", options);
  if (tokens.length !== weights.length || tokens.length === 0) {
    throw new RangeError(`${tokens.length} tokens need as many weights, not ${weights.length}`);
  }
  return {
    name: "weighted_logits",
    rows: atPositions(position),
    async resolve(context) {
      const ids = await Promise.all(tokens.map((token) => context.tokenId(token)));
      const formula = ids.map((id, i) => `${weights[i]} * ${showLogit(position, [id])}`).join(" + ");
      // The vocabulary mean cancels only if the weights add up to 0.
      const named = {
        formula,
        positive: ids.filter((_, i) => weights[i] > 0),
        negative: ids.filter((_, i) => weights[i] < 0),
      };
      if (weights.reduce((a, b) => a + b, 0) === 0) return { ...named, columns: ids, ...weightedSum(weights) };
      const all = new Array<number>(context.dVocab).fill(0);
      ids.forEach((id, i) => all[id] += weights[i]);
      return { ...named, ...weightedSum(all) };
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
    resolve: ({ tokens }) =>
      Promise.resolve({
        formula: "-mean(log_softmax(logits[i])[tokens[i + 1]], i = 0 .. n - 2)",
        ...pickedEach(tokens.slice(1), logSoftmax, "negative mean"),
      }),
  };
}

/**
 * Log-probability of a continuation: Σ log p(tokenᵢ | prompt, tokens before it), in nats. The continuation's tokens are
 * added to the prompt.
 *
 * @throws {RangeError} when it is resolved, if the text is empty
 */
export function targetText(text: string): Metric {
  return {
    name: "target_logprob",
    async append({ encode }) {
      const ids = await encode(text);
      if (ids.length === 0) throw new RangeError("The target text is empty: give the continuation to explain");
      return ids;
    },
    rows: (tokens, appended) => Array.from({ length: appended }, (_, i) => tokens - appended - 1 + i),
    async resolve(context) {
      const ids = context.tokens.slice(-(await context.encode(text)).length);
      const formula = ids.map((id, i) => `log_softmax(logits[${context.tokens.length - ids.length - 1 + i}])[${id}]`);
      return { formula: formula.join(" + "), positive: ids, ...pickedEach(ids, logSoftmax, "sum") };
    },
  };
}

/**
 * KL divergence of the predictions with the SAEs in place from the model's own, Σ p·(log p − log q), in nats. It has a
 * gradient only without the error term: with it, p and q are the same.
 */
export function klToClean(options: MetricOptions = {}): Metric {
  const position = positionOf("klToClean", options);
  return {
    name: "kl_to_clean",
    rows: atPositions(position),
    async resolve(context) {
      const { dims, data } = await context.cleanLogits();
      const [rows, dVocab] = dims;
      const [p, logP] = [new Float32Array(data.length), new Float32Array(data.length)];
      for (let r = 0; r < rows; r++) {
        const row = data.subarray(r * dVocab, (r + 1) * dVocab);
        const max = row.reduce((a, b) => Math.max(a, b));
        const logSum = max + Math.log(row.reduce((sum, x) => sum + Math.exp(x - max), 0));
        row.forEach((x, i) => {
          logP[r * dVocab + i] = x - logSum;
          p[r * dVocab + i] = Math.exp(x - logSum);
        });
      }
      return {
        formula: showSum(position, (at) => `KL(softmax(clean ${at}]) || softmax(${at}]))`),
        feeds: { p: { dims, data: p }, logP: { dims, data: logP } },
        build: (logits) => {
          const clean = (name: string): Value => input(name, logits.shape);
          return reduceSum(mul(clean("p"), sub(clean("logP"), logSoftmax(logits))), [0, 1], false);
        },
      };
    },
  };
}

/** Names of the metrics above, by which reports and Python scripts know them. */
const TAKEN: readonly string[] = [
  "logit_diff",
  "logit",
  "logprob",
  "prob",
  "weighted_logits",
  "loss",
  "target_logprob",
  "kl_to_clean",
];

/** A metric of one's own, for {@linkcode graphMetric}. */
export interface GraphMetric extends MetricOptions {
  /** What outputs call it: not the name of a metric that is here already, whose words and Python would be taken for it. */
  readonly name: string;
  /** For reports; default: the name. */
  readonly formula?: string;
  /** Further inputs of the graph. */
  readonly feeds?: Readonly<Record<string, Tensor>>;
  /** From centred logits `[row, d_vocab]` to a scalar (shape `[]`), written with this module's ops. */
  build(logits: Value): Value;
}

const GRAPH_METRIC: OptionKinds<GraphMetric> = {
  position: "any",
  name: "any",
  formula: "any",
  feeds: "any",
  build: "any",
};

/**
 * Any function of the logits, written as a small graph and differentiated like the rest. (Where no gradient is taken, in
 * `steer`, `ablateFeatures`, `ablateJointly` and `evaluateFaithfulness`, a plain function of the logits does.)
 *
 * @throws {RangeError} if its name is taken
 *
 * @example The entropy of the next token, −Σ p log p
 * ```ts
 * import { logSoftmax, mul, neg, reduceSum, softmax } from "../../graph/mod.ts";
 * import { graphMetric } from "./metrics.ts";
 *
 * const entropy = graphMetric({
 *   name: "entropy",
 *   build: (logits) => neg(reduceSum(mul(softmax(logits), logSoftmax(logits)), [0, 1], false)),
 * });
 * console.assert(entropy.name === "entropy");
 * ```
 */
export function graphMetric(metric: GraphMetric): Metric {
  checkOptions("graphMetric", metric, GRAPH_METRIC);
  const { name, formula = name, feeds = {}, build, position = -1 } = metric;
  if (TAKEN.includes(name)) {
    throw new RangeError(`A graphMetric cannot be named ${name}, as a metric of this module is: choose another name`);
  }
  return { name, rows: atPositions(position), resolve: () => Promise.resolve({ formula, feeds, build }) };
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

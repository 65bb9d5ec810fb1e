/**
 * Metrics: the number whose "why" is asked, as a graph of the logits that it reads.
 *
 * @module
 */
import { input, logSoftmax, mul, reduceSum, softmax, sub, type Value } from "../../graph/mod.ts";
import { logSumExp } from "../../runtime/tensor.ts";
import type { Metric, MetricGraph, MetricOptions, MetricWords, Position, TokenRef, TokenSet } from "./metric.ts";
import {
  atPositions,
  forOrAgainst,
  ofOneToken,
  pickedEach,
  positionOf,
  pythonPicked,
  pythonSum,
  showLogit,
  showPicked,
  showSum,
  topIndices,
  weightedSum,
} from "./metric_parts.ts";
import type { MetricName } from "./names.ts";

export { type GraphMetric, graphMetric } from "./graph_metric.ts";
export type {
  LogitsFunction,
  Metric,
  MetricContext,
  MetricGraph,
  MetricOptions,
  MetricWords,
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
  const columns = [...positive, ...negative];
  const weights = [...positive.map(() => 1 / positive.length), ...negative.map(() => -1 / negative.length)];
  return {
    formula: `${showLogit(position, positive)} - ${showLogit(position, negative)}`,
    columns,
    positive,
    negative,
    note,
    words: (nameOf) => {
      const [pos, neg] = [positive, negative].map((ids) => ids.map(nameOf).join(", "));
      const logitOf = (ids: readonly number[], names: string): string =>
        `${ids.length > 1 ? "mean " : ""}logit of ${names}`;
      const name = `${logitOf(positive, pos)} - ${logitOf(negative, neg)}`;
      return { name, positive: `for ${pos}`, negative: `for ${neg}` };
    },
    python: pythonSum(columns, weights),
    ...weightedSum(weights),
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

/**
 * Logit of one token minus that of the strongest other one: the runner-up, where the token is the model's first.
 *
 * @throws {RangeError} when it is resolved, if a text is not a single token
 */
export function runnerUpLogitDiff(token: TokenRef, options: { readonly position?: number } = {}): Metric {
  const position = positionOf("runnerUpLogitDiff", options);
  return {
    name: "logit_diff",
    rows: atPositions(position),
    async resolve(context) {
      const id = await context.tokenId(token);
      const other = topIndices((await context.logits()).data, 2).find((top) => top !== id)!;
      const note = `compared with the strongest other token, "${await context.tokenText(other)}"`;
      return resolvedDifference(position, [id], [other], note);
    },
  };
}

/**
 * Logit of one token minus the mean over the vocabulary, whose gradient is part of the metric's: all logits together may be
 * anything, so that only differences mean something. (TransformerLens centres the unembedding only in its own processing.)
 */
export function logit(token: TokenRef, options: MetricOptions = {}): Metric {
  const position = positionOf("logit", options);
  return ofOneToken("logit", token, position, (logits) => logits, {
    formula: (id) => showSum(position, (at, axis) => `${at}, ${id}] - mean(${at}]${axis})`),
    words: (name) => `logit of ${name} above the vocabulary's mean`,
    python: "",
  });
}

/** Natural logarithm of one token's probability. */
export function logProb(token: TokenRef, options: MetricOptions = {}): Metric {
  const position = positionOf("logProb", options);
  return ofOneToken("logprob", token, position, logSoftmax, {
    formula: (id) => showPicked(position, "log_softmax", id),
    words: (name) => `log-probability of ${name}`,
    python: ".log_softmax(-1)",
  });
}

/** One token's probability. */
export function prob(token: TokenRef, options: MetricOptions = {}): Metric {
  const position = positionOf("prob", options);
  return ofOneToken("prob", token, position, softmax, {
    formula: (id) => showPicked(position, "softmax", id),
    words: (name) => `probability of ${name}`,
    python: ".softmax(-1)",
  });
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
      if (weights.reduce((a, b) => a + b, 0) === 0) {
        return { ...named, columns: ids, python: pythonSum(ids, weights), ...weightedSum(weights) };
      }
      const all = new Array<number>(context.dVocab).fill(0);
      ids.forEach((id, i) => all[id] += weights[i]);
      const used = [...new Set(ids)].sort((a, b) => a - b).filter((id) => Math.fround(all[id]) !== 0);
      return { ...named, python: pythonSum(used, used.map((id) => all[id])), ...weightedSum(all) };
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
        words: (): MetricWords => ({
          name: "mean next-token loss in nats",
          positive: "for a higher loss",
          negative: "for a lower one",
        }),
        python: (logits: string): string =>
          `-${pythonPicked(tokens.slice(1), ".log_softmax(-1)")(logits)} / ${tokens.length - 1}`,
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
      return {
        formula: formula.join(" + "),
        positive: ids,
        words: forOrAgainst((token) => `log-probability of the continuation ${token}`, ids),
        python: pythonPicked(ids, ".log_softmax(-1)"),
        ...pickedEach(ids, logSoftmax, "sum"),
      };
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
        const logSum = logSumExp(row);
        row.forEach((x, i) => {
          logP[r * dVocab + i] = x - logSum;
          p[r * dVocab + i] = Math.exp(x - logSum);
        });
      }
      return {
        formula: showSum(position, (at) => `KL(softmax(clean ${at}]) || softmax(${at}]))`),
        words: () => ({
          name: "divergence (KL, in nats) from the predictions without SAEs",
          positive: "for a larger divergence",
          negative: "for a smaller one",
        }),
        feeds: { p: { dims, data: p }, logP: { dims, data: logP } },
        build: (logits) => {
          const clean = (name: string): Value => input(name, logits.shape);
          return reduceSum(mul(clean("p"), sub(clean("logP"), logSoftmax(logits))), [0, 1], false);
        },
      };
    },
  };
}

/** A metric as asked for: tokens by text or id. */
export interface MetricChoice {
  /** `top-two`: the model's first prediction against its second; `target-text`: a continuation; `weighted`: Σ weights · logits. */
  readonly kind: MetricName | "top-two" | "target-text" | "weighted";
  /** Of `weighted`, all its tokens. */
  readonly positive: readonly TokenRef[];
  readonly negative: readonly TokenRef[];
  /** One or several, from the end when negative. */
  readonly positions: readonly number[];
  /** Of `weighted`, one for each positive token; they may be below 0. */
  readonly weights?: readonly number[];
  /** The continuation of `target-text`. */
  readonly text?: string;
}

type Make = (choice: MetricChoice, at: MetricOptions) => Metric;

const MAKE: Readonly<Record<MetricChoice["kind"], Make>> = {
  "logit-diff": ({ positive, negative }, at) => logitDiff(positive, negative, at),
  logit: ({ positive: [token] }, at) => logit(token, at),
  logprob: ({ positive: [token] }, at) => logProb(token, at),
  prob: ({ positive: [token] }, at) => prob(token, at),
  loss: () => loss(),
  kl: (_, at) => klToClean(at),
  "top-two": ({ positions: [position] }) => topTwoLogitDiff({ position }),
  "target-text": ({ text }) => targetText(text!),
  weighted: ({ positive, weights }, at) => weightedLogits(positive, weights!, at),
};

/** The metric that was asked for. Whoever reads the choice has checked which tokens its kind takes. */
export function chosenMetric(choice: MetricChoice): Metric {
  const { positions } = choice;
  return MAKE[choice.kind](choice, { position: positions.length === 1 ? positions[0] : positions });
}

/**
 * What a metric is, and what metrics are made of; {@linkcode ./metrics.ts} has them.
 *
 * @module
 */
import type { Value } from "../../graph/mod.ts";
import type { FloatTensor, Tensor } from "../../runtime/tensor.ts";

/** A token by its text (a single token, leading space included) or its id. */
export type TokenRef = string | number;

/** One token, or several whose mean is meant. */
export type TokenSet = TokenRef | readonly TokenRef[];

/** What a metric may ask when its tokens are looked up. */
export interface MetricContext {
  /** The tokens of the run: the prompt's, and what the metric appended. */
  readonly tokens: readonly number[];
  /** Size of the vocabulary. */
  readonly dVocab: number;
  /** The id of a token. @throws {RangeError} if the text is not one token, or the id not in the vocabulary */
  tokenId(token: TokenRef): Promise<number>;
  /** A token's text, for messages. */
  tokenText(id: number): Promise<string>;
  /** The ids of a text, without BOS. */
  encode(text: string): Promise<number[]>;
  /** All logits at the metric's rows, `[row, d_vocab]`. */
  logits(): Promise<FloatTensor>;
  /** The same of the model without SAEs. @throws {RangeError} if the SAEs cannot change the output */
  cleanLogits(): Promise<FloatTensor>;
}

/** A number from the logits `[row, d_vocab]` of a metric's rows, each minus its row's mean; it must not change them. */
export type LogitsFunction = (logits: FloatTensor) => number;

/** A metric in words. */
export interface MetricWords {
  /** What it is. */
  readonly name: string;
  /** What a positive attribution speaks for. */
  readonly positive: string;
  /** What a negative one speaks for. */
  readonly negative: string;
}

/** A metric's graph, and what it is about: its tokens are known. */
export interface MetricGraph {
  /** For example `logits[-1, 13126] - logits[-1, 20790]`. */
  readonly formula: string;
  /** The tokens whose logits it reads; undefined: the whole vocabulary. */
  readonly columns?: readonly number[];
  /** The tokens that it is about, for reports. */
  readonly positive?: readonly number[];
  /** Those on the other side. */
  readonly negative?: readonly number[];
  /** Something that the user should know about how it was chosen. */
  readonly note?: string;
  /** What a report calls it; default: its name. `nameOf` gives a token's name. */
  readonly words?: (nameOf: (id: number) => string) => MetricWords;
  /** The same in PyTorch, from an expression for the logits `[row, d_vocab]`; without it there is no Python script. */
  readonly python?: (logits: string) => string;
  /** Further inputs of its graph. */
  readonly feeds: Readonly<Record<string, Tensor>>;
  /** In the graph's place, where no gradient is taken: a plain function of the logits. */
  readonly evaluate?: LogitsFunction;
  /** From logits `[row, column]` to a scalar. */
  build(logits: Value): Value;
}

/** A metric whose tokens are known. */
export interface ResolvedMetric extends MetricGraph {
  /** What outputs call it. */
  readonly name: string;
  /** The texts that its tokens were given by. */
  readonly answers?: readonly string[];
}

/** A function of the logits. */
export interface Metric {
  /** What outputs call it. */
  readonly name: string;
  /** Tokens that it adds to the prompt, such as a continuation whose probability it is. */
  append?(context: Pick<MetricContext, "encode">): Promise<number[]>;
  /**
   * The positions whose logits it reads, ascending.
   *
   * @param tokens how many tokens the run has
   * @param appended how many of them the metric added
   * @throws {RangeError} if there is no such position
   */
  rows(tokens: number, appended: number): number[];
  /** Looks up its tokens. @throws {RangeError} if one is not a single token */
  resolve(context: MetricContext): Promise<MetricGraph>;
}

/** Where a metric reads. */
export interface MetricOptions {
  /** The position of the logits, counted from the end when negative; of several, the sum is meant. Default −1. */
  readonly position?: number | readonly number[];
}

/** One position, or several that are added up. */
export type Position = NonNullable<MetricOptions["position"]>;

/** A plain function as a resolved metric. */
export function resolvedFunction(evaluate: LogitsFunction): ResolvedMetric {
  const formula = evaluate.name || "function of the logits";
  const build = (): never => {
    throw new TypeError(`The metric ${formula} is a plain function, which has no gradient: write it as a graphMetric`);
  };
  return { name: formula, formula, feeds: {}, evaluate, build };
}

/**
 * Checks that a metric is one, and can be differentiated.
 *
 * @param of whose it is, for the message
 * @throws {TypeError} if it is a plain function, or anything else
 */
export function checkMetric(of: string, metric: Metric): void {
  if (typeof metric === "function") {
    throw new TypeError(
      `The metric of ${of} is a plain function, and its gradient is needed: write it as a graph, ` +
        "graphMetric({ name, build: (logits) => … })",
    );
  }
  if (typeof metric?.resolve === "function" && typeof metric.rows === "function") return;
  throw new TypeError(
    `The metric of ${of} is not a metric: give one such as logitDiff(" golf", " tennis") or graphMetric(…)`,
  );
}

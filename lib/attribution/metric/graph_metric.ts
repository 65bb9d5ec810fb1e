/**
 * A metric of one's own, as a graph.
 *
 * @module
 */
import { checkOptions, type OptionKinds } from "../../options.ts";
import type { Value } from "../../graph/mod.ts";
import type { Tensor } from "../../runtime/tensor.ts";
import type { Metric, MetricOptions } from "./metric.ts";
import { atPositions } from "./metric_parts.ts";
import { NAMED_METRICS } from "./names.ts";

/** Names by which reports and Python scripts know other metrics. */
const TAKEN: readonly string[] = [
  ...Object.values(NAMED_METRICS).map(({ outputName }) => outputName),
  "weighted_logits",
  "target_logprob",
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
 * import { graphMetric } from "./graph_metric.ts";
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

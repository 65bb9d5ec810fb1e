/**
 * Which answer is explained token by token, and what goes with that.
 *
 * @module
 */
import { ANSWER_METRICS, type AnswerMetric } from "../attribution/answer/answer_metrics.ts";
import type { ExactOptions } from "../attribution/methods/ablation.ts";
import { EXACT_METHODS, type MethodName } from "../attribution/methods/names.ts";
import type { Positions } from "../attribution/positions.ts";
import type { METRIC_FIELDS, RequestValues } from "./fields.ts";
import type { MetricRequest } from "./metric.ts";
import { RequestError } from "./request_error.ts";
import { readPositions } from "./rows.ts";

/** An answer as asked for. */
export interface AnswerRequest {
  /** Undefined: what the model says. */
  readonly text?: string;
  /** So many tokens of it. */
  readonly generate?: number;
  /** The number that is explained for each token. */
  readonly metric: AnswerMetric;
  /** Which of its tokens. */
  readonly positions?: Positions;
}

/** What of a metric each token brings along itself. */
const OF_EACH_TOKEN: readonly Exclude<keyof typeof METRIC_FIELDS, "metric">[] = [
  "posToken",
  "negToken",
  "posId",
  "negId",
  "tokenWeight",
  "idWeight",
  "targetText",
  "metricPosition",
];

/**
 * The answer that fields ask for; undefined: one metric is explained.
 *
 * @throws {RequestError} if fields contradict each other
 */
export function readAnswer(values: RequestValues): AnswerRequest | undefined {
  const { answerText: text, generate, answerPositions: positions, metric = "logprob" } = values;
  if (text === undefined && generate === undefined) {
    if (positions === undefined) return undefined;
    throw new RequestError("`answerPositions` chooses tokens of `answerText` or `generate`: add one, or leave it out");
  }
  if (text !== undefined && generate !== undefined) {
    throw new RequestError("`answerText` and `generate` both say what the answer is: give one of them");
  }
  const name = text === undefined ? "generate" : "answerText";
  if (text === "") throw new RequestError("`answerText` is empty: give the continuation to explain");
  const other = OF_EACH_TOKEN.find((name) => values[name] !== undefined && [values[name]].flat().length > 0);
  if (other !== undefined) {
    throw new RequestError(`\`${name}\` explains each token after the text before it: leave out \`${other}\``);
  }
  if (!isAnswerMetric(metric)) {
    throw new RequestError(
      `\`metric: "${metric}"\` is not about single tokens, and \`${name}\` is: choose ${ANSWER_METRICS.join(", ")}`,
    );
  }
  return {
    ...(text === undefined ? { generate } : { text }),
    metric,
    ...(positions === undefined ? {} : { positions: readPositions(positions, values, "answerPositions") }),
  };
}

function isAnswerMetric(name: string): name is AnswerMetric {
  return (ANSWER_METRICS as readonly string[]).includes(name);
}

/**
 * Refuses what takes passes of its own for each token.
 *
 * @throws {RequestError} if the method or the baseline does
 */
export function checkAnswer(
  { method, exact, baseline }: {
    readonly method: MethodName;
    readonly exact: ExactOptions | undefined;
    readonly baseline: string | object;
  },
): void {
  if (method === "integrated-gradients" || EXACT_METHODS.includes(method)) {
    throw new RequestError(
      `\`method: "${method}"\` takes many passes for each token of an answer: choose another`,
    );
  }
  if (exact !== undefined) {
    const name = exact.refine === undefined ? "curvature" : "refine";
    throw new RequestError(`\`${name}\` takes many passes for each token of an answer: leave out one of them`);
  }
  if (typeof baseline === "object") {
    throw new RequestError(
      "`baseline` is zero or mean (over the text so far) along an answer: other prompts would run for each of its tokens",
    );
  }
}

/**
 * Refuses what cannot be added up over an answer's tokens, as reports do.
 *
 * @throws {RequestError} if each token is compared with something else
 */
export function checkSum(
  { answer, baseline }: { readonly answer: AnswerRequest | undefined; readonly baseline: string | object },
): void {
  if (answer === undefined || baseline === "zero") return;
  throw new RequestError(
    "`baseline` would be another mean for each token of an answer, and they are added up: leave it out",
  );
}

/** An answer's log-probability: what its tokens' add up to. */
export function answerAsMetric({ text = "" }: AnswerRequest): MetricRequest {
  return { kind: "target-text", positive: [], negative: [], positions: [-1], text, chosenFrom: "from the answer" };
}

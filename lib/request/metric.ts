/**
 * Which metric is asked for: the one place that knows which tokens each takes.
 *
 * @module
 */
import type { MetricChoice } from "../attribution/metric/metrics.ts";
import { METRIC_NAMES, type MetricName, NAMED_METRICS } from "../attribution/metric/names.ts";
import type { TokenRef } from "../attribution/metric/metrics.ts";
import { quote } from "../quote.ts";
import type { RequestValues } from "./fields.ts";
import { RequestError } from "./request_error.ts";

/** A metric as asked for. */
export interface MetricRequest extends MetricChoice {
  /** What it was chosen from, in words that name fields. */
  readonly chosenFrom: string;
}

/** One side of a comparison, and by which fields it was given. */
export interface Side {
  readonly tokens: readonly TokenRef[];
  readonly given: readonly string[];
}

/** What decides which metric is meant. */
export interface MetricAsked {
  readonly name?: MetricName;
  readonly positive: Side;
  readonly negative: Side;
  /** Default: the last. */
  readonly positions?: readonly number[];
}

/** Metrics of nothing but the logits: no tokens to choose. */
const WITHOUT_TOKENS: readonly MetricName[] = METRIC_NAMES.filter((name) => NAMED_METRICS[name].tokens === 0);

/** Which tokens a metric of this name reads; without a name, the tokens that are given decide. */
export function sidesReadBy(name: MetricName | undefined): { readonly positive: boolean; readonly negative: boolean } {
  return {
    positive: name === undefined || !WITHOUT_TOKENS.includes(name),
    negative: name === undefined || NAMED_METRICS[name].tokens === 2,
  };
}

/**
 * The metric that fields ask for.
 *
 * @throws {RequestError} if the tokens do not fit the metric
 */
export function readMetric(values: RequestValues): MetricRequest {
  const positive = readSide(values, "posToken", "posId");
  const negative = readSide(values, "negToken", "negId");
  const others = [...positive.given, ...negative.given];
  if (values.metric !== undefined) others.push("`metric`");
  const weights = (["tokenWeight", "idWeight"] as const).filter((name) => (values[name]?.length ?? 0) > 0);
  if (weights.length > 0) {
    if (values.targetText !== undefined) others.push("`targetText`");
    if (others.length > 0) throw ofItsOwn(weights[0], others);
    return readWeighted(values, weights);
  }
  if (values.targetText !== undefined) {
    if (values.metricPosition !== undefined) others.push("`metricPosition`");
    if (others.length > 0) throw ofItsOwn("targetText", others);
    return readTarget(values.targetText);
  }
  return chooseMetric({ name: values.metric, positive, negative, positions: values.metricPosition });
}

function readSide(values: RequestValues, text: "posToken" | "negToken", id: "posId" | "negId"): Side {
  const given = [text, id].filter((name) => (values[name as typeof text | typeof id]?.length ?? 0) > 0);
  return { tokens: [...values[text] ?? [], ...values[id] ?? []], given: given.map((name) => `\`${name}\``) };
}

function ofItsOwn(name: string, others: readonly string[]): RequestError {
  return new RequestError(`\`${name}\` is a metric of its own: leave out ${others.join(", ")}`);
}

function readTarget(text: string): MetricRequest {
  if (text === "") throw new RequestError("`targetText` is empty: give the continuation to explain");
  return { kind: "target-text", positive: [], negative: [], positions: [-1], text, chosenFrom: "from `targetText`" };
}

function readWeighted(values: RequestValues, names: readonly ("tokenWeight" | "idWeight")[]): MetricRequest {
  const weighted = names.flatMap((name) => values[name]!.map((text) => readWeight(name, text)));
  return {
    kind: "weighted",
    positive: weighted.map(({ token }) => token),
    negative: [],
    weights: weighted.map(({ weight }) => weight),
    positions: values.metricPosition ?? [-1],
    chosenFrom: `from ${names.map((name) => `\`${name}\``).join(" and ")}`,
  };
}

/** A token may contain an = itself, a weight cannot: the last one is between them. */
function readWeight(name: "tokenWeight" | "idWeight", text: string): { token: TokenRef; weight: number } {
  const at = text.lastIndexOf("=");
  if (at < 1) {
    const example = name === "tokenWeight" ? '" golf=0.5"' : "364=0.5";
    throw new RequestError(
      `\`${name}\` is ${quote(text)}: give a token, = and its weight, as in \`${name}\` ${example}`,
    );
  }
  const [token, weight] = [text.slice(0, at), text.slice(at + 1).trim()];
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(weight) || !Number.isFinite(Number(weight))) {
    throw new RequestError(`\`${name}\` is ${quote(weight)}: give a number`);
  }
  if (name === "tokenWeight") return { token, weight: Number(weight) };
  if (!/^\+?\d+$/.test(token.trim()) || !Number.isSafeInteger(Number(token))) {
    throw new RequestError(`\`${name}\` is ${quote(token)}: give a whole number, at least 0`);
  }
  return { token: Number(token), weight: Number(weight) };
}

/**
 * The metric of tokens, and of a name where one is given.
 *
 * @throws {RequestError} if the tokens do not fit the metric
 */
function chooseMetric({ name, positive, negative, positions }: MetricAsked): MetricRequest {
  const sides = { positive: positive.tokens, negative: negative.tokens, positions: positions ?? [-1] };
  if (name !== undefined && !sidesReadBy(name).positive) {
    const [extra] = [positive, negative].flatMap(({ tokens, given }) => tokens.length > 0 ? given : []);
    if (extra !== undefined) throw new RequestError(`\`metric: "${name}"\` takes no tokens: leave out ${extra}`);
    if (name === "loss" && positions !== undefined) {
      throw new RequestError('`metric: "loss"` is over all positions: leave out `metricPosition`');
    }
    return { kind: name, ...sides, chosenFrom: `from \`metric: "${name}"\`` };
  }
  if (positive.tokens.length === 0 && negative.tokens.length > 0) {
    throw new RequestError("`negToken` without `posToken`: give the token to explain as `posToken` or `posId`");
  }
  if (name === undefined || name === "logit-diff") {
    return { ...difference(name, positive, negative, sides.positions), ...sides };
  }
  if (positive.tokens.length === 0) {
    throw new RequestError(`\`metric: "${name}"\` needs a token: give \`posToken\` or \`posId\``);
  }
  if (positive.tokens.length > 1 || negative.tokens.length > 0) {
    const [extra] = negative.tokens.length > 0 ? negative.given : ["all positive tokens but one"];
    throw new RequestError(`\`metric: "${name}"\` is about one token: leave out ${extra}, or choose logit-diff`);
  }
  return { kind: name, ...sides, chosenFrom: `from ${positive.given[0]} and \`metric: "${name}"\`` };
}

function difference(
  name: "logit-diff" | undefined,
  positive: Side,
  negative: Side,
  positions: readonly number[],
): Pick<MetricRequest, "kind" | "chosenFrom"> {
  const given = [positive, negative].flatMap(({ tokens, given }) => tokens.length > 0 ? given : []);
  const chosenFrom = `from ${given.join(" and ")}`;
  if (negative.tokens.length > 0) return { kind: "logit-diff", chosenFrom };
  if (positive.tokens.length === 0) {
    if (positions.length > 1) {
      throw new RequestError("`metricPosition` with several positions needs tokens: give `posToken` and `negToken`");
    }
    return { kind: "top-two", chosenFrom: "no answers given, so the model's top prediction against its second" };
  }
  if (name === undefined && positive.tokens.length === 1) return { kind: "logit", chosenFrom: `${chosenFrom} alone` };
  const what = positive.tokens.length === 1 ? "two tokens and only one is" : "two sides and only the positive one is";
  const instead = positive.tokens.length === 1 ? ', or choose `metric: "logit"`' : "";
  throw new RequestError(
    `\`metric: "logit-diff"\` compares ${what} given: add \`negToken\` or \`negId\`${instead}`,
  );
}

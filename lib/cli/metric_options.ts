/**
 * Which metric the options ask for.
 *
 * @module
 */
import type { MetricChoice } from "../attribution/make_metric.ts";
import type { OptionSpec } from "./args_spec.ts";
import { convert, quote, UsageError } from "./args_values.ts";

/** The names on the command line. */
export type MetricName = "logit-diff" | "logit" | "logprob" | "prob" | "loss" | "kl";

/** A metric as asked for. */
export interface MetricRequest extends MetricChoice {
  /** What it was chosen from, in words. */
  readonly chosenFrom: string;
}

const NAMES: readonly MetricName[] = ["logit-diff", "logit", "logprob", "prob", "loss", "kl"];

/** The options. */
export const METRIC_OPTIONS = {
  "pos-token": {
    kind: "string",
    multiple: true,
    placeholder: "T",
    help: 'the answer to explain: a single token as text, usually with a leading space (" golf"); ' +
      "of several, the mean is meant",
  },
  "neg-token": {
    kind: "string",
    multiple: true,
    placeholder: "T",
    help: "the answer that it is compared with; without both, the top prediction against the second",
  },
  "pos-id": {
    kind: "integer",
    multiple: true,
    placeholder: "N",
    min: 0,
    help: "the same as --pos-token, by token id",
  },
  "neg-id": {
    kind: "integer",
    multiple: true,
    placeholder: "N",
    min: 0,
    help: "the same as --neg-token, by token id",
  },
  "token-weight": {
    kind: "string",
    multiple: true,
    placeholder: "T=W",
    help: 'explain a sum of logits times weights: a single token as text and its weight (" golf=0.5"); ' +
      "of what is before the last =, spaces count",
  },
  "id-weight": {
    kind: "string",
    multiple: true,
    placeholder: "N=W",
    help: "the same as --token-weight, by token id",
  },
  "target-text": {
    kind: "string",
    placeholder: "TEXT",
    help: "explain the log-probability of this continuation of the prompt, all its tokens added up",
  },
  metric: {
    kind: "string",
    choices: NAMES,
    placeholder: "NAME",
    help: "the number to explain; by default logit-diff, or logit where only the positive token is given; " +
      "kl is the divergence from the predictions without SAEs and needs --no-error-term",
  },
  "metric-position": {
    kind: "integers",
    placeholder: "P",
    help: "position whose next token is meant, from the end when negative; by default -1, the last; " +
      "of several (-2,-1), the sum is meant",
  },
} satisfies Record<string, OptionSpec>;

/** The parsed values of {@linkcode METRIC_OPTIONS}. */
export interface MetricValues {
  readonly "pos-token": readonly string[];
  readonly "neg-token": readonly string[];
  readonly "pos-id": readonly number[];
  readonly "neg-id": readonly number[];
  readonly "token-weight": readonly string[];
  readonly "id-weight": readonly string[];
  readonly "target-text": string | undefined;
  readonly metric: string | undefined;
  readonly "metric-position": readonly number[] | undefined;
}

/** Metrics of nothing but the logits: no tokens to choose. */
const WITHOUT_TOKENS: readonly MetricName[] = ["loss", "kl"];

/**
 * The metric of a command line.
 *
 * @throws {UsageError} if the tokens do not fit the metric
 */
export function readMetric(values: MetricValues): MetricRequest {
  if (values["token-weight"].length + values["id-weight"].length > 0) return readWeighted(values);
  if (values["target-text"] !== undefined) return readTarget(values, values["target-text"]);
  const kind = values.metric as MetricName | undefined;
  const positive: Side = { tokens: [...values["pos-token"], ...values["pos-id"]], given: givenAs("pos", values) };
  const negative: Side = { tokens: [...values["neg-token"], ...values["neg-id"]], given: givenAs("neg", values) };
  const positions = values["metric-position"] ?? [-1];
  const request = { positive: positive.tokens, negative: negative.tokens, positions };
  if (kind !== undefined && WITHOUT_TOKENS.includes(kind)) {
    const [extra] = [...positive.given, ...negative.given];
    if (extra !== undefined) throw new UsageError(`--metric ${kind} takes no tokens: leave out ${extra}`);
    if (kind === "loss" && values["metric-position"] !== undefined) {
      throw new UsageError("--metric loss is over all positions: leave out --metric-position");
    }
    return { kind, ...request, chosenFrom: `from --metric ${kind}` };
  }
  if (positive.tokens.length === 0 && negative.tokens.length > 0) {
    throw new UsageError("--neg-token without --pos-token: give the token to explain as --pos-token or --pos-id");
  }
  if (kind === undefined || kind === "logit-diff") {
    return { ...difference(kind, positive, negative, positions), ...request };
  }
  if (positive.tokens.length === 0) {
    throw new UsageError(`--metric ${kind} needs a token: give --pos-token or --pos-id`);
  }
  if (positive.tokens.length > 1 || negative.tokens.length > 0) {
    const [extra] = negative.tokens.length > 0 ? negative.given : ["all positive tokens but one"];
    throw new UsageError(`--metric ${kind} is about one token: leave out ${extra}, or choose logit-diff`);
  }
  return { kind, ...request, chosenFrom: `from ${positive.given[0]} and --metric ${kind}` };
}

/** One side of a comparison, and by which options it was given. */
interface Side {
  readonly tokens: readonly (string | number)[];
  readonly given: readonly string[];
}

function givenAs(side: "pos" | "neg", values: MetricValues): string[] {
  const names = [`${side}-token`, `${side}-id`] as const;
  return names.filter((name) => values[name].length > 0).map((name) => `--${name}`);
}

function readTarget(values: MetricValues, text: string): MetricRequest {
  const others = [...givenAs("pos", values), ...givenAs("neg", values)];
  for (const name of ["metric", "metric-position"] as const) if (values[name] !== undefined) others.push(`--${name}`);
  if (others.length > 0) throw new UsageError(`--target-text is a metric of its own: leave out ${others.join(", ")}`);
  if (text === "") throw new UsageError("--target-text is empty: give the continuation to explain");
  return { kind: "target-text", positive: [], negative: [], positions: [-1], text, chosenFrom: "from --target-text" };
}

function readWeighted(values: MetricValues): MetricRequest {
  const names = (["token-weight", "id-weight"] as const).filter((name) => values[name].length > 0);
  const others = [...givenAs("pos", values), ...givenAs("neg", values)];
  for (const name of ["metric", "target-text"] as const) if (values[name] !== undefined) others.push(`--${name}`);
  if (others.length > 0) throw new UsageError(`--${names[0]} is a metric of its own: leave out ${others.join(", ")}`);
  const weighted = names.flatMap((name) => values[name].map((text) => readWeight(name, text)));
  return {
    kind: "weighted",
    positive: weighted.map(({ token }) => token),
    negative: [],
    weights: weighted.map(({ weight }) => weight),
    positions: values["metric-position"] ?? [-1],
    chosenFrom: `from ${names.map((name) => `--${name}`).join(" and ")}`,
  };
}

/** A token may contain an = itself, a weight cannot: the last one is between them. */
function readWeight(name: "token-weight" | "id-weight", text: string): { token: string | number; weight: number } {
  const at = text.lastIndexOf("=");
  if (at < 1) {
    const example = name === "token-weight" ? `${name} " golf=0.5"` : `${name} 364=0.5`;
    throw new UsageError(`--${name} is ${quote(text)}: give a token, = and its weight, as in --${example}`);
  }
  const token = text.slice(0, at);
  return {
    token: name === "token-weight" ? token : Number(convert(name, { kind: "integer", min: 0, help: "" }, token)),
    weight: Number(convert(name, { kind: "number", help: "" }, text.slice(at + 1))),
  };
}

function difference(
  kind: "logit-diff" | undefined,
  positive: Side,
  negative: Side,
  positions: readonly number[],
): Pick<MetricRequest, "kind" | "chosenFrom"> {
  const chosenFrom = `from ${[...positive.given, ...negative.given].join(" and ")}`;
  if (negative.tokens.length > 0) return { kind: "logit-diff", chosenFrom };
  if (positive.tokens.length === 0) {
    if (positions.length > 1) {
      throw new UsageError("--metric-position with several positions needs tokens: give --pos-token and --neg-token");
    }
    return { kind: "top-two", chosenFrom: "no answers given, so the model's top prediction against its second" };
  }
  if (kind === undefined && positive.tokens.length === 1) return { kind: "logit", chosenFrom: `${chosenFrom} alone` };
  const what = positive.tokens.length === 1 ? "two tokens and only one is" : "two sides and only the positive one is";
  const instead = positive.tokens.length === 1 ? ", or choose --metric logit" : "";
  throw new UsageError(`--metric logit-diff compares ${what} given: add --neg-token or --neg-id${instead}`);
}

/**
 * Which metric the options ask for.
 *
 * @module
 */
import type { OptionSpec } from "./args_spec.ts";
import { UsageError } from "./args_values.ts";

/** The names on the command line. */
export type MetricName = "logit-diff" | "logit" | "logprob" | "prob" | "loss";

/** A metric as asked for: tokens by text or id. */
export interface MetricRequest {
  /** `top-two`: the model's first prediction against its second. */
  readonly kind: MetricName | "top-two";
  readonly positive?: string | number;
  readonly negative?: string | number;
  readonly position: number;
  /** What it was chosen from, in words. */
  readonly chosenFrom: string;
}

const NAMES: readonly MetricName[] = ["logit-diff", "logit", "logprob", "prob", "loss"];

/** The options. */
export const METRIC_OPTIONS = {
  "pos-token": {
    kind: "string",
    placeholder: "T",
    help: 'the answer to explain: a single token as text, usually with a leading space (" golf")',
  },
  "neg-token": {
    kind: "string",
    placeholder: "T",
    help: "the answer that it is compared with; without both, the top prediction against the second",
  },
  "pos-id": { kind: "integer", placeholder: "N", min: 0, help: "the same as --pos-token, by token id" },
  "neg-id": { kind: "integer", placeholder: "N", min: 0, help: "the same as --neg-token, by token id" },
  metric: {
    kind: "string",
    choices: NAMES,
    placeholder: "NAME",
    help: "the number to explain; by default logit-diff, or logit where only the positive token is given",
  },
  "metric-position": {
    kind: "integer",
    placeholder: "P",
    help: "position whose next token is meant, from the end when negative; by default -1, the last",
  },
} satisfies Record<string, OptionSpec>;

/** The parsed values of {@linkcode METRIC_OPTIONS}. */
export interface MetricValues {
  readonly "pos-token": string | undefined;
  readonly "neg-token": string | undefined;
  readonly "pos-id": number | undefined;
  readonly "neg-id": number | undefined;
  readonly metric: string | undefined;
  readonly "metric-position": number | undefined;
}

/**
 * The metric of a command line.
 *
 * @throws {UsageError} if the tokens do not fit the metric
 */
export function readMetric(values: MetricValues): MetricRequest {
  const positive = oneOf("pos", values["pos-token"], values["pos-id"]);
  const negative = oneOf("neg", values["neg-token"], values["neg-id"]);
  const kind = values.metric as MetricName | undefined;
  const position = values["metric-position"] ?? -1;
  if (kind === "loss") {
    if (positive ?? negative) throw new UsageError("--metric loss takes no tokens: leave out --pos-… and --neg-…");
    if (values["metric-position"] !== undefined) {
      throw new UsageError("--metric loss is over all positions: leave out --metric-position");
    }
    return { kind, position, chosenFrom: "from --metric loss" };
  }
  if (positive === undefined && negative !== undefined) {
    throw new UsageError("--neg-token without --pos-token: give the token to explain as --pos-token or --pos-id");
  }
  const given = [positive?.option, negative?.option].filter((option) => option !== undefined);
  const tokens = { positive: positive?.token, negative: negative?.token, position };
  if (kind === undefined || kind === "logit-diff") return { ...difference(kind, given), ...tokens };
  if (positive === undefined) throw new UsageError(`--metric ${kind} needs a token: give --pos-token or --pos-id`);
  if (negative !== undefined) {
    throw new UsageError(`--metric ${kind} is about one token: leave out ${negative.option}, or choose logit-diff`);
  }
  return { kind, ...tokens, chosenFrom: `from ${[...given, `--metric ${kind}`].join(" and ")}` };
}

function difference(
  kind: "logit-diff" | undefined,
  given: readonly string[],
): Pick<MetricRequest, "kind" | "chosenFrom"> {
  const chosenFrom = `from ${given.join(" and ")}`;
  if (given.length === 2) return { kind: "logit-diff", chosenFrom };
  if (given.length === 0) {
    return { kind: "top-two", chosenFrom: "no answers given, so the model's top prediction against its second" };
  }
  if (kind === undefined) return { kind: "logit", chosenFrom: `${chosenFrom} alone` };
  throw new UsageError(
    "--metric logit-diff compares two tokens and only one is given: add --neg-token or --neg-id, or choose --metric logit",
  );
}

function oneOf(
  side: "pos" | "neg",
  text: string | undefined,
  id: number | undefined,
): { token: string | number; option: string } | undefined {
  if (text !== undefined && id !== undefined) {
    throw new UsageError(`--${side}-token and --${side}-id name the same token: give one of them`);
  }
  if (text !== undefined) return { token: text, option: `--${side}-token` };
  return id === undefined ? undefined : { token: id, option: `--${side}-id` };
}

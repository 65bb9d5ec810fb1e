/**
 * A run along an answer in figures: the summary's JSON.
 *
 * @module
 */
import { type DecompositionSummary, type SaeSummary, summariseTokens, type Summary } from "../result/summary.ts";
import type { AnswerAttribution, AnswerTarget } from "./answer.ts";
import { answerMetricSum, answerPositionSums, recurringFeatures } from "./answer_totals.ts";

/** The summary of an answer; keys are those of the JSON. What is not said here is as in {@linkcode Summary}. */
export interface AnswerSummary
  extends Pick<Summary, "schema_version" | "model" | "tokens" | "method" | "warnings" | "device" | "versions"> {
  /** The answer, token by token and as a whole. */
  readonly answer: {
    /** The name of the metric of each token. */
    readonly metric: string;
    /** What the tokens' metrics add up to. */
    readonly metric_sum: number;
    /** How many tokens the prompt has; the answer's follow. */
    readonly prompt_tokens: number;
    /** Those that are explained, in order. */
    readonly targets: readonly AnswerTargetSummary[];
    /** By SAE, over all of them. */
    readonly totals: readonly {
      readonly hook: string;
      /** Σ attribution by position. */
      readonly sum_per_position: readonly number[];
      /** Features among the ten strongest of several tokens. */
      readonly recurring: readonly {
        readonly feature: number;
        readonly target_positions: readonly number[];
        readonly attribution: number;
      }[];
    }[];
  };
  /** One entry per SAE; the fit is that over the text before the last of the tokens. */
  readonly saes: readonly Omit<
    SaeSummary,
    "rows" | "sum_per_position" | "decomposition" | "direct_effect" | "error_share" | "integration"
  >[];
  /** From the prompt to the last row. */
  readonly timings_ms: { readonly total: number };
  /** The largest resident set, MiB. */
  readonly peak_memory_mb: number;
}

/** One token of the answer. */
export interface AnswerTargetSummary {
  readonly position: number;
  readonly id: number;
  readonly text: string;
  readonly is_special: boolean;
  /** Among the predictions after the text before it; 0 is the most probable. */
  readonly rank: number;
  readonly probability: number;
  /** What was explained. */
  readonly metric: Summary["metric"];
  /** By SAE, how many rows there are and what they add up to. */
  readonly saes: readonly {
    readonly hook: string;
    readonly rows: number;
    readonly sum_per_position: readonly number[];
    readonly decomposition: DecompositionSummary;
    readonly direct_effect?: DecompositionSummary;
  }[];
}

/** Figures of an answer. */
export function summariseAnswer(answer: AnswerAttribution): AnswerSummary {
  const { promptLength, metric, targets, hooks, warnings, milliseconds } = answer;
  const last = targets[targets.length - 1].attribution.summary();
  return {
    schema_version: last.schema_version,
    model: last.model,
    tokens: summariseTokens(answer),
    answer: {
      metric,
      metric_sum: answerMetricSum(answer),
      prompt_tokens: promptLength,
      targets: targets.map(summariseTarget),
      totals: hooks.map((hook) => ({
        hook,
        sum_per_position: answerPositionSums(answer, hook),
        recurring: recurringFeatures(answer, hook).map(({ feature, targets, attribution }) => ({
          feature,
          target_positions: targets,
          attribution,
        })),
      })),
    },
    method: last.method,
    saes: last.saes.map((sae) => {
      const { rows: _, sum_per_position: __, decomposition: ___, direct_effect: ____, error_share: _____, ...rest } =
        sae;
      return rest;
    }),
    warnings,
    timings_ms: { total: Math.round(milliseconds * 10) / 10 },
    device: last.device,
    peak_memory_mb: last.peak_memory_mb,
    versions: last.versions,
  };
}

function summariseTarget({ position, token, prediction, attribution }: AnswerTarget): AnswerTargetSummary {
  const { metric, saes } = attribution.summary();
  return {
    position,
    id: token.id,
    text: token.text,
    is_special: token.isSpecial,
    rank: prediction.rank,
    probability: prediction.probability,
    metric,
    saes: saes.map(({ hook, rows, sum_per_position, decomposition, direct_effect }) => ({
      hook,
      rows,
      sum_per_position,
      decomposition,
      ...(direct_effect === undefined ? {} : { direct_effect }),
    })),
  };
}

/**
 * A run in figures: the summary's JSON.
 *
 * @module
 */
import { RUNTIME_VERSION } from "../../platform/environment.ts";
import { peakMemory } from "../../platform/memory.ts";
import { VERSION } from "../../version.ts";
import { findMethod } from "../methods/mod.ts";
import type { Integration } from "../methods/integrated_gradients.ts";
import { positionNames } from "../positions.ts";
import type { Prediction } from "../run/predict.ts";
import { processingFlags } from "../run/processing.ts";
import type { ResultData } from "./parts.ts";
import type { Decomposition, SaeAttribution } from "./sae_attribution.ts";

/** The summary's schema, version 1; keys are those of the JSON. */
export interface Summary {
  /** Changes when a key changes its meaning. */
  readonly schema_version: 1;
  /** Which model, in which form. */
  readonly model: {
    readonly name: string;
    readonly description: string;
    readonly family: string;
    readonly revision: string | null;
    readonly processing: Readonly<Record<string, boolean>>;
  };
  /** The tokens of the run. */
  readonly tokens: readonly TokenSummary[];
  /** What was explained. */
  readonly metric: {
    readonly name: string;
    readonly formula: string;
    readonly value: number;
    readonly note?: string;
  };
  /** How. */
  readonly method: {
    /** `gradient*activation`, or the name of another method. */
    readonly name: string;
    readonly error_term: boolean;
    readonly baseline: BaselineSummary;
  };
  /** The model's top predictions, where they were asked for. */
  readonly predictions: readonly Omit<Prediction, "isAnswer">[];
  /** After which position. */
  readonly predictions_position: number;
  /** The tokens of a continuation, each among the predictions after those before it. */
  readonly continuation?: readonly Omit<Prediction, "isAnswer">[];
  /** One entry per SAE. */
  readonly saes: readonly SaeSummary[];
  /** What the user should look at. */
  readonly warnings: readonly string[];
  /** Milliseconds by part of the run. */
  readonly timings_ms: Readonly<Record<string, number>>;
  /** Where it ran: wasm, webgpu, native or onnx. */
  readonly device: string;
  /** What computed, where it is not this program: a library's directory, a graphics processor's name. */
  readonly device_account?: string;
  /** Why the device `auto` took it, where that needs a word. */
  readonly device_reason?: string;
  /** The largest resident set, MiB. */
  readonly peak_memory_mb: number;
  /** Of this program and what it runs on. */
  readonly versions: Readonly<Record<string, string>>;
}

/** A token of the run. */
export interface TokenSummary {
  /** From 0. */
  readonly position: number;
  /** In the vocabulary. */
  readonly id: number;
  /** Of the id alone. */
  readonly text: string;
  /** BOS, EOS and the like. */
  readonly is_special: boolean;
  /** Its name in a message of a chat: `user:3`. */
  readonly role?: string;
}

/** What features were compared with. */
export interface BaselineSummary {
  /** `zero`, `mean`, `mean of prompts` or `prompt`. */
  readonly name: string;
  /** Over how many positions a mean is. */
  readonly positions?: number;
  /** The other prompt. */
  readonly tokens?: readonly { position: number; id: number; text: string }[];
  /** The metric after the other prompt. */
  readonly metric?: number;
}

/** One SAE in the summary. */
export interface SaeSummary {
  /** Where it writes. */
  readonly hook: string;
  /** Where it reads. */
  readonly hook_in: string;
  /** Other hooks that its features write: of a cross-layer transcoder. */
  readonly also_writes?: readonly string[];
  /** What it was opened by. */
  readonly source: string;
  /** Of its weights, where it is known. */
  readonly sha256: string | null;
  /** SAELens's name. */
  readonly architecture: string;
  /** How many features it has. */
  readonly d_sae: number;
  /** `model/sae` on Neuronpedia. */
  readonly neuronpedia_id: string | null;
  /** How many attributions are not zero. */
  readonly rows: number;
  /** How many of them are exact effects, where some are. */
  readonly exact_rows?: number;
  /** Sums of the attributions. */
  readonly sum_per_position: readonly number[];
  /** Per position, features + bias + error = total. */
  readonly decomposition: DecompositionSummary;
  /** The same of what goes straight to the metric, where that was asked for. */
  readonly direct_effect?: DecompositionSummary;
  /** Of integrated gradients: how the integral was taken; `difference` is the joint effect, `sum` the attributions'. */
  readonly integration?: {
    readonly rule: string;
    readonly steps: number;
    readonly metric_at_baseline: number;
    readonly difference: number;
    readonly sum: number;
    readonly converged: boolean;
  };
  /** How well it reconstructs this prompt. */
  readonly fit: {
    readonly l0: readonly number[];
    readonly explained_variance: number;
    readonly explained_variance_without_first: number | null;
    readonly explained_variance_per_position: readonly number[];
    readonly relative_error: readonly number[];
    readonly mean_l0: number;
    readonly mean_l0_without_first: number | null;
    readonly mean_relative_error: number;
  };
  /** |g·e| / (|Σ attribution| + |g·bias| + |g·e|) per position. */
  readonly error_share: readonly number[];
  /** The notebook's figure; it carries no information. */
  readonly errors_attribution_proportion: number;
}

/** Per position, features + bias + error = total. */
export interface DecompositionSummary {
  /** Σ attribution. */
  readonly features: readonly number[];
  /** Of the SAE's bias. */
  readonly bias: readonly number[];
  /** Of the SAE's error. */
  readonly error: readonly number[];
  /** Of the hook's value. */
  readonly total: readonly number[];
  /** The largest |features + bias + error − total|. */
  readonly max_residual: number;
}

/** Figures of a run. */
export function summarise(result: ResultData): Summary {
  const { model, grads, saes, includeErrorTerm, method, timings } = result.parts;
  const { name, formula, note } = grads.resolvedMetric;
  return {
    schema_version: 1,
    model: {
      name: model.name,
      description: model.description,
      family: model.architecture.family,
      revision: model.revision,
      processing: processingFlags(grads.processing),
    },
    tokens: summariseTokens(result),
    metric: { name, formula, value: result.metric, ...(note === undefined ? {} : { note }) },
    method: {
      name: findMethod(method).summaryName ?? method,
      error_term: includeErrorTerm,
      baseline: summariseBaseline(result),
    },
    predictions: result.predictions.map(summarisePrediction),
    predictions_position: result.predictionsPosition,
    ...(result.continuation.length === 0 ? {} : { continuation: result.continuation.map(summarisePrediction) }),
    saes: [...saes].map(([hook, sae]) => summariseSae(hook, sae)),
    warnings: result.warnings,
    timings_ms: Object.fromEntries(Object.entries(timings).map(([name, ms]) => [name, Math.round(ms * 10) / 10])),
    device: model.runtime.device,
    ...(model.runtime.account === undefined ? {} : { device_account: model.runtime.account }),
    ...(model.runtime.reason === undefined ? {} : { device_reason: model.runtime.reason }),
    peak_memory_mb: Math.round(peakMemory() / 2 ** 20),
    versions: { "sae-attribution": VERSION, ...Object.fromEntries([RUNTIME_VERSION, model.runtime.version]) },
  };
}

/** Tokens, with their names in messages of a chat. */
export function summariseTokens({ tokens, turns }: Pick<ResultData, "tokens" | "turns">): TokenSummary[] {
  const names = positionNames(turns);
  return tokens.map(({ id, text, isSpecial }, position) => {
    const role = names[position];
    return { position, id, text, is_special: isSpecial, ...(role === undefined ? {} : { role }) };
  });
}

function summarisePrediction({ rank, id, token, logit, probability }: Prediction): Omit<Prediction, "isAnswer"> {
  return { rank, id, token, logit, probability };
}

function summariseBaseline({ parts: { baseline }, baselineTokens }: ResultData): BaselineSummary {
  if (!baseline) return { name: "zero" };
  const { name, positions, metric } = baseline;
  return {
    name,
    ...(positions === undefined ? {} : { positions }),
    ...(baseline.tokens ? { tokens: baselineTokens.map(({ id, text }, position) => ({ position, id, text })) } : {}),
    ...(metric === undefined ? {} : { metric }),
  };
}

function summariseDecomposition({ maxResidual, ...perPosition }: Decomposition): DecompositionSummary {
  return { ...perPosition, max_residual: maxResidual };
}

function summariseIntegration({ metricAtBaseline, ...rest }: Integration): NonNullable<SaeSummary["integration"]> {
  return { ...rest, metric_at_baseline: metricAtBaseline };
}

function summariseSae(hook: string, sae: SaeAttribution): SaeSummary {
  const { run: { sae: { config, hookIn, hooksOut, source } }, rows, decomposition, directEffect, fit } = sae;
  const sums = new Array<number>(decomposition.features.length).fill(0);
  const exact = rows.filter((row) => row.exact === true).length;
  for (const { position, attribution } of rows) sums[position] += attribution;
  return {
    hook,
    hook_in: hookIn,
    ...(hooksOut.length > 1 ? { also_writes: hooksOut.slice(1) } : {}),
    source,
    sha256: null,
    architecture: config.architecture,
    d_sae: config.dSae,
    neuronpedia_id: config.neuronpediaId ?? null,
    rows: rows.length,
    ...(exact === 0 ? {} : { exact_rows: exact }),
    sum_per_position: sums,
    decomposition: summariseDecomposition(decomposition),
    ...(sae.integration ? { integration: summariseIntegration(sae.integration) } : {}),
    ...(directEffect ? { direct_effect: summariseDecomposition(directEffect.decomposition) } : {}),
    fit: {
      l0: fit.l0,
      explained_variance: fit.explainedVarianceOverall,
      explained_variance_without_first: fit.explainedVarianceWithoutFirst,
      explained_variance_per_position: fit.explainedVariance,
      relative_error: fit.relativeError,
      mean_l0: fit.meanL0,
      mean_l0_without_first: fit.meanL0WithoutFirst,
      mean_relative_error: fit.meanRelativeError,
    },
    error_share: sae.errorShare,
    errors_attribution_proportion: sae.errorsAttributionProportion,
  };
}

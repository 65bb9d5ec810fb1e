/**
 * A run in figures: the JSON that `--summary` writes.
 *
 * @module
 */
import { VERSION } from "../version.ts";
import { processingFlags } from "./processing.ts";
import type { Attribution } from "./result.ts";
import type { SaeAttribution } from "./sae_attribution.ts";

/** The summary's schema, version 1; keys are those of the JSON. */
export interface Summary {
  readonly schema_version: 1;
  readonly model: {
    readonly name: string;
    readonly description: string;
    readonly family: string;
    readonly revision: string | null;
    readonly processing: Readonly<Record<string, boolean>>;
  };
  readonly tokens: readonly { position: number; id: number; text: string; is_special: boolean }[];
  readonly metric: {
    readonly name: string;
    readonly formula: string;
    readonly value: number;
    readonly note?: string;
  };
  readonly method: { readonly name: string; readonly error_term: boolean };
  readonly predictions: readonly { rank: number; id: number; token: string; logit: number; probability: number }[];
  readonly saes: readonly SaeSummary[];
  readonly warnings: readonly string[];
  readonly timings_ms: Readonly<Record<string, number>>;
  readonly peak_memory_mb: number;
  readonly versions: Readonly<Record<string, string>>;
}

/** One SAE in the summary. */
export interface SaeSummary {
  readonly hook: string;
  readonly hook_in: string;
  readonly source: string;
  readonly sha256: string | null;
  readonly architecture: string;
  readonly d_sae: number;
  readonly neuronpedia_id: string | null;
  readonly rows: number;
  readonly sum_per_position: readonly number[];
  readonly decomposition: {
    readonly features: readonly number[];
    readonly bias: readonly number[];
    readonly error: readonly number[];
    readonly total: readonly number[];
    readonly max_residual: number;
  };
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
  readonly error_share: readonly number[];
  readonly errors_attribution_proportion: number;
}

/** Figures of a run. */
export function summarise(result: Attribution): Summary {
  const { model, grads, saes, metricName, includeErrorTerm, timings } = result.parts;
  const { formula, note } = grads.resolvedMetric;
  return {
    schema_version: 1,
    model: {
      name: model.name,
      description: model.description,
      family: model.architecture.family,
      revision: null,
      processing: processingFlags(grads.processing),
    },
    tokens: result.tokens.map(({ id, text, isSpecial }, position) => ({ position, id, text, is_special: isSpecial })),
    metric: { name: metricName, formula, value: result.metric, ...(note === undefined ? {} : { note }) },
    method: { name: "gradient*activation", error_term: includeErrorTerm },
    predictions: result.predictions.map(({ rank, id, token, logit, probability }) => ({
      rank,
      id,
      token,
      logit,
      probability,
    })),
    saes: [...saes].map(([hook, sae]) => summariseSae(hook, sae)),
    warnings: result.warnings,
    timings_ms: Object.fromEntries(Object.entries(timings).map(([name, ms]) => [name, Math.round(ms * 10) / 10])),
    peak_memory_mb: peakMemory(),
    versions: { "sae-attribution": VERSION, deno: Deno.version.deno, "onnxruntime-web": "1.30.0" },
  };
}

function summariseSae(hook: string, sae: SaeAttribution): SaeSummary {
  const { run: { sae: { config, hookIn, source } }, rows, decomposition, fit } = sae;
  const { maxResidual, ...perPosition } = decomposition;
  const sums = new Array<number>(decomposition.features.length).fill(0);
  for (const { position, attribution } of rows) sums[position] += attribution;
  return {
    hook,
    hook_in: hookIn,
    source,
    sha256: null,
    architecture: config.architecture,
    d_sae: config.dSae,
    neuronpedia_id: config.neuronpediaId ?? null,
    rows: rows.length,
    sum_per_position: sums,
    decomposition: { ...perPosition, max_residual: maxResidual },
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

/** The largest resident set so far, in MiB: the kernel's own figure on Linux, the current one elsewhere. */
function peakMemory(): number {
  try {
    const [, kilobytes] = /VmHWM:\s+(\d+) kB/.exec(Deno.readTextFileSync("/proc/self/status"))!;
    return Math.round(Number(kilobytes) / 1024);
  } catch {
    return Math.round(Deno.memoryUsage().rss / 2 ** 20);
  }
}

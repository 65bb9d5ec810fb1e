/**
 * What a run over a data set is asked for: plain data, so that another process or machine can work on the same run.
 *
 * @module
 */
import type { AttributionOptions } from "../attribution/run/attribution_options.ts";
import type { IntegrationOptions } from "../attribution/methods/integrated_gradients.ts";
import type { MethodName } from "../attribution/methods/names.ts";
import type { LongColumn } from "../attribution/result/long_table.ts";
import type { Positions } from "../attribution/result/positions.ts";
import type { MetricName } from "../attribution/metric/names.ts";
import type { TokenRef } from "../attribution/metric/metrics.ts";
import type { ProcessingChoice } from "../attribution/run/processing.ts";
import type { WeightBinding } from "../model/stages/stages.ts";
import type { Device } from "../runtime/runtime.ts";
import type { ChatRequest } from "../request/request.ts";
import { shownName } from "../weights/files/shown_name.ts";

/** An SAE by what it is opened with. */
export interface SaeSettings {
  /** A bundled or public name, a directory or a URL. */
  readonly source: string;
  /** Overrides where it writes. */
  readonly hook?: string;
  /** Overrides where it reads. */
  readonly hookIn?: string;
  /** Activation norm scaling factor. */
  readonly normScalingFactor?: number;
}

/** The metric, as far as the prompts' own tokens do not decide it. */
export interface MetricSettings {
  /** Undefined: a logit difference, or the logit where there is one positive token only. */
  readonly kind?: MetricName;
  /** For prompts without positive tokens of their own. */
  readonly positive: readonly TokenRef[];
  /** For prompts without negative tokens of their own. */
  readonly negative: readonly TokenRef[];
  /** Where it reads, from the end when negative. */
  readonly positions: readonly number[];
  /** The log-probability of this continuation instead. */
  readonly targetText?: string;
  /** Σ weights · logits instead. */
  readonly weighted?: { readonly tokens: readonly TokenRef[]; readonly weights: readonly number[] };
}

/** The formats of tables. */
export const ROW_FORMATS = ["csv", "jsonl", "parquet"] as const;

/** One of {@linkcode ROW_FORMATS}. */
export type RowFormat = typeof ROW_FORMATS[number];

/** Everything that decides what comes out, and nothing else. */
export interface BatchSettings {
  /** A bundled or public name, a directory or a URL. */
  readonly model: string;
  /** Of a model from the hub. */
  readonly revision?: string;
  /** At least one. */
  readonly saes: readonly SaeSettings[];
  /** What is explained. */
  readonly metric: MetricSettings;
  /** How gradients are taken. */
  readonly method: MethodName;
  /** Of integrated gradients. */
  readonly integration?: IntegrationOptions;
  /** With it the SAEs cannot change the output. */
  readonly includeErrorTerm: boolean;
  /** Default: the SAEs' setting, else the family's. */
  readonly prependBos?: boolean;
  /** Cut prompts that are too long, instead of reporting them. */
  readonly truncate: boolean;
  /** The form of the model. */
  readonly processing: ProcessingChoice;
  /** Single flags over what `processing` gives. */
  readonly processingFlags: NonNullable<AttributionOptions["processingFlags"]>;
  /** Prompts are what users say, in the model's chat template; undefined: plain text. */
  readonly chat?: ChatRequest;
  /** Default: as the SAEs were trained. */
  readonly excludeSpecialTokens?: boolean | readonly number[];
  /** Which rows are written, and their columns after `prompt_id`. */
  readonly rows: RowSettings & { readonly columns: readonly LongColumn[] };
  /** How tables are written. */
  readonly format: RowFormat;
  /** Prompts of a shard. */
  readonly shardSize: number;
  /** Where the model runs. */
  readonly device: Device;
  /** Processor threads of a model; how many decides the last digits. */
  readonly threads: number;
  /** Weights are read for every prompt, or stay in memory; that too decides the last digits. */
  readonly weights: WeightBinding;
}

/**
 * The settings as JSON has them when they are written down: models and SAEs by the names that are shown, without secrets of addresses.
 *
 * @example
 * ```ts
 * import { type BatchSettings, shownSettings } from "./settings.ts";
 *
 * const isSecret = (settings: BatchSettings) => shownSettings(settings).model !== settings.model;
 * console.log(typeof isSecret);
 * ```
 */
export function shownSettings(settings: BatchSettings): BatchSettings {
  const saes = settings.saes.map((sae) => ({ ...sae, source: shownName(sae.source) }));
  return JSON.parse(JSON.stringify({ ...settings, model: shownName(settings.model), saes }));
}

/** Which rows of each prompt are written. */
export interface RowSettings {
  /** Rows, and what is added up by feature, at these positions. */
  readonly positions?: Positions;
  /** Rows, and what is added up, of these features. */
  readonly features?: readonly number[];
  /** Of each prompt, the rows with the largest |attribution|; what is added up by feature counts all. */
  readonly top?: number;
  /** Rows of the SAE's bias and error too. */
  readonly includeError?: boolean;
  /** Default: position, feature, attribution; the hook and the kind where there are several. */
  readonly columns?: readonly LongColumn[];
}

/** The columns of the rows after `prompt_id`: those asked for, else as of a single run with so many SAEs. */
export function rowColumns(rows: RowSettings, saes: number): readonly LongColumn[] {
  return rows.columns ?? [
    ...(saes > 1 ? ["hook"] as const : []),
    ...(rows.includeError ? ["kind"] as const : []),
    "position",
    "feature",
    "attribution",
  ];
}

/**
 * From prompts to attributions: the one place where the model runs.
 *
 * @module
 */
import { type AttributionOptions, calculateFeatureAttribution } from "../attribution/attribution.ts";
import type { Attribution } from "../attribution/result.ts";
import { runOptionsOf } from "../attribution/run_options.ts";
import type { Model } from "../model/model.ts";
import type { Sae } from "../sae/sae.ts";
import { metricOf } from "./metric.ts";
import type { InputRecord, PromptRecord } from "./record.ts";
import type { BatchSettings } from "./settings.ts";

/** A prompt, and what came of it. */
export type Outcome =
  | { readonly record: PromptRecord; readonly result: Attribution }
  | { readonly record: InputRecord; readonly error: string };

/**
 * The attributions of a shard's prompts in their order; a prompt that cannot be attributed has an error instead.
 *
 * @throws {Error} what is no fault of a prompt: of the disk, the network, the runtime
 */
export async function* attributeShard(
  model: Model,
  saes: readonly Sae[],
  records: readonly InputRecord[],
  settings: BatchSettings,
): AsyncGenerator<Outcome> {
  const options = attributionOptions(saes, settings);
  for (const record of records) {
    if ("error" in record) yield { record, error: record.error };
    else yield await attributeOne(model, record, settings, options);
  }
}

async function attributeOne(
  model: Model,
  record: PromptRecord,
  settings: BatchSettings,
  options: AttributionOptions,
): Promise<Outcome> {
  try {
    checkIds(model, record);
    const result = await calculateFeatureAttribution(model, record.prompt, metricOf(settings.metric, record), options);
    return { record, result };
  } catch (error) {
    const isPrompts = error instanceof RangeError || error instanceof TypeError || error instanceof SyntaxError;
    if (!isPrompts) throw error;
    return { record, error: error.message };
  }
}

function checkIds(model: Model, { prompt }: PromptRecord): void {
  const { dVocab } = model.architecture.config;
  const unknown = typeof prompt === "string" ? undefined : prompt.find((id) => id >= dVocab);
  if (unknown !== undefined) throw new RangeError(`Token id ${unknown} is not in the vocabulary of ${dVocab}`);
}

/** The options of every prompt of a run. */
export function attributionOptions(
  saes: readonly Sae[],
  settings: Omit<BatchSettings, "rows" | "metric" | "model" | "saes">,
): AttributionOptions {
  const { method, integration } = settings;
  return {
    saes,
    method,
    integration,
    ...runOptionsOf(settings),
    diagnose: false,
  };
}

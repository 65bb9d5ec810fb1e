/**
 * Running the attribution that a command line asks for.
 *
 * @module
 */
import { type AttributionOptions, calculateFeatureAttribution } from "../attribution/attribution.ts";
import { predictionOf } from "../attribution/predict.ts";
import type { Attribution } from "../attribution/result.ts";
import type { AttributionRequest } from "./attribution_options.ts";
import { leadingSpaceWarning } from "./leading_space.ts";
import { makeMetric } from "./metric.ts";
import type { MetricRequest } from "./metric_options.ts";
import type { Opened } from "./open.ts";

/** Runs it; `more` is what the command decides. */
export async function runAttribution(
  { model, saes }: Opened,
  prompt: string | readonly number[],
  request: AttributionRequest,
  more: Pick<AttributionOptions, "trackHookPoints" | "topPredictions" | "diagnose">,
): Promise<Attribution> {
  const { includeErrorTerm, prependBos, truncate, processing, processingFlags, excludeSpecialTokens } = request;
  return await calculateFeatureAttribution(model, prompt, makeMetric(request.metric), {
    saes,
    includeErrorTerm,
    prependBos,
    truncate,
    processing,
    processingFlags,
    excludeSpecialTokens,
    ...more,
  });
}

/** Answers that were given without the leading space that the model would write. */
export async function spaceWarnings(result: Attribution, metric: MetricRequest): Promise<string[]> {
  const { model, grads } = result.parts;
  const place = async (id: number): ReturnType<typeof predictionOf> =>
    predictionOf(model, await grads.modelOutput(), grads.rows.length - 1, id);
  const warnings: string[] = [];
  const option = metric.kind === "weighted" ? "--token-weight" : "--pos-token";
  for (const [name, tokens] of [[option, metric.positive], ["--neg-token", metric.negative]] as const) {
    for (const token of tokens) {
      const warning = await leadingSpaceWarning(model, name, token, place);
      if (warning !== undefined) warnings.push(warning);
    }
  }
  return warnings;
}

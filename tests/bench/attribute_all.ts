/** Many prompts through one model: the one place that knows how this program is best asked for that. */
import {
  type Attribution,
  type AttributionOptions,
  calculateFeatureAttribution,
  type Metric,
  type Model,
} from "../../mod.ts";

/** A prompt and what is asked about it. */
export interface Question {
  readonly prompt: readonly number[];
  readonly metric: Metric;
}

/** The attributions of all questions, in their order. */
export async function attributeAll(
  model: Model,
  questions: readonly Question[],
  options: AttributionOptions,
): Promise<Attribution[]> {
  const results: Attribution[] = [];
  for (const { prompt, metric } of questions) {
    results.push(await calculateFeatureAttribution(model, prompt, metric, options));
  }
  return results;
}

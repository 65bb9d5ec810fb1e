/** Many prompts through one model, as this program is best asked for that. */
import {
  type Attribution,
  type AttributionOptions,
  calculateFeatureAttributions,
  type Model,
  type Question,
} from "../../mod.ts";

/** The attributions of all questions, in their order. */
export async function attributeAll(
  model: Model,
  questions: readonly Question[],
  options: AttributionOptions,
): Promise<Attribution[]> {
  const outcomes = await calculateFeatureAttributions(model, questions, options);
  return outcomes.map((outcome) => {
    if (outcome.status === "rejected") throw outcome.reason;
    return outcome.value;
  });
}

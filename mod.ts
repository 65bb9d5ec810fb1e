/**
 * Feature attribution for language models: why this next token, in sparse-autoencoder features.
 *
 * @example
 * ```ts
 * import { calculateFeatureAttribution, loadModel, loadSae, logitDiff } from "./mod.ts";
 *
 * await using model = await loadModel("tiny-facts");
 * await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
 * const prompt = " Tiger Woods plays the sport of";
 * const result = await calculateFeatureAttribution(model, prompt, logitDiff(" golf", " tennis"), { saes: [sae] });
 * console.log(result.rows(sae.hookOut).slice(0, 5));
 * ```
 *
 * @module
 */
export { loadModel, type Model, type Token, type TokenOptions } from "./lib/model/model.ts";
export { loadSae } from "./lib/sae/load.ts";
export type { Sae } from "./lib/sae/sae.ts";
export type { SaeConfig, SaeOverrides } from "./lib/sae/config.ts";
export type { Device, RuntimeOptions } from "./lib/runtime/runtime.ts";
export type { FloatTensor } from "./lib/runtime/tensor.ts";
export {
  type AttributionGrads,
  type AttributionOptions,
  calculateAttributionGrads,
  calculateFeatureAttribution,
} from "./lib/attribution/attribution.ts";
export type { Attribution } from "./lib/attribution/result.ts";
export type { AttributionRow, Decomposition, Fit } from "./lib/attribution/sae_attribution.ts";
export type { Summary } from "./lib/attribution/summary.ts";
export { type Prediction, type PromptTest, testPrompt, type TestPromptOptions } from "./lib/attribution/predict.ts";
export {
  logit,
  logitDiff,
  logProb,
  loss,
  type Metric,
  prob,
  type TokenRef,
  topTwoLogitDiff,
  weightedLogits,
} from "./lib/attribution/metrics.ts";
export { VERSION } from "./lib/version.ts";

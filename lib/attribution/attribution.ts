/**
 * Feature attribution, gradient × activation: the notebook's functions under their names.
 *
 * @module
 */
import type { Model } from "../model/model.ts";
import { analyseSaes, goesOn } from "./run/analyse_saes.ts";
import { type AttributionGrads, calculateAttributionGrads, gradsOf } from "./run/attribution_grads.ts";
import { type Question, type TokenizedQuestion, tokenizeQuestion } from "./run/question.ts";
import { type AttributionOptions, checkAttributionOptions } from "./run/attribution_options.ts";
import { runBaseline } from "./run/baseline.ts";
import { batchesOf } from "./run/batches.ts";
import { findMethod } from "./methods/mod.ts";
import type { Metric } from "./metric/metrics.ts";
import { type Prediction, predictionOf, predictionRow } from "./run/predict.ts";
import { answerWarnings } from "./run/prompt_warnings.ts";
import { resolveProcessing } from "./run/processing.ts";
import { Attribution } from "./result/result.ts";
import { resultWarnings } from "./run/warnings.ts";

/**
 * The attribution of a metric to SAE features and, if asked, to model activations: gradient × activation, or another
 * method.
 *
 * With x the value at an SAE's hook, f its activations and g = ∂metric/∂(the hook's value after the SAE):
 * `attribution[p, f] = activation[p, f] · scale[p] · (W_dec[f] · g[p])`. The gradient passes straight through every SAE,
 * so several SAEs do not hide each other (SAELens's own `use_error_term` backpropagates through the SAE instead).
 * A feature of a cross-layer transcoder writes at several hooks, over which W_dec[f] · g is summed.
 * It is a first-order estimate of what ablating the feature would do (Anthropic, March 2024 update, "feature heads").
 * With a baseline it is `(activation − baseline) · …`, an estimate of what putting the baseline's activation there would
 * take off the metric; positive: the activation, against the baseline, raises the metric.
 *
 * @param prompt text, or token ids used exactly as given
 * @throws {RangeError} on a bad prompt, hook, token or position; SAEs that do not fit the model or each other; a baseline
 * together with tracked hooks, or that is a prompt of another length; a direct effect of an SAE that does not write into
 * the residual stream
 *
 * @example Why golf and not tennis?
 * ```ts
 * import { loadModel } from "../model/model.ts";
 * import { loadSae } from "../sae/load.ts";
 * import { calculateFeatureAttribution } from "./attribution.ts";
 * import { logitDiff } from "./metric/metrics.ts";
 *
 * await using model = await loadModel("tiny-facts", { threads: 1 });
 * await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
 * const prompt = " Tiger Woods plays the sport of";
 * const result = await calculateFeatureAttribution(model, prompt, logitDiff(" golf", " tennis"), { saes: [sae] });
 * console.assert(result.rows(sae.hookOut)[0].attribution > 0);
 * ```
 *
 * @example What about Tiger Woods, and not about Babe Ruth, speaks for golf?
 * ```ts
 * import { loadModel } from "../model/model.ts";
 * import { loadSae } from "../sae/load.ts";
 * import { calculateFeatureAttribution } from "./attribution.ts";
 * import { logitDiff } from "./metric/metrics.ts";
 *
 * await using model = await loadModel("tiny-facts", { threads: 1 });
 * await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
 * const prompt = " Tiger Woods plays the sport of";
 * const result = await calculateFeatureAttribution(model, prompt, logitDiff(" golf", " tennis"), {
 *   saes: [sae],
 *   baseline: { prompt: " Babe Ruth plays the sport of" },
 *   method: "gradient",
 * });
 * const [{ activation, baseline, gradient, attribution }] = result.rows(sae.hookOut);
 * console.assert(Math.abs(attribution - (activation - baseline!) * gradient) < 1e-6);
 * ```
 */
export async function calculateFeatureAttribution(
  model: Model,
  prompt: string | readonly number[],
  metric: Metric,
  options: AttributionOptions = {},
): Promise<Attribution> {
  const started = performance.now();
  checkAttributionOptions("calculateFeatureAttribution", options);
  checkTracked(options);
  const grads = await calculateAttributionGrads(model, prompt, metric, options);
  return await attributionOf(model, grads, options, started);
}

/**
 * The attributions of many prompts, each with its own metric: what {@linkcode calculateFeatureAttribution} gives for each,
 * but for rounding, several prompts of similar lengths to a pass. Which run together depends on the prompts alone.
 *
 * Integrated gradients, exact effects, curvatures and tracked hooks take a pass for each prompt. Nothing can go on from
 * the middle of a pass over several prompts: ablation and the like need the result of a prompt alone.
 *
 * @returns in the order of the questions, the attribution or what is wrong with the question, as `Promise.allSettled`
 * @throws {RangeError} on a bad hook; SAEs that do not fit the model or each other
 *
 * @example
 * ```ts
 * import { loadModel } from "../model/model.ts";
 * import { loadSae } from "../sae/load.ts";
 * import { calculateFeatureAttributions } from "./attribution.ts";
 * import { logitDiff } from "./metric/metrics.ts";
 *
 * await using model = await loadModel("tiny-facts", { threads: 1 });
 * await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
 * const outcomes = await calculateFeatureAttributions(model, [
 *   { prompt: " Tiger Woods plays the sport of", metric: logitDiff(" golf", " tennis") },
 *   { prompt: " The capital of France is", metric: logitDiff(" Paris", " Rome") },
 *   { prompt: " Roger Federer plays", metric: logitDiff(" no such token", " golf") },
 * ], { saes: [sae] });
 * console.assert(outcomes.map(({ status }) => status).join() === "fulfilled,fulfilled,rejected");
 * ```
 */
export async function calculateFeatureAttributions(
  model: Model,
  questions: readonly Question[],
  options: AttributionOptions = {},
): Promise<PromiseSettledResult<Attribution>[]> {
  const { method = "gradient", exact, trackHookPoints = [], saes = [], processing, processingFlags } = options;
  checkAttributionOptions("calculateFeatureAttributions", options);
  if (options.turns !== undefined) {
    throw new RangeError("`turns` are of one prompt, and there are several: give each question its own");
  }
  checkTracked(options);
  resolveProcessing(model.architecture, saes, processing, processingFlags); // wrong for one question, wrong for all
  const tokenized = await Promise.allSettled(questions.map((one) => tokenizeQuestion(model, one, options)));
  const outcomes = tokenized.slice() as PromiseSettledResult<unknown>[];
  const askable = tokenized.flatMap((one, index) => one.status === "fulfilled" ? [{ ...one.value, index }] : []);
  const isAlone = findMethod(method).integrate || goesOn(findMethod(method), exact) || trackHookPoints.length > 0;
  const batches = isAlone ? askable.map((_, i) => [i]) : batchesOf(model, askable);
  for (const batch of batches) {
    const found = await attributionsOf(model, batch.map((i) => askable[i]), options);
    batch.forEach((i, at) => outcomes[askable[i].index] = found[at]);
  }
  return outcomes as PromiseSettledResult<Attribution>[]; // all that were tokenized have been replaced
}

/** Of questions that run in one pass. */
async function attributionsOf(
  model: Model,
  questions: readonly TokenizedQuestion[],
  options: AttributionOptions,
): Promise<PromiseSettledResult<Attribution>[]> {
  const started = performance.now();
  const outcomes: PromiseSettledResult<Attribution>[] = [];
  for (const grads of await gradsOf(model, questions, options)) {
    if (grads.status === "rejected") {
      outcomes.push(grads);
      continue;
    }
    const [outcome] = await Promise.allSettled([
      attributionOf(model, grads.value, options, started),
    ]);
    outcomes.push(outcome);
  }
  return outcomes;
}

/** From gradients to attributions. */
async function attributionOf(
  model: Model,
  grads: AttributionGrads,
  options: AttributionOptions,
  started: number,
): Promise<Attribution> {
  const { method = "gradient", trackHookPoints = [], includeErrorTerm = true } = options;
  const before = performance.now();
  const compared = await runBaseline(model, options, grads);
  const parts = { model, grads, includeErrorTerm };
  const [saes] = await analyseSaes([{ parts, compared }], options);
  const { diagnose = true } = options;
  const warnings = [
    ...grads.warnings,
    ...(diagnose ? await metricWarnings(model, grads) : []),
    ...await resultWarnings(model, grads, saes, options),
  ];
  const now = performance.now();
  return await Attribution.create({
    ...parts,
    metricName: grads.resolvedMetric.name,
    method,
    exact: options.exact,
    baseline: compared,
    saes,
    trackHookPoints,
    topPredictions: options.topPredictions ?? 0,
    warnings,
    timings: { ...grads.timings, attribution: now - before, total: now - started },
  });
}

/** Answers whose spaces are not as the model expects them. */
async function metricWarnings(model: Model, grads: AttributionGrads): Promise<string[]> {
  const { tokens, rows, resolvedMetric: { answers = [] }, modelOutput } = grads;
  if (answers.length === 0) return [];
  const row = predictionRow(grads);
  const before = (await model.requireTokenizer()).tokenText(tokens[rows[row]]);
  const place = async (id: number): Promise<Prediction> => predictionOf(model, await modelOutput(), row, id);
  const warnings: string[] = [];
  for (const text of answers) warnings.push(...await answerWarnings(model, { text, before, place }));
  return warnings;
}

/** @throws {RangeError} if hooks are tracked of which the method or the baseline says nothing */
function checkTracked(
  { method = "gradient", trackHookPoints: [tracked] = [], baseline = "zero" }: AttributionOptions,
): void {
  if (tracked === undefined) return;
  const about = baseline !== "zero"
    ? "A baseline compares"
    : findMethod(method).integrate
    ? "Integrated gradients are of"
    : findMethod(method).exact
    ? "Exact effects are of"
    : undefined;
  if (about === undefined) return;
  throw new RangeError(`${about} SAE features only, and ${tracked} is to be tracked: leave out one of the two`);
}

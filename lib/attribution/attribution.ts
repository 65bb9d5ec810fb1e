/**
 * Feature attribution, gradient × activation: the notebook's functions under their names.
 *
 * @module
 */
import type { Processing } from "../../models/family.ts";
import type { BackwardOptions, ForwardState } from "../model/chain.ts";
import type { Model } from "../model/model.ts";
import type { FloatTensor } from "../runtime/tensor.ts";
import type { Sae } from "../sae/sae.ts";
import { runWithSaes, type SaeRun, specialPositions } from "./apply.ts";
import { analyseSaes } from "./analyse_saes.ts";
import { type Baseline, baselineTokens, runBaseline } from "./baseline.ts";
import { checkDirectEffects, directGradient, streamEnd } from "./direct_effect.ts";
import { type LazyLogits, lazyLogits, metricGradient, resolveMetric } from "./evaluate.ts";
import type { IntegrationOptions } from "./methods/integrated_gradients.ts";
import { findMethod, type MethodName } from "./methods/mod.ts";
import type { Metric, ResolvedMetric } from "./metrics.ts";
import { processingIsGuessed, resolvePrependBos, resolveProcessing } from "./processing.ts";
import type { SaeRunOptions } from "./run_options.ts";
import { integrationWarnings, specialTokenWarnings, tryOtherProcessing } from "./warnings.ts";
import { Attribution } from "./result.ts";

/** Options of {@linkcode calculateFeatureAttribution}. */
export interface AttributionOptions extends SaeRunOptions {
  /** SAEs to put into the model, one per hook. */
  readonly saes?: readonly Sae[];
  /**
   * How gradients are taken: `gradient` (the default), `frozen-pattern`, `relp` or `integrated-gradients`; see their files
   * in `methods/`.
   */
  readonly method?: MethodName;
  /** Steps and convergence of integrated gradients. */
  readonly integration?: IntegrationOptions;
  /** What features are compared with: attributions are (f − f_base) · gradient. Default: zero. */
  readonly baseline?: Baseline;
  /** Also what features contribute straight to the metric, the final norm's scale held. Default false. */
  readonly directEffect?: boolean;
  /** TransformerLens hooks whose values and gradients are wanted too. */
  readonly trackHookPoints?: readonly string[];
  /** How many of the model's top predictions at the metric's position to keep; costs the whole unembedding. Default 0. */
  readonly topPredictions?: number;
  /** Look into bad fits: try the other processing where it had to be guessed, which costs a forward pass. Default true. */
  readonly diagnose?: boolean;
}

/** A forward and a backward pass: the notebook's `AttributionGrads`. */
export interface AttributionGrads {
  /** Token ids, BOS included if there is one. */
  readonly tokens: readonly number[];
  /** The form of the model that was run. */
  readonly processing: Processing;
  /** The metric's value. */
  readonly metric: number;
  /** The metric with its tokens looked up. */
  readonly resolvedMetric: ResolvedMetric;
  /** Positions whose logits the metric reads. */
  readonly rows: readonly number[];
  /** All logits at the metric's rows, `[row, d_vocab]`, computed when asked for. */
  readonly modelOutput: LazyLogits;
  /** The forward pass. */
  readonly state: ForwardState;
  /** By the hook that the SAE writes. */
  readonly saeRuns: ReadonlyMap<string, SaeRun>;
  /**
   * By hook (SAEs' outputs and tracked hooks), the metric's gradient, by the method's rules, at the value that the rest
   * of the model saw; of integrated gradients, that at the path's end.
   */
  readonly gradients: ReadonlyMap<string, FloatTensor>;
  /** The gradient at the residual stream after the last block with the final norm's scale constant, if asked for. */
  readonly directGradient?: FloatTensor;
  /** The prompt that this one is compared with. */
  readonly baselineTokens?: readonly number[];
  /** Milliseconds by part of the run. */
  readonly timings: Readonly<Record<string, number>>;
}

/** Milliseconds by name, each from the last mark on. */
function stopwatch(): { timings: Record<string, number>; mark(name: string): void } {
  const timings: Record<string, number> = {};
  let last = performance.now();
  return {
    timings,
    mark(name) {
      const now = performance.now();
      timings[name] = now - last;
      last = now;
    },
  };
}

/**
 * Runs the model with SAEs, forward and backward: the notebook's `calculate_attribution_grads`.
 *
 * @param backwardOptions other derivatives than the method's, by role
 * @throws {RangeError} on a bad prompt, hook, token or position; SAEs that do not fit the model or each other
 */
export async function calculateAttributionGrads(
  model: Model,
  prompt: string | readonly number[],
  metric: Metric,
  options: AttributionOptions = {},
  backwardOptions: BackwardOptions = findMethod(options.method ?? "gradient").vjp,
): Promise<AttributionGrads> {
  const { saes = [], trackHookPoints = [], includeErrorTerm = true, directEffect = false, truncate } = options;
  if (directEffect) checkDirectEffects(saes);
  const watch = stopwatch();
  const processing = resolveProcessing(model.architecture, saes, options.processing, options.processingFlags);
  const prependBos = resolvePrependBos(saes, options.prependBos);
  const promptTokens = await model.toTokens(prompt, { prependBos, truncate });
  const appended = await appendedTokens(model, metric);
  const tokens = [...promptTokens, ...appended];
  const compared = await baselineTokens(model, promptTokens, options);
  const comparedTokens = compared && [...compared, ...appended];
  const rows = metric.rows(tokens.length, appended.length);
  watch.mark("tokenize");
  const hooks = [...new Set([...saes.map(({ hookOut }) => hookOut), ...trackHookPoints])];
  const { state, saeRuns } = await runWithSaes(model, {
    tokens,
    saes,
    processing,
    includeErrorTerm,
    trackModelHooks: trackHookPoints,
    withGradients: true,
    gradientsFrom: directEffect ? [streamEnd(model)] : [],
    rows,
    excluded: await excludedIn(model, [tokens, ...(comparedTokens ? [comparedTokens] : [])], options),
  });
  watch.mark("forward");
  const logits = lazyLogits(model, state);
  if (options.topPredictions) await logits();
  const clean = async (): Promise<FloatTensor> => {
    if (includeErrorTerm) {
      throw new RangeError(
        "With the error term the SAEs change nothing: the divergence from the clean run is exactly 0, its gradient too; " +
          "leave the error term out (--no-error-term)",
      );
    }
    return await model.unembedding.logits(
      (await model.chain.forward({ prompts: [tokens], processing, rows: [rows] })).final,
    );
  };
  const resolved = await resolveMetric(model, metric, tokens, logits, clean);
  const { value, gradient } = await metricGradient(model, metric.name, resolved, state.final, logits);
  watch.mark("metric");
  const gradients = hooks.length === 0
    ? new Map<string, FloatTensor>()
    : await model.chain.backward(state, gradient, hooks, backwardOptions);
  const direct = directEffect ? await directGradient(model, state, gradient) : undefined;
  watch.mark("backward");
  return {
    tokens,
    processing,
    metric: value,
    resolvedMetric: resolved,
    rows,
    modelOutput: logits,
    state,
    saeRuns,
    gradients,
    directGradient: direct,
    baselineTokens: comparedTokens,
    timings: watch.timings,
  };
}

/** Positions at which the SAEs are left out: where any of the prompts has a special token. */
async function excludedIn(
  model: Model,
  prompts: readonly (readonly number[])[],
  { saes = [], excludeSpecialTokens }: AttributionOptions,
): Promise<ReadonlySet<number>> {
  const found = await Promise.all(prompts.map((tokens) => specialPositions(model, tokens, saes, excludeSpecialTokens)));
  return new Set(found.flatMap((positions) => [...positions]));
}

/** What the metric adds to the prompt. */
async function appendedTokens(model: Model, metric: Metric): Promise<readonly number[]> {
  if (!metric.append) return [];
  return await metric.append({ encode: async (text) => (await model.requireTokenizer()).encode(text) });
}

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
 * import { logitDiff } from "./metrics.ts";
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
 * import { calculateFeatureAttribution, loadModel, loadSae, logitDiff } from "../../mod.ts";
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
  const { method = "gradient", trackHookPoints = [] } = options;
  checkTracked(options);
  const grads = await calculateAttributionGrads(model, prompt, metric, options);
  const includeErrorTerm = options.includeErrorTerm ?? true;
  const before = performance.now();
  const compared = await runBaseline(model, options, grads, metric.name);
  const parts = { model, metricName: metric.name, grads, includeErrorTerm };
  const saes = await analyseSaes(parts, compared, options);
  const warnings = [...specialTokenWarnings(model, grads, saes), ...integrationWarnings(saes)];
  const { diagnose = true, processingFlags } = options;
  if (diagnose && processingIsGuessed(options.saes ?? [], options.processing, processingFlags)) {
    warnings.push(...await tryOtherProcessing(model, grads, saes));
  }
  const now = performance.now();
  return await Attribution.create({
    ...parts,
    method,
    baseline: compared,
    saes,
    trackHookPoints,
    topPredictions: options.topPredictions ?? 0,
    warnings,
    timings: { ...grads.timings, attribution: now - before, total: now - started },
  });
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
    : undefined;
  if (about === undefined) return;
  throw new RangeError(`${about} SAE features only, and ${tracked} is to be tracked: leave out one of the two`);
}

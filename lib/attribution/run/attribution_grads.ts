/**
 * A forward and a backward pass with SAEs, over one prompt or over several at once.
 *
 * @module
 */
import type { Processing } from "../../model/architecture.ts";
import type { ChatTurn } from "../../model/chat/chat_types.ts";
import type { BackwardOptions, ForwardState } from "../../model/stages/chain.ts";
import type { Model } from "../../model/model.ts";
import { type FloatTensor, joined } from "../../runtime/tensor.ts";
import type { SaeRun } from "./sae_hooks.ts";
import { type AttributionOptions, checkAttributionOptions } from "./attribution_options.ts";
import { checkDirectEffects, directGradient, streamEnd } from "./direct_effect.ts";
import { type LazyLogits, lazyLogits, resolveMetric } from "../metric/value.ts";
import { type MetricReading, readMetrics } from "../metric/value_of_prompts.ts";
import { findMethod } from "../methods/mod.ts";
import type { Metric, ResolvedMetric } from "../metric/metric.ts";
import { type TokenizedQuestion, tokenizeQuestion } from "./question.ts";
import { type RunPrompt, runPromptsWithSaes, unpadded } from "./run_prompts.ts";

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
  /** How many of the tokens, at the end, the metric added to the prompt. */
  readonly appended: number;
  /** A chat's messages in the tokens. */
  readonly turns?: readonly ChatTurn[];
  /** What the prompt has that may not have been meant. */
  readonly warnings: readonly string[];
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
  /** Milliseconds by part of the run; of several prompts at once, those of all together. */
  readonly timings: Readonly<Record<string, number>>;
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
  backwardOptions?: BackwardOptions,
): Promise<AttributionGrads> {
  checkAttributionOptions("calculateAttributionGrads", options);
  const watch = stopwatch();
  const question = await tokenizeQuestion(model, { prompt, metric, turns: options.turns }, options);
  watch.mark("tokenize");
  const [outcome] = await gradsOf(model, [question], options, backwardOptions);
  if (outcome.status === "rejected") throw outcome.reason;
  return { ...outcome.value, timings: { ...watch.timings, ...outcome.value.timings } };
}

/**
 * Questions in one pass forward and one back. Of several, hooks whose values have no position as their first axis cannot be
 * tracked, and nothing can go on from the pass's middle.
 *
 * @param backwardOptions other derivatives than the method's, by role
 * @returns for every question its gradients, or why its metric cannot be resolved
 * @throws {RangeError} if a hook is wrong, or SAEs do not fit the model or each other
 */
export async function gradsOf(
  model: Model,
  questions: readonly TokenizedQuestion[],
  options: AttributionOptions,
  backwardOptions: BackwardOptions = findMethod(options.method ?? "gradient").vjp,
): Promise<PromiseSettledResult<AttributionGrads>[]> {
  const { saes = [], trackHookPoints = [], includeErrorTerm = true, directEffect = false, topPredictions } = options;
  if (directEffect) checkDirectEffects(saes);
  const [{ processing }] = questions; // the same for all: SAEs and options decide it
  const watch = stopwatch();
  const { state, saeRuns } = await runPromptsWithSaes(model, questions, {
    saes,
    processing,
    includeErrorTerm,
    trackModelHooks: trackHookPoints,
    withGradients: true,
    gradientsFrom: directEffect ? [streamEnd(model)] : [],
  });
  watch.mark("forward");
  const states = statesOf(state);
  const logits = lazyLogits(model, state);
  if (topPredictions && states.length === 1) await logits();
  const clean = (i: number): Promise<FloatTensor> => cleanLogits(model, questions[i], processing, includeErrorTerm);
  const { resolved, readings } = await readQuestions(model, questions, states, logits, clean);
  if (readings === undefined) {
    state.release();
    return resolved as PromiseRejectedResult[];
  }
  watch.mark("metric");
  const hooks = [...new Set([...saes.map(({ hookOut }) => hookOut), ...trackHookPoints])];
  const gradient = { dims: state.final.dims, data: joined(readings.map((reading) => reading.gradient.data)) };
  const gradients = hooks.length === 0
    ? new Map<string, FloatTensor>()
    : await model.chain.backward(state, gradient, hooks, backwardOptions);
  const direct = directEffect ? await directGradient(model, state, gradient) : undefined;
  watch.mark("backward");
  if (states.length > 1) state.release();
  const ofEach = new Map([...gradients].map(([hook, all]) => [hook, perPrompt(all, questions)]));
  const directs = direct && perPrompt(direct, questions);
  return questions.map(({ tokens, rows, appended, turns, warnings, baselineTokens }, i) => {
    const metric = resolved[i];
    if (metric.status === "rejected") return metric;
    const value: AttributionGrads = {
      tokens,
      processing,
      metric: readings[i].value,
      resolvedMetric: metric.value,
      rows,
      appended,
      turns,
      warnings,
      modelOutput: states.length === 1 ? logits : async () => logitsOf(await logits(), states, i),
      state: states[i],
      saeRuns: saeRuns[i],
      gradients: new Map([...ofEach].map(([hook, each]) => [hook, each[i]])),
      directGradient: directs?.[i],
      baselineTokens,
      timings: watch.timings,
    };
    return { status: "fulfilled", value };
  });
}

/** Every question's metric with its tokens looked up, its value and its gradient; no readings where none can be. */
export async function readQuestions(
  model: Model,
  questions: readonly Pick<TokenizedQuestion, "metric" | "tokens">[],
  states: readonly Pick<ForwardState, "final">[],
  logits: LazyLogits,
  clean: (i: number) => Promise<FloatTensor>,
): Promise<{ resolved: PromiseSettledResult<ResolvedMetric>[]; readings?: MetricReading[] }> {
  const logitsAt = async (i: number): Promise<FloatTensor> => logitsOf(await logits(), states, i);
  const resolved = await Promise.allSettled(
    questions.map(({ metric, tokens }, i) => resolveMetric(model, metric, tokens, () => logitsAt(i), () => clean(i))),
  );
  const metrics = resolved.map((one) => one.status === "fulfilled" ? one.value : undefined);
  if (metrics.every((metric) => metric === undefined)) return { resolved };
  const toRead = metrics.map((metric, i) => ({ metric, final: states[i].final }));
  return { resolved, readings: await readMetrics(model, toRead, logitsAt) };
}

/** The logits of the run without SAEs, of which only a run without the error term differs. */
async function cleanLogits(
  model: Model,
  { tokens, rows }: TokenizedQuestion,
  processing: Processing,
  includeErrorTerm: boolean,
): Promise<FloatTensor> {
  if (includeErrorTerm) {
    throw new RangeError(
      "With the error term the SAEs change nothing: the divergence from the clean run is exactly 0, its gradient too; " +
        "leave the error term out (`includeErrorTerm: false`)",
    );
  }
  const { final } = await model.chain.forward({ prompts: [tokens], processing, rows: [rows] });
  return await model.unembedding.logits(final);
}

/** A pass over several prompts as one of each, over which nothing goes back. */
function statesOf(state: ForwardState): ForwardState[] {
  const { request, final, values, selectRows } = state;
  if (request.prompts.length === 1) return [state];
  const d = final.dims[2];
  const questions = request.prompts.map((tokens) => ({ tokens }));
  const ofEach = new Map([...values].map(([hook, value]) => [hook, perPrompt(value, questions)]));
  let at = 0;
  return request.prompts.map((tokens, i) => {
    const rows = request.rows[i];
    const data = final.data.slice(at, at += rows.length * d);
    return {
      request: { ...request, prompts: [tokens], rows: [rows] },
      values: new Map([...ofEach].map(([hook, each]) => [hook, each[i]])),
      final: { dims: [1, rows.length, d], data },
      selectRows,
      release() {},
    };
  });
}

/** One prompt's rows of the logits of all. */
export function logitsOf(
  { dims: [, dVocab], data }: FloatTensor,
  states: readonly Pick<ForwardState, "final">[],
  i: number,
): FloatTensor {
  const count = ({ final }: Pick<ForwardState, "final">): number => final.dims[1];
  const start = states.slice(0, i).reduce((sum, state) => sum + count(state), 0);
  const rows = count(states[i]);
  return { dims: [rows, dVocab], data: data.subarray(start * dVocab, (start + rows) * dVocab) };
}

/** `[prompt, position, …]` as one `[1, position, …]` of each prompt's own positions. */
function perPrompt(
  { dims: [, n, ...rest], data }: FloatTensor,
  prompts: readonly Pick<RunPrompt, "tokens">[],
): FloatTensor[] {
  if (prompts.length === 1) return [{ dims: [1, n, ...rest], data }];
  return unpadded(data, prompts).map((own, i) => ({ dims: [1, prompts[i].tokens.length, ...rest], data: own }));
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

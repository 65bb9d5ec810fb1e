/**
 * Interventions: the model with features set, raised or scaled, and what it says then.
 *
 * @module
 */
import { checkOptions, type OptionKinds } from "../../options.ts";
import type { Model, Token } from "../../model/model.ts";
import { gatherRows } from "../../model/stages/feeds.ts";
import type { FloatTensor } from "../../runtime/tensor.ts";
import type { Sae } from "../../sae/sae.ts";
import { type RunRequest, runWithSaes } from "../run/run_prompts.ts";
import { metricValue, resolveMetric } from "../metric/value.ts";
import { type Intervention, plan, positionsOf, type SteeredActivation, withChanges } from "./interventions.ts";
import { addVectors, separated, steeredForm, type SteeringVector } from "./steering_vector.ts";
import { checkMetric, type LogitsFunction, type Metric, type ResolvedMetric } from "../metric/metric.ts";
import { functionMetric } from "../metric/metric_parts.ts";
import { predictionOf, predictionsAt } from "../run/predict.ts";
import { resolvePosition } from "../positions.ts";
import { preparePrompt } from "../run/prompt.ts";
import { SAE_RUN_OPTIONS, type SaeRunOptions } from "../run/run_options.ts";
import { VARIANT_OPTIONS, type VariantOptions } from "./rerun.ts";

/** Options of {@linkcode steer}. */
export interface SteerOptions extends VariantOptions, SaeRunOptions {
  /** The SAEs whose features are meant, and others that are to be in the model, one per hook; none for vectors alone. */
  readonly saes: readonly Sae[];
  /** A number to compare before and after; a plain function is of the logits `[1, d_vocab]` at `position`. */
  readonly metric?: Metric | LogitsFunction;
  /** Where the next token is looked at, from the end when negative. Default −1. */
  readonly position?: number;
}

const STEER_OPTIONS: OptionKinds<SteerOptions> = {
  ...VARIANT_OPTIONS,
  ...SAE_RUN_OPTIONS,
  saes: "list",
  metric: "any",
  position: "any",
};

/** What {@linkcode steer} returns. */
export interface Steered {
  /** The prompt's tokens. */
  readonly tokens: readonly Token[];
  /** Where the next token is looked at. */
  readonly position: number;
  /** Logits there without the interventions, `[1, d_vocab]`, minus their mean. */
  readonly before: FloatTensor;
  /** Logits there with the interventions. */
  readonly after: FloatTensor;
  /** The metric, if one was asked for. */
  readonly metric?: {
    readonly name: string;
    readonly resolved: ResolvedMetric;
    readonly before: number;
    readonly after: number;
  };
  /** What was changed, in the order of hooks, positions and features. */
  readonly changes: readonly SteeredActivation[];
}

/** A next token before and after. */
export interface SteeredPrediction {
  /** Its token id. */
  readonly id: number;
  /** Its text, decoded alone. */
  readonly token: string;
  /** 0 is the most probable. */
  readonly rank: { readonly before: number; readonly after: number };
  /** Logit minus the vocabulary mean. */
  readonly logit: { readonly before: number; readonly after: number };
  /** Softmax over the vocabulary. */
  readonly probability: { readonly before: number; readonly after: number };
}

/**
 * Runs the model as it is, and again with other activations of some features, from the lowest changed SAE upwards. A
 * feature's contribution changes by (new − old) · scale · W_dec; the SAE's other features and its error stay. SAEs
 * further up whose features are changed too encode what comes in then. Vectors are added to what then passes their hooks.
 *
 * @param interventions of features, applied in their order, and steering vectors
 * @throws {RangeError} if there is none, or one names a hook, position or feature that does not exist or is left out
 *
 * @example
 * ```ts
 * import { loadModel } from "../../model/model.ts";
 * import { loadSae } from "../../sae/load.ts";
 * import { steer, steeredPredictions } from "./steer.ts";
 *
 * await using model = await loadModel("tiny-facts", { threads: 1 });
 * await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
 * const off = { feature: 189, position: -1, how: "set", value: 0 } as const; // speaks for golf
 * const result = await steer(model, " Tiger Woods plays the sport of", [off], { saes: [sae] });
 * const golf = (await steeredPredictions(model, result)).find(({ token }) => token === " golf")!;
 * console.assert(golf.probability.after < golf.probability.before);
 * ```
 */
export async function steer(
  model: Model,
  prompt: string | readonly number[],
  interventions: readonly (Intervention | SteeringVector)[],
  options: SteerOptions,
): Promise<Steered> {
  checkOptions("steer", options, STEER_OPTIONS);
  const { saes, includeErrorTerm = true, downstreamError = "recomputed" } = options;
  if (interventions.length === 0) throw new RangeError("Nothing is to be changed: give an intervention");
  const given = typeof options.metric === "function" ? undefined : options.metric;
  if (given) checkMetric("steer", given);
  const { features, vectors } = separated(model, interventions);
  const prepared = await preparePrompt(model, prompt, saes, { ...options, processing: steeredForm(options) }, given);
  const { tokens, appended } = prepared;
  const ids = tokens.slice(0, tokens.length - appended);
  const position = resolvePosition(options.position ?? -1, ids.length);
  const metric = typeof options.metric === "function" ? functionMetric(options.metric, position) : given;
  const metricRows = metric?.rows(tokens.length, appended) ?? [];
  const rows = [...new Set([position, ...metricRows])].sort((a, b) => a - b);
  const request: RunRequest = {
    ...prepared,
    saes,
    includeErrorTerm,
    trackModelHooks: [],
    withGradients: true,
    gradientsFrom: vectors.map(({ hook }) => hook),
    rows,
  };
  const lengths = { prompt: ids.length, run: tokens.length };
  const placed = vectors.map((one) => ({ ...one, rows: positionsOf(one, prepared.excluded, lengths) }));
  const run = await runWithSaes(model, request);
  const planned = plan(run, features, lengths);
  const byHook = Map.groupBy(placed, ({ hook }) => hook);
  const added = new Map([...byHook].map(([hook, list]) => [hook, (whole: FloatTensor) => addVectors(whole, list)]));
  const { state, changes } = await withChanges({ model, run, includeErrorTerm, downstreamError }, planned, added);
  const finals = { before: run.state.final, after: state.final };
  state.release();
  const at = (final: FloatTensor): FloatTensor => gatherRows(final, [[rows.indexOf(position)]]);
  return {
    tokens: await model.describeTokens(ids),
    position,
    before: await model.unembedding.logits(at(finals.before)),
    after: await model.unembedding.logits(at(finals.after)),
    ...(metric ? { metric: await measure(model, metric, metricRows, request, finals) } : {}),
    changes,
  };
}

async function measure(
  model: Model,
  metric: Metric,
  metricRows: readonly number[],
  { tokens, rows, processing, includeErrorTerm }: RunRequest,
  finals: { readonly before: FloatTensor; readonly after: FloatTensor },
): Promise<NonNullable<Steered["metric"]>> {
  const wanted = [metricRows.map((row) => rows.indexOf(row))];
  const [before, after] = [gatherRows(finals.before, wanted), gatherRows(finals.after, wanted)];
  const logits = (): Promise<FloatTensor> => model.unembedding.logits(before);
  const withoutSaes = async (): Promise<FloatTensor> => {
    if (includeErrorTerm) return await logits();
    const { final } = await model.chain.forward({ prompts: [tokens], processing, rows: [metricRows] });
    return await model.unembedding.logits(final);
  };
  const resolved = await resolveMetric(model, metric, tokens, logits, withoutSaes);
  const value = (final: FloatTensor): Promise<number> => metricValue(model, resolved, final);
  return { name: metric.name, resolved, before: await value(before), after: await value(after) };
}

/**
 * The most probable next tokens before and after, those after first.
 *
 * @param topK so many of each side. Default 10
 */
export async function steeredPredictions(
  model: Model,
  { before, after }: Steered,
  topK: number = 10,
): Promise<SteeredPrediction[]> {
  const ids = new Set<number>();
  for (const logits of [after, before]) for (const { id } of await predictionsAt(model, logits, 0, topK)) ids.add(id);
  const both = await Promise.all([...ids].map(async (id) => {
    const [old, now] = [await predictionOf(model, before, 0, id), await predictionOf(model, after, 0, id)];
    const pair = (key: "rank" | "logit" | "probability") => ({ before: old[key], after: now[key] });
    return { id, token: old.token, rank: pair("rank"), logit: pair("logit"), probability: pair("probability") };
  }));
  return both.sort((a, b) => a.rank.after - b.rank.after);
}

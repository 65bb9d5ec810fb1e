/**
 * What if an SAE had written something else? Copies of the prompt run again from its hook, many at once.
 *
 * @module
 */
import { DOWNSTREAM_ERRORS } from "./downstream_error.ts";
import type { OptionKinds } from "../../options.ts";
import type { ForwardState, Replacement } from "../../model/stages/chain.ts";
import { findHook } from "../../model/hooks.ts";
import type { Model } from "../../model/model.ts";
import { stageGraph } from "../../model/stages/stage_sessions.ts";
import { type FloatTensor, joined } from "../../runtime/tensor.ts";
import { replaceHead, type SaeRun, selectHead, splitHooks } from "../run/sae_hooks.ts";
import type { AttributionGrads } from "../run/attribution_grads.ts";
import type { DownstreamError } from "./downstream_error.ts";
import { metricValues } from "../metric/value_of_copies.ts";
import { type LogitsFunction, resolvedFunction } from "../metric/metric.ts";
import type { AttributionParts } from "../result/parts.ts";

/** How the run goes on. */
export interface VariantOptions {
  /**
   * With the error term: what becomes of the errors of SAEs further up.
   * - `recomputed` (the default): they are what those SAEs miss now, so that everything passes through (the total effect);
   * - `frozen`: they stay what they were; those SAEs encode again, and effects pass through their features only.
   *
   * Without the error term those SAEs encode again and their reconstruction goes on, whatever is chosen.
   */
  readonly downstreamError?: DownstreamError;
}

/** How an effect is measured. */
export interface EffectOptions extends VariantOptions {
  /** Another number than the attribution's: a plain function of the logits at the positions that its metric reads. */
  readonly metric?: LogitsFunction;
  /** Called after every batch with how many effects are known and how many were asked for; what it throws ends it. */
  readonly onProgress?: (done: number, total: number) => void;
}

export const VARIANT_OPTIONS: OptionKinds<VariantOptions> = { downstreamError: DOWNSTREAM_ERRORS };
export const EFFECT_OPTIONS: OptionKinds<EffectOptions> = { ...VARIANT_OPTIONS, metric: "any", onProgress: "any" };

/** The part of a result that is needed to run again from a hook: an `Attribution`'s `parts` has it. */
export type RunParts = Pick<AttributionParts, "model" | "grads" | "includeErrorTerm">;

/** The part of a run that replacements at other SAEs read. */
export type OtherSaes = Pick<RunParts, "model" | "includeErrorTerm"> & {
  readonly grads: Pick<AttributionGrads, "saeRuns">;
};

/**
 * How the other SAEs take part: as {@linkcode DownstreamError} says, or each adding what it added in the run, which is
 * how gradients see them.
 */
export type Others = DownstreamError | "constant";

/** The most bytes that a batch's copies take within a block, roughly. */
const BATCH_BYTES = 96 * 2 ** 20;
/** More copies at once gain nothing. */
const MOST_COPIES = 128;

/** How many copies of a prompt run at once, memory being bounded. */
export function copiesAtOnce({ architecture: { config } }: Model, tokens: number): number {
  const { dModel, dMlp, nHeads } = config;
  const perCopy = 4 * tokens * (6 * dModel + 2 * dMlp + 2 * nHeads * tokens); // stream, queries …; MLP; scores
  return Math.max(1, Math.min(MOST_COPIES, Math.floor(BATCH_BYTES / perCopy)));
}

/** What the rest of the model saw of an SAE's hook, `[row, d_out]`: x, or x̂ without the error term. */
export function cleanValue({ saeIn, saeOut }: SaeRun, includeErrorTerm: boolean): Float32Array {
  return includeErrorTerm ? saeIn : saeOut;
}

/** The run at a hook. @throws {RangeError} if no SAE writes there */
export function runAt({ grads: { saeRuns } }: RunParts, hook: string): SaeRun {
  const found = saeRuns.get(hook);
  if (found) return found;
  throw new RangeError(`No SAE writes "${hook}" in this run; there is ${[...saeRuns.keys()].join(", ") || "none"}`);
}

/**
 * Runs copies of the prompt again from an SAE's hook upwards.
 *
 * @param changes by copy, what is added to what the SAE's features write, `[row, d_out]`; of a cross-layer transcoder at
 * all hooks that they write, side by side `[row, hook · d_out]`
 * @returns the pass; release it
 * @throws {RangeError} if a cross-layer transcoder would have to encode again
 */
export function rerunFrom(
  parts: RunParts,
  hook: string,
  changes: readonly Float32Array[],
  others: Others,
  withGradient = false,
): Promise<ForwardState> {
  const { model, grads: { state, saeRuns }, includeErrorTerm } = parts;
  const run = runAt(parts, hook);
  const { sae } = run;
  const copies = changes.length;
  const isEncodedAgain = others !== "constant" && (others === "frozen" || !includeErrorTerm);
  if (isEncodedAgain) refuseCrossLayer(saeRuns);
  const split = changes.map((change) => splitHooks(change, sae.hooksOut.length, sae.config.dOut));
  const added = new Map(
    sae.hooksOut.map((name, i) => [name, addingTo(saeRuns.get(name)!, () => joined(split.map((one) => one[i])))]),
  );
  const start = cleanReplacement(run, copies, includeErrorTerm);
  return model.chain.rerun(state, copies, {
    replacements: adding([start, ...otherReplacements(parts, hook, copies, others)], added),
    gradientsFrom: withGradient ? sae.hooksOut : [],
    changedFrom: Math.min(...changes.map((change) => firstChanged(change, run))),
  });
}

/** The first position at which something is added; none: the number of positions. */
function firstChanged(change: Float32Array, { encoded: { activations: { rows } } }: SaeRun): number {
  const at = change.findIndex((x) => x !== 0);
  return at < 0 ? rows : Math.floor(at / (change.length / rows));
}

/** @throws {RangeError} if there is a cross-layer transcoder: what its layers write depends on those below */
export function refuseCrossLayer(saeRuns: ReadonlyMap<string, SaeRun>): void {
  const [one] = [...saeRuns.values()].filter(({ sae }) => sae.config.crossLayer !== undefined);
  if (one === undefined) return;
  throw new RangeError(
    `The cross-layer transcoder at ${one.sae.hookOut} cannot encode again layer by layer: keep the error term, and the ` +
      "errors further up recomputed",
  );
}

/** A hook's value with something added. */
export type Adding = (whole: FloatTensor) => FloatTensor;

/** Adds to what an SAE sees of its hook. */
export function addingTo({ sae }: Pick<SaeRun, "sae">, what: () => Float32Array): Adding {
  return (whole) => {
    const more = what();
    return replaceHead(sae, whole, selectHead(sae, whole).map((x, i) => x + more[i]));
  };
}

/** Replacements that also add something to what they put in, or to what comes in at a hook that has none. */
export function adding(replacements: readonly Replacement[], added: ReadonlyMap<string, Adding>): Replacement[] {
  const here = new Map(replacements.map((one) => [one.hook, one]));
  for (const [hook, add] of added) {
    const before = here.get(hook);
    here.set(hook, {
      hook,
      reads: before?.reads,
      replace: async (values) => add(before ? await before.replace(values) : values.get(hook)!),
    });
  }
  return [...here.values()];
}

/** How {@linkcode effectsOf} measures. */
interface Measured extends Omit<EffectOptions, "downstreamError" | "onProgress"> {
  readonly downstreamError?: Others;
  /** Called after every batch with how many effects are known. */
  readonly onBatch?: (done: number) => void;
}

/**
 * metric − metric(with a change at the hook), for each change. Every batch has a copy of the run as it was, so that both
 * metrics come from the same kernels. Blocks run at the positions from a batch's first changed one on: changes that begin
 * at the same position should come together, as those of `contributionGroups` do.
 *
 * @param changes as in {@linkcode rerunFrom}
 */
export async function effectsOf(
  parts: RunParts,
  hook: string,
  changes: Iterable<Float32Array> | AsyncIterable<Float32Array>,
  { downstreamError = "recomputed", metric, onBatch }: Measured = {},
): Promise<number[]> {
  const { model, grads } = parts;
  const run = runAt(parts, hook);
  const resolved = metric ? resolvedFunction(metric) : grads.resolvedMetric;
  const effects: number[] = [];
  const most = Math.max(1, copiesAtOnce(model, grads.tokens.length) - 1);
  for await (const batch of inBatches(changes, most, (change) => firstChanged(change, run))) {
    const state = await rerunFrom(parts, hook, [...batch, new Float32Array(batch[0].length)], downstreamError);
    const metrics = await metricValues(model, resolved, state.final, batch.length + 1);
    state.release();
    effects.push(...batch.map((_, i) => metrics[batch.length] - metrics[i]));
    onBatch?.(effects.length);
  }
  return effects;
}

/** A batch of so many copies keeps the kernels busy: another may begin where the copies have less to compute. */
const ENOUGH_COPIES = 32;

/** At most `size` changes at a time; a batch of enough ends where the first changed position is another. */
async function* inBatches(
  changes: Iterable<Float32Array> | AsyncIterable<Float32Array>,
  size: number,
  from: (change: Float32Array) => number,
): AsyncGenerator<Float32Array[]> {
  let batch: Float32Array[] = [];
  for await (const change of changes) {
    const isFull = batch.length >= size || (batch.length >= ENOUGH_COPIES && from(change) !== from(batch[0]));
    if (isFull) {
      yield batch;
      batch = [];
    }
    batch.push(change);
  }
  if (batch.length > 0) yield batch;
}

/** What the SAEs at other hooks put in when the run goes on from `hook` with other values. */
export function otherReplacements(
  { model, grads: { saeRuns }, includeErrorTerm }: OtherSaes,
  hook: string,
  copies: number,
  others: Others,
): Replacement[] {
  const start = findHook(model.architecture, hook).stage;
  return [...saeRuns].flatMap(([name, run]): Replacement[] => {
    const { stage } = findHook(model.architecture, name);
    if (name === hook || stage < start) return [];
    if (!comesAfter(model, name, hook)) {
      return includeErrorTerm ? [] : [cleanReplacement(run, copies, includeErrorTerm)];
    }
    if (includeErrorTerm && others !== "frozen") return [];
    return [
      others === "constant"
        ? constantReplacement(run, copies)
        : reencodedReplacement(model, run, hook, copies, includeErrorTerm),
    ];
  });
}

/** Whether one hook's value is computed after another's. */
export function comesAfter({ architecture }: Model, hook: string, other: string): boolean {
  const [a, b] = [hook, other].map((name) => findHook(architecture, name));
  if (a.stage !== b.stage) return a.stage > b.stage;
  const key = { stage: a.stage, processing: architecture.defaultProcessing, selectRows: false };
  const order = Object.keys(stageGraph(architecture, key).hooks);
  return order.indexOf(a.local) > order.indexOf(b.local);
}

/** What the rest of the model saw, whatever comes in. */
function cleanReplacement(run: SaeRun, copies: number, includeErrorTerm: boolean): Replacement {
  const { sae } = run;
  const value = cleanValue(run, includeErrorTerm);
  return {
    hook: sae.hookOut,
    replace: (values) => Promise.resolve(replaceHead(sae, values.get(sae.hookOut)!, repeated(value, copies))),
  };
}

/** What comes in and what the SAE added to it in the run, x̂ − x. */
function constantReplacement({ sae, saeIn, saeOut }: SaeRun, copies: number): Replacement {
  const added = repeated(saeOut.map((x, i) => x - saeIn[i]), copies);
  return {
    hook: sae.hookOut,
    replace(values) {
      const whole = values.get(sae.hookOut)!;
      return Promise.resolve(replaceHead(sae, whole, selectHead(sae, whole).map((x, i) => x + added[i])));
    },
  };
}

/** The SAE on what comes in now; with the error term, its error is that of the run. */
function reencodedReplacement(
  model: Model,
  run: SaeRun,
  hook: string,
  copies: number,
  includeErrorTerm: boolean,
): Replacement {
  const { sae, saeIn, saeOut } = run;
  // What it reads from below the hook is what it was.
  const readsChange = comesAfter(model, sae.hookIn, hook) || sae.hookIn === hook;
  const error = repeated(saeIn.map((x, i) => includeErrorTerm ? x - saeOut[i] : 0), copies);
  return {
    hook: sae.hookOut,
    reads: readsChange ? [sae.hookIn] : [],
    async replace(values) {
      const whole = values.get(sae.hookOut)!;
      const now = selectHead(sae, whole);
      const reconstruction = readsChange
        ? await sae.decode(await sae.encode(model.runtime, selectHead(sae, values.get(sae.hookIn)!)))
        : repeated(saeOut, copies);
      const value = reconstruction.map((x, i) => x + error[i]);
      restoreExcluded(value, now, run);
      return replaceHead(sae, whole, value);
    },
  };
}

/** At positions where the SAE is left out, what comes in goes on. */
export function restoreExcluded(
  value: Float32Array,
  now: Float32Array,
  { excluded, saeIn, sae: { config: { dOut } } }: Pick<SaeRun, "excluded" | "saeIn" | "sae">,
): void {
  for (let start = 0; start < value.length; start += saeIn.length) {
    for (const position of excluded) {
      const at = start + position * dOut;
      value.set(now.subarray(at, at + dOut), at);
    }
  }
}

function repeated(data: Float32Array, copies: number): Float32Array {
  return joined(new Array<Float32Array>(copies).fill(data));
}

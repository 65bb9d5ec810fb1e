/**
 * The logits of an attribution graph: which they are, and their gradients at the last block's output.
 *
 * @module
 */
import type { OptionKinds } from "../../options.ts";
import type { Model } from "../../model/model.ts";
import type { FloatTensor } from "../../runtime/tensor.ts";
import type { DirectRun, Target } from "./edge_effects.ts";
import { type Prediction, predictionsAt } from "../run/predict.ts";

/** How many logits; the defaults are circuit-tracer's. */
export interface LogitChoice {
  /** The most logits; default 10. */
  readonly maxLogits?: number;
  /** No more logits than have this probability together; default 0.95. */
  readonly logitProbability?: number;
}

/** The names of its options. */
export const LOGIT_CHOICE: OptionKinds<LogitChoice> = { maxLogits: "count", logitProbability: "any" };

/** The last block's output. */
export function topHook({ architecture: { config: { nLayers } } }: Model): string {
  return `blocks.${nLayers - 1}.hook_resid_post`;
}

/** The most probable next tokens, as many as it takes to a probability. */
export async function chooseLogits(
  { model, state }: DirectRun,
  { maxLogits = 10, logitProbability = 0.95 }: LogitChoice,
): Promise<Prediction[]> {
  const logits = await model.unembedding.logits(state.final);
  const best = await predictionsAt(model, logits, 0, maxLogits);
  let sum = 0;
  const enough = best.findIndex(({ probability }) => (sum += probability) >= logitProbability);
  return enough < 0 ? best : best.slice(0, enough + 1);
}

/** Logits before a soft cap, less the vocabulary's mean, as targets at the last block's output. */
export async function logitTargets(
  { model, state, tokens }: DirectRun,
  logits: readonly Prediction[],
): Promise<(Target & { readonly value: number })[]> {
  const { architecture: { config: { dVocab, dModel } }, unembedding, chain } = model;
  const chosen = { dims: [logits.length, dVocab], data: new Float32Array(logits.length * dVocab).fill(-1 / dVocab) };
  logits.forEach(({ id }, i) => chosen.data[i * dVocab + id] += 1);
  // Where a soft cap's derivative is asked for, at logits of 0: it is 1 there, so that the cap is left out.
  const zeros = { dims: chosen.dims, data: new Float32Array(chosen.data.length) };
  const { data: directions } = await unembedding.gradient(chosen, zeros);
  const top = topHook(model);
  const position = tokens.length - 1;
  const targets = [];
  for (let i = 0; i < logits.length; i++) {
    const direction = directions.subarray(i * dModel, (i + 1) * dModel);
    const gradient: FloatTensor = { dims: [1, 1, dModel], data: direction };
    const found = await chain.backward(state, gradient, [top], { stop: ["normalizer_scale"] });
    targets.push({
      position,
      gradient: found.get(top)!.data.slice(position * dModel, (position + 1) * dModel),
      value: direction.reduce((sum, x, d) => sum + x * state.final.data[d], 0),
    });
  }
  return targets;
}

/**
 * The metric and its gradient where an SAE writes something else than it did.
 *
 * @module
 */
import { metricGradients } from "../metric/value_of_copies.ts";
import { joinHooks, selectHead } from "../run/sae_hooks.ts";
import { copiesAtOnce, rerunFrom, runAt, type RunParts } from "./rerun.ts";

/** A metric, and its gradient at the hooks that an SAE's features write. */
export interface ChangedGradient {
  /** The metric with the change. */
  readonly metric: number;
  /** Its gradient there, side by side, `[row, hook · d_out]`. */
  readonly gradient: Float32Array;
}

/**
 * For each change, in their order, the metric and its gradient at the changed value. Other SAEs add what they added in
 * the run, as gradients see them.
 *
 * @param changes make what is added to what the SAE's features write, as in `rerunFrom`
 */
export async function* gradientsAt(
  parts: RunParts,
  hook: string,
  changes: readonly (() => Float32Array)[],
): AsyncGenerator<ChangedGradient> {
  const most = gradientsAtOnce(parts);
  for (let start = 0; start < changes.length; start += most) {
    yield* await gradientsTogether(parts, hook, changes.slice(start, start + most).map((make) => make()));
  }
}

/** How many changes run forward and back at once, memory being bounded. */
export function gradientsAtOnce({ model, grads: { tokens } }: RunParts): number {
  return Math.max(1, copiesAtOnce(model, tokens.length) >> 1); // going back takes memory too
}

/**
 * The same of so few changes that they run at once, {@linkcode gradientsAtOnce} at most.
 *
 * @param changes what is added to what the SAE's features write, as in `rerunFrom`
 */
export async function gradientsTogether(
  parts: RunParts,
  hook: string,
  changes: readonly Float32Array[],
): Promise<ChangedGradient[]> {
  const { model, grads: { resolvedMetric } } = parts;
  const { sae } = runAt(parts, hook);
  const state = await rerunFrom(parts, hook, changes, "constant", true);
  const found = await metricGradients(model, resolvedMetric, state.final, changes.length);
  const gradients = await model.chain.backward(state, found.gradient, sae.hooksOut);
  state.release();
  const all = joinHooks(sae.hooksOut.map((name) => selectHead(sae, gradients.get(name)!)), sae.config.dOut);
  const size = all.length / changes.length;
  return found.values.map((metric, i) => ({ metric, gradient: all.subarray(i * size, (i + 1) * size) }));
}

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
  const { model, grads: { tokens, resolvedMetric } } = parts;
  const { sae } = runAt(parts, hook);
  const most = Math.max(1, copiesAtOnce(model, tokens.length) >> 1); // going back takes memory too
  for (let start = 0; start < changes.length; start += most) {
    const some = changes.slice(start, start + most).map((make) => make());
    const state = await rerunFrom(parts, hook, some, "constant", true);
    const found = await metricGradients(model, resolvedMetric, state.final, some.length);
    const gradients = await model.chain.backward(state, found.gradient, sae.hooksOut);
    state.release();
    const all = joinHooks(sae.hooksOut.map((name) => selectHead(sae, gradients.get(name)!)), sae.config.dOut);
    const size = all.length / some.length;
    for (const [i, metric] of found.values.entries()) {
      yield { metric, gradient: all.subarray(i * size, (i + 1) * size) };
    }
  }
}

/**
 * What takes the place of activations when features are ablated.
 *
 * @module
 */
import type { SparseActivations } from "../../sae/sparse.ts";
import type { SaeRun } from "../run/sae_hooks.ts";

/** What takes the place of an activation: 0, or the feature's mean over the prompt's positions. */
export type Ablation = "zero" | "mean";

/** The choices by name. */
export const ABLATIONS: readonly Ablation[] = ["zero", "mean"];

/**
 * f − what takes its place, wherever that is not 0.
 *
 * @throws {RangeError} if there is no position to take a mean over
 */
export function whatAblationTakes(run: SaeRun, ablation: Ablation): SparseActivations {
  return ablation === "zero" ? run.encoded.activations : fromMeans(run);
}

/** f − its mean over positions, wherever that is not 0. */
function fromMeans({ encoded: { activations }, excluded }: SaeRun): SparseActivations {
  const { rows, offsets, features, values } = activations;
  const sums = new Map<number, number>();
  let counted = 0;
  for (let r = 1; r < rows; r++) {
    if (excluded.has(r)) continue;
    counted++;
    for (let i = offsets[r]; i < offsets[r + 1]; i++) sums.set(features[i], (sums.get(features[i]) ?? 0) + values[i]);
  }
  if (counted === 0) {
    throw new RangeError(
      "A mean leaves out the first position and those of excluded tokens, and there is no other: write a longer prompt",
    );
  }
  const changed = Array.from({ length: rows }, (_, r): [number, number][] => {
    if (excluded.has(r)) return [];
    const row = new Map([...sums].map(([feature, sum]) => [feature, -sum / counted]));
    for (let i = offsets[r]; i < offsets[r + 1]; i++) row.set(features[i], values[i] + (row.get(features[i]) ?? 0));
    return [...row].filter(([, by]) => Math.fround(by) !== 0).sort(([a], [b]) => a - b);
  });
  const starts = new Uint32Array(rows + 1);
  changed.forEach((row, r) => starts[r + 1] = starts[r] + row.length);
  const entries = changed.flat();
  return {
    rows,
    offsets: starts,
    features: Uint32Array.from(entries, ([feature]) => feature),
    values: Float32Array.from(entries, ([, by]) => by),
  };
}

/**
 * What features write at their SAE's hook: activation · scale · W_dec, at the run's scale.
 *
 * @module
 */
import type { Encoded } from "../../sae/sae.ts";
import type { SparseActivations } from "../../sae/sparse.ts";
import type { SaeRun } from "./apply.ts";

/** A feature at a position. */
export interface FeatureAt {
  /** The token, counted from 0. */
  readonly position: number;
  /** The feature's index in the SAE. */
  readonly feature: number;
}

/** An activation that changes. */
export interface FeatureChange extends FeatureAt {
  /** The new activation minus the old one. */
  readonly by: number;
}

/** The entries of a sparse matrix one by one. */
export function changesOf({ rows, offsets, features, values }: SparseActivations): FeatureChange[] {
  const changes: FeatureChange[] = [];
  for (let position = 0; position < rows; position++) {
    for (let i = offsets[position]; i < offsets[position + 1]; i++) {
      changes.push({ position, feature: features[i], by: values[i] });
    }
  }
  return changes;
}

/** What each change alone adds to its position's row, `[change, d_out]`; of a cross-layer transcoder `[change, hook · d_out]`. */
export function contributionRows(run: SaeRun, changes: readonly FeatureChange[]): Promise<Float32Array> {
  const { scale } = run.encoded.normalized;
  return decode(run, changes.map((change) => [change]), Float32Array.from(changes, ({ position }) => scale[position]));
}

/** What all changes together add, `[row, d_out]`; of a cross-layer transcoder `[row, hook · d_out]`. */
export function contributionSum(run: SaeRun, changes: readonly FeatureChange[]): Promise<Float32Array> {
  const { encoded: { activations: { rows }, normalized: { scale } } } = run;
  const byRow: FeatureChange[][] = Array.from({ length: rows }, () => []);
  for (const change of changes) byRow[change.position].push(change);
  return decode(run, byRow, scale);
}

/** The decoder without its bias. */
function decode(
  { sae, encoded: { decoderNorms } }: SaeRun,
  rows: readonly (readonly FeatureChange[])[],
  scale: Float32Array,
): Promise<Float32Array> {
  const all = rows.map((row) => row.toSorted((a, b) => a.feature - b.feature));
  const offsets = new Uint32Array(rows.length + 1);
  all.forEach((row, r) => offsets[r + 1] = offsets[r] + row.length);
  const entries = all.flat();
  const encoded: Encoded = {
    activations: {
      rows: rows.length,
      offsets,
      features: Uint32Array.from(entries, ({ feature }) => feature),
      values: Float32Array.from(entries, ({ by }) => by),
    },
    normalized: {
      input: new Float32Array(),
      factor: new Float32Array(rows.length).fill(1),
      scale,
      bias: new Float32Array(rows.length * sae.config.dOut),
    },
    decoderNorms,
  };
  return sae.decode(encoded);
}

/** The activation of any feature at any position of a run. */
export function activationsOf({ encoded: { activations } }: SaeRun): (at: FeatureAt) => number {
  const { offsets, features, values } = activations;
  return ({ position, feature }) => {
    const at = features.subarray(offsets[position], offsets[position + 1]).indexOf(feature);
    return at < 0 ? 0 : values[offsets[position] + at];
  };
}

/** @throws {RangeError} if the run has no such position, or the SAE no such feature */
export function checkFeature({ sae: { config: { dSae } }, encoded }: SaeRun, { position, feature }: FeatureAt): void {
  const { rows } = encoded.activations;
  if (!Number.isInteger(position) || position < 0 || position >= rows) {
    throw new RangeError(`There is no position ${position}: the prompt has ${rows} tokens, from 0`);
  }
  if (!Number.isInteger(feature) || feature < 0 || feature >= dSae) {
    throw new RangeError(`There is no feature ${feature}: the SAE has ${dSae}, from 0`);
  }
}

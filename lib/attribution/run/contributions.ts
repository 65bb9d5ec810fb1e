/**
 * What features write at their SAE's hook: activation · scale · W_dec, at the run's scale.
 *
 * @module
 */
import type { Sae } from "../../sae/sae.ts";
import type { SparseActivations } from "../../sae/sparse.ts";
import type { SaeAttribution } from "../result/sae_attribution.ts";
import type { SaeRun } from "./sae_hooks.ts";

/** A feature at a position. */
export interface FeatureAt {
  /** The token, counted from 0. */
  readonly position: number;
  /** The feature's index in the SAE. */
  readonly feature: number;
}

/** The part of a run that says what features write. */
export type EncodedRun = Pick<SaeRun, "sae" | "encoded">;

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

/** An activation that changes, and what the gradient says of that. */
export interface AttributedChange extends FeatureChange {
  /** `by` · gradient, by the attribution's own method. */
  readonly attribution: number;
}

/** The entries of a sparse matrix one by one, with what the gradient says of each. */
export async function attributedChanges(
  { run, writtenGradient }: SaeAttribution,
  activations: SparseActivations,
): Promise<AttributedChange[]> {
  const gradients = await run.sae.activeGradients({ ...run.encoded, activations }, writtenGradient);
  return changesOf(activations).map((change, i) => ({ ...change, attribution: Math.fround(change.by * gradients[i]) }));
}

/**
 * What each group of changes adds, `[row, d_out]` (of a cross-layer transcoder `[row, hook · d_out]`), one group at a time;
 * decoder rows are read for many groups at once.
 */
export async function* contributionGroups(
  run: SaeRun,
  groups: readonly (readonly FeatureChange[])[],
): AsyncGenerator<Float32Array> {
  const d = run.sae.config.dOut * run.sae.hooksOut.length;
  const most = Math.max(1, Math.floor(DECODER_NUMBERS / d)); // rows of sums in memory at once
  for (let start = 0, end = 0; start < groups.length; start = end) {
    const places: { group: number; position: number }[] = []; // of the rows of sums
    const changes: FeatureChange[] = [];
    const rowOf: number[] = [];
    for (; end < groups.length && (end === start || places.length + groups[end].length <= most); end++) {
      const rows = new Map<number, number>();
      for (const change of groups[end]) {
        if (!rows.has(change.position)) {
          rows.set(change.position, places.push({ group: end, position: change.position }) - 1);
        }
        changes.push(change);
        rowOf.push(rows.get(change.position)!);
      }
    }
    const sums = await addUp(run, changes, places.length, (i) => rowOf[i]);
    let row = 0;
    for (let group = start; group < end; group++) {
      const written = new Float32Array(run.encoded.activations.rows * d);
      for (; row < places.length && places[row].group === group; row++) {
        written.set(sums.subarray(row * d, (row + 1) * d), places[row].position * d);
      }
      yield written;
    }
  }
}

/** What all changes together add, `[row, d_out]`; of a cross-layer transcoder `[row, hook · d_out]`. */
export function contributionSum(run: EncodedRun, changes: readonly FeatureChange[]): Promise<Float32Array> {
  return addUp(run, changes, run.encoded.activations.rows, (i) => changes[i].position);
}

/** The most numbers of decoder rows in memory at once. */
const DECODER_NUMBERS = 8 * 2 ** 20;

/** Σ change · scale · W_dec over the changes of each row, features ascending. */
async function addUp(
  { sae, encoded: { decoderNorms, normalized: { scale } } }: EncodedRun,
  changes: readonly FeatureChange[],
  rows: number,
  rowOf: (change: number) => number,
): Promise<Float32Array> {
  const d = sae.config.dOut * sae.hooksOut.length;
  const sums = new Float64Array(rows * d);
  const scales = new Float32Array(rows).fill(1);
  const byFeature = Map.groupBy(changes.keys(), (i) => changes[i].feature);
  const features = [...byFeature.keys()].sort((a, b) => a - b);
  const most = Math.max(1, Math.floor(DECODER_NUMBERS / d));
  for (let start = 0; start < features.length; start += most) {
    const some = features.slice(start, start + most);
    const written = await sae.decoderRows(some, decoderNorms);
    for (const [at, feature] of some.entries()) {
      const row = written.subarray(at * d, (at + 1) * d);
      for (const i of byFeature.get(feature)!) {
        const by = Math.fround(changes[i].by);
        const first = rowOf(i) * d;
        for (let j = 0; j < d; j++) sums[first + j] += by * row[j];
        scales[rowOf(i)] = scale[changes[i].position];
      }
    }
  }
  return Float32Array.from(sums, (x, i) => x * scales[Math.floor(i / d)]);
}

/** The activation of any feature at any position of a run. */
export function activationsOf({ encoded: { activations } }: Pick<SaeRun, "encoded">): (at: FeatureAt) => number {
  const { offsets, features, values } = activations;
  return ({ position, feature }) => {
    const at = features.subarray(offsets[position], offsets[position + 1]).indexOf(feature);
    return at < 0 ? 0 : values[offsets[position] + at];
  };
}

/** @throws {RangeError} if the run has no such position, or the SAE no such feature */
export function checkFeature({ sae, encoded }: SaeRun, { position, feature }: FeatureAt): void {
  const { rows } = encoded.activations;
  if (!Number.isInteger(position) || position < 0 || position >= rows) {
    throw new RangeError(`There is no position ${position}: the prompt has ${rows} tokens, from 0`);
  }
  checkFeatureIndex(sae, feature);
}

/** @throws {RangeError} if the SAE has no such feature */
export function checkFeatureIndex({ config: { dSae } }: Sae, feature: number): void {
  if (!Number.isInteger(feature) || feature < 0 || feature >= dSae) {
    throw new RangeError(`There is no feature ${feature}: the SAE has ${dSae}, from 0`);
  }
}

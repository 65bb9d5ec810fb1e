/**
 * The decoder's rows, of which a run reads only those of active features.
 *
 * @module
 */
import type { TensorStore } from "../weights/tensors/tensors.ts";
import type { SparseActivations } from "./sparse.ts";

/** The most bytes of decoder rows in memory at once. */
const DECODER_BYTES = 32 * 2 ** 20;
/** SAELens's least norm of a decoder row when norms are folded. */
const MIN_NORM = 1e-8;

/** W_dec `[d_sae, d]`, where it is stored. */
export interface Decoder {
  readonly store: TensorStore;
  readonly dSae: number;
  /** Numbers per position that a row writes, at all hooks together. */
  readonly d: number;
}

/** ‖W_dec row‖ by feature, of W_dec with the norm scaling factor folded. */
export async function readDecoderNorms(decoder: Decoder, normScalingFactor = 1): Promise<Float32Array> {
  const { dSae, d } = decoder;
  const norms = new Float32Array(dSae);
  await visitDecoderSlices(decoder, (weights, start, end) => {
    for (let f = start; f < end; f++) {
      let square = 0;
      for (let i = (f - start) * d; i < (f - start + 1) * d; i++) square += weights[i] ** 2;
      norms[f] = Math.max(MIN_NORM, Math.sqrt(square) / normScalingFactor);
    }
  });
  return norms;
}

/** Visits W_dec in slices of features. */
export async function visitDecoderSlices(
  { store, dSae, d }: Decoder,
  visit: (rows: Float32Array, start: number, end: number) => void,
): Promise<void> {
  const step = Math.max(1, Math.floor(DECODER_BYTES / 4 / d));
  for (let start = 0; start < dSae; start += step) {
    const end = Math.min(dSae, start + step);
    visit(await store.readRowRange("W_dec", start, end), start, end);
  }
}

/**
 * Visits every entry of the activations with its feature's decoder row (over its norm, where norms are folded), a
 * bounded number of rows at a time.
 */
export async function visitDecoderRows(
  { store, d }: Decoder,
  { rows, offsets, features }: Omit<SparseActivations, "values">,
  norms: Float32Array | undefined,
  visit: (decoderRow: Float32Array, entry: number, row: number) => void,
): Promise<void> {
  const rowOf = new Uint32Array(features.length);
  for (let r = 0; r < rows; r++) rowOf.fill(r, offsets[r], offsets[r + 1]);
  const entries = Uint32Array.from(features, (_, i) => i).sort((a, b) => features[a] - features[b] || a - b);
  const most = Math.max(1, Math.floor(DECODER_BYTES / 4 / d));
  let entry = 0;
  while (entry < entries.length) {
    const unique: number[] = [];
    let end = entry;
    for (; end < entries.length; end++) {
      const feature = features[entries[end]];
      if (unique[unique.length - 1] === feature) continue;
      if (unique.length === most) break;
      unique.push(feature);
    }
    const block = await store.readRows("W_dec", unique);
    if (norms) { for (let i = 0; i < block.length; i++) block[i] /= norms[unique[Math.floor(i / d)]]; }
    for (let at = -1; entry < end; entry++) {
      if (at < 0 || unique[at] !== features[entries[entry]]) at++;
      visit(block.subarray(at * d, (at + 1) * d), entries[entry], rowOf[entries[entry]]);
    }
  }
}

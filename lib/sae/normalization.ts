/**
 * SAELens's `normalize_activations`: what the encoder sees, and the way back, x̂ = (f · W_dec) · scale + bias per row.
 *
 * @module
 */
import type { SaeConfig } from "./config.ts";

/** Names of `normalize_activations`. `constant_scalar_rescale` is a run-time no-op, as `expected_average_only_in`. */
export const NORMALIZATIONS = [
  "none",
  "expected_average_only_in",
  "constant_norm_rescale",
  "constant_scalar_rescale",
  "layer_norm",
] as const;

/** One of {@linkcode NORMALIZATIONS}. */
export type Normalization = typeof NORMALIZATIONS[number];

/** An SAE's input as its encoder sees it, and how its output goes back. */
export interface Normalized {
  /** `[row, d_in]` */
  readonly input: Float32Array;
  /** Per row: what the decoder's sum is multiplied by. */
  readonly scale: Float32Array;
  /** `[row, d_out]`: what is added then. */
  readonly bias: Float32Array;
}

/** torch's ε in SAELens's `layer_norm`. */
const LAYER_NORM_EPS = 1e-5;

/**
 * Normalises rows `[row, d_in]`.
 *
 * @param bDec the decoder's bias, `[d_out]`
 */
export function normalize(x: Float32Array, bDec: Float32Array, config: SaeConfig): Normalized {
  const { dIn, dOut, normalizeActivations: kind, normScalingFactor: k, applyBDecToInput } = config;
  const rows = x.length / dIn;
  const input = new Float32Array(x.length);
  const scale = new Float32Array(rows);
  const bias = new Float32Array(rows * dOut);
  for (let r = 0; r < rows; r++) {
    const row = x.subarray(r * dIn, (r + 1) * dIn);
    const { factor, shift } = statistics(row, kind, k);
    scale[r] = kind === "layer_norm" ? 1 / factor - LAYER_NORM_EPS : 1 / factor;
    for (let i = 0; i < dIn; i++) {
      input[r * dIn + i] = (row[i] - shift) * factor - (applyBDecToInput ? bDec[i] : 0);
    }
    for (let i = 0; i < dOut; i++) bias[r * dOut + i] = bDec[i] * scale[r] + shift;
  }
  return { input, scale, bias };
}

/** normalised = (x − shift) · factor. A folded factor (W_enc·k, W_dec/k, b_dec/k) is the same as multiplying by k here. */
function statistics(row: Float32Array, kind: Normalization, k: number | undefined): { factor: number; shift: number } {
  const n = row.length;
  switch (kind) {
    case "none":
    case "constant_scalar_rescale":
      return { factor: 1, shift: 0 };
    case "expected_average_only_in":
      return { factor: k ?? 1, shift: 0 };
    case "constant_norm_rescale":
      return { factor: Math.sqrt(n) / Math.sqrt(row.reduce((sum, v) => sum + v * v, 0)), shift: 0 };
    case "layer_norm": {
      const mean = row.reduce((sum, v) => sum + v, 0) / n;
      const variance = row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (n - 1); // torch.std is unbiased
      return { factor: 1 / (Math.sqrt(variance) + LAYER_NORM_EPS), shift: mean };
    }
  }
}

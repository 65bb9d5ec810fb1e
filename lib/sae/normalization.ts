/**
 * SAELens's `normalize_activations`: what the encoder sees, and the way back, x̂ = (f · W_dec) · scale + bias per row.
 *
 * @module
 */
import { findArchitecture } from "./architectures/mod.ts";
import type { SaeConfig } from "./config.ts";

/** An SAE's input as its encoder sees it, and how its output goes back. */
export interface Normalized {
  /** `[row, d_in]` */
  readonly input: Float32Array;
  /** Per row: what the input was multiplied by. */
  readonly factor: Float32Array;
  /** Per row: what the decoder's sum is multiplied by. */
  readonly scale: Float32Array;
  /** `[row, d_out]`: what is added then. */
  readonly bias: Float32Array;
}

/** torch's ε in SAELens's `layer_norm`. */
const LAYER_NORM_EPS = 1e-5;

/**
 * Normalises rows `[row, d_in]`. What a transcoder writes is no normalised copy of what it reads: its output goes back
 * unchanged, unless a factor is folded into its weights.
 *
 * @param bDec the decoder's bias, `[d_out]`
 */
export function normalize(x: Float32Array, bDec: Float32Array, config: SaeConfig): Normalized {
  const { dIn, dOut, applyBDecToInput, normScalingFactor: folded = 1 } = config;
  const { transcoder } = findArchitecture(config.architecture);
  const rows = x.length / dIn;
  const input = new Float32Array(x.length);
  const [factors, scale] = [new Float32Array(rows), new Float32Array(rows)];
  const bias = new Float32Array(rows * dOut);
  for (let r = 0; r < rows; r++) {
    const row = x.subarray(r * dIn, (r + 1) * dIn);
    const { factor, shift, back } = statistics(row, config);
    for (let i = 0; i < dIn; i++) {
      input[r * dIn + i] = (row[i] - shift) * factor - (applyBDecToInput ? bDec[i] : 0);
    }
    factors[r] = factor;
    scale[r] = transcoder ? 1 / folded : back;
    for (let i = 0; i < dOut; i++) bias[r * dOut + i] = bDec[i] * scale[r] + (transcoder ? 0 : shift);
  }
  return { input, factor: factors, scale, bias };
}

/**
 * The gradient at a row of the input from that at the same row normalised, the row's norm or deviation held constant;
 * the mean that `layer_norm` removes is not.
 */
export function inputGradient(
  gradient: Float32Array,
  row: number,
  { factor }: Normalized,
  { normalizeActivations }: SaeConfig,
): Float32Array {
  const mean = normalizeActivations === "layer_norm" ? gradient.reduce((a, b) => a + b, 0) / gradient.length : 0;
  return gradient.map((g) => (g - mean) * factor[row]);
}

/** normalised = (x − shift) · factor, x̂ = normalised x̂ · back + shift. */
interface Statistics {
  readonly factor: number;
  readonly shift: number;
  readonly back: number;
}

function statistics(row: Float32Array, config: SaeConfig): Statistics {
  const n = row.length;
  switch (config.normalizeActivations) {
    case "none":
      return { factor: 1, shift: 0, back: 1 };
    case "expected_average_only_in": {
      // Folded into the weights (W_enc · k, W_dec / k, b_dec / k), k does the same.
      // A search's dictionary stays as it is: its threshold and b_dec are in units of x then.
      const k = findArchitecture(config.architecture).folding === "threshold" ? 1 : config.normScalingFactor ?? 1;
      return { factor: k, shift: 0, back: 1 / k };
    }
    case "constant_scalar_rescale": {
      const factor = config.activationNormalizationFactor ?? 1;
      return { factor, shift: 0, back: 1 / factor };
    }
    case "constant_norm_rescale": {
      const norm = Math.sqrt(row.reduce((sum, v) => sum + v * v, 0));
      return { factor: Math.sqrt(n) / norm, shift: 0, back: norm / Math.sqrt(n) };
    }
    case "layer_norm": {
      const mean = row.reduce((sum, v) => sum + v, 0) / n;
      const std = Math.sqrt(row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (n - 1)); // torch.std is unbiased
      return { factor: 1 / (std + LAYER_NORM_EPS), shift: mean, back: std };
    }
  }
}

/**
 * Rotary positions: cos and sin of their angles.
 *
 * @module
 */
import type { RotaryScaling, RotarySpec } from "../../../models/family.ts";
import type { FloatTensor } from "../../runtime/tensor.ts";

/**
 * Tables of `n` rotary positions, `[1, position, dim]`: cos and sin of position · frequency, the frequencies twice over.
 * Frequencies and angles are float32, as they were when these models were trained.
 *
 * @param length of the text, on which frequencies may depend
 * @param start the first position
 */
export function rotaryTables(
  n: number,
  spec: RotarySpec,
  length: number = n,
  start = 0,
): { cos: FloatTensor; sin: FloatTensor } {
  const { dim, scaling } = spec;
  const frequencies = rotaryFrequencies(spec, length);
  const factor = scaling !== undefined && "attentionFactor" in scaling ? scaling.attentionFactor : 1;
  const dims = [1, n, dim];
  const [cos, sin] = [new Float32Array(n * dim), new Float32Array(n * dim)];
  for (let position = 0; position < n; position++) {
    for (let i = 0; i < dim; i++) {
      const angle = Math.fround((start + position) * frequencies[i % (dim / 2)]);
      cos[position * dim + i] = factor * Math.cos(angle);
      sin[position * dim + i] = factor * Math.sin(angle);
    }
  }
  return { cos: { dims, data: cos }, sin: { dims, data: sin } };
}

/** Whether texts of two lengths have the same frequencies. */
export function isSameRotary({ scaling }: RotarySpec, a: number, b: number): boolean {
  return scaling?.type !== "longrope" || a > scaling.originalContext === b > scaling.originalContext;
}

/** Radians per position, half as many as dimensions. */
function rotaryFrequencies({ base, dim, scaling }: RotarySpec, length: number): Float32Array {
  const wavelengths = Float32Array.from({ length: dim / 2 }, (_, i) => base ** Math.fround(2 * i / dim));
  const plain = wavelengths.map((wavelength) => 1 / wavelength);
  switch (scaling?.type) {
    case undefined:
      return plain;
    case "linear":
      return plain.map((frequency) => frequency / scaling.factor);
    case "llama3": {
      const { factor, lowFreqFactor: low, highFreqFactor: high, originalContext } = scaling;
      return plain.map((frequency) => {
        const turns = originalContext * frequency / (2 * Math.PI); // within the context of the pretraining
        if (turns > high) return frequency;
        if (turns < low) return frequency / factor;
        const smooth = (turns - low) / (high - low);
        return (1 - smooth) * frequency / factor + smooth * frequency;
      });
    }
    case "yarn":
      return yarnFrequencies(wavelengths, base, scaling);
    case "longrope": {
      const factors = length > scaling.originalContext ? scaling.longFactors : scaling.shortFactors;
      return wavelengths.map((wavelength, i) => 1 / Math.fround(Math.fround(factors[i]) * wavelength));
    }
  }
}

/** Equations 23–25 of Peng et al. 2023. */
function yarnFrequencies(
  wavelengths: Float32Array,
  base: number,
  scaling: RotaryScaling & { type: "yarn" },
): Float32Array {
  const { factor, betaFast, betaSlow, originalContext, truncate } = scaling;
  const dim = 2 * wavelengths.length;
  /** The dimension that turns so many times within the first context. */
  const turning = (turns: number): number =>
    dim * Math.log(originalContext / (turns * 2 * Math.PI)) / (2 * Math.log(base));
  const [first, last] = [turning(betaFast), turning(betaSlow)];
  const low = Math.max(0, truncate ? Math.floor(first) : first);
  const high = Math.min(dim - 1, truncate ? Math.ceil(last) : last);
  const width = high === low ? 0.001 : high - low;
  return wavelengths.map((wavelength, i) => {
    const stretched = Math.min(1, Math.max(0, (i - low) / width));
    return stretched / (factor * wavelength) + (1 - stretched) / wavelength;
  });
}

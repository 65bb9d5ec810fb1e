/**
 * Random numbers that are the same for the same seed.
 *
 * @module
 */

/** Uniform in [0, 1): Tommy Ettinger's Mulberry32, 32 bits each, from the seed's low 32 bits. */
export function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

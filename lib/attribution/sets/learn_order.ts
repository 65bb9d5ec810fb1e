/**
 * An order of the candidates that is learnt: the first so many of it shall do what all do.
 *
 * @module
 */
import { mulberry32 } from "../../random.ts";
import type { ScoredSets } from "./scored_sets.ts";

/** How an order is learnt. */
export interface LearnOptions {
  /** Steps of Adam. */
  readonly steps: number;
  /** Sets of this many to that many features are tried. */
  readonly sizes: readonly [least: number, most: number];
  readonly seed: number;
  /** What the attribution says of each candidate, in units of its own. */
  readonly start: readonly number[];
}

/** Masks of different sizes in one step, as copies of the prompt. */
const MASKS = 3;
const RATE = 0.1;
const [BETA_1, BETA_2] = [0.9, 0.98];
/** The softness of masks, from the first step to the last. */
const [SOFT, HARD] = [1, 0.2];
/** Errors beyond this pull no harder. */
const MOST_ERROR = 2;

/**
 * One score per candidate. Every step draws sizes k, log-uniform and stratified, and makes of each the soft mask
 * σ((score − τ) / T) that adds up to k; Adam then lowers Σ (1 − share)² / 2 over these masks, so that one order is good at
 * all sizes at once. T falls from 1 to 0.2. (Masks over random budgets as in arXiv 2609.25518; the gradient with respect
 * to a mask's element is what its feature writes times the metric's gradient at the hook, one pass forward and back for
 * all.)
 */
export async function learnOrder(sets: ScoredSets, { steps, sizes, seed, start }: LearnOptions): Promise<Float64Array> {
  const random = mulberry32(seed);
  const strongest = start.reduce((most, x) => Math.max(most, Math.abs(x)), 0) || 1;
  const scores = Float64Array.from(start, (x) => x / strongest);
  const adam = new Adam(scores.length);
  const [least, most] = sizes;
  for (let step = 0; step < steps; step++) {
    const softness = SOFT * (HARD / SOFT) ** (step / Math.max(1, steps - 1));
    const masks = Array.from({ length: MASKS }, (_, i) => {
      const size = least * (most / least) ** ((i + random()) / MASKS);
      return softTop(scores, size, softness);
    });
    const found = await sets.maskGradients(masks, step);
    const gradient = new Float64Array(scores.length);
    found.forEach(({ share, gradient: byElement }, i) => {
      const error = Math.max(-MOST_ERROR, Math.min(MOST_ERROR, 1 - share));
      addThroughMask(gradient, masks[i], softness, byElement, error);
    });
    adam.ascend(scores, gradient, RATE);
  }
  return scores;
}

/** σ((score − τ) / T) with τ such that it adds up to `size`. */
function softTop(scores: Float64Array, size: number, softness: number): Float64Array {
  const mask = new Float64Array(scores.length);
  const reach = 40 * softness;
  let [low, high] = [scores.reduce((a, b) => Math.min(a, b)) - reach, scores.reduce((a, b) => Math.max(a, b)) + reach];
  for (let i = 0; i < 60; i++) {
    const threshold = (low + high) / 2;
    let sum = 0;
    for (let j = 0; j < mask.length; j++) sum += mask[j] = 1 / (1 + Math.exp((threshold - scores[j]) / softness));
    if (sum > size) low = threshold;
    else high = threshold;
  }
  return mask;
}

/** Adds `factor` times the gradient with respect to scores, from that with respect to a mask of them; its sum is fixed. */
function addThroughMask(
  gradient: Float64Array,
  mask: Float64Array,
  softness: number,
  byElement: Float64Array,
  factor: number,
): void {
  const slope = mask.map((m) => m * (1 - m) / softness);
  let [along, all] = [0, 0];
  slope.forEach((s, i) => {
    along += s * byElement[i];
    all += s;
  });
  const mean = all === 0 ? 0 : along / all;
  slope.forEach((s, i) => gradient[i] += factor * s * (byElement[i] - mean));
}

/** Kingma and Ba 2015, arXiv 1412.6980. */
class Adam {
  readonly #mean: Float64Array;
  readonly #square: Float64Array;
  #step = 0;

  constructor(count: number) {
    this.#mean = new Float64Array(count);
    this.#square = new Float64Array(count);
  }

  ascend(values: Float64Array, gradient: Float64Array, rate: number): void {
    this.#step++;
    const [unbiased1, unbiased2] = [1 - BETA_1 ** this.#step, 1 - BETA_2 ** this.#step];
    gradient.forEach((g, i) => {
      this.#mean[i] = BETA_1 * this.#mean[i] + (1 - BETA_1) * g;
      this.#square[i] = BETA_2 * this.#square[i] + (1 - BETA_2) * g * g;
      values[i] += rate * (this.#mean[i] / unbiased1) / (Math.sqrt(this.#square[i] / unbiased2) + 1e-8);
    });
  }
}

/**
 * A run in which some features are there and others are not, exactly or in part.
 *
 * @module
 */
import { quote } from "../../quote.ts";
import { gradientsAt } from "../change/gradients.ts";
import { effectsOf, runAt, type VariantOptions } from "../change/rerun.ts";
import type { Attribution } from "../result/result.ts";
import { contributionSum } from "../run/contributions.ts";
import type { AblatedEntry } from "./candidates.ts";

/** `kept`: the metric with the set alone; `taken`: what goes with the set. As parts of what all features do together. */
export type Share = "kept" | "taken";

/** Some candidates by number. */
export type CandidateSet = readonly number[];

/** What a mask comes to, and how that changes with its elements. */
export interface MaskGradient {
  readonly share: number;
  /** By candidate. */
  readonly gradient: Float64Array;
}

/** One prompt's run at one SAE. Decoder rows of its candidates are held. */
export class MaskedRun {
  /** The metric of the run. */
  readonly metric: number;
  /** What ablating all features takes off it. */
  readonly effect: number;
  readonly #result: Attribution;
  readonly #hook: string;
  readonly #options: VariantOptions;
  readonly #entries: readonly AblatedEntry[];
  readonly #count: number;
  /** What all features write, `[row, hook · d_out]`. */
  readonly #all: Float32Array;
  /** By feature, its decoder row; by entry, the factor of its feature's. */
  readonly #rows: ReadonlyMap<number, Float32Array>;
  readonly #factors: Float64Array;
  readonly #d: number;

  private constructor(
    { result, hook, entries, count, options }: MaskedRunSource,
    held: { rows: ReadonlyMap<number, Float32Array>; factors: Float64Array; all: Float32Array; effect: number },
  ) {
    this.#result = result;
    this.#hook = hook;
    this.#options = options;
    this.#entries = entries.filter(({ candidate }) => candidate >= 0);
    this.#count = count;
    this.#all = held.all;
    this.#rows = held.rows;
    this.#factors = held.factors;
    this.#d = held.all.length / runAt(result.parts, hook).encoded.activations.rows;
    this.metric = result.metric;
    this.effect = held.effect;
  }

  /**
   * Reads what its features write, and runs without all of them.
   *
   * @throws {RangeError} if all features together do nothing
   */
  static async open(source: MaskedRunSource): Promise<MaskedRun> {
    const { result, hook, entries, options } = source;
    const run = runAt(result.parts, hook);
    const { encoded: { decoderNorms, normalized: { scale } }, sae } = run;
    const candidates = entries.filter(({ candidate }) => candidate >= 0);
    const features = [...new Set(candidates.map(({ feature }) => feature))].sort((a, b) => a - b);
    const data = await sae.decoderRows(features, decoderNorms);
    const d = sae.config.dOut * sae.hooksOut.length;
    const all = await contributionSum(run, entries);
    const [effect] = await effectsOf(result.parts, hook, [all.map((x) => -x)], options);
    if (!(Math.abs(effect) > LEAST * Math.abs(result.metric))) {
      const prompt = quote(result.tokens.map(({ text }) => text).join(""));
      throw new RangeError(
        `All features at ${hook} together change the metric of ${prompt} by ${effect}, of ${result.metric}: ` +
          "there is nothing to keep",
      );
    }
    return new MaskedRun(source, {
      all,
      effect,
      rows: new Map(features.map((feature, i) => [feature, data.subarray(i * d, (i + 1) * d)])),
      factors: Float64Array.from(candidates, ({ by, position }) => Math.fround(by) * scale[position]),
    });
  }

  /** What sets keep or take, by running with or without them. */
  async shares(sets: readonly CandidateSet[], share: Share): Promise<number[]> {
    if (sets.length === 0) return [];
    const changes = function* (this: MaskedRun): Generator<Float32Array> {
      for (const set of sets) {
        const mask = new Float64Array(this.#count);
        for (const i of set) mask[i] = 1;
        yield this.#change(mask, share);
      }
    };
    const effects = await effectsOf(this.#result.parts, this.#hook, changes.call(this), this.#options);
    return effects.map((effect) => this.#share(effect, share));
  }

  /** What masks keep or take, each element from 0 (not in the set) to 1, and the gradients. */
  async gradients(masks: readonly Float64Array[], share: Share): Promise<MaskGradient[]> {
    const found: MaskGradient[] = [];
    const changes = masks.map((mask) => () => this.#change(mask, share));
    for await (const { metric, gradient } of gradientsAt(this.#result.parts, this.#hook, changes)) {
      const byCandidate = new Float64Array(this.#count);
      this.#entries.forEach(({ feature, position, candidate }, i) => {
        const row = this.#rows.get(feature)!;
        const at = position * this.#d;
        let dot = 0;
        for (let j = 0; j < row.length; j++) dot += row[j] * gradient[at + j];
        byCandidate[candidate] += this.#factors[i] * dot / this.effect;
      });
      const effect = this.metric - metric;
      // An element of the mask adds to what is written, which adds to kept; or takes from it, which adds to taken.
      found.push({ share: this.#share(effect, share), gradient: byCandidate });
    }
    return found;
  }

  #share(effect: number, share: Share): number {
    return share === "kept" ? 1 - effect / this.effect : effect / this.effect;
  }

  /** What a mask changes at the hook, `[row, hook · d_out]`. */
  #change(mask: Float64Array, share: Share): Float32Array {
    const sum = new Float64Array(this.#all.length);
    this.#entries.forEach(({ feature, position, candidate }, i) => {
      const factor = mask[candidate] * this.#factors[i];
      if (factor === 0) return;
      const row = this.#rows.get(feature)!;
      const at = position * this.#d;
      for (let j = 0; j < row.length; j++) sum[at + j] += factor * row[j];
    });
    return Float32Array.from(sum, share === "kept" ? (x, i) => x - this.#all[i] : (x) => -x);
  }
}

/** What a {@linkcode MaskedRun} is made from. */
export interface MaskedRunSource {
  readonly result: Attribution;
  readonly hook: string;
  readonly entries: readonly AblatedEntry[];
  /** How many candidates there are. */
  readonly count: number;
  readonly options: VariantOptions;
}

/** Smaller effects of all features, as parts of the metric, are float32's rounding. */
const LEAST = 1e-5;

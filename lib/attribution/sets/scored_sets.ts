/**
 * Sets of features over one or several runs, scored by exact runs.
 *
 * @module
 */
import type { CandidateSet, MaskedRun, MaskGradient, Share } from "./masked_run.ts";
import type { SetDirection } from "./names.ts";

/** What each direction looks at. */
const SHARES: Readonly<Record<SetDirection, readonly Share[]>> = {
  sufficient: ["kept"],
  necessary: ["taken"],
  both: ["kept", "taken"],
};

/**
 * Runs that a set is for. A set's score is 1 − |1 − share|, where share is what it keeps or takes of what all features do:
 * 1 is best, more than all is no better than less. Over several runs it is the mean, runs weighted by how much all
 * features do in them; over both directions the lower one.
 */
export class ScoredSets {
  readonly direction: SetDirection;
  /** How many candidates there are. */
  readonly count: number;
  /** The runs, and what part of the whole each is. */
  readonly runs: readonly { readonly run: MaskedRun; readonly weight: number }[];
  readonly #known = new Map<string, number>();
  readonly #onRuns: (count: number) => void;

  constructor(runs: readonly MaskedRun[], count: number, direction: SetDirection, onRuns: (count: number) => void) {
    const total = runs.reduce((sum, { effect }) => sum + Math.abs(effect), 0);
    this.runs = runs.map((run) => ({ run, weight: Math.abs(run.effect) / total }));
    this.count = count;
    this.direction = direction;
    this.#onRuns = onRuns;
  }

  /** The scores of sets; each set runs once. */
  async scores(sets: readonly CandidateSet[]): Promise<number[]> {
    const keys = sets.map((set) => set.toSorted((a, b) => a - b).join());
    const fresh = new Map(keys.flatMap((key, i) => this.#known.has(key) ? [] : [[key, sets[i]]]));
    const totals = SHARES[this.direction].map(() => new Float64Array(fresh.size));
    for (const [i, share] of SHARES[this.direction].entries()) {
      for (const { run, weight } of this.runs) {
        const found = await run.shares([...fresh.values()], share);
        found.forEach((x, j) => totals[i][j] += weight * (1 - Math.abs(1 - x)));
        this.#onRuns(fresh.size);
      }
    }
    [...fresh.keys()].forEach((key, j) => this.#known.set(key, Math.min(...totals.map((one) => one[j]))));
    return keys.map((key) => this.#known.get(key)!);
  }

  /** At a set, how much the score would gain, to first order, from more of each candidate. */
  async gains(set: CandidateSet): Promise<Float64Array> {
    const mask = new Float64Array(this.count);
    for (const i of set) mask[i] = 1;
    const gains = new Float64Array(this.count);
    for (const share of SHARES[this.direction]) {
      for (const { run, weight } of this.runs) {
        const [found] = await run.gradients([mask], share);
        const sign = Math.sign(1 - found.share);
        found.gradient.forEach((x, i) => gains[i] += weight * sign * x);
        this.#onRuns(1);
      }
    }
    return gains;
  }

  /** Masks at one run after another and in one direction after another, from the `turn`-th on. */
  async maskGradients(masks: readonly Float64Array[], turn: number): Promise<MaskGradient[]> {
    const shares = SHARES[this.direction];
    const share = shares[turn % shares.length];
    const { run } = this.runs[Math.floor(turn / shares.length) % this.runs.length];
    const found = await run.gradients(masks, share);
    this.#onRuns(masks.length);
    return found;
  }
}

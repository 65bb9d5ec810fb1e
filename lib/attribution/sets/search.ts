/**
 * From an order to a set, by exact runs: features that are not needed go, others take their places.
 *
 * @module
 */
import type { CandidateSet } from "./masked_run.ts";
import type { ScoredSets } from "./scored_sets.ts";

/** A set and its score. */
export interface FoundSet {
  readonly set: CandidateSet;
  readonly score: number;
}

/** Of a set, so many features that it misses least, and candidates that would help most, are tried in each other's place. */
const [LEAVING, COMING] = [4, 8];
/** Rounds of exchanges at one size. */
const ROUNDS = 8;

/** A beginning of the order that scores so much has what a smaller set needs. */
const NEARLY_ALL = 0.95;

/**
 * So many features: the first of the order, or what is left of a longer beginning that has nearly all when the least missed
 * go, whichever is better; exchanged for others as long as that helps.
 */
export async function setOfSize(sets: ScoredSets, order: CandidateSet, size: number): Promise<FoundSet> {
  const longer = await shortestBeginning(sets, order, NEARLY_ALL);
  const starts: CandidateSet[] = [order.slice(0, size)];
  if (longer !== undefined && longer.set.length > size) starts.push(await reduced(sets, longer.set, size));
  const scores = await sets.scores(starts);
  const best = scores.indexOf(Math.max(...scores));
  return await exchange(sets, order, { set: starts[best], score: scores[best] }, 1);
}

/** The set less those that it misses least, an eighth at a time at most. */
async function reduced(sets: ScoredSets, set: CandidateSet, size: number): Promise<CandidateSet> {
  let rest = set;
  while (rest.length > size) {
    const without = await withoutEach(sets, rest);
    const leaving = Math.min(rest.length - size, Math.max(1, rest.length >> 3));
    const gone = new Set([...rest.keys()].sort((a, b) => without[b] - without[a] || a - b).slice(0, leaving));
    rest = rest.filter((_, i) => !gone.has(i));
  }
  return rest;
}

/**
 * A small set whose score is at least `keep`: the shortest beginning of the order that has it, less what it can spare, one
 * feature or several at a time, and with other features in place of two of its own. What it returns can spare no single
 * feature; undefined: no beginning of the order has the score.
 */
export async function smallestSet(sets: ScoredSets, order: CandidateSet, keep: number): Promise<FoundSet | undefined> {
  let best = await shortestBeginning(sets, order, keep);
  while (best !== undefined && best.set.length > 1) {
    const without = await withoutEach(sets, best.set);
    const fewer = await sparing(sets, best, without, keep) ??
      await exchange(sets, order, leastMissed(best.set, without), keep);
    if (fewer.score < keep) break;
    best = fewer;
  }
  return best;
}

/** The shortest beginning that has the score, among lengths that grow by about a tenth. */
async function shortestBeginning(sets: ScoredSets, order: CandidateSet, keep: number): Promise<FoundSet | undefined> {
  const lengths: number[] = [];
  for (let length = 1; length < order.length; length = Math.max(length + 1, Math.round(1.1 * length))) {
    lengths.push(length);
  }
  lengths.push(order.length);
  const AT_ONCE = 16;
  for (let start = 0; start < lengths.length; start += AT_ONCE) {
    const beginnings = lengths.slice(start, start + AT_ONCE).map((length) => order.slice(0, length));
    const scores = await sets.scores(beginnings);
    const at = scores.findIndex((score) => score >= keep);
    if (at >= 0) return { set: beginnings[at], score: scores[at] };
  }
  return undefined;
}

/** What the set scores without each of its features, in their order. */
function withoutEach(sets: ScoredSets, set: CandidateSet): Promise<number[]> {
  return sets.scores(set.map((_, i) => set.toSpliced(i, 1)));
}

/** The set less as many as it can spare, of 1, 2, 4 … that it misses least one by one; undefined: none. */
async function sparing(
  sets: ScoredSets,
  { set }: FoundSet,
  without: readonly number[],
  keep: number,
): Promise<FoundSet | undefined> {
  const spare = [...set.keys()].filter((i) => without[i] >= keep).sort((a, b) => without[b] - without[a] || a - b);
  const smaller: CandidateSet[] = [];
  for (let count = 1; count <= spare.length && count < set.length; count *= 2) {
    const gone = new Set(spare.slice(0, count));
    smaller.push(set.filter((_, i) => !gone.has(i)));
  }
  const scores = await sets.scores(smaller);
  const last = scores.findLastIndex((score) => score >= keep);
  return last < 0 ? undefined : { set: smaller[last], score: scores[last] };
}

/** The set without the feature that it misses least. */
function leastMissed(set: CandidateSet, without: readonly number[]): FoundSet {
  const at = without.reduce((best, score, i) => score > without[best] ? i : best, 0);
  return { set: set.toSpliced(at, 1), score: without[at] };
}

/** Exchanges single features as long as that raises the score, up to `enough`. */
async function exchange(sets: ScoredSets, order: CandidateSet, from: FoundSet, enough: number): Promise<FoundSet> {
  let best = from;
  for (let round = 0; round < ROUNDS && best.score < enough; round++) {
    const { set } = best;
    const inside = new Set(set);
    const gains = await sets.gains(set);
    const outside = order.filter((i) => !inside.has(i));
    const coming = [
      ...outside.toSorted((a, b) => gains[b] - gains[a]).slice(0, COMING),
      ...outside.slice(0, COMING / 2), // the order has seen more than one place
    ];
    const without = await withoutEach(sets, set);
    const leaving = [...set.keys()].sort((a, b) => without[b] - without[a] || a - b).slice(0, LEAVING);
    const others = leaving.flatMap((at) => [...new Set(coming)].map((i) => set.toSpliced(at, 1, i)));
    const scores = await sets.scores(others);
    const top = scores.reduce((best, score, i) => score > scores[best] ? i : best, 0);
    if (scores.length === 0 || scores[top] <= best.score) break;
    best = { set: others[top], score: scores[top] };
  }
  return best;
}

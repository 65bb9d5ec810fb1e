/**
 * Shapley and Faith-Shapley values of a game: what each player, and each pair, adds to what all do together.
 *
 * @module
 */
import { mulberry32 } from "../../random.ts";

/** A value; where it was sampled, with its standard error. */
export interface Estimate {
  /** The value. */
  readonly value: number;
  /** Its standard error; undefined: it is exact. */
  readonly error?: number;
}

/** A pair of players by number, a < b. */
export interface PairEstimate extends Estimate {
  /** The first. */
  readonly a: number;
  /** The second. */
  readonly b: number;
}

/** The values of a game's players. Singles and pairs together, like Shapley values alone, add up to v(all) − v(none). */
export interface GameValues {
  /** Shapley values: the best fit of a sum over players. */
  readonly shapley: readonly Estimate[];
  /** Faith-Shapley values of order 2: the best fit of a sum over players and pairs. */
  readonly singles: readonly Estimate[];
  /** The same, of pairs. */
  readonly pairs: readonly PairEstimate[];
}

/** v of coalitions, each with a 1 where a player is in it. */
export type Game = (coalitions: readonly Uint8Array[]) => Promise<number[]>;

/** Up to so many players, all coalitions are played. */
export const MOST_EXACT = 12;
/** The equations are solved densely. */
export const MOST_PLAYERS = 64;

/**
 * Exact values from all 2^n coalitions (Tsai, Yeh and Ravikumar 2023, "Faith-Shap", arXiv 2203.00870, theorem 19).
 *
 * @param values v by coalition; bit i of its number says whether player i is in it
 */
export function exactValues(values: ArrayLike<number>): GameValues {
  const n = Math.log2(values.length);
  const dividends = moebius(values);
  const of = (order: number, mask: number): Estimate => ({ value: faithShapley(dividends, n, order, mask) });
  const players = Array.from({ length: n }, (_, i) => i);
  return {
    shapley: players.map((i) => of(1, 1 << i)),
    singles: players.map((i) => of(2, 1 << i)),
    pairs: pairsOf(n).map(({ a, b }) => ({ a, b, ...of(2, 1 << a | 1 << b) })),
  };
}

/** Harsanyi dividends: v(T) is the sum of those of T's subsets. */
function moebius(values: ArrayLike<number>): Float64Array {
  const dividends = Float64Array.from(values);
  for (let bit = 1; bit < dividends.length; bit <<= 1) {
    for (let mask = 0; mask < dividends.length; mask++) if (mask & bit) dividends[mask] -= dividends[mask ^ bit];
  }
  return dividends;
}

/** a(S) + (−1)^(ℓ−s) · s/(ℓ+s) · C(ℓ, s) · Σ over T ⊃ S with t > ℓ of C(t−1, ℓ) / C(t+ℓ−1, ℓ+s) · a(T) */
function faithShapley(dividends: Float64Array, n: number, order: number, set: number): number {
  const size = bits(set);
  let sum = 0;
  for (let mask = 0; mask < 2 ** n; mask++) {
    const t = bits(mask);
    if ((mask & set) !== set || t <= order) continue;
    sum += choose(t - 1, order) / choose(t + order - 1, order + size) * dividends[mask];
  }
  return dividends[set] + (-1) ** (order - size) * size / (order + size) * choose(order, size) * sum;
}

function bits(mask: number): number {
  let count = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) count++;
  return count;
}

function choose(n: number, k: number): number {
  let result = 1;
  for (let i = 1; i <= k; i++) result *= (n - k + i) / i;
  return result;
}

/** Every two players. */
export function pairsOf(n: number): { readonly a: number; readonly b: number }[] {
  return Array.from({ length: n }, (_, a) => Array.from({ length: n - a - 1 }, (_, i) => ({ a, b: a + 1 + i }))).flat();
}

/** The players' values by playing all coalitions. */
export async function playAll(game: Game, n: number): Promise<GameValues> {
  const coalitions = Array.from(
    { length: 2 ** n },
    (_, mask) => Uint8Array.from({ length: n }, (_, i) => mask >> i & 1),
  );
  return exactValues(await game(coalitions));
}

/** Parts of the sample, each left out once for the standard error (jackknife). */
const PARTS = 10;

/** How many coalitions are played at least: several for each value that is fitted. */
export function leastSamples(n: number): number {
  return 4 * (n + n * (n - 1) / 2);
}

/**
 * Values fitted to sampled coalitions, each with its complement, sizes drawn by the Shapley kernel: the least squares of
 * which exact values are the solution over all coalitions (Tsai et al. 2023, equation 16; Covert and Lee 2021, arXiv
 * 2012.01536, for pairs of complements). Errors are from the jackknife over ten parts of the sample.
 *
 * @param samples coalitions beside the empty and the full one
 */
export async function sampleValues(game: Game, n: number, samples: number, seed: number): Promise<GameValues> {
  const coalitions = drawCoalitions(n, Math.ceil(samples / 2), seed);
  const all = new Uint8Array(n).fill(1);
  const distinct = new Map([new Uint8Array(n), all, ...coalitions].map((one) => [one.join(""), one]));
  const played = await game([...distinct.values()]);
  const values = new Map([...distinct.keys()].map((key, i) => [key, played[i]]));
  const none = values.get("0".repeat(n))!;
  const whole = values.get("1".repeat(n))! - none;
  const targets = coalitions.map((one) => values.get(one.join(""))! - none);
  const estimates = (pairs: ReturnType<typeof pairsOf>): Estimate[] => {
    const parts = Array.from({ length: PARTS }, (_, part) => normalEquations(coalitions, targets, pairs, part));
    const fit = (left?: number): Float64Array => solveConstrained(parts.filter((_, i) => i !== left), whole);
    const without = parts.map((_, i) => fit(i));
    return [...fit()].map((value, i) => {
      const mean = without.reduce((sum, one) => sum + one[i], 0) / PARTS;
      const square = without.reduce((sum, one) => sum + (one[i] - mean) ** 2, 0);
      return { value, error: Math.sqrt((PARTS - 1) / PARTS * square) };
    });
  };
  const pairs = pairsOf(n);
  const second = estimates(pairs);
  return {
    shapley: estimates([]),
    singles: second.slice(0, n),
    pairs: pairs.map((pair, i) => ({ ...pair, ...second[n + i] })),
  };
}

/** Coalitions, each followed by its complement; a size t has a probability ∝ 1 / (t · (n − t)). */
function drawCoalitions(n: number, pairs: number, seed: number): Uint8Array[] {
  const random = mulberry32(seed);
  const weights = Array.from({ length: n - 1 }, (_, i) => 1 / ((i + 1) * (n - 1 - i)));
  const total = weights.reduce((a, b) => a + b, 0);
  return Array.from({ length: pairs }, () => {
    let [size, rest] = [1, random() * total];
    while (size < n - 1 && rest >= weights[size - 1]) rest -= weights[size++ - 1];
    const players = Array.from({ length: n }, (_, i) => i);
    const inside = new Uint8Array(n);
    for (let i = 0; i < size; i++) {
      const at = i + Math.floor(random() * (n - i));
      [players[i], players[at]] = [players[at], players[i]];
      inside[players[i]] = 1;
    }
    return [inside, inside.map((x) => 1 - x)];
  }).flat();
}

/** ZᵀZ and Zᵀy, of coalitions with a 1 for each player, and each pair, that is in them. */
interface NormalEquations {
  readonly matrix: Float64Array;
  readonly vector: Float64Array;
}

function normalEquations(
  coalitions: readonly Uint8Array[],
  targets: readonly number[],
  pairs: ReturnType<typeof pairsOf>,
  part: number,
): NormalEquations {
  const n = coalitions[0].length;
  const width = n + pairs.length;
  const [matrix, vector] = [new Float64Array(width * width), new Float64Array(width)];
  coalitions.forEach((inside, row) => {
    if ((row >> 1) % PARTS !== part) return; // a coalition stays with its complement
    const ones = [...inside.keys()].filter((i) => inside[i] === 1);
    pairs.forEach(({ a, b }, i) => {
      if (inside[a] === 1 && inside[b] === 1) ones.push(n + i);
    });
    for (const i of ones) {
      vector[i] += targets[row];
      for (const j of ones) matrix[i * width + j]++;
    }
  });
  return { matrix, vector };
}

/** The least squares of all parts together whose elements add up to `sum` (Lagrange). */
function solveConstrained(parts: readonly NormalEquations[], sum: number): Float64Array {
  const [{ vector: { length: width } }] = parts;
  const size = width + 1;
  const rows = Array.from({ length: size }, (_, i) => {
    const row = new Float64Array(size + 1);
    for (let j = 0; j < width; j++) {
      row[j] = i < width ? parts.reduce((x, { matrix }) => x + matrix[i * width + j], 0) : 1;
    }
    row[width] = i < width ? 1 : 0;
    row[size] = i < width ? parts.reduce((x, { vector }) => x + vector[i], 0) : sum;
    return row;
  });
  return eliminate(rows).slice(0, width);
}

/**
 * Gaussian elimination with pivots.
 *
 * @param rows the matrix with the right side as its last column; changed
 * @throws {RangeError} if there is no single solution
 */
function eliminate(rows: Float64Array[]): Float64Array {
  const size = rows.length;
  for (let column = 0; column < size; column++) {
    let pivot = column;
    for (let i = column + 1; i < size; i++) if (Math.abs(rows[i][column]) > Math.abs(rows[pivot][column])) pivot = i;
    if (Math.abs(rows[pivot][column]) < 1e-9) {
      throw new RangeError("The sample does not determine all values: take more (`samples`)");
    }
    [rows[column], rows[pivot]] = [rows[pivot], rows[column]];
    for (let i = column + 1; i < size; i++) {
      const factor = rows[i][column] / rows[column][column];
      if (factor !== 0) { for (let j = column; j <= size; j++) rows[i][j] -= factor * rows[column][j]; }
    }
  }
  const solution = new Float64Array(size);
  for (let i = size - 1; i >= 0; i--) {
    let value = rows[i][size];
    for (let j = i + 1; j < size; j++) value -= rows[i][j] * solution[j];
    solution[i] = value / rows[i][i];
  }
  return solution;
}

/** Shapley and Faith-Shapley values against shapiq's, and sampled ones against exact ones. */
import assert from "node:assert/strict";
import {
  exactValues,
  type GameValues,
  leastSamples,
  playAll,
  sampleValues,
} from "../../../lib/attribution/sets/shapley.ts";
import { assertClose, DATA } from "../golden.ts";

interface Golden {
  readonly players: number;
  readonly values: number[];
  readonly shapley: number[];
  readonly order_1: number[];
  readonly singles: number[];
  readonly pairs: [a: number, b: number, value: number][];
}

const { games }: { games: Golden[] } = JSON.parse(await Deno.readTextFile(new URL("shapley/games.json", DATA)));

const valuesOf = (estimates: readonly { readonly value: number }[]): number[] => estimates.map(({ value }) => value);

for (const { players, values, ...golden } of games) {
  Deno.test(`exact values are shapiq's, of a game of ${players} players`, () => {
    const found = exactValues(values);
    const near = (got: number[], want: number[], tolerance: number): void =>
      assert.ok(
        got.length === want.length && got.every((x, i) => Math.abs(x - want[i]) < tolerance),
        `${got}, ${want}`,
      );
    const fitted = 1e-7; // shapiq fits Faith-Shapley values, with large weights for what has to hold exactly
    near(valuesOf(found.shapley), golden.shapley, 1e-9);
    near(valuesOf(found.shapley), golden.order_1, fitted);
    near(valuesOf(found.singles), golden.singles, fitted);
    assert.deepEqual(found.pairs.map(({ a, b }) => [a, b]), golden.pairs.map(([a, b]) => [a, b]));
    near(valuesOf(found.pairs), golden.pairs.map(([, , value]) => value), fitted);
  });
}

/** A game of a few main effects, pairs and triples, and how often coalitions were played. */
function madeGame(n: number): { play: (coalitions: readonly Uint8Array[]) => Promise<number[]>; played: () => number } {
  let played = 0;
  const v = (inside: Uint8Array): number => {
    let value = 0.7;
    for (let i = 0; i < n; i++) {
      value += inside[i] * Math.cos(i);
      for (let j = 0; j < i; j++) {
        value += inside[i] * inside[j] * Math.sin(3 * i + j) / 2;
        if (j > 0 && (i + j) % 4 === 0) value += 0.3 * inside[i] * inside[j] * inside[j - 1];
      }
    }
    return value;
  };
  return {
    play: (coalitions) => {
      played += coalitions.length;
      return Promise.resolve(coalitions.map(v));
    },
    played: () => played,
  };
}

Deno.test("sampled values lie within their errors of the exact ones, and add up", async () => {
  const n = 10;
  const exact = await playAll(madeGame(n).play, n);
  const ratios: number[] = [];
  for (const seed of [0, 1, 2]) {
    const { play, played } = madeGame(n);
    const samples = 2 * leastSamples(n);
    const found = await sampleValues(play, n, samples, seed);
    assert.ok(played() <= samples + 2);
    const all = ({ shapley, singles, pairs }: GameValues) => [...shapley, ...singles, ...pairs];
    all(found).forEach(({ value, error }, i) => ratios.push((value - all(exact)[i].value) / error!));
    const total = (estimates: readonly { readonly value: number }[]): number =>
      valuesOf(estimates).reduce((a, b) => a + b, 0);
    assertClose([total(found.shapley), total([...found.singles, ...found.pairs])], [
      total(exact.shapley),
      total(exact.shapley),
    ], "sums");
  }
  // Standard errors: about two thirds within one, nineteen of twenty within two. Seeds make this the same every time.
  const within = (most: number): number => ratios.filter((x) => Math.abs(x) <= most).length / ratios.length;
  assert.ok(within(1) > 0.55 && within(2) > 0.85 && within(5) === 1, `${within(1)} ${within(2)} ${within(5)}`);
});

Deno.test("a game of pairs is fitted exactly, whatever is sampled", async () => {
  const n = 13;
  const play = (coalitions: readonly Uint8Array[]): Promise<number[]> =>
    Promise.resolve(coalitions.map((inside) => {
      let value = 2;
      for (let i = 0; i < n; i++) {
        value += i * inside[i];
        for (let j = 0; j < i; j++) value += (i - 2 * j) * inside[i] * inside[j];
      }
      return value;
    }));
  const { singles, pairs } = await sampleValues(play, n, leastSamples(n), 5);
  assert.ok(singles.every(({ value, error }, i) => Math.abs(value - i) < 1e-6 && error! < 1e-6));
  assert.ok(pairs.every(({ a, b, value }) => Math.abs(value - (b - 2 * a)) < 1e-6));
  await assert.rejects(sampleValues(play, n, 20, 0), /^RangeError: The sample does not determine all values/);
});

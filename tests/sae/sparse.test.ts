import assert from "node:assert/strict";
import {
  type Selection,
  type SparseActivations,
  SparseBuilder,
  subtract,
  toDense,
  withoutRows,
} from "../../lib/sae/sparse.ts";
import { noise } from "./fixtures.ts";

/** Builds from a dense matrix in slices of some width. */
function build(rows: readonly (readonly number[])[], width: number, selection?: Selection): SparseActivations {
  const builder = new SparseBuilder(rows.length, selection);
  const features = rows[0].length;
  for (let start = 0; start < features; start += width) {
    const slices = rows.map((row) => row.slice(start, start + width));
    builder.add({ dims: [rows.length, slices[0].length], data: Float32Array.from(slices.flat()) }, start);
  }
  return builder.finish();
}

function entries({ rows, offsets, features, values }: SparseActivations): [number, number][][] {
  return Array.from(
    { length: rows },
    (_, r) => [...features.slice(offsets[r], offsets[r + 1])].map((feature, i) => [feature, values[offsets[r] + i]]),
  );
}

/** The k largest by sorting the whole row. */
function naive(row: readonly number[], { k, by }: Selection): [number, number][] {
  const rank = (x: number): number => by === "by magnitude" ? Math.abs(x) : x;
  const order = row.map((_, i) => i).sort((a, b) => rank(row[b]) - rank(row[a]) || a - b).slice(0, k);
  return order.sort((a, b) => a - b).filter((i) => row[i] !== 0).map((i) => [i, row[i]]);
}

Deno.test("nonzero elements, features ascending, empty rows included", () => {
  const sparse = build([[0, 2, 0, -1], [0, 0, 0, 0], [3, 0, 0, 4]], 3);
  assert.deepEqual(entries(sparse), [[[1, 2], [3, -1]], [], [[0, 3], [3, 4]]]);
  assert.deepEqual([...sparse.offsets], [0, 2, 2, 4]);
  assert.deepEqual([...toDense(sparse, 4).data], [0, 2, 0, -1, 0, 0, 0, 0, 3, 0, 0, 4]);
});

Deno.test("the k largest over slices are the k largest of the row", () => {
  const rows = [1, 2, 3].map((seed) =>
    Array.from({ length: 200 }, (_, i) => Math.fround(Math.round(noise(seed, i) * 40) / 8)) // many ties
  );
  for (const by of ["by value", "by magnitude"] as const) {
    const positive = rows.map((row) => row.map((x) => by === "by value" ? Math.max(0, x) : x));
    for (const k of [1, 2, 7, 64, 199, 200, 500]) {
      for (const width of [1, 13, 64, 200]) {
        const got = entries(build(positive, width, { k, by }));
        assert.deepEqual(got, positive.map((row) => naive(row, { k, by })), `${by}, k = ${k}, slices of ${width}`);
      }
    }
  }
});

Deno.test("ties go to the lower feature, within a slice and across slices", () => {
  const row = [1, 3, 3, 1, 3, 1, 3];
  for (const width of [1, 2, 3, 7]) {
    assert.deepEqual(entries(build([row], width, { k: 2, by: "by value" })), [[[1, 3], [2, 3]]]);
    assert.deepEqual(entries(build([row], width, { k: 5, by: "by value" })), [[[0, 1], [1, 3], [2, 3], [4, 3], [
      6,
      3,
    ]]]);
  }
  assert.deepEqual(entries(build([[2, -2, -3, 2]], 1, { k: 2, by: "by magnitude" })), [[[0, 2], [2, -3]]]);
});

Deno.test("NaN and infinity are refused with their place", () => {
  for (const bad of [NaN, Infinity, -Infinity]) {
    for (const selection of [undefined, { k: 1, by: "by magnitude" }] as const) {
      assert.throws(() => build([[1, 0, 0], [0, 0, bad]], 2, selection), /feature 2 of the SAE is .* at position 1/);
    }
  }
});

Deno.test("rows can be emptied", () => {
  const sparse = build([[1, 2], [3, 4], [0, 5]], 2);
  assert.deepEqual(entries(withoutRows(sparse, new Set([1]))), [[[0, 1], [1, 2]], [], [[1, 5]]]);
  assert.deepEqual(entries(withoutRows(sparse, new Set([0, 1, 2]))), [[], [], []]);
});

Deno.test("subtract: every entry of either, row by row", () => {
  const [a, b] = [[[0, 1, 2, 0], [0, 0, 0, 0], [4, 0, 0, 5]], [[3, 1, 0, 0], [7, 0, 0, 8], [0, 0, 0, 0]]];
  const difference = subtract(build(a, 4), build(b, 4));
  assert.deepEqual([...difference.offsets], [0, 3, 5, 7]);
  assert.deepEqual([...difference.features], [0, 1, 2, 0, 3, 0, 3]);
  assert.deepEqual([...difference.minuend], [0, 1, 2, 0, 0, 4, 5]);
  assert.deepEqual([...difference.subtrahend], [3, 1, 0, 7, 8, 0, 0]);
  assert.deepEqual([...difference.values], [-3, 0, 2, -7, -8, 4, 5]);
  const nothing = build(a.map((row) => row.map(() => 0)), 4);
  const same = subtract(build(a, 4), nothing);
  assert.deepEqual([[...same.values], [...same.minuend]], [[1, 2, 4, 5], [1, 2, 4, 5]]);
  assert.ok(same.subtrahend.every((x) => x === 0));
});

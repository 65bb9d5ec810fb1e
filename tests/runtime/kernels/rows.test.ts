import assert from "node:assert/strict";
import { input, logSoftmax, reduceMean, reduceSum, softmax } from "../../../lib/graph/mod.ts";
import { createRuntime } from "../../../lib/runtime/runtime.ts";
import type { FloatTensor } from "../../../lib/runtime/tensor.ts";
import { uniform } from "../../graph/numbers.ts";
import { openKernels } from "./open_kernels.ts";
import { unitOf, unitsApart } from "./references.ts";
import { runGraph } from "./run_graph.ts";

const x = input("x", ["row", "n"]);
const GRAPH = {
  softmax: softmax(x),
  logSoftmax: logSoftmax(x),
  sum: reduceSum(x, [-1], false),
  mean: reduceMean(x, [-1], false),
};
type Results = { readonly [K in keyof typeof GRAPH]: FloatTensor };

await using runtime = await createRuntime({ device: "wasm", threads: 1 });

async function run(data: Float32Array, n: number): Promise<Results> {
  return await runGraph(runtime, GRAPH, { x: { dims: [data.length / n, n], data } }) as unknown as Results;
}

const total = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

/** Softmax, its logarithm, sum and mean of a row in float64. */
function references(row: readonly number[]) {
  const largest = Math.max(...row);
  const exponentials = row.map((x) => Math.exp(x - largest));
  const sum = total(exponentials);
  return {
    past: row.map((x) => x - largest),
    softmax: exponentials.map((x) => x / sum),
    logSoftmax: row.map((x) => x - largest - Math.log(sum)),
    sum: total(row),
    mean: total(row) / row.length,
    size: total(row.map(Math.abs)),
  };
}

Deno.test("rows of all lengths and sizes of numbers, against sums in float64", async () => {
  const random = uniform(21);
  const lengths = [1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 63, 64, 65, 1000, 8191, 8192, 8193, 20_001];
  for (const n of lengths) {
    const rows = n < 100 ? 40 : n < 5000 ? 12 : 3;
    for (const [spread, shift] of [[1, 0], [20, 0], [5, 100], [3, -3000], [60, 0]]) {
      const data = Float32Array.from({ length: rows * n }, () => shift + spread * (2 * random() - 1));
      const got = await run(data, n);
      for (let row = 0; row < rows; row++) {
        const want = references([...data.subarray(row * n, (row + 1) * n)]);
        const what = `row ${row} of ${n}, ${shift} ± ${spread}`;
        for (const [name, size] of [["sum", want.size], ["mean", want.size / n]] as const) {
          const apart = Math.abs(got[name].data[row] - want[name]);
          assert.ok(apart <= 0.501 * unitOf(want[name]) + 1e-15 * size, `${what}: ${name}`);
        }
        for (let i = 0; i < n; i++) {
          const p = want.softmax[i];
          const apart = Math.abs(got.softmax.data[row * n + i] - p) / Math.max(p, 1e-37);
          assert.ok(apart <= 2.6e-7 + 6e-8 * Math.abs(want.past[i]), `${what}: softmax is off by ${apart}`);
          const [q, log] = [got.logSoftmax.data[row * n + i], want.logSoftmax[i]];
          const unit = Math.max(unitOf(log), unitOf(want.past[i]), unitOf(want.past[i] - log));
          assert.ok(Math.abs(q - log) <= 1.6 * unit + 1.2e-7, `${what}: log softmax is ${q}, not ${log}`);
        }
      }
    }
  }
});

Deno.test("what is masked, or zero, after a row leaves its results as they are, to the last bit", async () => {
  const random = uniform(22);
  for (const n of [1, 2, 3, 4, 5, 7, 8, 13, 64, 101]) {
    const row = Array.from({ length: n }, () => 20 * random() - 10);
    const alone = await run(Float32Array.from(row), n);
    for (const extra of [1, 2, 3, 4, 5, 8, 27, 256]) {
      const masked = await run(Float32Array.from([...row, ...new Array<number>(extra).fill(-1e30)]), n + extra);
      assert.deepEqual(masked.softmax.data.subarray(0, n), alone.softmax.data, `softmax of ${n} and ${extra}`);
      assert.deepEqual(masked.logSoftmax.data.subarray(0, n), alone.logSoftmax.data, `its log of ${n} and ${extra}`);
      assert.ok(masked.softmax.data.subarray(n).every((p) => p === 0));
      const zeros = await run(Float32Array.from([...row, ...new Array<number>(extra).fill(0)]), n + extra);
      assert.deepEqual(zeros.sum.data, alone.sum.data, `the sum of ${n} and ${extra}`);
    }
  }
});

Deno.test("a row's results do not depend on the rows beside it", async () => {
  const random = uniform(23);
  const n = 37;
  const data = Float32Array.from({ length: 500 * n }, () => 6 * random() - 3);
  const together = await run(data, n);
  for (const row of [0, 1, 109, 110, 111, 499]) {
    const alone = await run(data.slice(row * n, (row + 1) * n), n);
    for (const name of ["softmax", "logSoftmax"] as const) {
      assert.deepEqual(together[name].data.slice(row * n, (row + 1) * n), alone[name].data);
    }
    for (const name of ["sum", "mean"] as const) assert.equal(together[name].data[row], alone[name].data[0]);
  }
});

Deno.test("numbers that are not finite, and rows of nothing but masks", async () => {
  const { softmax, logSoftmax, sum } = await run(
    Float32Array.of(
      ...[-1e30, -1e30, -1e30, -1e30],
      ...[1, NaN, 2, 3],
      ...[1, Infinity, 2, 3],
      ...[-Infinity, 0, -Infinity, 0],
      ...[3e38, 3e38, -3e38, -3e38],
    ),
    4,
  );
  assert.deepEqual([...softmax.data.subarray(0, 4)], [0.25, 0.25, 0.25, 0.25]);
  for (const { data } of [softmax, logSoftmax]) assert.ok(data.subarray(4, 8).every(Number.isNaN));
  assert.ok(Number.isNaN(softmax.data[9]));
  assert.deepEqual([...softmax.data.subarray(12, 16)], [0, 0.5, 0, 0.5]);
  assert.deepEqual([...logSoftmax.data.subarray(12, 14)], [-Infinity, Math.fround(Math.log(0.5))]);
  assert.deepEqual([...softmax.data.subarray(16)], [0.5, 0.5, 0, 0]);
  assert.deepEqual([...sum.data].slice(1), [NaN, Infinity, -Infinity, 0], "sums are of doubles");
});

for (const { name: variant, context: { kernels, floats } } of openKernels()) {
  Deno.test(`${variant}: kernels of rows write their results and nothing beside them`, () => {
    const random = uniform(24);
    const [out, from] = [1024, 4096];
    for (let n = 1; n <= 21; n++) {
      const row = Float32Array.from({ length: n }, () => 8 * random() - 4);
      const want = references([...row]);
      for (const name of ["Sum", "Mean", "Softmax", "LargestAndSum"] as const) {
        for (const inPlace of name === "Softmax" ? [false, true] : [false]) {
          const at = inPlace ? from : out;
          floats.fill(-7, at - 8, at + n + 16);
          floats.fill(-7, from - 8, from + n + 8); // were it read: neither largest nor 0
          floats.set(row, from);
          kernels[name](4 * at, 4 * from, n);
          const size = name === "Softmax" ? n : name === "LargestAndSum" ? 2 : 1;
          const around = [...floats.subarray(at - 8, at), ...floats.subarray(at + size, at + Math.max(size, n) + 8)];
          assert.ok(around.every((x) => x === -7), `${name} of ${n}`);
          if (!inPlace) assert.deepEqual(floats.slice(from, from + n), row);
          const got = floats.slice(at, at + size);
          if (name === "LargestAndSum") {
            assert.equal(got[0], Math.max(...row));
            const sum = total([...row].map((x) => Math.exp(x - Math.max(...row))));
            assert.ok(unitsApart(got[1], sum) <= 4, `${name} of ${n}: ${got[1]}, not ${sum}`);
          } else if (name === "Softmax") {
            got.forEach((p, i) => assert.ok(Math.abs(p / want.softmax[i] - 1) < 1e-6, `${name} of ${n}: ${p}`));
          } else {
            const exact = name === "Sum" ? want.sum : want.mean;
            assert.ok(unitsApart(got[0], exact) <= 0.51, `${name} of ${n}: ${got[0]}, not ${exact}`);
          }
        }
      }
    }
  });
}

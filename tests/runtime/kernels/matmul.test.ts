import assert from "node:assert/strict";
import {
  add,
  expandLike,
  type Graph,
  input,
  matMul,
  reshape,
  slice,
  softmax,
  swapLast,
  transpose,
  type Value,
} from "../../../lib/graph/mod.ts";
import { createRuntime, type Runtime } from "../../../lib/runtime/runtime.ts";
import type { FloatTensor } from "../../../lib/runtime/tensor.ts";
import { evaluate } from "../../graph/evaluate.ts";
import { relativeError, uniform } from "../../graph/numbers.ts";
import { assertSame, assertSameTensors, randomTensor, runGraph, threadsReady } from "./run_graph.ts";

await using runtime = await createRuntime({ device: "wasm", threads: 1 });

/** An operand as it lies, and as it is multiplied. */
interface Matrix {
  readonly tensor: FloatTensor;
  readonly rows: number;
  readonly columns: number;
  /** Whether its columns lie one after another. */
  readonly turned: boolean;
}

function randomMatrix(random: () => number, rows: number, columns: number, turned: boolean): Matrix {
  return { tensor: randomTensor(random, turned ? [columns, rows] : [rows, columns]), rows, columns, turned };
}

const at = ({ tensor: { data }, rows, columns, turned }: Matrix, row: number, column: number): number =>
  data[turned ? column * rows + row : row * columns + column];

/** The same matrix, its columns one after another. */
function turned(x: Matrix): Matrix {
  const { rows, columns } = x;
  const data = x.tensor.data.map((_, flat) => at(x, flat % rows, Math.floor(flat / rows)));
  return { rows, columns, tensor: { dims: [columns, rows], data }, turned: true };
}

/** Some rows and columns of a matrix. */
function part(x: Matrix, rows: [number, number], columns: [number, number]): Matrix {
  const [height, width] = [rows[1] - rows[0], columns[1] - columns[0]];
  const data = Float32Array.from({ length: height * width }, (_, flat) => {
    const [row, column] = x.turned
      ? [flat % height, Math.floor(flat / height)]
      : [Math.floor(flat / width), flat % width];
    return at(x, rows[0] + row, columns[0] + column);
  });
  const dims = x.turned ? [width, height] : [height, width];
  return { tensor: { dims, data }, rows: height, columns: width, turned: x.turned };
}

async function product(a: Matrix, b: Matrix, on: Runtime = runtime): Promise<Float32Array> {
  const operand = (name: string, { tensor, turned }: Matrix): Value => {
    const x = input(name, tensor.dims);
    return turned ? swapLast(x) : x;
  };
  const y = matMul(operand("a", a), operand("b", b));
  return (await runGraph(on, { y }, { a: a.tensor, b: b.tensor })).y.data;
}

/** Half units in the last place, at the size of all products of a sum together: 4.7 was the most that was measured. */
const bound = (k: number): number => Math.min(1.001 * k, 6);

/** Fails unless it is the product, summed in float64. */
function assertProduct(got: Float32Array, a: Matrix, b: Matrix, what: string): void {
  const [m, n, k] = [a.rows, b.columns, a.columns];
  assert.equal(got.length, m * n, what);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let [sum, size] = [0, 0];
      for (let step = 0; step < k; step++) {
        const x = at(a, i, step) * at(b, step, j);
        sum += x;
        size += Math.abs(x);
      }
      const off = Math.abs(got[i * n + j] - sum);
      if (!(off <= bound(k) * size * 2 ** -24)) assert.fail(`${what}: (${i}, ${j}) is ${got[i * n + j]}, not ${sum}`);
    }
  }
}

const LAYOUTS = [[false, false], [false, true], [true, false], [true, true]];
const nameOf = (a: Matrix, b: Matrix): string =>
  `${a.rows} by ${a.columns}${a.turned ? ", turned" : ""}, by ${b.columns}${b.turned ? ", turned" : ""}`;

/** Sizes around those of tiles, strips, blocks and streams. */
const ROWS = [1, 2, 3, 4, 5, 7, 8, 9, 23, 24, 25, 31, 32, 33, 96, 97, 255, 256, 257, 259];
const COLUMNS = [1, 3, 4, 7, 8, 9, 16, 23, 24, 25, 28, 47, 48, 49, 95, 96, 97, 120, 191, 192, 193, 257, 512, 520, 1032];
const STEPS = [1, 2, 3, 4, 5, 7, 8, 9, 12, 23, 24, 25, 97, 191, 192, 193, 200, 257, 384, 385];

Deno.test("products of matrices of many sizes, as they lie and transposed, against sums in float64", async () => {
  const random = uniform(41);
  const pick = (sizes: readonly number[]): number => sizes[Math.floor(random() * sizes.length)];
  const sizes = [[257, 97, 193], [259, 120, 385], [33, 520, 192], [9, 1032, 25], [8, 512, 384], [32, 520, 9]];
  while (sizes.length < 160) {
    const [m, n, k] = [pick(ROWS), pick(COLUMNS), pick(STEPS)];
    if (m * n * k < 300_000) sizes.push([m, n, k]);
  }
  for (const [m, n, k] of sizes) {
    for (const [turnA, turnB] of LAYOUTS) {
      const [a, b] = [randomMatrix(random, m, k, turnA), randomMatrix(random, k, n, turnB)];
      assertProduct(await product(a, b), a, b, nameOf(a, b));
    }
  }
});

Deno.test("a number of a product does not depend on what else is in it, nor on how operands lie, to the last bit", async () => {
  const random = uniform(42);
  for (const [m, n, k] of [[70, 56, 40], [70, 57, 41], [40, 600, 12], [300, 32, 200], [35, 100, 400]]) {
    const [whole, other] = [randomMatrix(random, m, k, false), randomMatrix(random, k, n, false)];
    const want = await product(whole, other);
    const row = (i: number): Float32Array => want.subarray(i * n, (i + 1) * n);
    for (const [turnA, turnB] of LAYOUTS) {
      const [a, b] = [turnA ? turned(whole) : whole, turnB ? turned(other) : other];
      assertSame(await product(a, b), want, nameOf(a, b));
      for (const height of [1, 2, 3, 4, 5, 8, 9, 31, 32, 33]) {
        const start = Math.floor(random() * (m - height + 1));
        const got = await product(part(a, [start, start + height], [0, k]), b);
        for (let i = 0; i < height; i++) {
          const same = got.subarray(i * n, (i + 1) * n).every((x, j) => x === row(start + i)[j]);
          assert.ok(same, `row ${i} of ${height} from ${start}: ${nameOf(a, b)}`);
        }
      }
      for (const width of [1, 3, 4, 8, 24, 25, 32]) {
        const start = Math.floor(random() * (n - width + 1));
        for (const height of [1, 6, 33]) {
          const got = await product(part(a, [0, height], [0, k]), part(b, [0, k], [start, start + width]));
          const same = got.every((x, flat) => x === row(Math.floor(flat / width))[start + flat % width]);
          assert.ok(same, `${width} columns from ${start} of ${height} rows: ${nameOf(a, b)}`);
        }
      }
    }
  }
});

Deno.test("zeros after the steps of a sum leave it as it is, to the last bit", async () => {
  const random = uniform(43);
  const padded = (x: Matrix, rows: number, columns: number): Matrix => {
    const data = Float32Array.from({ length: rows * columns }, (_, flat) => {
      const [row, column] = [Math.floor(flat / columns), flat % columns];
      return row < x.rows && column < x.columns ? at(x, row, column) : column < x.columns ? 7 : 0;
    });
    return { tensor: { dims: [rows, columns], data }, rows, columns, turned: false };
  };
  for (const [m, n] of [[1, 24], [5, 8], [6, 25], [33, 16], [40, 31]]) {
    for (const k of [1, 3, 7, 12, 190, 192]) {
      const [a, b] = [randomMatrix(random, m, k, false), randomMatrix(random, k, n, false)];
      const want = await product(a, b);
      for (const more of [1, 2, 5, 9]) {
        assertSame(await product(padded(a, m, k + more), padded(b, k + more, n)), want, `${k} and ${more} steps`);
      }
    }
  }
});

Deno.test("what is not finite stays in its row and column", async () => {
  for (const [m, n, k] of [[1, 25, 9], [5, 8, 12], [9, 23, 7], [33, 24, 193], [4, 12, 8]]) {
    for (const [turnA, turnB] of LAYOUTS) {
      const random = uniform(44);
      const [a, b] = [randomMatrix(random, m, k, turnA), randomMatrix(random, k, n, turnB)];
      const [row, column] = [m - 1, n - 1];
      a.tensor.data[turnA ? row : row * k] = NaN;
      b.tensor.data[turnB ? column * k : column] = Infinity;
      const got = await product(a, b);
      for (let i = 0; i < m; i++) {
        for (let j = 0; j < n; j++) {
          const x = got[i * n + j];
          const fits = i === row ? Number.isNaN(x) : j === column ? Math.abs(x) === Infinity : Number.isFinite(x);
          assert.ok(fits, `${nameOf(a, b)}: (${i}, ${j}) is ${x}`);
        }
      }
    }
  }
});

Deno.test("operands that are views, and leading axes that are broadcast, against loops in float64", async () => {
  const random = uniform(45);
  const [batch, position, heads, head] = [2, 13, 3, 8];
  const x = input("x", ["batch", "position", 3 * heads * head]);
  const w = input("w", [heads * head, 40]);
  const [a, h, i] = [input("a", [5, head]), input("h", ["position", 1]), input("i", [1, "position"])];
  const split = (start: number): Value =>
    transpose(
      reshape(slice(x, 2, start * heads * head, (start + 1) * heads * head), ["batch", "position", heads, head]),
      [
        0,
        2,
        1,
        3,
      ],
    );
  const [q, k, v] = [split(0), split(1), split(2)];
  const mixed = matMul(softmax(matMul(q, swapLast(k))), v);
  const flat = reshape(transpose(mixed, [0, 2, 1, 3]), ["batch", "position", heads * head]);
  const graph: Graph = {
    scores: matMul(q, swapLast(k)),
    mixed,
    out: matMul(flat, w),
    // A few rows and columns of everything.
    partOfWeight: matMul(flat, slice(w, 1, 3, 28)),
    partOfSteps: matMul(slice(flat, 2, 1, 12), slice(w, 0, 5, 16)),
    turnedWeight: matMul(swapLast(w), swapLast(flat)),
    // Broadcast: the first over the second's axes, both over each other's, stretched by hand.
    firstOnce: matMul(a, swapLast(k)),
    both: matMul(input("b", ["batch", 1, 4, head]), input("c", [heads, head, 6])),
    stretched: matMul(expandLike(slice(q, 1, 0, 1), q), expandLike(input("d", [head, 1]), swapLast(k))),
    sameRow: matMul(expandLike(input("e", [1, head]), a), slice(w, 0, 0, head)),
    manyAxes: matMul(input("f", [2, 1, 3, 1, 2, 5]), input("g", [4, 1, 6, 5, 3])),
    outer: matMul(h, i),
    inner: matMul(i, h),
  };
  const inputs = Object.fromEntries(
    Object.entries({
      x: [batch, position, 3 * heads * head],
      w: [heads * head, 40],
      a: [5, head],
      b: [batch, 1, 4, head],
      c: [heads, head, 6],
      d: [head, 1],
      e: [1, head],
      f: [2, 1, 3, 1, 2, 5],
      g: [4, 1, 6, 5, 3],
      h: [position, 1],
      i: [1, position],
    }).map(([name, dims]) => [name, randomTensor(random, dims)]),
  );
  const found = await runGraph(runtime, graph, inputs);
  const want = evaluate(graph, inputs);
  for (const name of Object.keys(graph)) {
    assert.deepEqual([...found[name].dims], [...want[name].dims], name);
    assert.ok(relativeError(found[name].data, want[name].data) <= 1e-6, name);
  }
});

Deno.test("queries of a group share keys and values, at any number of positions", async () => {
  const random = uniform(46);
  const [kvHeads, group, head] = [2, 3, 8];
  const q = input("q", ["batch", "query", kvHeads * group, head]);
  const [k, v] = [input("k", ["batch", "position", kvHeads, head]), input("v", ["batch", "position", kvHeads, head])];
  const grouped = (x: Value, last: string | number): Value => reshape(x, ["batch", kvHeads, "3*query", last]);
  const ungrouped = (x: Value, last: string | number): Value => reshape(x, ["batch", kvHeads * group, "query", last]);
  const scores = ungrouped(matMul(grouped(transpose(q, [0, 2, 1, 3]), head), transpose(k, [0, 2, 3, 1])), "position");
  const pattern = softmax(add(scores, input("mask", ["batch", 1, "query", "position"])));
  const z = transpose(ungrouped(matMul(grouped(pattern, "position"), transpose(v, [0, 2, 1, 3])), head), [0, 2, 1, 3]);
  const session = await runtime.session({ z });
  for (const [batch, queries, positions] of [[1, 1, 1], [2, 5, 5], [1, 1, 40], [3, 2, 7], [1, 33, 33], [2, 64, 65]]) {
    const inputs = {
      q: randomTensor(random, [batch, queries, kvHeads * group, head]),
      k: randomTensor(random, [batch, positions, kvHeads, head]),
      v: randomTensor(random, [batch, positions, kvHeads, head]),
      mask: randomTensor(random, [batch, 1, queries, positions]),
    };
    const { z: got } = await session.run(inputs);
    assert.deepEqual([...got.dims], [batch, queries, kvHeads * group, head]);
    for (let at = 0; at < got.data.length; at++) {
      const [d, h] = [at % head, Math.floor(at / head) % (kvHeads * group)];
      const query = Math.floor(at / head / kvHeads / group) % queries;
      const b = Math.floor(at / head / kvHeads / group / queries);
      const key = (position: number, d: number): number =>
        ((b * positions + position) * kvHeads + Math.floor(h / group)) * head + d;
      let [sum, total] = [0, 0];
      for (let position = 0; position < positions; position++) {
        let score = inputs.mask.data[(b * queries + query) * positions + position];
        for (let i = 0; i < head; i++) {
          score += inputs.q.data[((b * queries + query) * kvHeads * group + h) * head + i] *
            inputs.k.data[key(position, i)];
        }
        total += Math.exp(score);
        sum += Math.exp(score) * inputs.v.data[key(position, d)];
      }
      assert.ok(
        Math.abs((got.data as Float32Array)[at] - sum / total) < 4e-6,
        `${batch}, ${queries}, ${positions}: ${at}`,
      );
    }
  }
});

Deno.test("products are the same, to the last bit, on one, two and three threads", async () => {
  const random = uniform(47);
  const others = [
    await createRuntime({ device: "wasm", threads: 2 }),
    await createRuntime({ device: "wasm", threads: 3 }),
  ];
  const x = input("x", ["batch", "row", 200]);
  const graph: Graph = {
    wide: matMul(x, input("w", [200, 304])),
    tall: matMul(x, swapLast(input("t", [304, 200]))),
    packed: matMul(x, input("odd", [200, 301])),
    batched: matMul(x, swapLast(x)),
  };
  for (const [batch, row] of [[1, 6], [1, 31], [2, 130], [5, 40]]) {
    const inputs = {
      x: randomTensor(random, [batch, row, 200]),
      w: randomTensor(random, [200, 304]),
      t: randomTensor(random, [304, 200]),
      odd: randomTensor(random, [200, 301]),
    };
    const want = await runGraph(runtime, graph, inputs);
    for (const other of others) {
      for (let turn = 0; turn < 5; turn++) {
        await threadsReady(3);
        assertSameTensors(await runGraph(other, graph, inputs), want, `${batch} times ${row} rows`);
      }
    }
  }
  for (const other of others) await other.dispose();
});

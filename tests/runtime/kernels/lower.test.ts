import assert from "node:assert/strict";
import {
  add,
  concat,
  constant,
  div,
  exp,
  expandLike,
  gatherElements,
  type Graph,
  greater,
  input,
  log,
  logSoftmax,
  matMul,
  mul,
  neg,
  pad,
  reduceMean,
  reduceSum,
  reshape,
  scatterElementsLike,
  slice,
  softmax,
  sub,
  swapLast,
  transpose,
  type Value,
  where,
} from "../../../lib/graph/mod.ts";
import { Emitter } from "../../../lib/runtime/kernels/emitter.ts";
import { createRuntime } from "../../../lib/runtime/runtime.ts";
import type { FloatTensor, Tensor } from "../../../lib/runtime/tensor.ts";
import { evaluate } from "../../graph/evaluate.ts";
import { relativeError, uniform } from "../../graph/numbers.ts";
import { buildCase, RULE_CASES } from "../../graph/rule_cases.ts";
import { randomTensor, runGraph, threadsReady } from "./run_graph.ts";

await using wasm = await createRuntime({ device: "wasm", threads: 1 });
await using onnx = await createRuntime({ device: "onnx", threads: 1 });

const floats = (dims: readonly number[], ...numbers: number[]): FloatTensor => ({
  dims,
  data: Float32Array.from(numbers),
});
const ints = (dims: readonly number[], ...numbers: (number | bigint)[]): Tensor => ({
  dims,
  data: BigInt64Array.from(numbers.map(BigInt)),
});
const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** A graph with one output on the WebAssembly kernels. */
async function only(y: Value, inputs: Readonly<Record<string, Tensor>>): Promise<FloatTensor> {
  return (await runGraph(wasm, { y }, inputs)).y;
}

for (const [kind, cases] of Object.entries(RULE_CASES)) {
  Deno.test(`${kind} agrees with onnxruntime and with loops in float64`, async () => {
    for (const [seed, ruleCase] of cases.entries()) {
      const { output, feeds } = buildCase(ruleCase, 100 + seed);
      const inputs = Object.fromEntries(
        Object.entries(feeds).map(([name, { dims, data }]) => [
          name,
          { dims, data: data instanceof Float64Array ? Float32Array.from(data) : data },
        ]),
      );
      const { y } = await runGraph(wasm, { y: output }, inputs);
      const want = evaluate({ y: output }, inputs).y;
      const session = await onnx.session({ y: output });
      const { y: other } = await session.run(
        Object.fromEntries(session.inputNames.map((name) => [name, inputs[name]])),
      );
      assert.deepEqual([...y.dims], [...want.dims], ruleCase.name);
      assert.deepEqual([...y.dims], [...other.dims], ruleCase.name);
      assert.ok(relativeError(y.data, want.data) <= 1e-6, `${ruleCase.name}: ${relativeError(y.data, want.data)}`);
      assert.ok(relativeError(y.data, other.data as Float32Array) <= 1e-6, `${ruleCase.name}, onnxruntime`);
    }
  });
}

Deno.test("outputs that are inputs, views, constants, one value under two names", async () => {
  const x = input("x", ["row", 4]);
  const y = mul(x, 2);
  const graph: Graph = {
    input: x,
    again: x,
    transposed: swapLast(x),
    sliced: slice(x, 1, 1, 3),
    rowOfOne: slice(x, 1, 3, 4),
    flat: reshape(swapLast(x), [4, "row"]),
    product: y,
    productAgain: y,
    productTransposed: swapLast(y),
    stretched: expandLike(slice(y, 1, 0, 1), x),
    constant: constant(2.5),
    constants: expandLike(constant(-1), slice(x, 1, 0, 1)),
  };
  const inEngine = wasm.memory.allocate(12);
  inEngine.set(upTo(12));
  for (const data of [Float32Array.from(upTo(12)), inEngine]) {
    const found = await runGraph(wasm, graph, { x: { dims: [3, 4], data } });
    const numbers = Object.fromEntries(Object.entries(found).map(([name, { data }]) => [name, [...data]]));
    const columns = [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11];
    assert.deepEqual(numbers, {
      input: upTo(12),
      again: upTo(12),
      transposed: columns,
      sliced: [1, 2, 5, 6, 9, 10],
      rowOfOne: [3, 7, 11],
      flat: columns,
      product: upTo(12).map((x) => 2 * x),
      productAgain: upTo(12).map((x) => 2 * x),
      productTransposed: columns.map((x) => 2 * x),
      stretched: [0, 0, 0, 0, 8, 8, 8, 8, 16, 16, 16, 16],
      constant: [2.5],
      constants: [-1, -1, -1],
    });
    for (const { data } of Object.values(found)) assert.ok(data.buffer instanceof ArrayBuffer, "results are copies");
    found.input.data.fill(9);
    assert.deepEqual([...found.again.data], upTo(12), "each output has its own");
    assert.deepEqual([...data], upTo(12));
  }
});

Deno.test("a graph of an input alone, and of a constant alone", async () => {
  assert.deepEqual((await only(input("x", ["n"]), { x: floats([2], 3, 4) })).data, Float32Array.of(3, 4));
  assert.deepEqual(await only(constant(-0.5), {}), floats([], -0.5));
  assert.deepEqual(await only(input("x", []), { x: floats([], 7) }), floats([], 7));
});

Deno.test("parts of a row are put together, however small and whatever else needs them", async () => {
  // Small enough that a part takes as much memory as the whole: it must not be written over while it is read.
  for (let rows = 1; rows <= 6; rows++) {
    for (let left = 1; left <= 3; left++) {
      for (let right = 1; right <= 3; right++) {
        const [a, b] = [input("a", [rows, left]), input("b", [rows, right])];
        const inputs = {
          a: floats([rows, left], ...upTo(rows * left)),
          b: floats([rows, right], ...upTo(rows * right).map((x) => -x - 1)),
        };
        const graph = {
          inputs: concat([a, b], 1),
          results: concat([mul(a, 1), mul(b, 1)], 1),
          turned: concat([swapLast(b), swapLast(a)], 0),
          padded: pad(mul(a, 1), 1, 0, right),
          before: pad(mul(a, 1), 1, right, 0),
        };
        for (const [name, value] of Object.entries(graph)) {
          const got = await only(value, inputs);
          const want = evaluate({ y: value }, inputs).y;
          assert.deepEqual([...got.data], [...want.data], `${name} of ${rows} rows of ${left} and ${right}`);
        }
      }
    }
  }
});

Deno.test("a result is not written over the part of an operand that another thread reads", async () => {
  await using runtime = await createRuntime({ device: "wasm", threads: 2 });
  const n = 1_000_000; // as much memory, rounded up, as one less
  const x = input("x", [n]);
  const twice = (): Value => mul(x, 2);
  const graph = { negated: neg(slice(twice(), 0, 1, n)), sum: add(slice(twice(), 0, 0, n - 1), 1) };
  const data = Float32Array.from({ length: n }, (_, i) => i % 1021);
  for (let turn = 0; turn < 5; turn++) {
    await threadsReady(2);
    const { negated, sum } = await runGraph(runtime, graph, { x: { dims: [n], data } });
    const wrong = negated.data.findIndex((y, i) => y !== -2 * data[i + 1] || sum.data[i] !== 2 * data[i] + 1);
    assert.equal(wrong, -1);
  }
});

Deno.test("a part of an operand that all of it is computed with is not written over first", async () => {
  const inputs = { x: floats([4, 4], ...upTo(16).map((x) => x * x + 1)) };
  const x = input("x", [4, 4]);
  const y = mul(x, 3); // in one place with the input or not, and with the results
  for (const at of [0, 1, 3]) {
    const [row, column] = [slice(y, 0, at, at + 1), slice(y, 1, at, at + 1)];
    const corner = slice(row, 1, at, at + 1);
    const values = [row, column, corner, swapLast(y), swapLast(row), y].flatMap((part) => [
      sub(y, part),
      sub(part, y),
      where(greater(y, part), part, y),
      where(greater(part, y), y, 1),
    ]);
    for (const [i, value] of values.entries()) {
      const want = evaluate({ y: value }, inputs).y;
      assert.deepEqual([...(await only(value, inputs)).data], [...want.data], `${i} at ${at}`);
    }
  }
});

Deno.test("axes of size 0", async () => {
  const x = input("x", ["row", "n"]);
  const w = input("w", ["n", 3]);
  const graph = {
    sum: reduceSum(x, [1], false),
    all: reduceSum(x, [0, 1], false),
    columns: reduceSum(x, [0], false),
    mean: reduceMean(x, [1], false),
    softmax: softmax(x),
    logSoftmax: logSoftmax(x),
    product: matMul(x, w),
    transposed: matMul(swapLast(w), swapLast(x)),
    map: exp(neg(x)),
    log: log(swapLast(x)),
    picked: where(greater(x, 0), x, 1),
    shape: reshape(x, ["row", 1, "n"]),
    joined: concat([reshape(x, [1, "row", "n"]), reshape(x, [1, "row", "n"])], 0),
    padded: pad(reshape(x, [1, "row", "n"]), 0, 1, 0),
  };
  const run = (row: number, n: number) =>
    runGraph(wasm, graph, { x: floats([row, n]), w: { dims: [n, 3], data: new Float32Array(3 * n) } });
  const none = await run(2, 0);
  assert.deepEqual(none.sum, floats([2], 0, 0));
  assert.deepEqual(none.all, floats([], 0));
  assert.deepEqual(none.columns, floats([0]));
  assert.deepEqual([...none.mean.data], [NaN, NaN]);
  assert.deepEqual(none.product, floats([2, 3], ...new Array<number>(6).fill(0)));
  assert.deepEqual(none.transposed, floats([3, 2], ...new Array<number>(6).fill(0)));
  assert.deepEqual(none.joined, floats([2, 2, 0]));
  for (const name of ["softmax", "logSoftmax", "map", "picked"] as const) assert.deepEqual(none[name], floats([2, 0]));
  const noRows = await run(0, 5);
  assert.deepEqual(noRows.sum, floats([0]));
  assert.deepEqual(noRows.columns, floats([5], 0, 0, 0, 0, 0));
  assert.deepEqual(noRows.all, floats([], 0));
  assert.deepEqual(noRows.product, floats([0, 3]));
  assert.deepEqual(noRows.log, floats([5, 0]));
  assert.deepEqual(noRows.padded, floats([2, 0, 5]));

  const indices = input("indices", ["row", "k"], "int64");
  const picks = { picked: gatherElements(x, indices) };
  const found = await runGraph(wasm, picks, { x: floats([2, 3], ...upTo(6)), indices: ints([2, 0]) });
  assert.deepEqual(found.picked, floats([2, 0]));
  const updates = input("updates", ["row", "k"]);
  const scattered = await only(scatterElementsLike(updates, indices, x), {
    x: floats([2, 3], ...upTo(6)),
    updates: floats([2, 0]),
    indices: ints([2, 0]),
  });
  assert.deepEqual(scattered, floats([2, 3], 0, 0, 0, 0, 0, 0));
});

Deno.test("indices count from the end when they are negative, and are added up where they repeat", async () => {
  const x = input("x", ["row", "n"]);
  const indices = input("indices", ["row", "k"], "int64");
  const graph = {
    picked: gatherElements(x, indices),
    ofView: gatherElements(transpose(transpose(x, [1, 0]), [1, 0]), indices),
    scattered: scatterElementsLike(gatherElements(x, indices), indices, x),
  };
  const inputs = { x: floats([2, 3], 1, 2, 3, 4, 5, 6), indices: ints([2, 4], 0, -1, 2, -3, 1, 1, -2, 1) };
  const found = await runGraph(wasm, graph, inputs);
  assert.deepEqual([...found.picked.data], [1, 3, 3, 1, 5, 5, 5, 5]);
  assert.deepEqual([...found.ofView.data], [1, 3, 3, 1, 5, 5, 5, 5]);
  assert.deepEqual([...found.scattered.data], [2, 0, 6, 0, 20, 0]);
  const transposed = await only(gatherElements(swapLast(input("x", [3, 2])), indices), {
    x: floats([3, 2], 1, 4, 2, 5, 3, 6),
    indices: inputs.indices,
  });
  assert.deepEqual(transposed.data, found.picked.data);
});

Deno.test("an index that is not there is an error, and the next run is right", async () => {
  const x = input("x", ["row", 3]);
  const indices = input("indices", ["row", 1], "int64");
  const graphs = {
    gather: gatherElements(x, indices),
    scatter: scatterElementsLike(slice(x, 1, 0, 1), indices, x),
  };
  for (const [name, y] of Object.entries(graphs)) {
    const session = await wasm.session({ y });
    const run = (index: number | bigint): Promise<Record<string, Tensor>> =>
      session.run({ x: floats([2, 3], ...upTo(6)), indices: ints([2, 1], 1, index) });
    for (const index of [3, -4, 1000, 2 ** 31 - 1, -(2 ** 31), 2n ** 32n, 2n ** 32n + 1n, -(2n ** 40n), 2n ** 62n]) {
      await assert.rejects(run(index), (error: Error) => {
        assert.equal(error.name, "RangeError", `${index}`);
        assert.match(error.message, /^No element -?\d+ among 3$/);
        return true;
      }, `${name} ${index}`);
      const { y } = await run(-1);
      assert.deepEqual([...y.data], name === "gather" ? [1, 5] : [0, 0, 0, 0, 0, 3]);
    }
  }
});

Deno.test("rows of indices are those of what they look up", async () => {
  const x = input("x", ["row", 3]);
  const indices = input("indices", ["other", 1], "int64");
  const inputs = { x: floats([2, 3], ...upTo(6)), indices: ints([4, 1], 0, 0, 0, 0) };
  await assert.rejects(only(gatherElements(x, indices), inputs), {
    name: "TypeError",
    message: "Indices of [4, 1] for values of [2, 3]",
  });
  const updates = input("updates", ["other", 1]);
  await assert.rejects(
    only(scatterElementsLike(updates, indices, x), { ...inputs, updates: floats([4, 1], 1, 2, 3, 4) }),
    { name: "TypeError", message: "Indices of [4, 1] for values of [2, 3]" },
  );
});

Deno.test("inputs that do not fit are errors of one line that name them", async () => {
  const x = input("x", ["row", 3]);
  const y = input("y", ["row", "n"]);
  const indices = input("indices", ["row", 1], "int64");
  const session = await wasm.session({ z: add(x, gatherElements(y, indices)) });
  const right = { x: floats([2, 3], ...upTo(6)), y: floats([2, 2], 1, 2, 3, 4), indices: ints([2, 1], 0, 1) };
  const cases: [Record<string, Tensor | undefined>, RegExp][] = [
    [{ x: undefined }, /^The graph's input 'x' is missing$/],
    [{ indices: undefined }, /^The graph's input 'indices' is missing$/],
    [{ x: floats([2, 4], ...upTo(8)) }, /^The graph's input 'x' is \[row, 3\], not \[2, 4\]$/],
    [{ x: floats([6], ...upTo(6)) }, /^The graph's input 'x' is \[row, 3\], not \[6\]$/],
    [{ x: floats([1, 2, 3], ...upTo(6)) }, /^The graph's input 'x' is \[row, 3\], not \[1, 2, 3\]$/],
    [{ y: floats([3, 2], ...upTo(6)) }, /^The graph's input 'y' is \[row, n\], not \[3, 2\]$/],
    [
      { x: { dims: [2, 3], data: new Float64Array(6) } },
      /^The graph's input 'x' is of Float64Array, not of type float$/,
    ],
    [{ x: ints([2, 3], ...upTo(6)) }, /^The graph's input 'x' is of BigInt64Array, not of type float$/],
    [{ indices: floats([2, 1], 0, 1) }, /^The graph's input 'indices' is of Float32Array, not of type int64$/],
    [{ x: floats([2, 3], ...upTo(5)) }, /^The graph's input 'x' has 5 elements, which do not fill \[2, 3\]$/],
    [{ x: floats([2, 3], ...upTo(7)) }, /^The graph's input 'x' has 7 elements, which do not fill \[2, 3\]$/],
    [{ indices: ints([2, 1], 0) }, /^The graph's input 'indices' has 1 elements, which do not fill \[2, 1\]$/],
  ];
  for (const [change, message] of cases) {
    const given = Object.entries({ ...right, ...change }).filter(([, tensor]) => tensor);
    await assert.rejects(session.run(Object.fromEntries(given) as Record<string, Tensor>), {
      name: "TypeError",
      message,
    });
    const { z } = await session.run(right);
    assert.deepEqual([...z.data], [1, 2, 3, 7, 8, 9]);
  }
});

Deno.test("sizes that are multiples of others", async () => {
  const x = input("x", ["2*position", 3]);
  const y = input("y", ["position", 3]);
  const halves = reshape(x, ["position", 2, 3]);
  const graph = { alone: reduceSum(halves, [1], false), sum: add(reduceSum(halves, [1], false), y) };
  const given = { x: floats([4, 3], ...upTo(12)), y: floats([2, 3], 1, 1, 1, 1, 1, 1) };
  const { alone, sum } = await runGraph(wasm, graph, given);
  assert.deepEqual([...alone.data], [3, 5, 7, 15, 17, 19]);
  assert.deepEqual([...sum.data], [4, 6, 8, 16, 18, 20]);
  const without = await only(graph.alone, { x: given.x });
  assert.deepEqual(without, alone, "an input may say it by a multiple alone");
  await assert.rejects(only(graph.alone, { x: floats([3, 3], ...upTo(9)) }), {
    name: "TypeError",
    message: "The graph's input 'x' is [2*position, 3], not [3, 3]",
  });
  await assert.rejects(runGraph(wasm, graph, { ...given, y: floats([3, 3], ...upTo(9)) }), {
    name: "TypeError",
    message: "The graph's input 'y' is [position, 3], not [3, 3]",
  });
});

Deno.test("outputs are numbers", async () => {
  const x = input("x", ["n"]);
  const indices = input("indices", ["n"], "int64");
  await assert.rejects(only(greater(x, 0), { x: floats([1], 1) }), {
    name: "TypeError",
    message: 'Output "y" is of type bool, not float',
  });
  await assert.rejects(only(indices, { indices: ints([1], 1) }), {
    name: "TypeError",
    message: 'Output "y" is of type int64, not float',
  });
});

Deno.test("operands of all kinds of strides, against loops in float64", async () => {
  const random = uniform(31);
  const sizes = [2, 3, 5];
  const x = input("x", sizes);
  const permutations = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
  const inputs = { x: randomTensor(random, sizes) };
  for (const permutation of permutations) {
    const turned = transpose(x, permutation);
    const dims = permutation.map((axis) => sizes[axis]);
    const parts = dims.map((size, axis) => slice(turned, axis, size - 1, size));
    const graph: Graph = {
      plain: sub(turned, 1),
      lastOfRow: div(turned, add(mul(parts[2], parts[2]), 1)),
      lastOfColumn: mul(parts[1], turned),
      lastOfAll: sub(parts[0], turned),
      outer: mul(parts[0], parts[2]),
      corner: add(slice(parts[0], 1, 0, 1), slice(parts[2], 1, 0, 1)),
      picked: where(greater(turned, parts[1]), parts[2], parts[0]),
      softmax: softmax(turned),
      sums: reduceSum(turned, [0, 2], false),
      means: reduceMean(turned, [1]),
      product: matMul(turned, transpose(turned, [0, 2, 1])),
      one: matMul(turned, reshape(slice(parts[0], 1, 0, 1), [dims[2], 1])),
      expanded: exp(expandLike(parts[1], turned)),
      log: log(expandLike(add(mul(parts[0], parts[0]), 1), turned)),
    };
    const found = await runGraph(wasm, graph, inputs);
    const want = evaluate(graph, inputs);
    for (const name of Object.keys(graph)) {
      assert.deepEqual([...found[name].dims], [...want[name].dims], name);
      assert.ok(relativeError(found[name].data, want[name].data) <= 1e-6, `${name} of [${permutation}]`);
    }
  }
});

Deno.test("instructions name their kernels, and an op without one does not compile", () => {
  const emitter = new Emitter();
  const [x, one] = [emitter.input("x", [2, 4]), emitter.input("one", [1])];
  const out = emitter.elementwise("Mul", [emitter.elementwise("Sqrt", [x], [2, 4]), one], [2, 4]);
  emitter.elementwise("Neg", [one], out.dims); // what is repeated is copied first: unary kernels read as much as they write
  assert.deepEqual(
    emitter.instructions.map(({ kind, fields }) => [kind, fields.kernel]),
    [["Map", "Sqrt_v"], ["Map", "Mul_vs"], ["Map", "Copy_s"], ["Map", "Neg_v"]],
  );
  // @ts-expect-error no kernel is called so
  emitter.elementwise("Sinh", [x], x.dims);
  // @ts-expect-error rows have no product
  emitter.reduced("Product", x, [1], [2]);
});

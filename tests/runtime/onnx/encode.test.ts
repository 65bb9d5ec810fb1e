import assert from "node:assert/strict";
import {
  activation,
  add,
  constant,
  erf,
  greater,
  input,
  mul,
  type OpKind,
  reshape,
  RULES,
  vjp,
} from "../../../lib/graph/mod.ts";
import { outputName, toOnnx } from "../../../lib/runtime/onnx/encode.ts";
import { createRuntime } from "../../../lib/runtime/runtime.ts";
import type { Tensor } from "../../../lib/runtime/tensor.ts";
import { cotangents } from "../../graph/differences.ts";
import { erfExact, evaluate } from "../../graph/evaluate.ts";
import { type Feeds, randomNumbers, relativeError, run, uniform } from "../../graph/numbers.ts";
import { buildCase, RULE_CASES } from "../../graph/rule_cases.ts";

// A few dozen roundings of 2⁻²⁴ or 2⁻⁵³ each, relative to the largest element.
const TOLERANCE = { float32: 2e-6, float64: 4e-15 } as const;

const asFloat32 = (feeds: Feeds): Feeds =>
  Object.fromEntries(
    Object.entries(feeds).map(([name, { dims, data }]): [string, Tensor] => [
      name,
      { dims, data: data instanceof Float64Array ? Float32Array.from(data) : data },
    ]),
  );

for (const dtype of ["float32", "float64"] as const) {
  Deno.test(`every op's result in ${dtype} is that of plain loops`, async () => {
    await using runtime = await createRuntime({ dtype, threads: 1 });
    const worst = new Map<string, number>();
    for (const kind of Object.keys(RULES) as OpKind[]) {
      for (const [i, ruleCase] of RULE_CASES[kind].entries()) {
        const { output, feeds: exact } = buildCase(ruleCase, i);
        const feeds = dtype === "float32" ? asFloat32(exact) : exact;
        const { y: got } = await run(runtime, { y: output }, feeds);
        const { y: want } = evaluate({ y: output }, feeds);
        assert.deepEqual([...got.dims], [...want.dims], `${kind} ${ruleCase.name}`);
        const error = relativeError(got.data, want.data);
        assert.ok(error <= TOLERANCE[dtype], `${kind} ${ruleCase.name} in ${dtype}: ${error}`);
        worst.set(kind, Math.max(error, worst.get(kind) ?? 0));
      }
    }
    const [kind, error] = [...worst].reduce((a, b) => b[1] > a[1] ? b : a);
    console.log(`worst relative error of an op in ${dtype}: ${error.toExponential(1)} (${kind})`);
  });
}

Deno.test("gradient graphs run in float32 too", async () => {
  await using runtime = await createRuntime({ threads: 1 });
  for (const kind of Object.keys(RULES) as OpKind[]) {
    for (const [i, ruleCase] of RULE_CASES[kind].entries()) {
      const { output, inputs, feeds: exact } = buildCase(ruleCase, i);
      const duals = cotangents([output]);
      const gradients = vjp([output], duals, inputs);
      const graph = Object.fromEntries(gradients.flatMap((g, at) => g ? [[`${at}`, g]] : []));
      if (Object.keys(graph).length === 0) continue;
      const random = uniform(i);
      const feeds = asFloat32({ ...exact, "cotangent:0": randomNumbers(random, output.shape) });
      const [got, want] = [await run(runtime, graph, feeds), evaluate(graph, feeds)];
      for (const name of Object.keys(graph)) {
        const error = relativeError(got[name].data, want[name].data);
        assert.ok(error <= TOLERANCE.float32, `${kind} ${ruleCase.name}, gradient ${name}: ${error}`);
      }
    }
  }
});

Deno.test("erf in float64 is right to the last digits", async () => {
  await using runtime = await createRuntime({ dtype: "float64", threads: 1 });
  // To 20 digits by the Taylor series in decimal arithmetic.
  const known: [number, number][] = [
    [0, 0],
    [1e-8, 1.1283791670955125363e-8],
    [0.0009765625, 0.0011019324300718147042],
    [0.125, 0.14031620480133381739],
    [0.5, 0.52049987781304653768],
    [1, 0.84270079294971486934],
    [2, 0.99532226501895273416],
    [3, 0.99997790950300141456],
    [4, 0.99999998458274209972],
    [5, 0.99999999999846254021],
    [6.5, 1],
    [40, 1],
  ];
  for (const [x, want] of known) {
    assert.ok(Math.abs(erfExact(x) - want) <= 2 ** -53 * want, `the test's own erf(${x})`);
  }
  const points = [...known.map(([x]) => x), ...Array.from({ length: 1201 }, (_, i) => i / 200)];
  const x = Float64Array.from([...points, ...points.map((p) => -p)]);
  const { y } = await run(runtime, { y: erf(input("x", ["n"])) }, { x: { dims: [x.length], data: x } });
  const errors = y.data.map((got, i) => x[i] === 0 ? Math.abs(got) : Math.abs(got / erfExact(x[i]) - 1));
  // 160 terms of Horner's scheme, all positive.
  assert.ok(Math.max(...errors) <= 2e-15, `${Math.max(...errors)}`);
});

Deno.test("activations keep their tails", async () => {
  const x = Float64Array.of(-40, -9, -7, -1e-7, 0, 1e-7, 7, 9, 40);
  for (const dtype of ["float32", "float64"] as const) {
    await using runtime = await createRuntime({ dtype, threads: 1 });
    for (const fn of ["gelu", "gelu_new", "relu", "silu"] as const) {
      const graph = { y: activation(input("x", [9]), fn) };
      const feeds = { x: { dims: [9], data: x } };
      const { y } = await run(runtime, graph, dtype === "float32" ? asFloat32(feeds) : feeds);
      const want = evaluate(graph, dtype === "float32" ? asFloat32(feeds) : feeds).y;
      const limit = dtype === "float32" ? 1e-6 : 1e-14;
      y.data.forEach((got, i) =>
        assert.ok(Math.abs(got - want.data[i]) <= limit * Math.max(1, Math.abs(x[i])), `${fn}(${x[i]}) = ${got}`)
      );
    }
  }
});

Deno.test("a value may be input, output, and output again", async () => {
  await using runtime = await createRuntime({ dtype: "float64", threads: 1 });
  const x = input("x", ["position"]);
  const twice = mul(x, 2);
  const found = await run(runtime, { x, again: x, twice, "twice again": twice }, {
    x: { dims: [2], data: Float64Array.of(1.5, -2) },
  });
  assert.deepEqual(Object.keys(found), ["x", "again", "twice", "twice again"]);
  assert.deepEqual([...found.x.data], [1.5, -2]);
  assert.deepEqual([...found.again.data], [1.5, -2]);
  assert.deepEqual([...found.twice.data], [3, -4]);
  assert.deepEqual([...found["twice again"].data], [3, -4]);
  assert.equal(outputName("x"), "out:x");
});

Deno.test("constants of all kinds are encoded", async () => {
  await using runtime = await createRuntime({ dtype: "float64", threads: 1 });
  const values = [0, 1, -1e300, 1e-300, Math.PI, Infinity, NaN];
  const x = input("x", []);
  const graph = Object.fromEntries(values.map((value, i) => [`${i}`, add(x, constant(value))]));
  const found = await run(runtime, graph, { x: { dims: [], data: Float64Array.of(0) } });
  assert.deepEqual(values.map((_, i) => found[i].data[0]), values);
});

Deno.test("dynamic dimensions take any size, one after another, 0 included", async () => {
  await using runtime = await createRuntime({ dtype: "float64", threads: 1 });
  const x = input("x", ["batch", "position", 4]);
  const session = await runtime.session({ y: reshape(mul(x, 2), ["position", 2, "batch", 2]) });
  for (const [batch, position] of [[1, 1], [3, 2], [2, 7], [1, 0]]) {
    const data = Float64Array.from({ length: batch * position * 4 }, (_, i) => i);
    const { y } = await session.run({ x: { dims: [batch, position, 4], data } });
    assert.deepEqual([...y.dims], [position, 2, batch, 2]);
    assert.deepEqual([...y.data], [...data].map((n) => 2 * n));
  }
});

Deno.test("what cannot be encoded is refused", () => {
  const options = { dtype: "float32" } as const;
  const x = input("x", [2]);
  assert.throws(() => toOnnx({ y: greater(x, 0) }, options), {
    name: "TypeError",
    message: 'Output "y" is of type bool, not float',
  });
  assert.throws(() => toOnnx({ y: input("i", [2], "int64") }, options), {
    name: "TypeError",
    message: 'Output "y" is of type int64, not float',
  });
  assert.throws(() => toOnnx({ y: add(x, input("x", [2])) }, options), {
    name: "TypeError",
    message: 'Two different graph inputs are named "x"',
  });
  for (const name of ["", "v:0", "c:1", "i:0,1", "out:y"]) {
    assert.throws(() => toOnnx({ y: mul(input(name, [2]), 1) }, options), {
      name: "TypeError",
      message: `A graph input cannot be named "${name}"`,
    });
  }
});

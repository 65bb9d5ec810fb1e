import assert from "node:assert/strict";
import {
  add,
  addDeltas,
  alongOnly,
  exp,
  type Graph,
  graphInputs,
  input,
  matMul,
  mul,
  reachable,
  reshape,
  sliceGraph,
  softmax,
  swapLast,
  tanh,
  transpose,
  vjp,
} from "../../lib/graph/mod.ts";
import { createRuntime } from "../../lib/runtime/runtime.ts";
import { evaluate } from "./evaluate.ts";
import { type Feeds, randomNumbers, relativeError, run, uniform } from "./numbers.ts";

/** x → a = tanh x → b = a·w → y = b + a, with b also twice in y's second name. */
function chain(): { x: Graph[string]; a: Graph[string]; b: Graph[string]; y: Graph[string]; w: Graph[string] } {
  const x = input("x", ["position", 2]);
  const w = input("w", [2, 2]);
  const a = tanh(x);
  const b = matMul(a, w);
  return { x, w, a, b, y: add(b, a) };
}

const names = (graph: Graph): string[] => [...graphInputs(graph).keys()].sort();

const feeds = (extra: readonly string[] = []): Feeds => {
  const random = uniform(5);
  return Object.fromEntries([
    ["x", randomNumbers(random, ["position", 2])],
    ["w", randomNumbers(random, [2, 2])],
    ...extra.map((name) => [name, randomNumbers(random, ["position", 2])]),
  ]);
};

async function agree(graph: Graph, given: Feeds, want: ArrayLike<number>, output = "y"): Promise<void> {
  await using runtime = await createRuntime({ dtype: "float64", threads: 1 });
  const found = await run(runtime, graph, given);
  assert.ok(relativeError(found[output].data, want) <= 1e-14, `${output}: ${found[output].data}`);
}

Deno.test("sliceGraph: a cut value becomes an input, what lies below is gone", async () => {
  const { a, b, y, w } = chain();
  assert.deepEqual(names(sliceGraph({ a }, { y })), ["a", "w"]);
  assert.deepEqual(names(sliceGraph({ b }, { y })), ["b", "x"], "y needs a beside b");
  assert.deepEqual(names(sliceGraph({ a, b }, { y })), ["a", "b"]);
  assert.deepEqual(names(sliceGraph({ w }, { y })), ["w", "x"]);
  const given = feeds();
  const whole = evaluate({ a, b, y }, given);
  await agree(sliceGraph({ a, b }, { y }), { a: whole.a, b: whole.b }, whole.y.data);
});

Deno.test("sliceGraph: a cut value that is an output, and an output below the cut", () => {
  const { x, a, b, y } = chain();
  const part = sliceGraph({ b }, { b, a, y, x });
  assert.equal(part.b.op.kind, "Input");
  assert.deepEqual(part.b.shape, ["position", 2]);
  assert.equal(part.a, a, "what does not depend on the cut stays the same value");
  assert.equal(part.x, x);
  assert.notEqual(part.y, y);
});

Deno.test("sliceGraph: values keep their roles and attributes, and are shared as before", () => {
  const x = input("x", [3]);
  const inner = exp(x);
  const shared = { ...tanh(inner), role: "gate" } as const;
  const part = sliceGraph({ inner }, { one: mul(shared, shared), two: shared });
  assert.equal(part.two.role, "gate");
  assert.equal(part.one.inputs[0], part.two);
  assert.equal(part.one.inputs[1], part.two);
  assert.equal(reachable(Object.values(part)).length, 3);
});

Deno.test("addDeltas: at the input, inside, and at the output", async () => {
  const { x, a, b, y } = chain();
  const given = feeds(["dx", "da", "db", "dy"]);
  const at = (name: string): Float64Array => given[name].data as Float64Array;
  const weight = at("w");
  const want = (dx: number, da: number, db: number, dy: number): Float64Array => {
    const shifted = at("x").map((v, i) => Math.tanh(v + dx * at("dx")[i]) + da * at("da")[i]);
    return shifted.map((v, i) => {
      const row = i - i % 2;
      const product = shifted[row] * weight[i % 2] + shifted[row + 1] * weight[2 + i % 2];
      return product + db * at("db")[i] + v + dy * at("dy")[i];
    });
  };
  await agree(addDeltas({ y }, { dx: x }), given, want(1, 0, 0, 0));
  await agree(addDeltas({ y }, { da: a }), given, want(0, 1, 0, 0));
  await agree(addDeltas({ y }, { db: b }), given, want(0, 0, 1, 0));
  await agree(addDeltas({ y }, { dy: y }), given, want(0, 0, 0, 1));
  const all = { dx: x, da: a, db: b, dy: y };
  for (const order of [["dx", "da", "db", "dy"], ["dy", "db", "da", "dx"], ["db", "dx", "dy", "da"]] as const) {
    const deltas = Object.fromEntries(order.map((name) => [name, all[name]]));
    const graph = addDeltas({ y }, deltas);
    await agree(graph, given, want(1, 1, 1, 1));
    assert.deepEqual(names(graph), ["da", "db", "dx", "dy", "w", "x"]);
  }
});

Deno.test("addDeltas: outputs show values after their deltas, those below stay", async () => {
  const { a, b, y } = chain();
  const given = feeds(["db"]);
  const plain = evaluate({ a, b, y }, given);
  const graph = addDeltas({ a, b, y }, { db: b });
  await agree(graph, given, plain.a.data, "a");
  await agree(graph, given, plain.b.data.map((v, i) => v + Number(given.db.data[i])), "b");
  await agree(graph, given, plain.y.data.map((v, i) => v + Number(given.db.data[i])), "y");
  assert.equal(graph.a, a);
});

Deno.test("addDeltas: two names for one value see each other's delta", async () => {
  const { a, y } = chain();
  const given = feeds(["d1", "d2"]);
  const both = { ...given, d: { dims: given.d1.dims, data: (given.d1.data as Float64Array).slice() } };
  both.d.data.forEach((v, i) => both.d.data[i] = v + Number(given.d2.data[i]));
  const want = evaluate(addDeltas({ a, y }, { d: a }), both);
  for (const deltas of [{ d1: a, d2: a }, { d2: a, d1: a }]) {
    const graph = addDeltas({ a, alias: a, y }, deltas);
    await agree(graph, given, want.y.data);
    await agree(graph, given, want.a.data, "a");
    await agree(graph, given, want.a.data, "alias");
  }
});

Deno.test("addDeltas: no deltas, and a delta at a value that the graph does not reach", () => {
  const { y } = chain();
  assert.equal(addDeltas({ y }, {}).y, y);
  const graph = addDeltas({ y }, { elsewhere: exp(y) });
  assert.equal(graph.y, y);
  assert.deepEqual(names(graph), ["w", "x"]);
});

Deno.test("addDeltas after sliceGraph, and the other way round", async () => {
  const { a, b, y } = chain();
  const given = feeds(["db", "a"]);
  const part = sliceGraph({ a }, { b, y });
  const sliced = addDeltas({ y: part.y }, { db: part.b });
  assert.deepEqual(names(sliced), ["a", "db", "w"]);
  const plain = evaluate({ y: part.y }, given).y.data.map((v, i) => v + Number(given.db.data[i]));
  await agree(sliced, given, plain);
  const shifted = addDeltas({ a, y }, { db: b });
  await agree(sliceGraph({ a: shifted.a }, { y: shifted.y }), given, plain);
});

Deno.test("alongOnly: several gradients over one value are what they are over copies of it", async () => {
  const x = input("x", ["batch", "position", 4]);
  const scaled = mul(x, input("scale", ["batch", "position", 1]));
  const heads = transpose(reshape(scaled, ["batch", "position", 2, 2]), [0, 2, 1, 3]);
  const pattern = softmax(matMul(heads, swapLast(heads)));
  const output = reshape(transpose(matMul(pattern, heads), [0, 2, 1, 3]), ["batch", "position", 4]);
  const [gradient] = vjp([output], [input("g", output.shape)], [x]);
  const random = uniform(6);
  const given: Feeds = Object.fromEntries([
    ["x", randomNumbers(random, [1, "position", 4])],
    ["scale", randomNumbers(random, [1, "position", 1])],
    ["g", randomNumbers(random, ["batch", "position", 4])],
  ]);
  const apart = alongOnly({ y: gradient!, pattern }, "batch", ["g"]);
  assert.deepEqual([apart.y.shape, apart.pattern.shape], [["batch", "position", 4], [1, 2, "position", "position"]]);
  const twice = ({ dims, data }: Feeds[string]): Feeds[string] => ({
    dims: [2, ...dims.slice(1)],
    data: Float64Array.from([...data, ...data], Number),
  });
  const copied = { x: twice(given.x), scale: twice(given.scale), g: given.g };
  await agree({ y: apart.y }, given, evaluate({ y: gradient! }, copied).y.data);
});

import assert from "node:assert/strict";
import { type Dim, type Graph, graphInputs, type Shape } from "../../../lib/graph/mod.ts";
import { execute } from "../../../lib/runtime/kernels/execute.ts";
import { lower } from "../../../lib/runtime/kernels/lower.ts";
import { canFuse, encodeKernels } from "../../../lib/runtime/kernels/module.ts";
import { plan } from "../../../lib/runtime/kernels/plan.ts";
import { kernelNumbers, openContext } from "../../../lib/runtime/kernels/thread_context.ts";
import { createRuntime, type Runtime } from "../../../lib/runtime/runtime.ts";
import type { FloatTensor, Tensor } from "../../../lib/runtime/tensor.ts";
import { count, uniform } from "../../graph/numbers.ts";
import { RULE_CASES } from "../../graph/rule_cases.ts";
import { randomGraph } from "./random_graph.ts";
import { assertSameTensors, randomTensor, threadsReady } from "./run_graph.ts";

type Sizes = Readonly<Record<string, number>>;

function sizeOf(dim: Dim, sizes: Sizes): number {
  if (typeof dim === "number") return dim;
  return dim.split("*").map((part) => sizes[part] ?? Number(part)).reduce((a, b) => a * b, 1);
}

const dimsOf = (shape: Shape, sizes: Sizes): number[] => shape.map((dim) => sizeOf(dim, sizes));

/** Random inputs of a graph, some of them in the engine's memory. */
function randomInputs(
  random: () => number,
  graph: Graph,
  indices: ReadonlyMap<string, Dim>,
  sizes: Sizes,
  runtime: Runtime,
): Record<string, Tensor> {
  return Object.fromEntries(
    [...graphInputs(graph)].map(([name, { shape }]): [string, Tensor] => {
      const dims = dimsOf(shape, sizes);
      const below = indices.get(name);
      if (below !== undefined) {
        const n = sizeOf(below, sizes);
        const data = BigInt64Array.from({ length: count(dims) }, () => BigInt(Math.floor((2 * random() - 1) * n)));
        return [name, { dims, data }];
      }
      const { data } = randomTensor(random, dims);
      if (random() < 0.5) return [name, { dims, data }];
      const placed = runtime.memory.allocate(data.length);
      placed.set(data);
      return [name, { dims, data: placed }];
    }),
  );
}

/** The largest difference, where numbers are near 1. */
function difference(got: Float32Array, want: Float32Array): number {
  let [largest, scale] = [0, 1];
  assert.equal(got.length, want.length);
  for (let i = 0; i < got.length; i++) {
    largest = Math.max(largest, got[i] === want[i] ? 0 : Math.abs(got[i] - want[i]));
    scale = Math.max(scale, Math.abs(want[i]));
    if (Number.isNaN(got[i]) !== Number.isNaN(want[i])) return Infinity;
  }
  return largest / scale;
}

const SIZES: readonly Sizes[] = [{ batch: 2, position: 3 }, { batch: 3, position: 7 }, { batch: 1, position: 1 }];
/** Large enough that threads divide the work. */
const LARGE: Sizes = { batch: 3, position: 200 };
const GRAPHS = 160;

Deno.test("random graphs agree with onnxruntime, at several sizes, and nothing that is needed is written over", async () => {
  await using wasm = await createRuntime({ device: "wasm", threads: 1 });
  await using onnx = await createRuntime({ device: "onnx", threads: 1 });
  const kinds = new Set<string>();
  for (let seed = 0; seed < GRAPHS; seed++) {
    const random = uniform(1000 + seed);
    const made = randomGraph(random);
    for (const kind of made.kinds) kinds.add(kind);
    const session = await wasm.session(made.graph);
    const other = await onnx.session(made.graph);
    const first: { inputs?: Record<string, Tensor>; found?: Record<string, FloatTensor> } = {};
    for (const sizes of seed % 8 === 0 ? [...SIZES, LARGE] : SIZES) {
      const inputs = randomInputs(random, made.graph, made.indices, sizes, wasm);
      const before = Object.entries(inputs).map(([, { data }]) => data.slice());
      const found = await session.run(inputs) as Record<string, FloatTensor>;
      Object.values(inputs).forEach(({ data }, i) =>
        assert.ok(data.every((x, at) => x === before[i][at]), `inputs of ${seed}`)
      );
      const want = await other.run(inputs) as Record<string, FloatTensor>;
      assert.deepEqual(Object.keys(found), Object.keys(made.graph));
      for (const [name, { dims, data }] of Object.entries(found)) {
        assert.deepEqual([...dims], [...want[name].dims], `${name} of graph ${seed}`);
        const off = difference(data, want[name].data);
        assert.ok(off <= 1e-5, `${name} of graph ${seed} is off by ${off} with ${JSON.stringify(sizes)}`);
      }
      first.inputs ??= inputs;
      first.found ??= found;
    }
    assertSameTensors(await session.run(first.inputs!), first.found!, `graph ${seed}, again`);
    for (const { data } of Object.values(first.inputs!)) {
      if (data instanceof Float32Array) wasm.memory.release(data);
    }
  }
  const missing = Object.keys(RULE_CASES).filter((kind) => !kinds.has(kind));
  assert.deepEqual(missing, [], "ops that no random graph has");
});

Deno.test("random graphs are the same, to the last bit, on one thread and on three", async () => {
  await using one = await createRuntime({ device: "wasm", threads: 1 });
  await using three = await createRuntime({ device: "wasm", threads: 3 });
  for (let seed = 0; seed < 60; seed++) {
    const random = uniform(5000 + seed);
    const { graph, indices } = randomGraph(random);
    const inputs = randomInputs(random, graph, indices, LARGE, one);
    const want = await (await one.session(graph)).run(inputs);
    const session = await three.session(graph);
    await threadsReady(3);
    for (let turn = 0; turn < 3; turn++) assertSameTensors(await session.run(inputs), want, `graph ${seed}`);
    for (const { data } of Object.values(inputs)) if (data instanceof Float32Array) one.memory.release(data);
  }
});

Deno.test("programs in the upper half of the addresses", async () => {
  const limits = { initial: 65_535, maximum: 65_535, shared: true };
  let memory: WebAssembly.Memory;
  try {
    memory = new WebAssembly.Memory(limits);
  } catch {
    return; // there are not as many here
  }
  const module = new WebAssembly.Module(encodeKernels(limits, canFuse()));
  const context = openContext(module, memory, 64);
  const { words, floats } = context;
  const kernels = kernelNumbers(context.kernels);
  await using runtime = await createRuntime({ device: "wasm", threads: 1 });
  // Over the middle, and up to the end.
  for (const base of [2 ** 31 - 2 ** 13, 2 ** 32 - 65_536 - 2 ** 24]) {
    for (let seed = 0; seed < 40; seed++) {
      const random = uniform(7000 + seed);
      const { graph, indices } = randomGraph(random);
      const inputs = randomInputs(random, graph, indices, SIZES[1], runtime);
      const dims = Object.fromEntries(Object.entries(inputs).map(([name, { dims }]) => [name, dims]));
      const program = plan(lower(graph, dims), { kernels, base, inPlace: new Set() });
      assert.ok(program.bytes < 2 ** 24 && program.patches.length === 0);
      words.set(program.words, base / 4);
      for (const [name, address] of program.copies) {
        const { data } = inputs[name];
        if (data instanceof Float32Array) floats.set(data, address / 4);
        else words.set(Int32Array.from(data as BigInt64Array, Number), address / 4);
      }
      execute(context, { rank: 0, threads: 1, barrier: () => {} }, base / 4, base / 4 + program.length);
      const want = await (await runtime.session(graph)).run(inputs);
      const found = program.outputs.map(({ name, dims, place, offset }): [string, FloatTensor] => {
        const from = (place as number + offset) / 4;
        return [name, { dims, data: floats.slice(from, from + count(dims)) }];
      });
      assertSameTensors(Object.fromEntries(found), want, `graph ${seed} at ${base}`);
    }
  }
});

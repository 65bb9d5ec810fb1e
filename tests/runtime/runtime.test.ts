import assert from "node:assert/strict";
import { add, type Graph, input, matMul, mul } from "../../lib/graph/mod.ts";
import { type Constants, createRuntime, type Device, DEVICES } from "../../lib/runtime/runtime.ts";
import {
  type DeviceTensor,
  firstNonFinite,
  type FloatTensor,
  isOnDevice,
  type Tensor,
  tensor,
  toHost,
} from "../../lib/runtime/tensor.ts";
import { NATIVE, WEBGPU } from "./devices.ts";

const sum = (): Graph => ({ sum: add(input("x", ["n"]), input("y", ["n"])) });

const vector = (...numbers: number[]): { dims: number[]; data: Float32Array } => ({
  dims: [numbers.length],
  data: Float32Array.from(numbers),
});

Deno.test("a graph runs under the names that it has", async () => {
  await using runtime = await createRuntime({ device: "wasm", threads: 1 });
  assert.equal(runtime.device, "wasm");
  const session = await runtime.session(sum());
  assert.deepEqual([...session.inputNames].sort(), ["x", "y"]);
  for (const n of [1, 3, 2]) {
    const x = vector(...Array.from({ length: n }, (_, i) => i));
    const found = await session.run({ x, y: vector(...new Array(n).fill(10)) });
    assert.deepEqual(Object.keys(found), ["sum"]);
    assert.deepEqual([...found.sum.dims], [n]);
    assert.ok(found.sum.data instanceof Float32Array);
    assert.deepEqual([...found.sum.data], Array.from({ length: n }, (_, i) => i + 10));
  }
});

Deno.test("disposed: sessions are released, twice does no harm, and a new one is compiled", async () => {
  const runtime = await createRuntime({ device: "wasm", threads: 1 });
  const session = await runtime.session(sum());
  await runtime.dispose();
  await runtime.dispose();
  await assert.rejects(session.run({ x: vector(1), y: vector(2) }), Error);
  const again = await runtime.session(sum());
  assert.deepEqual([...(await again.run({ x: vector(1), y: vector(2) })).sum.data], [3]);
  await runtime[Symbol.asyncDispose]();
});

Deno.test("devices that are not there say what to do", async () => {
  assert.deepEqual(DEVICES, ["auto", "wasm", "webgpu", "native", "onnx"]);
  await assert.rejects(createRuntime({ device: "gpu" as Device }), {
    name: "RangeError",
    message: 'Unknown device "gpu": choose one of auto, wasm, webgpu, native, onnx',
  });
  await assert.rejects(createRuntime({ device: "webgpu", dtype: "float64" }), {
    name: "RangeError",
    message: "WebGPU has no float64: use another device",
  });
  // In an empty directory nothing is installed.
  const empty = await Deno.makeTempDir();
  const script = `
    const { createRuntime } = await import(${JSON.stringify(new URL("../../lib/runtime/runtime.ts", import.meta.url))});
    await using runtime = await createRuntime({ threads: 1 });
    console.log(runtime.device);
    await createRuntime({ device: "native" }).catch(({ message }) => console.log(message));`;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", script],
    cwd: empty,
    env: { NODE_PATH: "" },
  }).output();
  assert.deepEqual(new TextDecoder().decode(stdout).trimEnd().split("\n"), [
    "wasm",
    'Device "native" needs onnxruntime-node, which is not installed here: npm install onnxruntime-node@1.30.0',
  ]);
});

const HERE: readonly Device[] = [
  "wasm",
  "onnx",
  ...(NATIVE ? ["native"] as const : []),
  ...(WEBGPU ? ["webgpu"] as const : []),
];

for (const device of HERE) {
  Deno.test(`${device}: a graph is compiled once, asked for at once or later; another of the same look is not it`, async () => {
    await using runtime = await createRuntime({ device, threads: 1 });
    const sessions = await Promise.all([1, 1, 1, 2].map((n) => runtime.session({ y: mul(input("x", ["n"]), n) })));
    assert.equal(new Set(sessions).size, 2);
    assert.equal(await runtime.session({ y: mul(input("x", ["n"]), 2) }), sessions[3]);
    const ys = await Promise.all(sessions.map(async (session) => (await session.run({ x: vector(5) })).y.data[0]));
    assert.deepEqual(ys, [5, 5, 5, 10]);
    await using other = await createRuntime({ device, threads: 1 });
    assert.notEqual(await other.session({ y: mul(input("x", ["n"]), 2) }), sessions[3]);
  });

  Deno.test(`${device}: constants are read once, and stay until they are disposed of`, async () => {
    const runtime = await createRuntime({ device, threads: 1 });
    assert.equal(runtime.device, device);
    const version = device === "wasm" ? /^sae-attribution \d+\.\d+\.\d+$/ : /^onnxruntime-(web|node) 1\.30\.\d+$/;
    assert.match(runtime.version.join(" "), version);
    const loads: string[] = [];
    const constants = (key: string, ...numbers: number[]): Constants => ({
      key,
      load: () => {
        loads.push(key);
        return Promise.resolve({ w: { dims: [2, 2], data: Float32Array.from(numbers) }, unused: vector(7) });
      },
    });
    const graph: Graph = { y: matMul(input("x", ["n", 2]), input("w", [2, 2])) };
    const run = async (given: Constants, ...x: number[]): Promise<number[]> => {
      const session = await runtime.session(graph, given);
      assert.deepEqual(session.inputNames, ["x"]);
      const { y } = await session.run({ x: { dims: [x.length / 2, 2], data: Float32Array.from(x) } });
      return [...y.data as Float32Array];
    };
    const [identity, double] = [constants("identity", 1, 0, 0, 1), constants("double", 2, 0, 0, 2)];
    assert.deepEqual(await run(identity, 3, 4), [3, 4]);
    assert.deepEqual(await run(double, 3, 4), [6, 8]);
    assert.deepEqual(await run(identity, 5, 6, 7, 8), [5, 6, 7, 8]);
    assert.deepEqual(loads, ["identity", "double"]);
    const free = await runtime.session(graph);
    assert.deepEqual([...free.inputNames].sort(), ["w", "x"], "the same graph, all of it fed");
    await runtime.dispose();
    assert.deepEqual(await run(identity, 1, 2), [1, 2]);
    assert.equal(loads.length, 3);
    await runtime.dispose();
  });

  Deno.test(`${device}: outputs may stay where they are, and go in again`, async () => {
    await using runtime = await createRuntime({ device, threads: 1 });
    const from = input("x", ["n"]);
    const session = await runtime.session({ twice: mul(from, 2), thrice: mul(from, 3) });
    let x: Tensor | DeviceTensor = vector(1, -2);
    for (let i = 0; i < 5; i++) {
      const { twice, thrice }: Record<string, Tensor | DeviceTensor> = await session.run({ x }, ["twice"]);
      assert.equal(isOnDevice(twice), device === "webgpu");
      assert.ok(!isOnDevice(thrice));
      if (isOnDevice(x)) x.release();
      x = twice;
    }
    assert.deepEqual([...x.dims], [2]);
    const { data } = await toHost(x as FloatTensor | DeviceTensor);
    assert.deepEqual([...data], [32, -64]);
  });
}

Deno.test("inputs that are missing or of another kind are errors that name them", async () => {
  await using runtime = await createRuntime({ device: "wasm", threads: 1 });
  const session = await runtime.session(sum());
  await assert.rejects(session.run({ x: vector(1) }), /'y'/);
  await assert.rejects(session.run({}), /'x'/);
  const double = { dims: [1], data: Float64Array.of(1) };
  await assert.rejects(session.run({ x: double, y: double }), Error, "float64 in a float32 graph");
  await assert.rejects(session.run({ x: vector(1, 2), y: { dims: [1, 2], data: new Float32Array(2) } }), Error, "rank");
});

Deno.test("float64 is computed in float64, indices are int64", async () => {
  await using runtime = await createRuntime({ dtype: "float64", threads: 1 });
  const session = await runtime.session({ y: mul(input("x", [1]), 0.1) });
  const { y } = await session.run({ x: { dims: [1], data: Float64Array.of(3) } });
  assert.ok(y.data instanceof Float64Array);
  assert.equal(y.data[0], 3 * 0.1);
});

Deno.test("a tensor's elements fill its dimensions", () => {
  assert.deepEqual(tensor([2, 0], new Float32Array()), { dims: [2, 0], data: new Float32Array() });
  assert.equal(tensor([], Float32Array.of(5)).data[0], 5);
  assert.throws(() => tensor([2, 3], new Float32Array(5)), {
    name: "RangeError",
    message: "5 elements do not fill [2, 3]",
  });
});

Deno.test("the first element that is not finite is found", () => {
  const zeros = new Float32Array(100);
  assert.equal(firstNonFinite(zeros), -1);
  assert.equal(firstNonFinite(new Float32Array()), -1);
  assert.equal(firstNonFinite(Float32Array.of(3.4e38, -3.4e38, 1e-45, -0)), -1);
  for (const odd of [NaN, Infinity, -Infinity]) {
    for (const at of [0, 41, 99]) {
      const data = zeros.slice();
      data[at] = odd;
      data[99] = NaN;
      assert.equal(firstNonFinite(data), at);
    }
  }
});

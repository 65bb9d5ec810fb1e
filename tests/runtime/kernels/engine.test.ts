import assert from "node:assert/strict";
import { add, exp, input, matMul, mul, sub } from "../../../lib/graph/mod.ts";
import { openEngine } from "../../../lib/runtime/kernels/engine.ts";
import { createRuntime, type Runtime } from "../../../lib/runtime/runtime.ts";
import type { FloatMemory } from "../../../lib/weights/tensors/floats.ts";
import type { FloatTensor } from "../../../lib/runtime/tensor.ts";
import { uniform } from "../../graph/numbers.ts";
import { runGraph } from "./run_graph.ts";

await openEngine(); // before that, memory is our own
await using runtime = await createRuntime({ device: "wasm", threads: 1 });
await runtime.session({});

/** Fails unless it is an error of one line that says what to do. */
function isTooLarge(error: unknown): boolean {
  assert.ok(error instanceof RangeError);
  assert.match(
    error.message,
    /^\d+ MiB more do not fit into WebAssembly's memory: take shorter prompts .*weights "streamed", or device "native"$/,
  );
  return true;
}

/** Where the next array would begin. */
function next(memory: FloatMemory): number {
  const array = memory.allocate(1);
  memory.release(array);
  return array.byteOffset;
}

/** Takes memory in pieces until there is no room for another; no page of it is touched. */
function takeAll(memory: FloatMemory, pieces: number): Float32Array[] {
  const taken: Float32Array[] = [];
  for (;;) {
    try {
      taken.push(memory.allocate(pieces));
    } catch (error) {
      isTooLarge(error);
      return taken;
    }
  }
}

const PIECE = 2 ** 26; // 256 MiB

async function works(on: Runtime = runtime): Promise<void> {
  const y = mul(input("x", ["n"]), 2);
  const found = await runGraph(on, { y }, { x: { dims: [3], data: Float32Array.of(1, 2, 3) } });
  assert.deepEqual([...found.y.data], [2, 4, 6]);
}

Deno.test("arrays lie apart, keep what they hold, and make room when they are released", () => {
  const { memory } = runtime;
  const random = uniform(61);
  const first = next(memory);
  const held: { array: Float32Array; mark: number }[] = [];
  let lowest = Infinity;
  for (let turn = 0; turn < 2000; turn++) {
    if (held.length > 40 || (held.length > 0 && random() < 0.5)) {
      const [{ array, mark }] = held.splice(Math.floor(random() * held.length), 1);
      assert.ok(array.every((x) => x === mark), `array ${mark} was written over`);
      memory.release(array);
    } else {
      const array = memory.allocate(Math.floor(random() * (random() < 0.1 ? 20_000 : 200)));
      assert.equal(array.byteOffset % 64, 0);
      lowest = Math.min(lowest, array.byteOffset);
      array.fill(turn);
      held.push({ array, mark: turn });
    }
  }
  assert.ok(first - lowest < 41 * 20_000 * 4, "what is released is used again");
  for (const { array, mark } of held) {
    assert.ok(array.every((x) => x === mark));
    memory.release(array);
  }
  assert.equal(next(memory), first);
});

Deno.test("released twice, or not of this memory: nothing happens", async () => {
  const { memory } = runtime;
  await using other = await createRuntime({ device: "wasm", threads: 1 });
  await other.session({});
  const first = next(memory);
  const [a, b] = [memory.allocate(100), memory.allocate(100)];
  memory.release(a);
  memory.release(a);
  memory.release(new Float32Array(3));
  memory.release(b.subarray(10));
  other.memory.release(b);
  const c = memory.allocate(100);
  assert.equal(c.byteOffset, a.byteOffset);
  assert.notEqual(c.byteOffset, b.byteOffset);
  const none = [memory.allocate(0), memory.allocate(0)];
  assert.deepEqual(none.map(({ length }) => length), [0, 0]);
  assert.notEqual(none[0].byteOffset, none[1].byteOffset);
  for (const array of [...none, b, c]) memory.release(array);
  assert.equal(next(memory), first);
});

Deno.test("more than there is is an error, and what was there goes on", async () => {
  const { memory } = runtime;
  const first = next(memory);
  const kept = memory.allocate(8).fill(5);
  for (const length of [2 ** 30, 2 ** 31, 2 ** 40]) assert.throws(() => memory.allocate(length), isTooLarge);
  await works();
  const taken = takeAll(memory, PIECE);
  assert.throws(() => memory.allocate(PIECE), isTooLarge);
  await works();
  memory.release(taken.splice(1, 1)[0]); // room in the middle
  const again = memory.allocate(PIECE - 1000);
  await works();
  assert.deepEqual([...kept], new Array(8).fill(5));
  memory.release(again);
  for (const array of [...taken, kept]) memory.release(array);
  assert.equal(next(memory), first);
  await works();
});

Deno.test("a program that does not fit is an error, and smaller ones run", async () => {
  const [x, y] = [input("x", ["m", 1]), input("y", [1, "n"])];
  const session = await runtime.session({ sum: exp(add(x, y)) });
  const run = async (m: number, n: number): Promise<Float32Array> => {
    const inputs = { x: { dims: [m, 1], data: new Float32Array(m) }, y: { dims: [1, n], data: new Float32Array(n) } };
    return (await session.run(inputs)).sum.data as Float32Array;
  };
  for (const [m, n] of [[40_000, 40_000], [2 ** 20, 2 ** 20]]) {
    await assert.rejects(run(m, n), isTooLarge);
    assert.deepEqual([...await run(2, 1)], [1, 1]);
  }
  // It would fit, were the memory not taken.
  const taken = takeAll(runtime.memory, PIECE);
  await assert.rejects(run(10_000, 20_000), isTooLarge);
  await assert.rejects(run(10_000, 20_000), isTooLarge);
  assert.deepEqual([...await run(1, 3)], [1, 1, 1]);
  for (const array of taken) runtime.memory.release(array);
  assert.ok((await run(1000, 1000)).every((x) => x === 1));
});

Deno.test("constants that do not fit leave nothing behind, and can be tried again", async () => {
  const first = next(runtime.memory);
  await using other = await createRuntime({ device: "wasm", threads: 1 });
  const graph = { y: add(matMul(input("x", [1, 2]), input("w", [2, 2])), input("b", [2])) };
  const small = {
    w: { dims: [2, 2], data: Float32Array.of(1, 2, 3, 4) },
    b: { dims: [2], data: Float32Array.of(5, 6) },
  };
  const large = { w: small.w, huge: { dims: [2 ** 22], data: new Float32Array(2 ** 22) } };
  const taken = takeAll(runtime.memory, 2 ** 22);
  const free = runtime.memory.allocate(16); // where the small one goes
  runtime.memory.release(free);
  const loads = [
    () => large,
    () => ({ huge: large.huge, w: { dims: [2, 2], data: other.memory.allocate(4) } }), // read right into memory
    () => ({ w: { dims: [2, 2], data: other.memory.allocate(4) }, huge: large.huge }),
  ];
  for (const load of loads) {
    await assert.rejects(
      other.session(graph, { key: "weights", load: () => Promise.resolve(load()) }),
      isTooLarge,
    );
  }
  const after = runtime.memory.allocate(16);
  assert.equal(after.byteOffset, free.byteOffset);
  runtime.memory.release(after);
  for (const array of taken) runtime.memory.release(array);
  const session = await other.session(graph, { key: "weights", load: () => Promise.resolve(small) });
  const { y } = await session.run({ x: { dims: [1, 2], data: Float32Array.of(10, 100) } });
  assert.deepEqual([...y.data], [315, 426]);
  await other.dispose();
  assert.equal(next(runtime.memory), first);
});

Deno.test("runtimes that are opened and disposed of leave no memory taken", async () => {
  const first = next(runtime.memory);
  for (let turn = 0; turn < 60; turn++) {
    const opened = await createRuntime({ device: "wasm", threads: 1 });
    const w: FloatTensor = { dims: [64, 64], data: new Float32Array(4096).fill(turn) };
    const graph = { y: matMul(input("x", [1, 64]), input("w", [64, 64])) };
    for (const key of ["a", "b"]) {
      const session = await opened.session(graph, { key, load: () => Promise.resolve({ w, unused: w }) });
      const { y } = await session.run({ x: { dims: [1, 64], data: new Float32Array(64).fill(1) } });
      assert.ok((y.data as Float32Array).every((x) => x === 64 * turn));
      if (turn % 3 === 0) await opened.forget(key);
    }
    await opened.dispose();
    assert.equal(next(runtime.memory), first);
  }
});

Deno.test("arrays of this memory are read where they are: what is written shows in the next run", async () => {
  const { memory } = runtime;
  const [x, y] = [input("x", ["n"]), input("y", ["n"])];
  const session = await runtime.session({
    difference: sub(exp(mul(x, 0)), sub(y, x)),
    x,
    twice: mul(mul(x, 2), 1),
  });
  const whole = memory.allocate(20);
  whole.forEach((_, i) => whole[i] = i);
  const part = (from: number): FloatTensor => ({ dims: [5], data: whole.subarray(from, from + 5) });
  const own: FloatTensor = { dims: [5], data: Float32Array.of(1, 1, 1, 1, 1) };
  for (const [from, other] of [[0, 5], [5, 0], [3, 3], [1, 2], [15, 11]]) {
    for (let turn = 0; turn < 3; turn++) {
      whole[from + 1] += 100;
      const before = [...whole];
      for (const other2 of [part(other), own]) {
        const { difference, x, twice } = await session.run({ x: part(from), y: other2 });
        const [a, b] = [[...part(from).data], [...other2.data]];
        assert.deepEqual([...x.data], a);
        assert.deepEqual([...twice.data], a.map((x) => 2 * x));
        assert.deepEqual([...difference.data], a.map((x, i) => 1 - ((b[i] as number) - x)));
      }
      assert.deepEqual([...whole], before, "inputs stay");
    }
  }
  assert.deepEqual([...own.data], [1, 1, 1, 1, 1]);
  memory.release(whole);
});

Deno.test("more sizes than programs are kept: each run is right", async () => {
  const session = await runtime.session({ y: add(input("x", ["m", "n"]), input("z", ["n"])) });
  for (let turn = 0; turn < 3; turn++) {
    for (let n = 1; n <= 40; n++) {
      const inputs = {
        x: { dims: [2, n], data: Float32Array.from({ length: 2 * n }, (_, i) => i) },
        z: { dims: [n], data: new Float32Array(n).fill(turn) },
      };
      const { y } = await session.run(inputs);
      assert.deepEqual([...y.data], Array.from({ length: 2 * n }, (_, i) => i + turn));
    }
  }
});

/** Runs code that has the runtime's functions, in a process of its own; what it prints. */
async function inProcess(code: string, ...flags: string[]): Promise<string> {
  const moduleOf = (path: string): string => JSON.stringify(new URL(`../../../lib/${path}`, import.meta.url).href);
  const script = `
    const { exp, input, logSoftmax, matMul, softmax, swapLast, tanh } = await import(${moduleOf("graph/mod.ts")});
    const { openEngine } = await import(${moduleOf("runtime/kernels/engine.ts")});
    const { createRuntime } = await import(${moduleOf("runtime/runtime.ts")});
    const random = (await import(${
    JSON.stringify(new URL("../../graph/numbers.ts", import.meta.url).href)
  })).uniform(77);
    const x = input("x", ["row", 64]);
    const scores = matMul(tanh(x), swapLast(exp(x)));
    const GRAPH = { scores, pattern: softmax(scores), logPattern: logSoftmax(scores) };
    const INPUTS = { x: { dims: [200, 64], data: Float32Array.from({ length: 12_800 }, () => random() - 0.5) } };
    ${code}`;
  const args = ["eval", "--no-lock", ...flags, script];
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
  assert.equal(new TextDecoder().decode(stderr), "");
  return new TextDecoder().decode(stdout);
}

Deno.test("without shared memory there is one thread, and the same results to the last bit", async () => {
  const run = (before: string): Promise<string> =>
    inProcess(`
    ${before}
    const runtime = await createRuntime({ device: "wasm", threads: 3 });
    const engine = await openEngine();
    const isShared = typeof SharedArrayBuffer !== "undefined";
    for (let turn = 0; isShared && engine.threads < 3 && turn < 1000; turn++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      engine.grow(3);
    }
    const found = await (await runtime.session(GRAPH)).run(INPUTS);
    console.log(engine.threads);
    console.log(Object.entries(found).map(([name, { data }]) => [name, ...new Int32Array(data.buffer)].join()).join("\\n"));
    Deno.exit();`);
  const [shared, alone] = [await run(""), await run("delete globalThis.SharedArrayBuffer;")].map((text) =>
    text.split("\n")
  );
  assert.equal(shared[0], "3");
  assert.equal(alone[0], "1");
  assert.equal(alone[1].split(",").length, 1 + 200 * 200);
  assert.ok(alone.slice(1).join() === shared.slice(1).join());
});

Deno.test("without SIMD, what needs it says in a line which device does not", async () => {
  // Without these instructions of x86 there is no SIMD in WebAssembly; elsewhere it is only said that there is none.
  const flags = Deno.build.arch === "x86_64" ? ["--v8-flags=--no-enable-sse4-1"] : [];
  const found = await inProcess(
    `
    ${flags.length === 0 ? "WebAssembly.validate = () => false;" : ""}
    for (const device of ["wasm", "onnx", "webgpu"]) {
      await createRuntime({ device }).catch((error) => console.log(error.constructor.name, error.message));
    }
    Deno.exit();`,
    ...flags,
  );
  assert.deepEqual(
    found.trimEnd().split("\n"),
    ["wasm", "onnx", "webgpu"].map((device) =>
      `Error Device "${device}" needs WebAssembly with SIMD, which this system does not have: ` +
      `take the device "native" (onnxruntime-node), which needs none`
    ),
  );
});

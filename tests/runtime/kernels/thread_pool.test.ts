import assert from "node:assert/strict";
import {
  add,
  exp,
  gatherElements,
  type Graph,
  input,
  logSoftmax,
  matMul,
  mul,
  reduceSum,
  scatterElementsLike,
  softmax,
  swapLast,
  tanh,
} from "../../../lib/graph/mod.ts";
import { openEngine } from "../../../lib/runtime/kernels/engine.ts";
import { wordsOf } from "../../../lib/runtime/kernels/instructions.ts";
import { encodeKernels } from "../../../lib/runtime/kernels/module.ts";
import { openContext } from "../../../lib/runtime/kernels/thread_context.ts";
import { CONTROL_BYTES, serve, ThreadPool } from "../../../lib/runtime/kernels/thread_pool.ts";
import { createRuntime } from "../../../lib/runtime/runtime.ts";
import { relativeError, uniform } from "../../graph/numbers.ts";
import { assertSameTensors, randomTensor, runGraph, threadsReady } from "./run_graph.ts";

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Work of all kinds, all of it large enough to be divided, with work between that is not. */
const x = input("x", ["row", 64]);
const hidden = tanh(matMul(x, input("w", [64, 160])));
const scores = matMul(hidden, swapLast(hidden));
const GRAPH: Graph = {
  hidden,
  pattern: softmax(scores),
  logPattern: logSoftmax(scores),
  sums: reduceSum(exp(scores), [0]),
  mean: mul(reduceSum(hidden, [0, 1], false), 1e-3),
  back: matMul(add(swapLast(scores), reduceSum(hidden, [1])), x),
};
const random = uniform(71);
const INPUTS = { x: randomTensor(random, [150, 64]), w: randomTensor(random, [64, 160]) };

Deno.test("as many threads as runtimes ask for, and the same results on any number of them", async () => {
  const engine = await openEngine();
  assert.equal(engine.threads, 1);
  await using one = await createRuntime({ device: "wasm", threads: 1 });
  await using two = await createRuntime({ device: "wasm", threads: 2 });
  await using three = await createRuntime({ device: "wasm", threads: 3 });
  await using onnx = await createRuntime({ device: "onnx", threads: 1 });
  const want = await runGraph(one, GRAPH, INPUTS);
  for (const [name, { data }] of Object.entries(await runGraph(onnx, GRAPH, INPUTS))) {
    assert.ok(relativeError(want[name].data, data) <= 1e-5, name);
  }
  await threadsReady(3);
  const sessions = await Promise.all([three, one, two, three].map((runtime) => runtime.session(GRAPH)));
  for (let turn = 0; turn < 15; turn++) {
    for (const session of sessions) {
      assertSameTensors(await session.run(INPUTS), want, `turn ${turn}`);
      assert.equal(engine.threads, 3, "they wait for the next program");
    }
  }
});

Deno.test("an error on one thread ends the others' part, and the next program runs on all", async () => {
  await using runtime = await createRuntime({ device: "wasm", threads: 3 });
  const indices = input("indices", ["row", 2], "int64");
  const wide = matMul(x, input("w", [64, 160]));
  const picked = gatherElements(wide, indices);
  const session = await runtime.session({
    y: matMul(swapLast(add(scatterElementsLike(picked, indices, wide), exp(tanh(wide)))), x),
  });
  const run = (bad: boolean, turn: number) => {
    const data = new BigInt64Array(300);
    data.forEach((_, i) => data[i] = BigInt((i * 7) % 160));
    if (bad) data[(turn * 29) % 300] = turn % 2 === 0 ? 160n : -161n;
    return session.run({ ...INPUTS, indices: { dims: [150, 2], data } });
  };
  await threadsReady(3);
  const want = await run(false, 0);
  for (let turn = 0; turn < 30; turn++) {
    await assert.rejects(run(true, turn), { name: "RangeError", message: /^No element -?\d+ among 160$/ });
    assert.ok((await openEngine()).threads >= 3);
    assertSameTensors(await run(false, turn), want, `turn ${turn}`);
  }
});

Deno.test("another thread's error keeps its reason, and the next program runs on both", async () => {
  const limits = { initial: 16, maximum: 16, shared: true };
  const memory = new WebAssembly.Memory(limits);
  const module = new WebAssembly.Module(encodeKernels(limits, false));
  const scratch = CONTROL_BYTES;
  const context = openContext(module, memory, scratch);
  const [flag, from] = [scratch / 4, scratch / 4 + 1];
  const program = wordsOf({ kind: "Barrier", isShared: true, fields: {}, lists: {} });
  context.words.set(program, from);
  let worker: Worker | undefined;
  const pool = new ThreadPool(context, (thread) => {
    worker = new Worker(new URL("./failing_thread.ts", import.meta.url).href, { type: "module" });
    worker.postMessage({ thread, module, memory, scratch, flag });
  });
  const run = (failure: number): void => {
    context.words[flag] = failure;
    pool.run(from, from + program.length, 2);
  };
  try {
    pool.grow(2);
    for (let turn = 0; turn < 5; turn++) {
      for (let waited = 0; pool.ready < 2; waited++) {
        assert.ok(waited < 2000, "the other thread is not ready after 20 seconds");
        pool.grow(2); // it may have ended meanwhile
        await pause(10);
      }
      const last = from + program.length;
      assert.throws(() => run(1), {
        name: "Error",
        message: `A thread of the WebAssembly kernels failed: TypeError: nothing to run from word ${from} to ${last} …`,
      });
      run(0);
      assert.throws(() => run(400), { message: `A thread of the WebAssembly kernels failed: ${"é".repeat(400)}` });
      assert.throws(() => run(4000), /failed: é{480,520}.?$/, "as much of it as there is room for");
      run(0);
    }
  } finally {
    worker?.terminate();
  }
});

Deno.test("threads that have waited for long end; the next program runs without them, those after it with new ones", async () => {
  const engine = await openEngine();
  await using one = await createRuntime({ device: "wasm", threads: 1 });
  await using two = await createRuntime({ device: "wasm", threads: 2 });
  const [alone, together] = await Promise.all([one, two].map((runtime) => runtime.session(GRAPH)));
  const want = await alone.run(INPUTS);
  await threadsReady(2);
  for (let turn = 0; engine.threads > 1; turn++) {
    assert.ok(turn < 100, "they never end");
    await pause(100);
  }
  assertSameTensors(await together.run(INPUTS), want, "without them");
  for (let turn = 0; engine.threads < 2; turn++) {
    assert.ok(turn < 1000, "none is started");
    await pause(10);
  }
  assertSameTensors(await together.run(INPUTS), want, "with a new one");
});

Deno.test("a thread that has ended serves no more, though another in its place is ready before it has looked", () => {
  const limits = { initial: 16, maximum: 16, shared: true };
  const memory = new WebAssembly.Memory(limits);
  const context = openContext(new WebAssembly.Module(encodeKernels(limits, false)), memory, CONTROL_BYTES);
  const { wait, compareExchange } = Atomics;
  /** What a thread sleeps in. */
  class Sleep extends Error {}
  let [starts, waits] = [0, 0];
  const pool = new ThreadPool(context, (thread) => {
    if (++starts === 2) assert.throws(() => serve(context, thread), Sleep);
  });
  try {
    Atomics.wait = (() => {
      if (waits++ === 0) return "timed-out";
      throw new Sleep();
    }) as typeof wait;
    Atomics.compareExchange = ((words: Int32Array, at: number, expected: number, value: number): number => {
      const found = compareExchange(words, at, expected, value);
      if (waits === 1 && starts === 1) pool.grow(2); // a program comes just when the first thread has ended
      return found;
    }) as typeof compareExchange;
    pool.grow(2);
    serve(context, 1);
  } finally {
    Object.assign(Atomics, { wait, compareExchange });
  }
  assert.equal(starts, 2);
  assert.equal(pool.ready, 2, "the second one, which nobody has ended");
});

Deno.test("a process that never disposes of its runtime ends by itself", async () => {
  const moduleOf = (path: string): string => JSON.stringify(new URL(`../../../lib/${path}`, import.meta.url).href);
  const script = `
    import { input, matMul } from ${moduleOf("graph/mod.ts")};
    import { openEngine } from ${moduleOf("runtime/kernels/engine.ts")};
    import { createRuntime } from ${moduleOf("runtime/runtime.ts")};
    const runtime = await createRuntime({ device: "wasm", threads: 2 });
    const session = await runtime.session({ y: matMul(input("x", [256, 256]), input("x2", [256, 256])) });
    const x = { dims: [256, 256], data: new Float32Array(256 * 256).fill(1) };
    const engine = await openEngine();
    for (let turn = 0; engine.threads < 2 && turn < 500; turn++) await new Promise((resolve) => setTimeout(resolve, 10));
    const threads = engine.threads;
    for (let turn = 0; turn < 3; turn++) {
      const { y } = await session.run({ x, x2: x });
      if (y.data[0] !== 256) throw new Error("wrong");
    }
    console.log(threads, "threads");`;
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(file, script);
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--allow-all", "--no-check", file],
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const [first] = await Promise.all([child.stdout.pipeThrough(new TextDecoderStream()).getReader().read()]);
    const start = performance.now();
    const [{ code }, errors] = await Promise.all([child.status, new Response(child.stderr).text()]);
    const took = performance.now() - start; // bounded against a hang, however busy the machine is
    assert.equal(errors, "");
    assert.equal(code, 0);
    assert.equal(first.value, "2 threads\n");
    assert.ok(took < 60_000, `it ends ${Math.round(took)} ms after its work`);
  } finally {
    await Deno.remove(file);
  }
});

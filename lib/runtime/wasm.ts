/**
 * The WebAssembly provider.
 *
 * @module
 */
import { env, InferenceSession, Tensor as OrtTensor } from "../deps/onnxruntime_web.ts";
import { outputName, toOnnx } from "../graph/onnx.ts";
import { input, matMul } from "../graph/ops.ts";
import type { Graph } from "../graph/value.ts";
import { Mutex } from "./mutex.ts";
import type { Runtime, RuntimeOptions, Session } from "./runtime.ts";
import type { Tensor, TensorData } from "./tensor.ts";

const MAX_DEFAULT_THREADS = 4;

/**
 * Weights are fed as inputs, so nothing is prepacked; graphs are encoded as they shall run (the optimiser takes longer
 * than it saves, at 7 tokens as at 256).
 */
const SESSION_OPTIONS: InferenceSession.SessionOptions = {
  executionProviders: ["wasm"],
  graphOptimizationLevel: "disabled",
  enableCpuMemArena: false,
  enableMemPattern: false,
  logSeverityLevel: 3,
  extra: { session: { disable_prepacking: "1" } },
};

/** onnxruntime-web's calls must not overlap: it answers a call with another's state. */
const oneCall = new Mutex();

/** A product, so that the engine begins to optimise its kernel before the first block needs it. */
const WARM_UP: Graph = { y: matMul(input("x", [7, 512]), input("w", [512, 512])) };

let started: Promise<void> | undefined;

/**
 * Starts onnxruntime, if it has not been: compiling it takes longest of all, in other threads, so the earlier it begins
 * the better. The first call of a process decides about threads.
 *
 * @param threads default: the processor's cores, at most 4
 *
 * @example
 * ```ts
 * import { startWasm } from "./wasm.ts";
 *
 * await startWasm(1);
 * ```
 */
export function startWasm(threads: number = defaultThreads()): Promise<void> {
  return started ??= start(threads);
}

async function start(threads: number): Promise<void> {
  env.wasm.numThreads = threads;
  env.logLevel = "error";
  const restore = threads > 1 ? giveMemoryRoom() : () => {};
  try {
    const session = await InferenceSession.create(toOnnx(WARM_UP, { dtype: "float32" }), SESSION_OPTIONS);
    const [x, w] = [[7, 512], [512, 512]].map((dims) =>
      new OrtTensor("float32", new Float32Array(dims[0] * dims[1]), dims)
    );
    for (let i = 0; i < 2; i++) await session.run({ x, w });
    await session.release();
  } finally {
    restore();
  }
}

/** More than one thread crashes on Deno before 2.7 (stack overflow in onnxruntime's workers). */
function defaultThreads(): number {
  const [major, minor] = Deno.version.deno.split(".").map(Number);
  if (major < 2 || (major === 2 && minor < 7)) return 1;
  return Math.min(MAX_DEFAULT_THREADS, navigator.hardwareConcurrency ?? 1);
}

/** 3 GiB of address space, in pages of 64 KiB; memory itself is taken page by page as it is used. */
const ROOM = 49_152;

/**
 * Gives onnxruntime's shared memory its room from the start. Without it, a thread that sleeps while the memory grows can
 * wake up with the old bounds and die of "memory access out of bounds", and the run that waits for it never ends (Deno
 * 2.9.6, onnxruntime-web 1.30.0).
 *
 * @returns what puts `WebAssembly.Memory` back
 */
function giveMemoryRoom(): () => void {
  const { Memory } = WebAssembly;
  const roomy = (descriptor: WebAssembly.MemoryDescriptor): WebAssembly.Memory => {
    const { initial, maximum = initial, shared } = descriptor;
    if (!shared) return new Memory(descriptor);
    try {
      return new Memory({ ...descriptor, initial: Math.max(initial, Math.min(maximum, ROOM)) });
    } catch { // address space is limited here
      return new Memory(descriptor);
    }
  };
  WebAssembly.Memory = class {
    constructor(descriptor: WebAssembly.MemoryDescriptor) {
      return roomy(descriptor);
    }
  } as typeof WebAssembly.Memory;
  return () => WebAssembly.Memory = Memory;
}

/** Opens the wasm provider. */
export function createWasmRuntime({ threads, dtype = "float32" }: RuntimeOptions): Runtime {
  startWasm(threads).catch(() => {}); // reported when a session is made
  const sessions = new Map<string, Promise<InferenceSession>>();
  const compile = async (graph: Graph): Promise<InferenceSession> => {
    await startWasm(threads);
    const bytes = toOnnx(graph, { dtype, contribOps: true });
    return await oneCall.run(() => InferenceSession.create(bytes, SESSION_OPTIONS));
  };
  const dispose = async (): Promise<void> => {
    const open = [...sessions.values()];
    sessions.clear();
    for (const result of await Promise.allSettled(open)) {
      if (result.status === "fulfilled") await oneCall.run(() => result.value.release());
    }
  };
  return {
    device: "wasm",
    async session(key, graph) {
      if (!sessions.has(key)) {
        const compiling = compile(graph());
        sessions.set(key, compiling);
        compiling.catch(() => sessions.delete(key)); // the next one tries again
      }
      return wrap(await sessions.get(key)!);
    },
    dispose,
    [Symbol.asyncDispose]: dispose,
  };
}

function wrap(session: InferenceSession): Session {
  return {
    inputNames: session.inputNames,
    async run(inputs) {
      const feeds = Object.fromEntries(Object.entries(inputs).map(([name, t]) => [name, toOrt(t as Tensor)]));
      const outputs = await oneCall.run(() => session.run(feeds));
      const prefix = outputName("").length;
      return Object.fromEntries(
        Object.entries(outputs).map(([name, t]) => [name.slice(prefix), { dims: t.dims, data: t.data as TensorData }]),
      );
    },
  };
}

function toOrt({ dims, data }: Tensor): OrtTensor {
  if (data instanceof Float32Array) return new OrtTensor("float32", data, dims);
  if (data instanceof Float64Array) return new OrtTensor("float64", data, dims);
  return new OrtTensor("int64", data, dims);
}

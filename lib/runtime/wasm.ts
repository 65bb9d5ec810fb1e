/**
 * The WebAssembly provider.
 *
 * @module
 */
import { env, InferenceSession, Tensor as OrtTensor } from "../deps/onnxruntime_web.ts";
import { outputName, toOnnx } from "../graph/onnx.ts";
import { constant } from "../graph/ops.ts";
import type { Graph } from "../graph/value.ts";
import type { Runtime, RuntimeOptions, Session } from "./runtime.ts";
import type { Tensor, TensorData } from "./tensor.ts";

const MAX_DEFAULT_THREADS = 4;

/** Opens the wasm provider. Weights are fed as inputs, so nothing is prepacked. */
export function createWasmRuntime({ threads, dtype = "float32" }: RuntimeOptions): Runtime {
  env.wasm.numThreads = threads ?? defaultThreads();
  env.logLevel = "error";
  const sessions = new Map<string, Promise<InferenceSession>>();
  const compile = (graph: Graph): Promise<InferenceSession> =>
    withRoom(() =>
      InferenceSession.create(toOnnx(graph, { dtype }), {
        executionProviders: ["wasm"],
        graphOptimizationLevel: "all",
        enableCpuMemArena: false,
        enableMemPattern: false,
        logSeverityLevel: 3,
        extra: { session: { disable_prepacking: "1" } },
      })
    );
  // Compiling onnxruntime itself takes longest: it begins now, beside whatever else is being opened.
  compile({ zero: constant(0) }).then((session) => session.release(), () => {}); // reported by the first real session
  const dispose = async (): Promise<void> => {
    const open = [...sessions.values()];
    sessions.clear();
    for (const result of await Promise.allSettled(open)) {
      if (result.status === "fulfilled") await result.value.release();
    }
  };
  return {
    device: "wasm",
    async session(key, graph) {
      if (!sessions.has(key)) sessions.set(key, compile(graph()));
      return wrap(await sessions.get(key)!);
    },
    dispose,
    [Symbol.asyncDispose]: dispose,
  };
}

/** More than one thread crashes on Deno before 2.7 (stack overflow in onnxruntime's workers). */
function defaultThreads(): number {
  const [major, minor] = Deno.version.deno.split(".").map(Number);
  if (major < 2 || (major === 2 && minor < 7)) return 1;
  return Math.min(MAX_DEFAULT_THREADS, navigator.hardwareConcurrency ?? 1);
}

/** 3 GiB of address space, in pages of 64 KiB; memory itself is taken page by page as it is used. */
const ROOM = 49_152;

let memoryMade: Promise<void> | undefined;

/**
 * Gives onnxruntime's shared memory its room from the start; the memory is made when a process's first session is.
 * Without it, a thread that sleeps while the memory grows can wake up with the old bounds and die of "memory access out
 * of bounds", and the run that waits for it never ends (Deno 2.9.6, onnxruntime-web 1.30.0).
 */
async function withRoom<T>(create: () => Promise<T>): Promise<T> {
  if (memoryMade) {
    await memoryMade;
    return await create();
  }
  const { Memory } = WebAssembly;
  WebAssembly.Memory = class extends Memory {
    constructor(descriptor: WebAssembly.MemoryDescriptor) {
      const { initial, maximum = initial, shared } = descriptor;
      super(shared ? { ...descriptor, initial: Math.max(initial, Math.min(maximum, ROOM)) } : descriptor);
    }
  };
  const created = create();
  memoryMade = created.then(() => {}, () => {}).finally(() => WebAssembly.Memory = Memory);
  return await created;
}

function wrap(session: InferenceSession): Session {
  return {
    inputNames: session.inputNames,
    async run(inputs) {
      const feeds = Object.fromEntries(Object.entries(inputs).map(([name, t]) => [name, toOrt(t)]));
      const outputs = await session.run(feeds);
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

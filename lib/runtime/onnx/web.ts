/**
 * The provider of onnxruntime-web in WebAssembly.
 *
 * @module
 */
import { RUNTIME_VERSION } from "../../platform/environment.ts";
import { env, InferenceSession, Tensor as OrtTensor } from "../../deps/onnxruntime_web.ts";
import { toOnnx } from "./encode.ts";
import { input, matMul } from "../../graph/ops.ts";
import type { Graph } from "../../graph/value.ts";
import { createOrtRuntime } from "./ort.ts";
import type { Runtime, RuntimeOptions } from "../runtime.ts";

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

/** A product, so that the engine begins to optimise its kernel before the first block needs it. */
const WARM_UP: Graph = { y: matMul(input("x", [7, 512]), input("w", [512, 512])) };

let started: Promise<void> | undefined;

/**
 * Starts onnxruntime, if it has not been: compiling it takes longest of all, in other threads, so the earlier it begins
 * the better. The first call of a process decides about threads.
 *
 * @param threads default: the processor's cores, at most 4
 */
export function startOnnx(threads: number = defaultThreads()): Promise<void> {
  return started ??= start(threads);
}

async function start(threads: number): Promise<void> {
  env.wasm.numThreads = threads;
  env.logLevel = "error";
  const restore = threads > 1 ? reserveMemory() : () => {};
  const { Worker } = globalThis; // onnxruntime puts node's in its place
  try {
    const session = await InferenceSession.create(toOnnx(WARM_UP, { dtype: "float32" }), SESSION_OPTIONS);
    const [x, w] = [[7, 512], [512, 512]].map((dims) =>
      new OrtTensor("float32", new Float32Array(dims[0] * dims[1]), dims)
    );
    for (let i = 0; i < 2; i++) await session.run({ x, w });
    await session.release();
  } finally {
    restore();
    globalThis.Worker = Worker;
  }
}

/** More than one thread crashes on Deno before 2.7 (stack overflow in onnxruntime's workers). */
function defaultThreads(): number {
  const [runtime, version] = RUNTIME_VERSION;
  const [major, minor] = version.split(".").map(Number);
  if (runtime === "deno" && (major < 2 || (major === 2 && minor < 7))) return 1;
  return Math.min(MAX_DEFAULT_THREADS, navigator.hardwareConcurrency ?? 1);
}

/** 3 GiB of address space, in pages of 64 KiB; memory itself is taken page by page as it is used. */
const RESERVED_PAGES = 49_152;

/**
 * Makes onnxruntime's shared memory as large as it may become from the start. Without it, a thread that sleeps while the memory grows can
 * wake up with the old bounds and die of "memory access out of bounds", and the run that waits for it never ends (Deno
 * 2.9.6, onnxruntime-web 1.30.0).
 *
 * @returns what puts `WebAssembly.Memory` back
 */
function reserveMemory(): () => void {
  const { Memory } = WebAssembly;
  const reserved = (descriptor: WebAssembly.MemoryDescriptor): WebAssembly.Memory => {
    const { initial, maximum = initial, shared } = descriptor;
    if (!shared) return new Memory(descriptor);
    try {
      return new Memory({ ...descriptor, initial: Math.max(initial, Math.min(maximum, RESERVED_PAGES)) });
    } catch { // address space is limited here
      return new Memory(descriptor);
    }
  };
  WebAssembly.Memory = class {
    constructor(descriptor: WebAssembly.MemoryDescriptor) {
      return reserved(descriptor);
    }
  } as typeof WebAssembly.Memory;
  return () => WebAssembly.Memory = Memory;
}

/** Opens it. */
export function createOnnxRuntime({ threads, dtype }: RuntimeOptions): Runtime {
  return createOrtRuntime({
    device: "onnx",
    version: ["onnxruntime-web", env.versions.web!],
    sessionOptions: SESSION_OPTIONS,
    boundOptions: { extra: {} },
    contribOps: true,
    constants: "compiled",
    async start() {
      await startOnnx(threads);
      return { InferenceSession, Tensor: OrtTensor };
    },
  }, dtype);
}

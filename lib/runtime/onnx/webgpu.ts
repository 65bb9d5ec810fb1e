/**
 * The WebGPU provider: weights uploaded once, the stream stays on the device between stages.
 *
 * @module
 */
import { env, InferenceSession, Tensor as OrtTensor } from "../../deps/onnxruntime_webgpu.ts";
import { createOrtRuntime, type Ort, type PlacedTensor, type RemoteMemory } from "./ort.ts";
import type { Runtime, RuntimeOptions } from "../runtime.ts";
import type { FloatTensor } from "../tensor.ts";

let started: Promise<Ort> | undefined;
let name: string | undefined;

async function start(): Promise<Ort> {
  const adapter = await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" }).catch(() => null);
  if (!adapter) {
    throw new Error(
      'Device "webgpu" needs a graphics processor with a Vulkan, Metal or DirectX 12 driver: take the device wasm',
    );
  }
  name = adapter.info.description || adapter.info.device || adapter.info.vendor;
  env.wasm.numThreads = 1; // this build fails with more
  env.webgpu.powerPreference = "high-performance";
  env.logLevel = "error";
  return { InferenceSession, Tensor: OrtTensor };
}

/**
 * Opens the WebGPU provider.
 *
 * @throws {RangeError} on `float64`, which it does not have
 */
export function createWebgpuRuntime({ dtype }: RuntimeOptions): Runtime {
  if (dtype === "float64") throw new RangeError("WebGPU has no float64: use another device");
  return createOrtRuntime({
    device: "webgpu",
    version: ["onnxruntime-web", env.versions.web!],
    account: () => name,
    sessionOptions: {
      executionProviders: ["webgpu"],
      preferredOutputLocation: "gpu-buffer",
      graphOptimizationLevel: "disabled",
      logSeverityLevel: 3,
    },
    contribOps: false,
    constants: "placed",
    start: () => started ??= start(),
    remote: MEMORY,
  });
}

/** Of 10 milliseconds that a read takes in Deno, waiting is nearly all: so tensors are read together. */
const MEMORY: RemoteMemory = { inputBytes: 128 * 2 ** 20, place, read };

/** Not through onnxruntime, whose mapped buffers are hundreds of times as slow on some graphics processors. */
async function place({ dims, data }: FloatTensor): Promise<PlacedTensor> {
  const device = await env.webgpu.device as GPUDevice;
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
  const buffer = device.createBuffer({ size: roundUp(data.byteLength), usage });
  device.queue.writeBuffer(buffer, 0, data as Float32Array<ArrayBuffer>);
  const tensor = OrtTensor.fromGpuBuffer(buffer as Parameters<typeof OrtTensor.fromGpuBuffer>[0], {
    dataType: "float32",
    dims,
  });
  return { tensor, release: () => buffer.destroy() };
}

async function read(tensors: readonly OrtTensor[]): Promise<Float32Array[]> {
  const device = await env.webgpu.device as GPUDevice;
  const sizes = tensors.map(({ size }) => size * Float32Array.BYTES_PER_ELEMENT);
  const size = sizes.reduce((sum, bytes) => sum + bytes, 0);
  const staging = device.createBuffer({
    size: roundUp(size),
    usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
  });
  try {
    const encoder = device.createCommandEncoder();
    let at = 0;
    const starts = tensors.map((tensor, i) => {
      encoder.copyBufferToBuffer(tensor.gpuBuffer as unknown as GPUBuffer, 0, staging, at, sizes[i]);
      return (at += sizes[i]) - sizes[i];
    });
    device.queue.submit([encoder.finish()]);
    await staging.mapAsync(GPUMapMode.READ);
    const mapped = staging.getMappedRange();
    return starts.map((start, i) => new Float32Array(mapped.slice(start, start + sizes[i])));
  } finally {
    staging.destroy();
  }
}

/** Buffers have whole vectors of four numbers, as onnxruntime's kernels read them. */
function roundUp(bytes: number): number {
  return Math.ceil(bytes / 16) * 16;
}

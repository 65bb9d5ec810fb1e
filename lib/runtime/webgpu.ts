/**
 * The WebGPU provider: weights uploaded once, the stream stays on the device between stages.
 *
 * @module
 */
import { env, InferenceSession, Tensor as OrtTensor } from "../deps/onnxruntime_webgpu.ts";
import { createOrtRuntime, type Ort, type PlacedTensor } from "./ort.ts";
import type { Runtime, RuntimeOptions } from "./runtime.ts";
import type { Tensor } from "./tensor.ts";

let started: Promise<Ort> | undefined;

async function start(): Promise<Ort> {
  if (!await navigator.gpu?.requestAdapter().catch(() => null)) {
    throw new Error(
      'Device "webgpu" needs a graphics processor with a Vulkan, Metal or DirectX 12 driver: use --device wasm',
    );
  }
  env.wasm.numThreads = 1; // this build fails with more
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
    sessionOptions: {
      executionProviders: ["webgpu"],
      preferredOutputLocation: "gpu-buffer",
      graphOptimizationLevel: "disabled",
      logSeverityLevel: 3,
    },
    contribOps: false,
    constants: "placed",
    start: () => started ??= start(),
    place,
  });
}

async function place(_: Ort, { dims, data }: Tensor): Promise<PlacedTensor> {
  const device = await env.webgpu.device as GPUDevice;
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
  const buffer = device.createBuffer({ size: Math.ceil(data.byteLength / 16) * 16, usage });
  device.queue.writeBuffer(buffer, 0, data as Float32Array<ArrayBuffer>);
  const tensor = OrtTensor.fromGpuBuffer(buffer as Parameters<typeof OrtTensor.fromGpuBuffer>[0], {
    dataType: "float32",
    dims,
  });
  return { tensor, release: () => buffer.destroy() };
}

/**
 * Running graphs: what a provider offers, and the choice among providers.
 *
 * @module
 */
import type { FloatType, Graph } from "../graph/value.ts";
import type { FloatMemory } from "../weights/tensors/floats.ts";
import type { DeviceTensor, Tensor } from "./tensor.ts";

/**
 * Where graphs run: `wasm` is our own kernels in WebAssembly, `native` onnxruntime-node, `webgpu` onnxruntime-web on a
 * graphics processor, `onnx` onnxruntime-web in WebAssembly (slower than `wasm`; a second opinion, and float64).
 */
export type Device = "auto" | "wasm" | "webgpu" | "native" | "onnx";

/** The devices by name. */
export const DEVICES: readonly Device[] = ["auto", "wasm", "webgpu", "native", "onnx"];

/** Options of {@linkcode createRuntime}. */
export interface RuntimeOptions {
  /** Default `auto`. */
  readonly device?: Device;
  /**
   * Threads of the processor; by default its cores, at most 4 (native: 8). With `onnx`, the first runtime of a process
   * decides.
   */
  readonly threads?: number;
  /** Default `float32`; `float64` is for tests of derivatives. */
  readonly dtype?: FloatType;
  /** Floating-point operations of each prompt ahead, as far as is known: `auto` may take a graphics processor for them. */
  readonly work?: () => Promise<readonly number[]>;
}

/** Tensors by the name of the graph input that takes them. */
export type Inputs = Readonly<Record<string, Tensor | DeviceTensor>>;

/** A compiled graph. */
export interface Session {
  /** The graph's inputs, all of which must be given. */
  readonly inputNames: readonly string[];
  /** Runs the graph. Outputs come back under the graph's own names. */
  run(inputs: Inputs): Promise<Record<string, Tensor>>;
  /** The same; outputs whose names are in `keep` may stay in the device's memory. */
  run(inputs: Inputs, keep: readonly string[]): Promise<Record<string, Tensor | DeviceTensor>>;
}

/** Inputs of graphs that are the same in every run: weights of a model or SAE that stays loaded. */
export interface Constants {
  /** Tells them from all others of the runtime. */
  readonly key: string;
  /** Reads them. What a graph does not take is left out. */
  load(): Promise<Readonly<Record<string, Tensor>>>;
}

/** Slices of matrices on the processor: larger ones take more memory and gain nothing. */
export const SLICE_BYTES = 24 * 2 ** 20;

/** A provider with the sessions that it has compiled. */
export interface Runtime extends AsyncDisposable {
  /** Where it runs. */
  readonly device: Exclude<Device, "auto">;
  /** The package that runs the graphs, and its version. */
  readonly version: readonly [name: string, version: string];
  /** What computes, where it is not of this program: a library's directory, a graphics processor's name. */
  readonly account?: string;
  /** Why `auto` took it, where that needs a word. */
  readonly reason?: string;
  /** Memory from which inputs need not be copied. */
  readonly memory: FloatMemory;
  /** Whether it computes in a memory of its own, from which every read takes milliseconds. */
  readonly remote: boolean;
  /** The most bytes of a matrix that products take at once, where it goes through them in slices. */
  readonly sliceBytes: number;
  /**
   * The session that runs a graph, compiled when one that computes the same is first asked for.
   *
   * @param constants some of its inputs, which stay in the runtime's memory and need not be given to `run`
   */
  session(graph: Graph, constants?: Constants): Promise<Session>;
  /** Gives back constants whose key begins so, and what was compiled of them. */
  forget(key: string): Promise<void>;
  /** Releases all sessions and constants; arrays of its memory are released by whoever allocated them. */
  dispose(): Promise<void>;
}

/**
 * Opens a runtime on a device.
 *
 * `auto` is what {@linkcode chooseDevice} says.
 *
 * @throws {RangeError} if the device is unknown
 * @throws {Error} if the device is not there
 */
export async function createRuntime(options: RuntimeOptions = {}): Promise<Runtime> {
  const { device = "auto" } = options;
  if (device !== "auto") return await openDevice(device, options);
  const { device: chosen, reason } = await chooseDevice(options);
  return Object.assign(await openDevice(chosen, options), { reason });
}

/** A module that is valid where WebAssembly has vector instructions: `(drop (i8x16.splat (i32.const 0)))`. */
const SIMD = Uint8Array.of(
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
  ...[0x01, 0x04, 0x01, 0x60, 0x00, 0x00],
  ...[0x03, 0x02, 0x01, 0x00],
  ...[0x0a, 0x09, 0x01, 0x07, 0x00, 0x41, 0x00, 0xfd, 0x0f, 0x1a, 0x0b],
);

async function openDevice(device: Exclude<Device, "auto">, options: RuntimeOptions): Promise<Runtime> {
  if (device !== "native" && DEVICES.includes(device) && !WebAssembly.validate(SIMD)) {
    throw new Error(
      `Device "${device}" needs WebAssembly with SIMD, which this system does not have: ` +
        'take the device "native" (onnxruntime-node), which needs none',
    );
  }
  switch (device) {
    case "wasm":
      if (options.dtype === "float64") return await openDevice("onnx", options);
      return await (await PROVIDERS.wasm()).createWasmRuntime(options);
    case "webgpu":
      return await (await PROVIDERS.webgpu()).createWebgpuRuntime(options);
    case "native":
      return await (await PROVIDERS.native()).createNativeRuntime(options);
    case "onnx":
      return await (await PROVIDERS.onnx()).createOnnxRuntime(options);
    default:
      throw new RangeError(`Unknown device "${device}": choose one of ${DEVICES.join(", ")}`);
  }
}

/** A module that opens a provider. */
type Provider<Name extends string> = Promise<Record<Name, (options: RuntimeOptions) => Runtime | Promise<Runtime>>>;

/** Providers are imported by computed addresses: their packages are not downloaded before they are needed. */
const PROVIDERS = {
  wasm: (): Provider<"createWasmRuntime"> => import(new URL("./wasm.ts", import.meta.url).href),
  webgpu: (): Provider<"createWebgpuRuntime"> => import(new URL("./onnx/webgpu.ts", import.meta.url).href),
  native: (): Provider<"createNativeRuntime"> => import(new URL("./onnx/native.ts", import.meta.url).href),
  onnx: (): Provider<"createOnnxRuntime"> => import(new URL("./onnx/web.ts", import.meta.url).href),
};

/**
 * From so many floating-point operations on, a graphics processor makes up for its start (1.5 s) and for what a pass costs
 * it at least (0.2 s). Measured on an NVIDIA H200 beside 16 cores, GPT-2 small, one process: 512 tokens (0.09 TFLOP) 2.3 s,
 * in WebAssembly 2.7, native 1.1; 1,024 tokens (0.17) 2.5, 5.1 and 2.5; warm 0.9, 5.2 and 1.6. 64 prompts of up to 64
 * tokens: 5.1, 10.5 and 2.6.
 */
const GPU_WORK = 150e9;

/** What `auto` stands for. */
export interface Choice {
  readonly device: "native" | "webgpu" | "wasm";
  /** Why, where that needs a word. */
  readonly reason?: string;
}

/**
 * What `auto` stands for here: a graphics processor where there is one and much work is ahead (where onnxruntime-node is
 * installed: in single prompts), else onnxruntime-node where it is installed beside or above the program or in
 * `NODE_PATH`, else WebAssembly.
 */
export async function chooseDevice({ work, dtype }: Pick<RuntimeOptions, "work" | "dtype"> = {}): Promise<Choice> {
  const { installedNative } = await import(
    new URL("./onnx/find_native.ts", import.meta.url).href
  ) as typeof import("./onnx/find_native.ts");
  const { directory, refused } = installedNative();
  if (work && dtype !== "float64") {
    const { findGpu, mayHaveGpu } = await import(
      new URL("./onnx/find_gpu.ts", import.meta.url).href
    ) as typeof import("./onnx/find_gpu.ts");
    const operations = mayHaveGpu() ? await work() : [];
    const enough = directory === undefined
      ? operations.reduce((sum, one) => sum + one, 0) >= GPU_WORK
      : operations.some((one) => one >= GPU_WORK);
    const name = enough ? await findGpu() : undefined;
    if (name !== undefined) return { device: "webgpu", reason: `there is ${name}, and much work` };
  }
  if (directory !== undefined) return { device: "native", reason: "it is installed" };
  return { device: "wasm", reason: refused && `${refused}, and is not used` };
}

/**
 * The native provider: onnxruntime-node, where the user has installed it.
 *
 * @module
 */
import { createRequire } from "node:module";
import { findNative, NATIVE_VERSION, type NativePlaces } from "./find_native.ts";
import { createOrtRuntime, type Ort } from "./ort.ts";
import type { Runtime, RuntimeOptions } from "../runtime.ts";

const MAX_DEFAULT_THREADS = 8;

/** The module, and where it is. */
interface Loaded {
  readonly ort: Ort;
  readonly directory: string;
  readonly version: string;
}

let loaded: Loaded | undefined;

/**
 * Loads onnxruntime-node, once.
 *
 * @throws {Error} if it is not installed, not to be trusted, or cannot be loaded
 */
export function loadNative(places: NativePlaces): Loaded {
  if (loaded) return loaded;
  const { directory, version, refused } = findNative(places);
  if (directory === undefined || version === undefined) {
    const why = refused ?? "onnxruntime-node, which is not installed here";
    const needs = refused === undefined ? `needs ${why}` : `does not take what is installed: ${why}`;
    throw new Error(`Device "native" ${needs}: npm install onnxruntime-node@${NATIVE_VERSION}`);
  }
  try {
    const ort = createRequire(`${directory}/package.json`)(directory) as Ort;
    if (typeof ort.InferenceSession?.create !== "function") throw new TypeError("it has no InferenceSession");
    return loaded = { directory, ort, version };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(
      `onnxruntime-node in ${directory} cannot be loaded (${reason}): install it again, or take the device wasm`,
    );
  }
}

/**
 * Opens the native provider.
 *
 * @throws {Error} if onnxruntime-node is not installed or cannot be loaded
 */
export function createNativeRuntime({ device, threads, dtype }: RuntimeOptions): Runtime {
  const { ort, directory, version } = loadNative({ workingDirectory: device === "native" });
  return createOrtRuntime({
    device: "native",
    version: ["onnxruntime-node", version],
    account: () => directory,
    sessionOptions: {
      executionProviders: ["cpu"],
      intraOpNumThreads: threads ?? Math.min(MAX_DEFAULT_THREADS, navigator.hardwareConcurrency ?? 1),
      interOpNumThreads: 1,
      graphOptimizationLevel: "disabled",
      enableCpuMemArena: false,
      enableMemPattern: false,
      logSeverityLevel: 3,
      extra: { session: { disable_prepacking: "1", intra_op: { allow_spinning: "0" } } },
    },
    boundOptions: { extra: { session: { intra_op: { allow_spinning: "0" } } } },
    contribOps: true,
    constants: "compiled",
    start: () => Promise.resolve(ort),
  }, dtype);
}

/**
 * The native provider: onnxruntime-node, where the user has installed it.
 *
 * @module
 */
import { createRequire } from "node:module";
import { findNative } from "./find_native.ts";
import { createOrtRuntime, type Ort } from "./ort.ts";
import type { Runtime, RuntimeOptions } from "./runtime.ts";

const MAX_DEFAULT_THREADS = 8;

/** The version that the results are tested with. */
const VERSION = "1.30.0";

/** The module. */
export interface NativeOrt extends Ort {
  readonly env: { readonly versions: { readonly node?: string } };
}

let loaded: NativeOrt | undefined;

/**
 * Loads onnxruntime-node, once.
 *
 * @param nodePath directories as `NODE_PATH` has them, which it is by default
 * @throws {Error} if it is not installed or cannot be loaded
 */
export function loadNative(nodePath?: string): NativeOrt {
  if (loaded) return loaded;
  const path = findNative(nodePath);
  if (!path) {
    throw new Error(
      `Device "native" needs onnxruntime-node, which is not installed here: npm install onnxruntime-node@${VERSION}`,
    );
  }
  try {
    return loaded = createRequire(`${path}/package.json`)(path) as NativeOrt;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`onnxruntime-node in ${path} cannot be loaded (${reason}): install it again, or use --device wasm`);
  }
}

/**
 * Opens the native provider.
 *
 * @throws {Error} if onnxruntime-node is not installed or cannot be loaded
 */
export function createNativeRuntime({ threads, dtype }: RuntimeOptions): Runtime {
  const ort = loadNative();
  return createOrtRuntime({
    device: "native",
    version: ["onnxruntime-node", ort.env.versions.node!],
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

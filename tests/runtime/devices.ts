/** Which devices are here. `ONNXRUNTIME_NODE` may name the `node_modules` in which onnxruntime-node is, for tests only. */
import { findNative } from "../../lib/runtime/onnx/find_native.ts";
import { loadNative } from "../../lib/runtime/onnx/native.ts";

// Not through NODE_PATH: all test files share the environment, and what `auto` stands for would change under them.
const directory = Deno.env.get("ONNXRUNTIME_NODE");

/** Whether onnxruntime-node is installed; then it is loaded, for this file. */
export const NATIVE = findNative({ nodePath: directory }).directory !== undefined;
if (NATIVE) loadNative({ nodePath: directory });

if (!Deno.env.has("XDG_RUNTIME_DIR")) Deno.env.set("XDG_RUNTIME_DIR", "/tmp"); // else Vulkan complains on stderr

/** Whether there is a WebGPU adapter, be it a software one. */
export const WEBGPU = await navigator.gpu?.requestAdapter() != null;

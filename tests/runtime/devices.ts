/** Which devices are here. `ONNXRUNTIME_NODE` may name the `node_modules` in which onnxruntime-node is, for tests only. */
import { findNative } from "../../lib/runtime/find_native.ts";

const directory = Deno.env.get("ONNXRUNTIME_NODE");
if (directory) Deno.env.set("NODE_PATH", directory);

/** Whether onnxruntime-node is installed. */
export const NATIVE = findNative() !== undefined;

if (!Deno.env.has("XDG_RUNTIME_DIR")) Deno.env.set("XDG_RUNTIME_DIR", "/tmp"); // else Vulkan complains on stderr

/** Whether there is a WebGPU adapter, be it a software one. */
export const WEBGPU = await navigator.gpu?.requestAdapter() != null;

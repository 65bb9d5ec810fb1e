/**
 * Starting the WebAssembly kernels while the rest of a command is still being imported.
 *
 * @module
 */
import { findNative } from "../runtime/onnx/find_native.ts";
import type { Device } from "../runtime/runtime.ts";
import { expectedTokens, type PromptSource, STDIN } from "./args/prompt.ts";

/** Up to so many tokens, more than one thread costs more to start than it saves. */
const SHORT_PROMPT_TOKENS = 48;

/** What decides how it starts. */
export interface StartRequest {
  readonly device: Device;
  readonly threads: number | undefined;
  readonly prompt: PromptSource;
}

/**
 * Begins to make the WebAssembly kernels and starts their threads, and returns the number of threads to run with: what
 * the user says, else one for a short prompt, else undefined (what the runtime takes by default).
 */
export function startEarly({ device, threads, prompt }: StartRequest): number | undefined {
  if (device !== "wasm" && (device !== "auto" || findNative().directory)) return threads;
  const chosen = threads ?? (isShort(prompt) ? 1 : undefined);
  // By a computed address: what is imported here is not waited for.
  import(new URL("../runtime/wasm.ts", import.meta.url).href)
    .then(({ startWasm }: typeof import("../runtime/wasm.ts")) => startWasm(chosen))
    .catch(() => {}); // reported when the model is opened
  return chosen;
}

function isShort(prompt: PromptSource): boolean {
  return prompt !== STDIN && expectedTokens(prompt) <= SHORT_PROMPT_TOKENS;
}

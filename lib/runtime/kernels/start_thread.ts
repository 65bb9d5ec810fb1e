/**
 * Starting a further thread. Its Worker's modules do not import this one, which names them.
 *
 * @module
 */

/** How a thread is started. */
export interface ThreadStart {
  readonly thread: number;
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly scratch: number;
}

/** Deno's own: onnxruntime-web puts Node's in its place when it starts. */
const { Worker: WebWorker } = globalThis;

/** Starts the Worker of a thread. */
export function startThread(start: ThreadStart): void {
  const worker = new WebWorker(new URL("./thread.ts", import.meta.url).href, { type: "module" });
  worker.onerror = (event) => event.preventDefault(); // programs run without it
  worker.postMessage(start);
}

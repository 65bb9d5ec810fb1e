/**
 * What a thread runs programs with.
 *
 * @module
 */

/** The module's functions by name; addresses and strides are in bytes, counts in numbers. */
export type Kernels = Readonly<Record<string, (...operands: number[]) => void>>;

/** The kernels and views of their memory, for one thread. */
export interface Hands {
  readonly kernels: Kernels;
  /** The kernels in the order of the module's exports. */
  readonly table: readonly ((...operands: number[]) => void)[];
  readonly words: Int32Array;
  readonly floats: Float32Array;
  /** Address of this thread's own memory. */
  readonly scratch: number;
}

/** Kernels on a memory. */
export function openHands(module: WebAssembly.Module, memory: WebAssembly.Memory, scratch: number): Hands {
  const kernels = new WebAssembly.Instance(module, { env: { memory } }).exports as Kernels;
  return {
    kernels,
    table: Object.values(kernels),
    words: new Int32Array(memory.buffer),
    floats: new Float32Array(memory.buffer),
    scratch,
  };
}

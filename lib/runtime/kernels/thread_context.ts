/**
 * What a thread runs programs with.
 *
 * @module
 */
import type { KernelName } from "./module.ts";

/** A function of the module; addresses and strides are in bytes, counts in numbers. */
export type Kernel = (...operands: number[]) => void;

/** The module's functions by name. */
export type Kernels = Readonly<Record<KernelName, Kernel>>;

/** The kernels and views of their memory, for one thread. */
export interface ThreadContext {
  readonly kernels: Kernels;
  /** The kernels by the numbers that programs name them by. */
  readonly kernelTable: readonly Kernel[];
  readonly memory: WebAssembly.Memory;
  /** Views of all memory: {@linkcode widen} makes them anew. */
  words: Int32Array;
  floats: Float32Array;
  /** Address of this thread's own memory. */
  readonly scratch: number;
}

/** A thread among those that run a program. */
export interface Participant {
  /** The first is 0. */
  readonly rank: number;
  /** How many there are. */
  readonly threads: number;
  /** Returns when all have called it. */
  barrier(): void;
}

/** Kernels on a memory. */
export function openContext(module: WebAssembly.Module, memory: WebAssembly.Memory, scratch: number): ThreadContext {
  const kernels = new WebAssembly.Instance(module, { env: { memory } }).exports as Kernels;
  return {
    kernels,
    kernelTable: Object.values(kernels),
    memory,
    words: new Int32Array(memory.buffer),
    floats: new Float32Array(memory.buffer),
    scratch,
  };
}

/** Makes views of all memory, if it has grown. Views of before see what they saw. */
export function widen(context: ThreadContext): void {
  const { buffer } = context.memory;
  if (buffer.byteLength === context.words.byteLength) return;
  context.words = new Int32Array(buffer);
  context.floats = new Float32Array(buffer);
}

/** The numbers of kernels in programs. */
export function kernelNumbers(kernels: Kernels): Readonly<Record<KernelName, number>> {
  return Object.fromEntries(Object.keys(kernels).map((name, i) => [name, i])) as Record<KernelName, number>;
}

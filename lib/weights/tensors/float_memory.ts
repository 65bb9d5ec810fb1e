/**
 * Memory that numbers are read into.
 *
 * @module
 */

/** Memory for numbers. */
export interface FloatMemory {
  /** An array; what it holds is not said. */
  allocate(length: number): Float32Array;
  /** Gives an array back, which nobody reads or writes any more. */
  release(array: Float32Array): void;
}

/** Our own memory, which gives back by itself. */
export const OWN_MEMORY: FloatMemory = { allocate: (length) => new Float32Array(length), release: () => {} };

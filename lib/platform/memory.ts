/**
 * How much memory there is.
 *
 * @module
 */

/**
 * Bytes of memory that are free; 0 where the system may not be asked (`--allow-sys`): then nothing is planned on it.
 *
 * @example
 * ```ts
 * import { availableMemory } from "./memory.ts";
 *
 * console.assert(availableMemory() >= 0);
 * ```
 */
export function availableMemory(): number {
  try {
    return Deno.systemMemoryInfo().available;
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return 0;
    throw error;
  }
}

/**
 * How much memory there is.
 *
 * @module
 */
import { NotCapable } from "./errors.ts";
import { fileSystem } from "./files.ts";

/**
 * Bytes of memory that are free; 0 where the system may not be asked (`--allow-sys`): then nothing is planned on it.
 */
export function availableMemory(): number {
  try {
    return typeof Deno === "undefined" ? 0 : Deno.systemMemoryInfo().available;
  } catch (error) {
    if (error instanceof NotCapable) return 0;
    throw error;
  }
}

/**
 * The largest resident set so far, in bytes: the kernel's own figure on Linux, the current one elsewhere; 0 where the
 * system does not tell.
 */
export function peakMemory(): number {
  try {
    const [, kilobytes] = /VmHWM:\s+(\d+) kB/.exec(fileSystem.readTextFileSync("/proc/self/status"))!;
    return Number(kilobytes) * 2 ** 10;
  } catch {
    return typeof Deno === "undefined" ? 0 : Deno.memoryUsage().rss;
  }
}

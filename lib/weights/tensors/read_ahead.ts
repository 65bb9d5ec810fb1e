/**
 * Going through something large in slices, the next one read while the current one is used.
 *
 * @module
 */
import { type FloatMemory, OWN_MEMORY } from "./floats.ts";

/**
 * Visits slices [start, end) of 0 … count in order. Two buffers take turns; the one being filled is never the one that
 * is in use, also when a visit fails.
 *
 * @param step the length of a slice; the last may be shorter
 * @param bufferSize elements of a buffer
 * @param read fills a buffer
 * @param memory where the buffers are
 */
export async function readAhead<T>(
  count: number,
  step: number,
  bufferSize: number,
  read: (start: number, end: number, buffer: Float32Array) => Promise<T>,
  visit: (slice: T, start: number, end: number) => Promise<void>,
  memory: FloatMemory = OWN_MEMORY,
): Promise<void> {
  const buffers: Float32Array[] = [];
  const begin = (start: number): Promise<T> | undefined => {
    if (start >= count) return undefined;
    const buffer = buffers[(start / step) % 2] ??= memory.allocate(bufferSize);
    const reading = read(start, Math.min(count, start + step), buffer);
    reading.catch(() => {}); // reported when the slice is used
    return reading;
  };
  let coming = begin(0);
  try {
    for (let start = 0; start < count; start += step) {
      const slice = await coming!;
      coming = begin(start + step);
      await visit(slice, start, Math.min(count, start + step));
    }
  } finally {
    await coming?.catch(() => {}); // a visit failed: the next slice may still be on its way into its buffer
    buffers.forEach((buffer) => memory.release(buffer));
  }
}

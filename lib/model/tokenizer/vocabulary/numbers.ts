/**
 * Many whole numbers, and where their hashes put them.
 *
 * @module
 */

/** Unknown to whoever makes a file, so that no file can have many entries of one hash. */
export const MULTIPLIER = (Math.random() * 0x7fffffff) | 1;

/** Whole numbers one after another. */
export class Numbers {
  /** The first `length` count. */
  data = new Int32Array(1 << 12);
  length = 0;

  /** Appends one. */
  push(value: number): void {
    if (this.length === this.data.length) {
      const longer = new Int32Array(2 * this.length);
      longer.set(this.data);
      this.data = longer;
    }
    this.data[this.length++] = value;
  }
}

/** A hash whose low bits depend on all. */
export function mix(hash: number): number {
  return hash ^ (hash >>> 15);
}

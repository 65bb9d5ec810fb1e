/**
 * Texts that are to be told apart, however many: 20 to 40 bytes of memory each, whatever their length.
 *
 * @module
 */
import { createHash } from "node:crypto";

/** A set of texts by 128 bits of their SHA-256, each with the number that it came with first. */
export class TextSet {
  /** How many different ones there are. */
  size = 0;
  /** Open addressing; a slot is free where its number is 0. */
  #keys = new BigUint64Array(2 * 1024);
  #numbers = new Uint32Array(1024);

  /**
   * Adds a text.
   *
   * @param number above 0
   * @returns the number that the same text came with before
   */
  add(text: string, number: number): number | undefined {
    const bytes = createHash("sha256").update(text).digest();
    const [a, b] = [bytes.readBigUInt64LE(0), bytes.readBigUInt64LE(8)];
    const slot = this.#slot(a, b);
    if (this.#numbers[slot] !== 0) return this.#numbers[slot];
    this.#put(slot, a, b, number);
    this.size++;
    if (2 * this.size > this.#numbers.length) this.#grow();
    return undefined;
  }

  #slot(a: bigint, b: bigint): number {
    const mask = this.#numbers.length - 1;
    let slot = Number(a & 0x7fffffffn) & mask;
    while (this.#numbers[slot] !== 0 && (this.#keys[2 * slot] !== a || this.#keys[2 * slot + 1] !== b)) {
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  #put(slot: number, a: bigint, b: bigint, number: number): void {
    this.#keys[2 * slot] = a;
    this.#keys[2 * slot + 1] = b;
    this.#numbers[slot] = number;
  }

  #grow(): void {
    const [keys, numbers] = [this.#keys, this.#numbers];
    this.#keys = new BigUint64Array(2 * keys.length);
    this.#numbers = new Uint32Array(2 * numbers.length);
    numbers.forEach((number, i) => {
      if (number !== 0) this.#put(this.#slot(keys[2 * i], keys[2 * i + 1]), keys[2 * i], keys[2 * i + 1], number);
    });
  }
}

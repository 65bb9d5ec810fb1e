/**
 * How the kernels' memory is divided: the program that runs from below, what is allocated (weights, buffers that files are
 * read into) from above. Memory that grows does so at its end; a program that has no room below moves then.
 *
 * @module
 */
import { aligned } from "./plan.ts";

/** A page of WebAssembly's memory. */
export const PAGE_BYTES = 64 * 2 ** 10;
/** It grows by so much at least. */
const STEP_BYTES = 64 * 2 ** 20;

/** Bytes from an address up to another. */
interface Block {
  readonly start: number;
  readonly end: number;
}

/** The part of a memory that programs and arrays are in. */
export class Heap {
  readonly #memory: WebAssembly.Memory;
  readonly #bottom: number;
  readonly #grows: boolean;
  /** What was allocated, the highest first; before it what begins where the memory ends. */
  readonly #blocks: Block[];
  /** Where programs are: at the bottom, as far as the largest so far, or in a block. */
  #programs: Block;

  /**
   * All of a memory from an address on.
   *
   * @param grows whether it may grow: arrays in memory that is not shared would be gone then
   */
  constructor(memory: WebAssembly.Memory, bottom: number, grows: boolean) {
    this.#memory = memory;
    this.#bottom = bottom;
    this.#grows = grows;
    this.#programs = { start: bottom, end: bottom };
    const { byteLength } = memory.buffer;
    this.#blocks = [{ start: byteLength, end: byteLength }];
  }

  /** Where programs begin. */
  get base(): number {
    return this.#programs.start;
  }

  /**
   * The address of a new block. It stays until it is released.
   *
   * @throws {RangeError} if it does not fit
   */
  allocate(bytes: number): number {
    const size = aligned(Math.max(bytes, 1));
    const place = this.#find(size) ?? (this.#grow(size) ? this.#find(size) : undefined);
    if (place === undefined) throw tooLarge(bytes);
    this.#blocks.splice(place.index, 0, { start: place.start, end: place.start + size });
    return place.start;
  }

  /** The highest place of so many bytes. */
  #find(size: number): { readonly index: number; readonly start: number } | undefined {
    const floor = this.#isMoved ? this.#bottom : this.#programs.end;
    for (const [i, { start }] of this.#blocks.entries()) {
      if (start - size >= (this.#blocks[i + 1]?.end ?? floor)) return { index: i + 1, start: start - size };
    }
  }

  #grow(size: number): boolean {
    if (!this.#grows) return false;
    const isGrown = [Math.max(size, STEP_BYTES), size].some((bytes) => {
      try {
        this.#memory.grow(Math.ceil(bytes / PAGE_BYTES));
        return true;
      } catch {
        return false; // beyond its maximum, or what the system gives
      }
    });
    const { byteLength } = this.#memory.buffer;
    this.#blocks[0] = { start: byteLength, end: byteLength };
    return isGrown;
  }

  /** Gives back the block at an address, which must not be used again. */
  release(address: number): void {
    const at = this.#blocks.findIndex(({ start, end }) => start === address && end > start);
    if (at >= 0) this.#blocks.splice(at, 1);
  }

  get #isMoved(): boolean {
    return this.#programs.start !== this.#bottom;
  }

  /**
   * Makes room for a program.
   *
   * @returns where it must begin from now on, which is elsewhere if there was none
   * @throws {RangeError} if it does not fit
   */
  room(bytes: number): number {
    const { start, end } = this.#programs;
    const limit = this.#isMoved ? end : this.#blocks.at(-1)!.start;
    if (start + bytes <= limit) {
      if (!this.#isMoved) this.#programs = { start, end: Math.max(end, start + bytes) };
      return start;
    }
    if (this.#isMoved) this.release(start);
    this.#programs = { start: this.#bottom, end: this.#bottom };
    const moved = this.allocate(bytes);
    this.#programs = { start: moved, end: moved + bytes };
    return moved;
  }
}

function tooLarge(bytes: number): RangeError {
  const size = `${Math.ceil(bytes / 2 ** 20)} MiB`;
  return new RangeError(
    `${size} more do not fit into WebAssembly's memory: take shorter prompts or fewer at once, weights "streamed", or device "native"`,
  );
}

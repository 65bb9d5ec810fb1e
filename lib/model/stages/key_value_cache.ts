/**
 * Keys and values of the tokens that a model has read, so that the next token runs alone.
 *
 * @module
 */
import type { ModelConfig } from "../../../models/family.ts";
import type { FloatTensor } from "../../runtime/tensor.ts";
import type { FloatMemory } from "../../weights/tensors/floats.ts";

/** Attention looks at a multiple of so many positions, those after the last masked: one program runs so many tokens. */
const STEP = 64;

/**
 * The keys and values of one text.
 *
 * A pass with it (`ForwardRequest.cache`) puts its tokens after those that are there.
 *
 * @example How many tokens it still takes
 * ```ts
 * import type { KeyValueCache } from "./key_value_cache.ts";
 *
 * function room(cache: KeyValueCache): number {
 *   return cache.capacity - cache.length;
 * }
 * ```
 */
export class KeyValueCache {
  /** The most tokens that it holds. */
  readonly capacity: number;
  readonly #config: ModelConfig;
  readonly #memory: FloatMemory;
  /** By layer: keys, then values, each `[position, kv_head, d_head]`. */
  #data: Float32Array | undefined;
  #length = 0;

  /**
   * An empty cache.
   *
   * @param memory where it is, from the first token on
   * @throws {RangeError} if the model's context does not hold so many tokens
   */
  constructor(config: ModelConfig, memory: FloatMemory, capacity: number) {
    if (!Number.isInteger(capacity) || capacity < 1 || capacity > config.nCtx) {
      throw new RangeError(`A cache of ${capacity} tokens: give 1 to the model's context, ${config.nCtx}`);
    }
    this.capacity = capacity;
    this.#config = config;
    this.#memory = memory;
  }

  /** How many tokens it holds. */
  get length(): number {
    return this.#length;
  }

  /**
   * Forgets the tokens from `length` on, or takes in those that were written.
   *
   * @throws {RangeError} if it does not hold so many
   */
  setLength(length: number): void {
    if (!Number.isInteger(length) || length < 0 || length > this.capacity) {
      throw new RangeError(`${length} tokens of a cache that holds ${this.capacity}`);
    }
    this.#length = length;
  }

  /** How many positions attention looks at when there are so many tokens. */
  seen(length: number): number {
    return Math.ceil(length / STEP) * STEP;
  }

  /** Writes the keys and values of the tokens after those that it holds, `[1, token, kv_head, d_head]`. */
  write(layer: number, keys: FloatTensor, values: FloatTensor): void {
    const { nLayers, nKeyValueHeads, dHead } = this.#config;
    if (!this.#data) {
      this.#data = this.#memory.allocate(2 * nLayers * this.#stride);
      this.#data.fill(0); // what is masked may be anything but NaN
    }
    const start = this.#length * nKeyValueHeads * dHead;
    this.#data.set(keys.data, 2 * layer * this.#stride + start);
    this.#data.set(values.data, (2 * layer + 1) * this.#stride + start);
  }

  /** A layer's keys and values at the first positions, `[1, position, kv_head, d_head]`, where they lie. */
  read(layer: number, positions: number): { readonly keys: FloatTensor; readonly values: FloatTensor } {
    const { nKeyValueHeads, dHead } = this.#config;
    const dims = [1, positions, nKeyValueHeads, dHead];
    const part = (i: number): FloatTensor => {
      const start = (2 * layer + i) * this.#stride;
      return { dims, data: this.#data!.subarray(start, start + positions * nKeyValueHeads * dHead) };
    };
    return { keys: part(0), values: part(1) };
  }

  /** Gives its memory back. */
  release(): void {
    if (this.#data) this.#memory.release(this.#data);
    this.#data = undefined;
    this.#length = 0;
  }

  /** Numbers of a layer's keys. */
  get #stride(): number {
    return this.seen(this.capacity) * this.#config.nKeyValueHeads * this.#config.dHead;
  }
}

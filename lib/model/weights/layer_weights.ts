/**
 * A model's block weights, streamed: two buffers of one layer each, the next layer read while the current one is used.
 *
 * @module
 */
import type { WeightRef } from "../../../models/family.ts";
import { type FloatMemory, OWN_MEMORY } from "../../weights/tensors/floats.ts";
import type { Tensor } from "../../runtime/tensor.ts";
import type { TensorStore } from "../../weights/tensors/tensors.ts";

/** Tensors by the name of the graph input that takes them. */
export type Weights = Readonly<Record<string, Tensor>>;

interface Slot {
  readonly layer: number;
  readonly buffer: Float32Array;
  readonly loading: Promise<Weights>;
  settled: boolean;
}

/**
 * Weights of one layer at a time. What `get` returned stays valid until another layer has been asked for twice over:
 * only the two layers used last are in memory.
 */
export class LayerWeights {
  readonly #store: TensorStore;
  readonly #refs: (layer: number) => Readonly<Record<string, WeightRef>>;
  readonly #memory: FloatMemory;
  readonly #slots: Slot[] = []; // most recently used first

  /**
   * @param refs a layer's weights, under the names that the files use
   * @param memory where the buffers are
   */
  constructor(
    store: TensorStore,
    refs: (layer: number) => Readonly<Record<string, WeightRef>>,
    memory: FloatMemory = OWN_MEMORY,
  ) {
    this.#store = store;
    this.#refs = refs;
    this.#memory = memory;
  }

  /** The weights of a layer; meanwhile `next` begins to be read, if given. */
  async get(layer: number, next?: number): Promise<Weights> {
    const weights = await this.#load(layer).loading;
    if (next !== undefined && next !== layer) this.#prefetch(next, layer);
    return weights;
  }

  /** Whether no layer has been read, or begun to be. */
  get isEmpty(): boolean {
    return this.#slots.length === 0;
  }

  /** Begins to read a layer, and the one that will be used after it. */
  readAhead(layer: number, next?: number): void {
    this.#load(layer).loading.catch(() => {}); // reported when the layer is asked for
    if (next !== undefined) this.#prefetch(next, layer);
  }

  /** Gives the buffers back, as soon as nothing is being read into them. */
  async close(): Promise<void> {
    const slots = this.#slots.splice(0);
    await Promise.allSettled(slots.map(({ loading }) => loading));
    slots.forEach(({ buffer }) => this.#memory.release(buffer));
  }

  #prefetch(layer: number, inUse: number): void {
    if (this.#slots.some((slot) => slot.layer === layer)) return;
    this.#load(layer).loading.catch(() => {}); // reported when the layer is asked for
    this.#touch(this.#slots.findIndex((slot) => slot.layer === inUse));
  }

  #load(layer: number): Slot {
    const at = this.#slots.findIndex((slot) => slot.layer === layer);
    if (at >= 0) return this.#touch(at);
    const free = this.#slots.length < 2 ? undefined : this.#slots.pop();
    // A buffer that is still being read into is left to that read.
    const release = (): void => this.#memory.release(free!.buffer);
    if (free && !free.settled) free.loading.then(release, release);
    const reuse = free?.settled ? free.buffer : undefined;
    const slot: Slot = { layer, settled: false, ...readLayer(this.#store, this.#refs(layer), this.#memory, reuse) };
    slot.loading.then(() => slot.settled = true, () => this.#forget(slot));
    this.#slots.unshift(slot);
    return slot;
  }

  #touch(at: number): Slot {
    const [slot] = this.#slots.splice(at, 1);
    this.#slots.unshift(slot);
    return slot;
  }

  #forget(slot: Slot): void {
    const at = this.#slots.indexOf(slot);
    if (at < 0) return; // another layer has its place
    this.#slots.splice(at, 1);
    this.#memory.release(slot.buffer);
  }
}

/** Reads tensors in the order in which they lie in their files, so that neighbours are one read. */
export function readLayer(
  store: TensorStore,
  refs: Readonly<Record<string, WeightRef>>,
  memory: FloatMemory = OWN_MEMORY,
  reuse?: Float32Array,
): { buffer: Float32Array; loading: Promise<Weights> } {
  const place = ({ name }: WeightRef): [string, number] => {
    const info = store.tensors.get(name);
    return [info?.file ?? "", info?.offset ?? 0];
  };
  const entries = Object.entries(refs).sort(([, a], [, b]) => {
    const [[fileA, offsetA], [fileB, offsetB]] = [place(a), place(b)];
    return fileA < fileB ? -1 : fileA > fileB ? 1 : offsetA - offsetB;
  });
  const size = entries.reduce((sum, [, { shape }]) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const isLarge = reuse !== undefined && reuse.length >= size;
  if (reuse && !isLarge) memory.release(reuse);
  const buffer = isLarge ? reuse : memory.allocate(size);
  const loading = store.readMany(entries.map(([, ref]) => ref.name), buffer).then((views) =>
    Object.fromEntries(
      entries.map(([input, { shape }], i): [string, Tensor] => [input, { dims: shape, data: views[i] }]),
    )
  );
  return { buffer, loading };
}

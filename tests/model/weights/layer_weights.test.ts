import assert from "node:assert/strict";
import { LayerWeights, type Weights } from "../../../lib/model/weights/layer_weights.ts";
import type { WeightRef } from "../../../models/family.ts";
import { memoryStore, type MemoryTensor } from "../memory_store.ts";

const LAYERS = 6;

// In the file: w of a layer before its b; the refs name them the other way round.
const TENSORS: Record<string, MemoryTensor> = Object.fromEntries(
  Array.from({ length: LAYERS }, (_, layer): [string, MemoryTensor][] => [
    [`${layer}.w`, { shape: [2, 3], data: new Float32Array(6).fill(10 * layer) }],
    [`${layer}.b`, { shape: [2], data: new Float32Array(2).fill(10 * layer + 1) }],
  ]).flat(),
);

const refs = (layer: number): Record<string, WeightRef> => ({
  bias: { name: `${layer}.b`, shape: [2] },
  weight: { name: `${layer}.w`, shape: [2, 3] },
});

const read = (layer: number): string => `readMany ${layer}.w,${layer}.b`;

function assertLayer(weights: Weights, layer: number): void {
  assert.deepEqual(Object.keys(weights).sort(), ["bias", "weight"]);
  assert.deepEqual([...weights.weight.dims], [2, 3]);
  assert.deepEqual([...weights.bias.dims], [2]);
  assert.deepEqual([...weights.weight.data], new Array(6).fill(10 * layer), `layer ${layer}`);
  assert.deepEqual([...weights.bias.data], new Array(2).fill(10 * layer + 1), `layer ${layer}`);
}

/** Reads that wait until they are let go, by the name of their first tensor. */
function gates(): { wait: (name: string) => Promise<void>; open: (name: string) => void } {
  const made = new Map<string, PromiseWithResolvers<void>>();
  const gate = (name: string): PromiseWithResolvers<void> => {
    if (!made.has(name)) made.set(name, Promise.withResolvers<void>());
    return made.get(name)!;
  };
  return { wait: (name) => gate(name).promise, open: (name) => gate(name).resolve() };
}

/** Until all promise callbacks that can run have run. */
const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

Deno.test("forward and back: each layer is read once, as one run of the file, into two buffers", async () => {
  const store = memoryStore(TENSORS);
  const layers = new LayerWeights(store, refs);
  const buffers = new Set<ArrayBufferLike>();
  const visit = async (layer: number, next?: number): Promise<void> => {
    const weights = await layers.get(layer, next);
    await settled(); // the next layer is there now
    assertLayer(weights, layer);
    buffers.add(weights.weight.data.buffer);
    assert.equal(weights.bias.data.buffer, weights.weight.data.buffer);
  };
  for (let layer = 0; layer < LAYERS; layer++) await visit(layer, layer + 1 < LAYERS ? layer + 1 : undefined);
  assert.deepEqual(store.reads, [0, 1, 2, 3, 4, 5].map(read));
  for (let layer = LAYERS - 1; layer >= 1; layer--) await visit(layer, layer - 1);
  assert.deepEqual(store.reads, [0, 1, 2, 3, 4, 5, 3, 2, 1, 0].map(read), "the last two were still there");
  assert.equal(buffers.size, 2);
});

Deno.test("the next layer begins to be read when the wanted one is there, not before", async () => {
  const { wait, open } = gates();
  const store = memoryStore(TENSORS, (_, names) => wait(names[0]));
  const layers = new LayerWeights(store, refs);
  const first = layers.get(0, 1);
  await settled();
  assert.deepEqual(store.reads, [read(0)]);
  open("0.w");
  assertLayer(await first, 0);
  await settled();
  assert.deepEqual(store.reads, [read(0), read(1)]);
  const second = layers.get(1);
  open("1.w");
  assertLayer(await second, 1);
  assert.deepEqual(store.reads, [read(0), read(1)], "asking again joins the read under way");
});

Deno.test("asked for twice at once: one read", async () => {
  const store = memoryStore(TENSORS);
  const layers = new LayerWeights(store, refs);
  const both = await Promise.all([layers.get(2, 2), layers.get(2)]);
  both.forEach((weights) => assertLayer(weights, 2));
  assert.deepEqual(store.reads, [read(2)]);
});

Deno.test("a late read never lands in a buffer that another layer got", async () => {
  const { wait, open } = gates();
  const store = memoryStore(TENSORS, (_, names) => names[0] === "1.w" ? wait("1.w") : undefined);
  const layers = new LayerWeights(store, refs);
  assertLayer(await layers.get(0, 1), 0); // 1 hangs
  const third = await layers.get(2, 3); // 1 is given up
  const fourth = await layers.get(3);
  assertLayer(third, 2);
  assertLayer(fourth, 3);
  open("1.w");
  await settled();
  assertLayer(third, 2);
  assertLayer(fourth, 3);
  assertLayer(await layers.get(1), 1);
  assert.deepEqual(store.reads, [0, 1, 2, 3, 1].map(read), "what was given up is read again");
});

Deno.test("what get returned stays while the next layer is read", async () => {
  const { wait, open } = gates();
  const store = memoryStore(TENSORS, (_, names) => wait(names[0]));
  ["0.w", "1.w", "2.w"].forEach(open);
  const layers = new LayerWeights(store, refs);
  await layers.get(0, 1);
  const inUse = await layers.get(1, 2);
  await settled(); // 2 is read, into 0's buffer
  assertLayer(inUse, 1);
  const next = await layers.get(2, 3); // 3 hangs, into 1's buffer
  assertLayer(next, 2);
  open("3.w");
  await settled();
  assertLayer(next, 2);
});

Deno.test("a failed read is reported to who asked for it, and can be tried again", async () => {
  let broken = true;
  const store = memoryStore(TENSORS, (_, names) => {
    if (broken && names[0] === "1.w") throw new Error("disk");
  });
  const layers = new LayerWeights(store, refs);
  assertLayer(await layers.get(0, 1), 0); // the read ahead fails: nobody has asked yet
  await settled();
  await assert.rejects(layers.get(1, 2), { message: "disk" });
  broken = false;
  assertLayer(await layers.get(1, 2), 1);
  assertLayer(await layers.get(0), 0);
  assert.deepEqual(store.reads.filter((name) => name === read(1)).length, 3);
});

Deno.test("a read that fails while it is waited for is reported to all, and others go on", async () => {
  const { wait, open } = gates();
  let broken = true;
  const store = memoryStore(TENSORS, async (_, names) => {
    if (!names[0].startsWith("4")) return;
    await wait("4.w");
    if (broken) throw new Error("disk");
  });
  const layers = new LayerWeights(store, refs);
  const asked = [layers.get(4, 5), layers.get(4)];
  open("4.w");
  for (const weights of asked) await assert.rejects(weights, { message: "disk" });
  assert.deepEqual(store.reads, [read(4)], "no read ahead after a failure");
  broken = false;
  assertLayer(await layers.get(5, 4), 5);
  assertLayer(await layers.get(4), 4);
});

Deno.test("layers of different sizes share the buffers where they fit", async () => {
  const tensors = {
    small: { shape: [2], data: Float32Array.of(1, 2) },
    large: { shape: [5], data: Float32Array.of(1, 2, 3, 4, 5) },
  };
  const layers = new LayerWeights(memoryStore(tensors), (layer) => {
    const name = layer % 2 === 0 ? "small" : "large";
    return { w: { name, shape: tensors[name].shape } };
  });
  for (const layer of [0, 1, 2, 3, 4, 3, 2]) {
    const { w } = await layers.get(layer, layer + 1);
    await settled();
    assert.deepEqual([...w.data], layer % 2 === 0 ? [1, 2] : [1, 2, 3, 4, 5]);
  }
});

Deno.test("two layers are read ahead at once, before anything is awaited, and not again when they are asked for", async () => {
  const store = memoryStore(TENSORS);
  const layers = new LayerWeights(store, refs);
  assert.ok(layers.isEmpty);
  layers.readAhead(0, 1);
  assert.ok(!layers.isEmpty);
  assert.deepEqual(store.reads, [0, 1].map(read));
  assertLayer(await layers.get(0, 1), 0);
  assertLayer(await layers.get(1, 2), 1);
  assert.deepEqual(store.reads, [0, 1, 2].map(read));
});

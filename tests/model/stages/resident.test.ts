/** Weights that stay: read once, ahead, straight into the runtime's memory, which gets back what nobody came for. */
import assert from "node:assert/strict";
import { Chain } from "../../../lib/model/stages/chain.ts";
import { Unembedding } from "../../../lib/model/stages/unembedding.ts";
import { renamedStore } from "../../../lib/model/weights/open_weights.ts";
import { createRuntime, type Runtime } from "../../../lib/runtime/runtime.ts";
import { openSource } from "../../../lib/weights/files/source.ts";
import { openSafetensors, type TensorStore } from "../../../lib/weights/tensors/tensors.ts";
import { NO_PROCESSING } from "../../../models/family.ts";
import { openArchitecture } from "../../../models/mod.ts";
import { DATA, readConfig } from "../../models/open.ts";
import { openOptions } from "../../runtime/open_options.ts";

const REQUEST = { prompts: [[1, 2, 3, 4]], rows: [[3]], processing: NO_PROCESSING };
const DIRECTORY = new URL("models/gpt2/", DATA);

await using stack = new AsyncDisposableStack();
Deno.test.afterAll(() => moved.disposeAsync());
const architecture = await openArchitecture(readConfig("gpt2"));
const files = renamedStore(await openSafetensors(stack.use(openSource(DIRECTORY))), architecture);
const runtime = stack.use(await createRuntime({ threads: 1, ...openOptions() }));
const moved = stack.move();

/** The store and the runtime, with what is read, and the arrays that are out. */
function watched(fails: (name: string) => boolean = () => false) {
  const reads: string[] = [];
  const out = new Set<number | Float32Array>();
  const read = (names: readonly string[]): void => {
    reads.push(...names);
    if (names.some(fails)) throw new Error("the disk is gone");
  };
  const store: TensorStore = {
    ...files,
    readMany: async (names, into) => (read(names), await files.readMany(names, into)),
    readRowRange: async (name, start, end, into) => {
      read([`${name} ${start}`]);
      return await files.readRowRange(name, start, end, into);
    },
  };
  const placeOf = (array: Float32Array): number | Float32Array => runtime.device === "wasm" ? array.byteOffset : array;
  const memory: Runtime["memory"] = {
    allocate(length) {
      const array = runtime.memory.allocate(length);
      out.add(placeOf(array));
      return array;
    },
    release(array) {
      out.delete(placeOf(array));
      runtime.memory.release(array);
    },
  };
  return { store, reads, out, runtime: { ...runtime, memory } };
}

const plain = await new Chain(architecture, files, runtime).forward(REQUEST);

Deno.test("resident blocks are read once, the next one while one runs", async () => {
  const { store, reads, runtime } = watched();
  const order: string[] = [];
  const watching: TensorStore = {
    ...store,
    async readMany(names, into) {
      const layer = /h\.(\d+)\./.exec(names[0])?.[1];
      if (layer) order.push(`read ${layer}`);
      return await store.readMany(names, into);
    },
  };
  let stage = 0;
  const chain = new Chain(architecture, watching, runtime, "resident", () => order.push(`stage ${stage++}`));
  const first = await chain.forward(REQUEST);
  assert.deepEqual(first.final, plain.final);
  for (const layer of [1, 2, 3]) {
    assert.ok(order.indexOf(`read ${layer}`) < order.indexOf(`stage ${layer + 1}`), order.join(", "));
  }
  assert.deepEqual((await chain.forward(REQUEST)).final, plain.final);
  const ofBlocks = reads.filter((name) => /^h\.|\.h\./.test(name));
  const tensors = [0, 1, 2, 3].flatMap((layer) => Object.values(architecture.blockWeights(layer)));
  assert.deepEqual(ofBlocks.sort(), tensors.map(({ name }) => name).sort());
  await chain.close();
});

Deno.test("what was read ahead and not asked for is given back", async () => {
  const { store, out, runtime } = watched();
  const chain = new Chain(architecture, store, runtime, "resident");
  chain.readAhead();
  await chain.forward({ ...REQUEST, prompts: [[1e9]] }).catch(() => {});
  assert.equal(out.size, 2);
  await chain.close();
  assert.equal(out.size, 0);
});

Deno.test("a read that fails is reported, leaves no memory behind, and is tried again", async () => {
  let broken = true;
  const { store, out, runtime } = watched((name) => broken && /h\.2\./.test(name));
  const chain = new Chain(architecture, store, runtime, "resident");
  await assert.rejects(chain.forward(REQUEST), /the disk is gone/);
  broken = false;
  assert.deepEqual((await chain.forward(REQUEST)).final, plain.final);
  const blocks = architecture.config.nLayers + 1; // and the final norm
  assert.equal(out.size, blocks);
  await chain.close();
});

Deno.test("resident slices of the unembedding are those of a streamed one, in the runtime's memory", async () => {
  let broken = true;
  const { store, reads, out, runtime } = watched(() => broken);
  const { config, unembedding, logitSoftCap: cap } = architecture;
  const { name } = unembedding.find((ref) => store.tensors.has(ref.name))!;
  const sliced = { ...runtime, sliceBytes: 4 * config.dModel * Math.ceil(config.dVocab / 3) };
  const open = (from: TensorStore, binding: "resident" | "streamed"): Unembedding =>
    new Unembedding(config, from, sliced, name, true, cap, binding);
  const resident = open(store, "resident");
  await assert.rejects(resident.logits(plain.final), /the disk is gone/);
  assert.equal(out.size, 0);
  broken = false;
  reads.splice(0);
  const expected = await open(files, "streamed").logits(plain.final);
  for (let i = 0; i < 2; i++) assert.deepEqual(await resident.logits(plain.final), expected);
  assert.equal(reads.length, 3);
  assert.equal(out.size, 3);
});

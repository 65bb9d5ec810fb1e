import assert from "node:assert/strict";
import { Unembedding } from "../../../lib/model/stages/unembedding.ts";
import { createRuntime, type Runtime } from "../../../lib/runtime/runtime.ts";
import type { FloatTensor } from "../../../lib/runtime/tensor.ts";
import type { TensorStore } from "../../../lib/weights/tensors/tensors.ts";
import type { ModelConfig } from "../../../models/family.ts";
import { relativeError, uniform } from "../../graph/numbers.ts";
import { memoryStore } from "../memory_store.ts";

// float32 against float64: a few dozen roundings of 6e-8, relative to the largest element.
const TOLERANCE = 2e-6;

const sized = (dModel: number, dVocab: number): ModelConfig => ({
  ...{ nLayers: 1, nHeads: 1, nKeyValueHeads: 1, dHead: dModel, dMlp: 1, nCtx: 8, eps: 1e-5, actFn: "relu" },
  dModel,
  dVocab,
});

interface Case {
  readonly config: ModelConfig;
  readonly store: TensorStore & { readonly reads: string[] };
  /** The weight of token v at i. */
  readonly at: (v: number, i: number) => number;
}

function small(dVocab = 11): Case {
  const random = uniform(3);
  const data = Float32Array.from({ length: dVocab * 6 }, () => 2 * random() - 1);
  return {
    config: sized(6, dVocab),
    store: memoryStore({ wte: { shape: [dVocab, 6], data } }),
    at: (v, i) => data[v * 6 + i],
  };
}

const WIDE = 2 ** 19; // rows of 2 MiB, a few of which fill a slice

/** A weight of several slices, made when it is read. */
function wide(dVocab: number, before: (start: number) => void = () => {}): Case & { readonly buffers: Set<number> } {
  const buffers = new Set<number>(); // by where they lie in the runtime's memory
  const reads: string[] = [];
  const at = (v: number, i: number): number => ((v * 37 + (i & 1023) * 11) % 101 - 50) / 64;
  const fill = (rows: readonly number[], into: Float32Array): Float32Array => {
    rows.forEach((v, r) => {
      const row = into.subarray(r * WIDE, (r + 1) * WIDE);
      for (let i = 0; i < 1024; i++) row[i] = at(v, i);
      for (let filled = 1024; filled < WIDE; filled *= 2) row.copyWithin(filled, 0, filled);
    });
    return into.subarray(0, rows.length * WIDE);
  };
  const store = {
    ...memoryStore({}),
    reads,
    async readRowRange(_name: string, start: number, end: number, into?: Float32Array): Promise<Float32Array> {
      reads.push(`${start} ${end}`);
      await Promise.resolve();
      before(start);
      buffers.add(into!.byteOffset);
      return fill(Array.from({ length: end - start }, (_, i) => start + i), into!);
    },
    readRows: (_name: string, rows: ArrayLike<number>): Promise<Float32Array> =>
      Promise.resolve(fill(Array.from(rows), new Float32Array(rows.length * WIDE))),
  };
  return { config: sized(WIDE, dVocab), store, at, buffers };
}

/** Values at few places: what is summed stays short. */
function randomFinal(rows: number, d: number): FloatTensor {
  const random = uniform(rows + d);
  const data = new Float32Array(rows * d);
  const step = Math.floor(d / 64) | 1; // odd, so that it meets all places of the wide weight's pattern
  for (let i = 0; i < data.length; i += step) data[i] = 2 * random() - 1;
  return { dims: [1, rows, d], data };
}

function naiveLogits({ config: { dModel, dVocab }, at }: Case, final: FloatTensor, centred: boolean): Float64Array {
  const rows = final.dims[1];
  const logits = new Float64Array(rows * dVocab);
  for (let r = 0; r < rows; r++) {
    const row = logits.subarray(r * dVocab, (r + 1) * dVocab);
    for (let i = 0; i < dModel; i++) {
      const x = final.data[r * dModel + i];
      if (x !== 0) { for (let v = 0; v < dVocab; v++) row[v] += x * at(v, i); }
    }
    const mean = row.reduce((a, b) => a + b, 0) / dVocab;
    if (centred) row.forEach((x, v) => row[v] = x - mean);
  }
  return logits;
}

function naiveGradient({ config: { dModel, dVocab }, at }: Case, g: FloatTensor, centred: boolean): Float64Array {
  const rows = g.dims[0];
  const out = new Float64Array(rows * dModel);
  for (let r = 0; r < rows; r++) {
    const row = g.data.subarray(r * dVocab, (r + 1) * dVocab);
    const mean = centred ? row.reduce((a, b) => a + b, 0) / dVocab : 0;
    const period = Math.min(dModel, 1024); // the wide weight repeats
    for (let i = 0; i < period; i++) {
      let sum = 0;
      for (let v = 0; v < dVocab; v++) sum += (row[v] - mean) * at(v, i);
      for (let j = i; j < dModel; j += period) out[r * dModel + j] = sum;
    }
  }
  return out;
}

function randomGradient(rows: number, columns: number): FloatTensor {
  const random = uniform(rows * columns);
  return { dims: [rows, columns], data: Float32Array.from({ length: rows * columns }, () => 2 * random() - 1) };
}

const open = ({ config, store }: Case, runtime: Runtime, centred: boolean): Unembedding =>
  new Unembedding(config, store, runtime, "wte", centred);

for (const centred of [true, false]) {
  Deno.test(`logits and their gradient equal plain loops, ${centred ? "" : "not "}centred`, async () => {
    await using runtime = await createRuntime({ threads: 1 });
    for (const rows of [1, 3]) {
      const given = small();
      const unembedding = open(given, runtime, centred);
      const final = randomFinal(rows, 6);
      const logits = await unembedding.logits(final);
      assert.deepEqual([...logits.dims], [rows, 11]);
      assert.ok(relativeError(logits.data, naiveLogits(given, final, centred)) <= TOLERANCE);
      const g = randomGradient(rows, 11);
      const before = g.data.slice();
      const gradient = await unembedding.gradient(g);
      assert.deepEqual([...gradient.dims], [1, rows, 6]);
      assert.ok(relativeError(gradient.data, naiveGradient(given, g, centred)) <= TOLERANCE);
      assert.deepEqual(g.data, before, "the argument stays as it is");
    }
  });
}

Deno.test("logits of some tokens and their gradient, in the order given, repeated too", async () => {
  await using runtime = await createRuntime({ threads: 1 });
  const given = small();
  const unembedding = open(given, runtime, true);
  const final = randomFinal(2, 6);
  const all = naiveLogits(given, final, false); // not centred, whatever the model
  const tokens = [9, 0, 9, 4];
  const logits = await unembedding.logitsOf(final, tokens);
  assert.deepEqual([...logits.dims], [2, 4]);
  const want = [0, 1].flatMap((r) => tokens.map((v) => all[r * 11 + v]));
  assert.ok(relativeError(logits.data, want) <= TOLERANCE);
  assert.deepEqual(given.store.reads, ["readRows 0,4,9 wte"], "ascending, each once");

  const g = randomGradient(2, 4);
  const spread: FloatTensor = { dims: [2, 11], data: new Float32Array(22) };
  [0, 1].forEach((r) => tokens.forEach((v, c) => spread.data[r * 11 + v] += g.data[r * 4 + c]));
  const gradient = await unembedding.gradientOf(g, tokens);
  assert.deepEqual([...gradient.dims], [1, 2, 6]);
  assert.ok(relativeError(gradient.data, naiveGradient(given, spread, false)) <= TOLERANCE);
});

Deno.test("a logit difference is the same by both ways", async () => {
  await using runtime = await createRuntime({ threads: 1 });
  const unembedding = open(small(), runtime, true);
  const final = randomFinal(1, 6);
  const all = (await unembedding.logits(final)).data;
  const [a, b] = (await unembedding.logitsOf(final, [3, 8])).data;
  assert.ok(Math.abs((all[3] - all[8]) - (a - b)) <= 1e-6);
  const g: FloatTensor = { dims: [1, 11], data: new Float32Array(11) };
  g.data[3] = 1;
  g.data[8] = -1;
  const few = await unembedding.gradientOf({ dims: [1, 2], data: Float32Array.of(1, -1) }, [3, 8]);
  assert.ok(relativeError(few.data, (await unembedding.gradient(g)).data) <= TOLERANCE);
});

/** Slices follow one another to the end, and none is larger than 64 MB. Returns how many there are. */
function assertSlices(reads: readonly string[], dVocab: number): number {
  let end = 0;
  for (const read of reads) {
    const [from, to] = read.split(" ").map(Number);
    assert.equal(from, end);
    assert.ok(to > from && (to - from) * WIDE * 4 <= 64e6, read);
    end = to;
  }
  assert.equal(end, dVocab);
  assert.ok(reads.length >= 3);
  return reads.length;
}

Deno.test("a soft cap: logits, and the gradient before it", async () => {
  await using runtime = await createRuntime({ threads: 1 });
  const given = small();
  const unembedding = new Unembedding(given.config, given.store, runtime, "wte", false, 0.7);
  const final = randomFinal(2, 6);
  const capped = (x: FloatTensor): Float64Array => naiveLogits(given, x, false).map((v) => 0.7 * Math.tanh(v / 0.7));
  const logits = await unembedding.logits(final);
  assert.ok(relativeError(logits.data, capped(final)) <= TOLERANCE);
  const g = randomGradient(2, 11);
  const gradient = await unembedding.gradient(g, logits);
  const tokens = Array.from({ length: 11 }, (_, v) => v);
  const few = await unembedding.gradientOf(g, tokens, await unembedding.logitsOf(final, tokens));
  const plain = naiveLogits(given, final, false);
  const before = g.data.map((x, i) => x / Math.cosh(plain[i] / 0.7) ** 2);
  const want = naiveGradient(given, { dims: g.dims, data: before }, false);
  assert.ok(relativeError(gradient.data, want) <= TOLERANCE);
  assert.ok(relativeError(few.data, want) <= TOLERANCE);
  await assert.rejects(unembedding.gradient(g), {
    name: "TypeError",
    message: "The gradient of logits with a soft cap needs the logits",
  });
});

Deno.test("several slices of the vocabulary: read ahead into two buffers, together what plain loops give", async () => {
  await using runtime = await createRuntime({ threads: 1 });
  const given = wide(40);
  const unembedding = open(given, runtime, true);
  const final = randomFinal(2, WIDE);
  const logits = await unembedding.logits(final);
  assert.ok(relativeError(logits.data, naiveLogits(given, final, true)) <= TOLERANCE);
  const slices = assertSlices(given.store.reads, 40);
  assert.equal(given.buffers.size, 2);
  const g = randomGradient(1, 40);
  const gradient = await unembedding.gradient(g);
  assert.ok(relativeError(gradient.data, naiveGradient(given, g, true)) <= TOLERANCE);
  assert.deepEqual(given.store.reads.slice(slices), given.store.reads.slice(0, slices));
  assert.equal(given.buffers.size, 2, "buffers are given back in between, and others lie there");
  const [few] = (await unembedding.logitsOf(randomFinal(1, WIDE), [39])).data;
  assert.ok(Math.abs(few - naiveLogits(given, randomFinal(1, WIDE), false)[39]) <= 1e-5);
});

Deno.test("a vocabulary that fills its slices, and a slice that cannot be read", async () => {
  await using runtime = await createRuntime({ threads: 1 });
  let broken = true;
  const probe = wide(40);
  await open(probe, runtime, false).logits(randomFinal(1, WIDE));
  const size = Number(probe.store.reads[0].split(" ")[1]);
  const given = wide(2 * size, (start) => {
    if (broken && start === size) throw new Error("disk");
  });
  const unembedding = open(given, runtime, false);
  const final = randomFinal(1, WIDE);
  await assert.rejects(unembedding.logits(final), { message: "disk" });
  broken = false;
  const logits = await unembedding.logits(final);
  assert.ok(relativeError(logits.data, naiveLogits(given, final, false)) <= TOLERANCE);
  assert.deepEqual(given.store.reads.slice(2), [`0 ${size}`, `${size} ${2 * size}`]);
});

Deno.test("a token that is not in the vocabulary is refused", async () => {
  await using runtime = await createRuntime({ threads: 1 });
  const unembedding = open(small(), runtime, true);
  await assert.rejects(unembedding.logitsOf(randomFinal(1, 6), [11]), { name: "RangeError" });
  await assert.rejects(unembedding.logitsOf(randomFinal(1, 6), [-1]), { name: "RangeError" });
});

/** Views of tensors: what they give, and how much of a file they read for it. */
import assert from "node:assert/strict";
import type { Stored } from "../../../lib/weights/tensors/stored.ts";
import { filled, flattened, same, transposed, viewStore } from "../../../lib/weights/tensors/view.ts";
import type { FileSource } from "../../../lib/weights/files/file_source.ts";
import { FLOAT_BYTES, type FloatDtype } from "../../../lib/weights/tensors/floats.ts";
import { makeRandom, memorySource } from "../fixtures.ts";

/** A matrix of small whole numbers, exact in every dtype, as a file has it. */
function matrix(rows: number, columns: number, dtype: FloatDtype, order: "C" | "F", source?: FileSource): Stored {
  const numbers = order === "C"
    ? Array.from({ length: rows * columns }, (_, i) => at(Math.floor(i / columns), i % columns))
    : Array.from({ length: rows * columns }, (_, i) => at(i % rows, Math.floor(i / rows)));
  const bytes = new Uint8Array(8 + encode(numbers, dtype).length);
  bytes.set(encode(numbers, dtype), 8);
  const from = source ?? memorySource("m", bytes);
  const byteLength = bytes.length - 8;
  return { name: "m", dtype, shape: [rows, columns], order, file: "m", path: "m", offset: 8, byteLength, from };
}

function at(row: number, column: number): number {
  return ((row * 31 + column * 7) % 127) - 63;
}

function encode(numbers: readonly number[], dtype: FloatDtype): Uint8Array {
  if (dtype === "F64") return new Uint8Array(Float64Array.from(numbers).buffer);
  const wide = new Float32Array(numbers);
  if (dtype === "F32") return new Uint8Array(wide.buffer);
  const bits = new Uint32Array(wide.buffer);
  if (dtype === "BF16") return new Uint8Array(Uint16Array.from(bits, (b) => b >>> 16).buffer);
  const half = Uint16Array.from(bits, (b) => {
    if (b << 1 === 0) return 0;
    return (b >>> 16 & 0x8000) | (((b >>> 23 & 0xff) - 112) << 10) | (b >>> 13 & 0x3ff);
  });
  return new Uint8Array(half.buffer);
}

Deno.test("a tensor of more dimensions as a matrix, without its first columns", async () => {
  const flat = matrix(6, 20, "F32", "C");
  const store = viewStore(flat.from, { W_dec: flattened({ ...flat, shape: [6, 4, 5] }, 5) });
  const block = (rows: readonly number[], start = 0, end = 15): number[] =>
    rows.flatMap((r) => Array.from({ length: end - start }, (_, c) => at(r, 5 + start + c)));
  assert.deepEqual(store.tensors.get("W_dec")?.shape, [6, 15]);
  assert.deepEqual([...await store.read("W_dec")], block([0, 1, 2, 3, 4, 5]));
  assert.deepEqual([...await store.readRowRange("W_dec", 2, 4)], block([2, 3]));
  assert.deepEqual([...await store.readRows("W_dec", [0, 5])], block([0, 5]));
  assert.deepEqual([...await store.readColumnRange("W_dec", 3, 9)], block([0, 1, 2, 3, 4, 5], 3, 9));
});

const ROWS = 37;
const COLUMNS = 53;

for (const dtype of Object.keys(FLOAT_BYTES) as FloatDtype[]) {
  for (const order of ["C", "F"] as const) {
    Deno.test(`a ${dtype} matrix of order ${order}, as it is and transposed`, async () => {
      const stored = matrix(ROWS, COLUMNS, dtype, order);
      const store = viewStore(stored.from, { plain: same(stored), turned: transposed(stored, (x) => 2 * x) });
      const views = [["plain", ROWS, COLUMNS, at], ["turned", COLUMNS, ROWS, (r, c) => 2 * at(c, r)]] as [
        string,
        number,
        number,
        typeof at,
      ][];
      for (const [name, rows, columns, value] of views) {
        const block = (list: readonly number[], start: number, end: number): number[] =>
          list.flatMap((r) => Array.from({ length: end - start }, (_, c) => value(r, start + c)));
        const range = (start: number, end: number): number[] =>
          Array.from({ length: end - start }, (_, i) => start + i);
        assert.deepEqual(store.tensors.get(name)?.shape, [rows, columns]);
        assert.deepEqual([...await store.read(name)], block(range(0, rows), 0, columns));
        assert.deepEqual([...await store.readRowRange(name, 3, 11)], block(range(3, 11), 0, columns));
        assert.deepEqual([...await store.readColumnRange(name, 5, 30)], block(range(0, rows), 5, 30));
        assert.deepEqual([...await store.readRows(name, [0, 2, 3, 36])], block([0, 2, 3, 36], 0, columns));
        assert.equal((await store.readRows(name, [])).length, 0);
        assert.equal((await store.readColumnRange(name, 4, 4)).length, 0);
        const into = new Float32Array(columns + 5).fill(99);
        assert.equal((await store.readRowRange(name, 1, 2, into)).buffer, into.buffer);
        assert.deepEqual([...into], [...block([1], 0, columns), 99, 99, 99, 99, 99]);
      }
      const [a, b] = await store.readMany(["plain", "turned"]);
      assert.deepEqual([a.length, b.length], [ROWS * COLUMNS, ROWS * COLUMNS]);
    });
  }
}

Deno.test("what is outside, missing or in no order is refused", async () => {
  const stored = matrix(ROWS, COLUMNS, "F32", "C");
  const views = { m: transposed(stored), v: filled(2, 3, "m"), other: same({ ...stored, order: "other" }) };
  const store = viewStore(stored.from, { ...views, whole: same({ ...stored, dtype: "I64" }) });
  assert.deepEqual([...await store.read("v")], [2, 2, 2]);
  await assert.rejects(store.readRowRange("m", 0, COLUMNS + 1), /its shape is \[53,37\]/);
  await assert.rejects(store.readColumnRange("m", -1, 2), RangeError);
  await assert.rejects(store.readColumnRange("v", 0, 1), /no matrix/);
  await assert.rejects(store.readRows("m", [2, 2]), /row 2 follows 2/);
  await assert.rejects(store.readRows("m", [1, COLUMNS]), RangeError);
  await assert.rejects(store.read("m", new Float32Array(3)), /do not fit/);
  await assert.rejects(store.read("x"), /it has m, v, other, whole/);
  await assert.rejects(store.read("other"), /contiguous/);
  await assert.rejects(store.read("whole"), /its dtype is I64/);
});

/** A source of any size that notes what is read of it. */
function counting(): FileSource & { readonly reads: number[] } {
  const reads: number[] = [];
  const close = (): Promise<void> => Promise.resolve();
  return {
    reads,
    location: "counting",
    size: () => Promise.resolve(2 ** 40),
    read: (_path, _offset, length, into = new Uint8Array(length)) => {
      reads.push(length);
      return Promise.resolve(into.fill(0));
    },
    readText: () => Promise.reject(new Error("not text")),
    close,
    [Symbol.asyncDispose]: close,
  };
}

Deno.test("a slice of features of a transposed encoder is contiguous in the file", async () => {
  const from = counting();
  const stored: Stored = {
    name: "encoder.weight",
    dtype: "F32",
    shape: [1_048_576, 768],
    order: "C",
    file: "m",
    path: "m",
    offset: 0,
    byteLength: 4 * 1_048_576 * 768,
    from,
  };
  const store = viewStore(from, { W_enc: transposed(stored) });
  const into = new Float32Array(768 * 8192);
  await store.readColumnRange("W_enc", 8192, 16_384, into);
  assert.ok(from.reads.length <= 4, `${from.reads.length} reads`);
  assert.ok(Math.max(...from.reads) <= 8 * 2 ** 20, "a block is bounded");
  assert.ok(Math.min(...from.reads.slice(0, -1)) >= 64 * 2 ** 10, "reads are long");
});

Deno.test("rows of a transposed decoder: near ones are read together, far ones alone", async () => {
  const from = counting();
  const [dOut, dSae] = [16, 1_048_576];
  const stored: Stored = {
    ...{ name: "d", dtype: "F32", shape: [dOut, dSae], order: "C", file: "m", path: "m", offset: 0, from },
    byteLength: 4 * dOut * dSae,
  };
  const store = viewStore(from, { W_dec: transposed(stored) });
  await store.readRows("W_dec", [5, 1_000_000]);
  assert.equal(from.reads.reduce((sum, length) => sum + length, 0), 2 * dOut * 4);
  from.reads.length = 0;
  const random = makeRandom(1);
  const list = [...new Set(Array.from({ length: 3000 }, () => Math.floor(random() * dSae)))].sort((a, b) => a - b);
  await store.readRows("W_dec", list);
  assert.ok(from.reads.length <= dOut, `${from.reads.length} reads`);
});

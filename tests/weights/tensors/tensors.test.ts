import assert from "node:assert/strict";
import { nearestNames } from "../../../lib/nearest_names.ts";
import { type FileSource, openSource } from "../../../lib/weights/files/source.ts";
import { openSafetensors, type TensorStore } from "../../../lib/weights/tensors/tensors.ts";
import { encode, type Entry, f32, makeRandom, withDirectory } from "../fixtures.ts";

const random = makeRandom(7);
const gaussian = (count: number): Float32Array => Float32Array.from({ length: count }, () => random() * 4 - 2);

/** Opens a store over these files for the length of a test. */
async function withStore(
  files: Record<string, Uint8Array | string>,
  test: (store: TensorStore, directory: string) => Promise<void>,
): Promise<void> {
  await withDirectory(files, async (directory) => {
    await using source = openSource(directory);
    await test(await openSafetensors(source), directory);
  });
}

/** The upper halves of these numbers. */
function bf16(values: Float32Array): Uint8Array {
  return new Uint8Array(Uint16Array.from(new Uint32Array(values.buffer), (bits) => bits >>> 16).buffer);
}

const matrix = gaussian(60 * 40);
const halves = bf16(matrix);
const matrixEntries: Entry[] = [
  f32("odd", [3], [1, 2, 3]),
  f32("f32", [60, 40], matrix),
  { name: "bf16", dtype: "BF16", shape: [60, 40], bytes: halves },
  { name: "f64", dtype: "F64", shape: [60, 40], bytes: new Uint8Array(Float64Array.from(matrix).buffer) },
  { name: "i64", dtype: "I64", shape: [2], bytes: new Uint8Array(16) },
  f32("cube", [4, 3, 2], Array.from({ length: 24 }, (_, i) => i)),
  f32("scalar", [], [5]),
  f32("none", [0, 7], []),
];

/** What a matrix of this dtype holds once widened. */
function expectedMatrix(name: string): Float32Array {
  if (name !== "bf16") return matrix;
  return new Float32Array(Uint32Array.from(new Uint16Array(halves.buffer), (bits) => bits << 16).buffer);
}

Deno.test("whole tensors of every float dtype are read", async () => {
  await withStore({ "model.safetensors": encode(matrixEntries) }, async (store) => {
    assert.deepEqual([...store.tensors.keys()], matrixEntries.map(({ name }) => name));
    for (const name of ["f32", "bf16", "f64"]) assert.deepEqual(await store.read(name), expectedMatrix(name));
    assert.deepEqual(await store.read("scalar"), new Float32Array([5]));
    assert.deepEqual(await store.read("none"), new Float32Array());
    assert.deepEqual(store.tensors.get("cube")!.shape, [4, 3, 2]);
  });
});

Deno.test("a tensor named __proto__ is a tensor", async () => {
  const entries = [f32("__proto__", [2], [1, 2]), f32("constructor", [1], [3])];
  await withStore({ "model.safetensors": encode(entries) }, async (store) => {
    assert.deepEqual(await store.read("__proto__"), new Float32Array([1, 2]));
    await assert.rejects(store.read("toString"), RangeError);
  });
});

Deno.test("readMany gives views of one buffer in the order of the names", async () => {
  await withStore({ "model.safetensors": encode(matrixEntries) }, async (store) => {
    const names = ["cube", "scalar", "odd", "f32", "bf16", "none", "f64"];
    const into = new Float32Array(10_000).fill(-1);
    const views = await store.readMany(names, into);
    let start = 0;
    for (const [i, name] of names.entries()) {
      assert.equal(views[i].buffer, into.buffer);
      assert.equal(views[i].byteOffset, 4 * start);
      assert.deepEqual(views[i], await store.read(name));
      start += views[i].length;
    }
    assert.ok(into.subarray(start).every((value) => value === -1));
    await assert.rejects(store.readMany(names, new Float32Array(start - 1)), RangeError);
  });
});

/** Counts the reads that reach a source. */
function counting(source: FileSource): { source: FileSource; calls: string[] } {
  const calls: string[] = [];
  const counted: FileSource = {
    location: source.location,
    size: (path) => source.size(path),
    read: (path, offset, length, into) => {
      calls.push(`${length} bytes${into ? " in place" : ""}`);
      return source.read(path, offset, length, into);
    },
    readText: (path) => source.readText(path),
    close: () => source.close(),
    [Symbol.asyncDispose]: () => source.close(),
  };
  return { source: counted, calls };
}

Deno.test("neighbours in a file are one read, asked for before the call returns", async () => {
  const layer = ["a", "b", "c"].map((name) => f32(name, [1000], gaussian(1000)));
  await withDirectory({ "model.safetensors": encode(layer) }, async (directory) => {
    await using local = openSource(directory);
    const { source, calls } = counting(local);
    const store = await openSafetensors(source);
    calls.length = 0;
    const reading = store.readMany(["a", "b", "c"], new Float32Array(3000));
    assert.deepEqual(calls, ["12000 bytes in place"]);
    await reading;
    calls.length = 0;
    await store.readMany(["c", "a", "b"]);
    assert.deepEqual(calls, ["4000 bytes in place", "8000 bytes in place"]);
  });
});

Deno.test("a source without readParts is read part by part", async () => {
  await withDirectory({ "model.safetensors": encode(matrixEntries) }, async (directory) => {
    await using local = openSource(directory);
    const { source, calls } = counting(local);
    const store = await openSafetensors(source);
    calls.length = 0;
    assert.deepEqual(
      await store.readRows("cube", [0, 1, 3]),
      new Float32Array([...Array(12).keys(), 18, 19, 20, 21, 22, 23]),
    );
    assert.equal(calls.length, 2);
  });
});

Deno.test("columns equal a naive selection, for every dtype", async () => {
  await withStore({ "model.safetensors": encode(matrixEntries) }, async (store) => {
    for (const name of ["f32", "bf16", "f64"]) {
      const whole = expectedMatrix(name);
      for (const [start, end] of [[0, 40], [0, 1], [39, 40], [7, 23], [5, 5]]) {
        const naive = Array.from({ length: 60 }, (_, row) => [...whole.subarray(row * 40 + start, row * 40 + end)])
          .flat();
        const into = new Float32Array(2401).fill(-1);
        assert.deepEqual(await store.readColumnRange(name, start, end, into), new Float32Array(naive));
        assert.ok(into.subarray(naive.length).every((value) => value === -1));
      }
    }
  });
});

Deno.test("rows equal a naive selection, for every dtype", async () => {
  await withStore({ "model.safetensors": encode(matrixEntries) }, async (store) => {
    for (const name of ["f32", "bf16", "f64"]) {
      const whole = expectedMatrix(name);
      const pick = (rows: number[]): Float32Array =>
        new Float32Array(rows.flatMap((row) => [...whole.subarray(row * 40, row * 40 + 40)]));
      for (const rows of [[], [0], [59], [3, 4, 5, 40], Array.from({ length: 60 }, (_, i) => i)]) {
        assert.deepEqual(await store.readRows(name, rows), pick(rows));
        assert.deepEqual(await store.readRows(name, Uint32Array.from(rows)), pick(rows));
      }
      assert.deepEqual(await store.readRowRange(name, 10, 13), pick([10, 11, 12]));
      assert.deepEqual(await store.readRowRange(name, 60, 60), new Float32Array());
    }
    assert.deepEqual(await store.readRowRange("cube", 1, 2), new Float32Array([6, 7, 8, 9, 10, 11]));
    assert.deepEqual(await store.readRowRange("scalar", 0, 1), new Float32Array([5]));
    assert.deepEqual(await store.readRowRange("none", 0, 0), new Float32Array());
    assert.deepEqual(await store.readColumnRange("none", 2, 4), new Float32Array());
  });
});

Deno.test("wide tensors are read right through several staging buffers", async () => {
  const [rows, width] = [9, 400_000];
  const values = Float32Array.from({ length: rows * width }, (_, i) => (i * 31) % 1009);
  const doubles = new Uint8Array(Float64Array.from(values).buffer);
  const entries = [f32("f32", [rows, width], values), {
    name: "f64",
    dtype: "F64",
    shape: [rows, width],
    bytes: doubles,
  }];
  await withStore({ "model.safetensors": encode(entries) }, async (store) => {
    for (const name of ["f32", "f64"]) {
      assert.deepEqual(await store.read(name), values);
      const columns = await store.readColumnRange(name, 1, width - 1);
      const picked = await store.readRows(name, [0, 4, 5, 8]);
      for (const row of Array(rows).keys()) {
        const naive = values.subarray(row * width + 1, (row + 1) * width - 1);
        assert.deepEqual(columns.subarray(row * (width - 2), (row + 1) * (width - 2)), naive);
      }
      assert.deepEqual(picked.subarray(width, 3 * width), values.subarray(4 * width, 6 * width));
    }
  });
});

Deno.test("wrong names, dtypes, rows and columns are errors that help", async () => {
  await withStore({ "model.safetensors": encode(matrixEntries) }, async (store) => {
    await assert.rejects(store.read("f23"), {
      name: "RangeError",
      message: /Cannot find tensor "f23" in .*: the nearest names are "f32", "\w+", "\w+"$/,
    });
    await assert.rejects(store.read("i64"), {
      name: "TypeError",
      message: 'Cannot read tensor "i64" as float32: its dtype is I64',
    });
    await assert.rejects(store.readColumnRange("cube", 0, 1), /shape is \[4, 3, 2\], not 2-D/);
    for (const [start, end] of [[-1, 2], [2, 1], [0, 61], [0.5, 1], [0, NaN]]) {
      await assert.rejects(store.readRowRange("f32", start, end), RangeError);
      await assert.rejects(store.readColumnRange("f32", start, end), RangeError);
    }
    for (const rows of [[1, 1], [2, 1], [60], [-1], [0.5]]) {
      await assert.rejects(store.readRows("f32", rows), RangeError);
    }
    await assert.rejects(store.readRows("f32", [1], new Float32Array(39)), RangeError);
  });
});

Deno.test("a sharded model is read through its index", async () => {
  const files = {
    "model.safetensors.index.json": JSON.stringify({
      metadata: { total_size: 24 },
      weight_map: { a: "1.safetensors", b: "2.safetensors", c: "1.safetensors" },
    }),
    "1.safetensors": encode([f32("a", [2], [1, 2]), f32("c", [1], [3]), f32("unlisted", [1], [9])]),
    "2.safetensors": encode([f32("b", [3], [4, 5, 6])]),
  };
  await withStore(files, async (store) => {
    assert.deepEqual([...store.tensors.keys()], ["a", "c", "unlisted", "b"]);
    const views = await store.readMany(["a", "b", "c"]);
    assert.deepEqual(views.map((view) => [...view]), [[1, 2], [4, 5, 6], [3]]);
  });
  const moved = Object.fromEntries(Object.entries(files).map(([path, content]) => [`unet/${path}`, content]));
  await withDirectory(moved, async (directory) => {
    await using source = openSource(directory);
    const store = await openSafetensors(source, { index: "unet/model.safetensors.index.json" });
    assert.deepEqual([...await store.read("b")], [4, 5, 6]);
    const single = await openSafetensors(source, { file: "unet/1.safetensors" });
    assert.deepEqual([...single.tensors.keys()], ["a", "c", "unlisted"]);
    await assert.rejects(openSafetensors(source, { file: "a", index: "b" }), TypeError);
    await assert.rejects(openSafetensors(source), { name: "NotFound", message: /has neither model\.safetensors nor/ });
    await assert.rejects(openSafetensors(source, { file: "none" }), {
      name: "NotFound",
      message: /none: no such file/,
    });
    await assert.rejects(openSafetensors(source, { file: "../x" }), RangeError);
  });
});

Deno.test("an index never leads out of its directory", async () => {
  const bad = ["../x.safetensors", "/etc/passwd", "a/b", "a\\b", "..", ".", "", "C:x", "a\0b", 3, null, ["a"]];
  for (const file of bad) {
    const index = JSON.stringify({ weight_map: { w: file } });
    await assert.rejects(withStore({ "model.safetensors.index.json": index }, async () => {}), SyntaxError);
  }
});

Deno.test("which files are opened, as transformers chooses them", async () => {
  const single = { "model.safetensors": encode([f32("a", [1], [1])]) };
  const shards = {
    "1.safetensors": encode([f32("a", [1], [2]), f32("b", [1], [2])]),
    "2.safetensors": encode([f32("b", [1], [3])]),
  };
  const index = { "model.safetensors.index.json": '{"weight_map":{"x":"2.safetensors","a":"1.safetensors"}}' };
  const read = async (files: Record<string, string | Uint8Array>): Promise<Record<string, number>> => {
    const found: Record<string, number> = {};
    await withStore(files, async (store) => {
      for (const name of store.tensors.keys()) found[name] = (await store.read(name))[0];
    });
    return found;
  };
  assert.deepEqual(await read({ ...single, ...shards, ...index }), { a: 1 });
  // All tensors of the shards, by the order of the files' names, whatever the index says of single tensors.
  assert.deepEqual(await read({ ...shards, ...index }), { a: 2, b: 3 });
});

Deno.test("a broken index is an error", async () => {
  const shard = { "1.safetensors": encode([f32("a", [1], [1])]) };
  const open = (index: string): Promise<void> =>
    withStore({ ...shard, "model.safetensors.index.json": index }, async () => {});
  await assert.rejects(open('{"weight_map":{"a":"2.safetensors"}}'), {
    name: "NotFound",
    message: /2\.safetensors: no such file/,
  });
  await assert.rejects(open('{"weight_map":{"a":"1.safetensors","a":"1.safetensors"}}'), /a key is given twice/);
  for (const index of ["", "[]", "null", "{}", '{"weight_map":[]}']) await assert.rejects(open(index), SyntaxError);
  const many = Object.fromEntries(Array.from({ length: 1001 }, (_, i) => [`t${i}`, `${i}.safetensors`]));
  await assert.rejects(open(JSON.stringify({ weight_map: many })), /1001 shards exceed the limit of 1000/);
});

Deno.test("the nearest names come first", () => {
  const names = ["wpe.weight", "h.0.ln_1.weight", "h.0.ln_2.weight", "h.1.ln_1.weight"];
  assert.deepEqual(nearestNames("h.0.ln_1.wieght", names, 1), ["h.0.ln_1.weight"]);
  assert.deepEqual(nearestNames("x", []), []);
  // A name cut short differs much from what it is a part of, and little from what it is not.
  const cut = ["pull", "cat", "predict", "spread"];
  assert.deepEqual(nearestNames("pre", cut), ["predict", "spread", "pull"]);
});

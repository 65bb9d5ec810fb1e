import assert from "node:assert/strict";
import { Unembedding } from "../../../lib/model/stages/unembedding.ts";
import { createRuntime } from "../../../lib/runtime/runtime.ts";
import { openSource } from "../../../lib/weights/files/source.ts";
import { openSafetensors, type TensorStore } from "../../../lib/weights/tensors/tensors.ts";
import type { ModelConfig } from "../../../models/family.ts";
import { withDirectory, withHeader } from "../fixtures.ts";

/** Files over 4 GB and tensors over 2 GB. They are sparse: a few pages of disk, zeros elsewhere. */

/** Numbers at an element of a tensor. */
type Written = readonly (readonly [tensor: string, element: number, values: readonly number[]])[];

const BYTES = { F32: 4, BF16: 2 };

interface Layout {
  readonly [tensor: string]: { readonly dtype: keyof typeof BYTES; readonly shape: readonly number[] };
}

/** A safetensors file of these tensors that is zero but for a few numbers. */
async function withSparse(layout: Layout, written: Written, test: (store: TensorStore) => Promise<void>) {
  let end = 0;
  const begins = new Map<string, number>();
  const entries = Object.entries(layout).map(([name, { dtype, shape }]) => {
    begins.set(name, end);
    const start = end;
    end += shape.reduce((a, b) => a * b, 1) * BYTES[dtype];
    return [name, { dtype, shape, data_offsets: [start, end] }];
  });
  const header = withHeader(JSON.stringify(Object.fromEntries(entries)));
  await withDirectory({ "model.safetensors": header }, async (directory) => {
    {
      using file = await Deno.open(`${directory}/model.safetensors`, { write: true });
      await file.truncate(header.length + end);
      for (const [tensor, element, values] of written) {
        const { dtype } = layout[tensor];
        const wide = Float32Array.from(values);
        const bytes = dtype === "F32"
          ? new Uint8Array(wide.buffer)
          : new Uint8Array(Uint16Array.from(new Uint32Array(wide.buffer), (bits) => bits >>> 16).buffer);
        await file.seek(header.length + begins.get(tensor)! + element * BYTES[dtype], Deno.SeekMode.Start);
        assert.equal(await file.write(bytes), bytes.length);
      }
    }
    await using source = openSource(directory);
    await test(await openSafetensors(source));
  });
}

Deno.test("large: rows on both sides of 2 GB and 4 GB of a tensor, and tensors behind it", async () => {
  const [rows, width] = [1_200_000, 2048]; // 4.9 GB of bfloat16
  const layout: Layout = {
    first: { dtype: "F32", shape: [2] },
    big: { dtype: "BF16", shape: [rows, width] },
    late: { dtype: "F32", shape: [3, 2] },
  };
  // Bytes 2^31 and 2^32 of the tensor are the beginnings of these rows.
  const marks = [0, 2 ** 31 / (2 * width), 2 ** 32 / (2 * width), rows - 1];
  const written: Written = [
    ["first", 0, [1, 2]],
    ...marks.map((row, i) => ["big", row * width, [i + 1, 0.5]] as const),
    ["big", (2 ** 32 / (2 * width)) * width - 1, [-7]], // the last number below 2^32
    ["late", 0, [1, 2, 3, 4, 5, 6]],
  ];
  await withSparse(layout, written, async (store) => {
    assert.ok(store.tensors.get("late")!.offset > 2 ** 32);
    const picked = await store.readRows("big", marks);
    assert.deepEqual(marks.map((_, i) => [...picked.subarray(i * width, i * width + 3)]), [
      [1, 0.5, 0],
      [2, 0.5, 0],
      [3, 0.5, 0],
      [4, 0.5, 0],
    ]);
    const across = await store.readRowRange("big", marks[2] - 1, marks[2] + 1);
    assert.deepEqual([across.length, across[width - 1], across[width], across[width + 1]], [2 * width, -7, 3, 0.5]);
    const last = await store.readRowRange("big", rows - 2, rows, new Float32Array(2 * width));
    assert.deepEqual([last[width - 1], last[width], last[width + 1]], [0, 4, 0.5]);
    assert.deepEqual([...await store.read("late")], [1, 2, 3, 4, 5, 6]);
    assert.deepEqual([...await store.readColumnRange("late", 1, 2)], [2, 4, 6]);
    assert.deepEqual([...await store.readRowRange("late", 2, 3)], [5, 6]);
    const [first, late] = await store.readMany(["first", "late"]);
    assert.deepEqual([[...first], [...late]], [[1, 2], [1, 2, 3, 4, 5, 6]]);
  });
});

Deno.test("large: what is too much at once is said in one line", async () => {
  const layout: Layout = { big: { dtype: "BF16", shape: [1_200_000, 2048] } };
  await withSparse(layout, [], async (store) => {
    const message =
      /^Cannot read tensor big at once: its 2457600000 numbers take 9\.8 GB as float32, more than 4\.3 GB: read it in parts/;
    for (const reading of [store.read("big"), store.readMany(["big"]), store.readRowRange("big", 0, 1_200_000)]) {
      await assert.rejects(reading, (error: Error) => {
        assert.ok(error instanceof RangeError);
        assert.match(error.message, message);
        return true;
      });
    }
  });
});

Deno.test("large: an unembedding of more than 2 GB, in slices and by rows", async () => {
  const [dVocab, dModel] = [8500, 65_536]; // 2.2 GB of float32
  const written: Written = [
    ["wte", 0, [1, 2]],
    ["wte", 5000 * dModel, [3]],
    ["wte", (dVocab - 1) * dModel, [-4, 0.5]],
    ["wte", dVocab * dModel - 1, [0.25]],
  ];
  await withSparse({ wte: { dtype: "F32", shape: [dVocab, dModel] } }, written, async (store) => {
    assert.ok(store.tensors.get("wte")!.byteLength > 2 ** 31);
    const config: ModelConfig = {
      nLayers: 1,
      nHeads: 1,
      nKeyValueHeads: 1,
      dHead: 1,
      dMlp: 1,
      nCtx: 8,
      eps: 1e-5,
      actFn: "relu",
      dModel,
      dVocab,
    };
    await using runtime = await createRuntime({ threads: 1 });
    const unembedding = new Unembedding(config, store, runtime, "wte", false);
    const data = new Float32Array(dModel);
    [data[0], data[1], data[dModel - 1]] = [1, 10, 100];
    const final = { dims: [1, 1, dModel], data };
    const logits = await unembedding.logits(final);
    const expected = new Float32Array(dVocab);
    [expected[0], expected[5000], expected[dVocab - 1]] = [21, 3, 26];
    assert.deepEqual(logits, { dims: [1, dVocab], data: expected });
    const some = await unembedding.logitsOf(final, [dVocab - 1, 0]);
    assert.deepEqual([...some.data], [26, 21]);
    const back = await unembedding.gradientOf({ dims: [1, 2], data: new Float32Array([1, -1]) }, [dVocab - 1, 0]);
    assert.deepEqual([back.data[0], back.data[1], back.data[dModel - 1]], [-5, -1.5, 0.25]);
  });
});

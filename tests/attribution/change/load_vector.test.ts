/** Steering vectors in files, and files that are none. */
import assert from "node:assert/strict";
import { loadSteeringVector } from "../../../mod.ts";
import { fromFileUrl } from "../../../lib/weights/files/places.ts";
import { safetensorsChunks } from "../../../lib/weights/formats/write_safetensors.ts";
import { DATA } from "../golden.ts";

const ARRAYS = fromFileUrl(new URL("formats/arrays/", DATA));
const directory = await Deno.makeTempDir();
Deno.test.afterAll(() => Deno.remove(directory, { recursive: true }));

async function write(name: string, content: string | Uint8Array): Promise<string> {
  const path = `${directory}/${name}`;
  await Deno.writeFile(path, typeof content === "string" ? new TextEncoder().encode(content) : content);
  return path;
}

async function safetensors(name: string, tensors: Parameters<typeof safetensorsChunks>[0]): Promise<string> {
  return await write(name, new Uint8Array(await new Blob([...safetensorsChunks(tensors)] as BlobPart[]).arrayBuffer()));
}

function npy(shape: string, data: Float64Array<ArrayBuffer>): Uint8Array {
  const header = `{'descr': '<f8', 'fortran_order': False, 'shape': ${shape}, }`.padEnd(117) + "\n";
  const start = [0x93, ...new TextEncoder().encode("NUMPY"), 1, 0, header.length, 0];
  return new Uint8Array([...start, ...new TextEncoder().encode(header), ...new Uint8Array(data.buffer)]);
}

const NUMBERS = [0.5, -1, 3];
const data = Float32Array.from(NUMBERS);

Deno.test("a vector of safetensors, npy and JSON", async () => {
  const files = [
    await safetensors("one.safetensors", { direction: { dims: [3], data } }),
    await safetensors("row.safetensors", { direction: { dims: [1, 3], data } }),
    await write("one.npy", npy("(3,)", Float64Array.from(NUMBERS))),
    await write("one.json", "[0.5, -1, 3e0]\n"),
  ];
  for (const file of files) assert.deepEqual([...await loadSteeringVector(file)], NUMBERS, file);
  const two = await safetensors("two.safetensors", {
    a: { dims: [2], data: data.subarray(1) },
    "b:c": { dims: [3], data },
  });
  assert.deepEqual([...await loadSteeringVector(two, "b:c")], NUMBERS);
  assert.deepEqual([...await loadSteeringVector(two, "a")], [-1, 3]);
});

Deno.test("a vector of torch.save, alone or by the number of its layer", async () => {
  const saved = (name: string): string => fromFileUrl(new URL(`generate/${name}`, DATA));
  const expected = await loadSteeringVector(saved("vector.safetensors"), "blocks.2.hook_resid_pre");
  assert.deepEqual(await loadSteeringVector(saved("vector.pt")), expected);
  assert.deepEqual(await loadSteeringVector(saved("vector.pt"), "tensor"), expected);
  for (const tensor of [undefined, "2"]) {
    const half = await loadSteeringVector(saved("layers.pt"), tensor);
    assert.ok(half.every((x, i) => Math.abs(x - expected[i]) <= Math.abs(expected[i]) / 256), "bfloat16");
    assert.equal(half.length, expected.length);
  }
  await assert.rejects(loadSteeringVector(saved("layers.pt"), "3"), /no tensor "3"; it has 2/);
});

Deno.test("files without a vector are refused in one line", async () => {
  const two = await safetensors("refused.safetensors", {
    matrix: { dims: [3, 2], data: new Float32Array(6) },
    none: { dims: [0], data: new Float32Array() },
    nan: { dims: [2], data: Float32Array.of(1, NaN) },
    ids: { dims: [2], data: BigInt64Array.of(1n, 2n) },
  });
  const long = await write("long.json", `[${"1,".repeat(2 ** 20)}1]`);
  const huge = JSON.stringify({ a: { dtype: "F32", shape: [2 ** 40], data_offsets: [0, 2 ** 42] } });
  const lying = new Uint8Array(8 + huge.length);
  new DataView(lying.buffer).setBigUint64(0, BigInt(huge.length), true);
  lying.set(new TextEncoder().encode(huge), 8);
  const cases: [string, string | undefined, RegExp][] = [
    [two, undefined, /has 4 tensors: name one after a colon \(matrix, none, nan, ids\)/],
    [two, "other", /has no tensor "other"; it has matrix/],
    [two, "matrix", /"matrix" of .* has the shape \[3,2\]: give one vector/],
    [two, "none", /has the shape \[0\]/],
    [two, "nan", /Number 1 of the vector in .* is NaN/],
    [two, "ids", /its dtype is I64/],
    [`${ARRAYS}stored.npz`, "<f4", /has the shape \[3,4\]/],
    [`${ARRAYS}stored.npz`, "scalar", /has the shape \[\]/],
    [`${ARRAYS}malicious.pt`, undefined, /./],
    [await write("lying.safetensors", lying), undefined, /cut/],
    [await write("cut.safetensors", "{"), undefined, /header/],
    [await write("one.txt", "1 2 3"), undefined, /no file of a vector: give \.safetensors/],
    [await write("text.json", '["a"]'), undefined, /Item 0 .* is "a", no number/],
    [await write("null.json", "[1, null]"), undefined, /Item 1 .* no number/],
    [await write("big.json", "[1e39]"), undefined, /Number 0 .* Infinity/],
    [await write("object.json", "{}"), undefined, /no list of 1 to 1048576 numbers/],
    [await write("empty.json", "[]"), undefined, /no list/],
    [await write("bad.json", "[1,"), undefined, /not JSON/],
    [await write("named.json", "[1]"), "a", /name no tensor/],
    [long, undefined, /no list of 1 to/],
    [`${directory}/missing.json`, undefined, /missing\.json: no such file/],
    [directory, undefined, /no such file/],
    [`${directory}/`, undefined, /give a file's name/],
    [await safetensors("nothing.safetensors", {}), undefined, /has no tensor/],
  ];
  for (const [file, tensor, message] of cases) {
    await assert.rejects(loadSteeringVector(file, tensor), (error: Error) => {
      assert.match(error.message, message, file);
      assert.ok(!error.message.includes("\n"));
      return true;
    });
  }
});

import assert from "node:assert/strict";
import { parseUniqueObject } from "../../../lib/weights/json/json.ts";
import { readSafetensorsHeader, type TensorInfo } from "../../../lib/weights/formats/safetensors.ts";
import { openSafetensors } from "../../../lib/weights/tensors/tensors.ts";
import { concat, encode, f32, makeRandom, memorySource, withHeader } from "../fixtures.ts";

/** Reads the header of a file of these bytes. */
async function parse(bytes: Uint8Array): Promise<TensorInfo[]> {
  return await readSafetensorsHeader(memorySource("m.safetensors", bytes), "m.safetensors");
}

/** A header of one tensor "t" with eight bytes of data behind it. */
function lying(entry: unknown): Uint8Array {
  return withHeader(JSON.stringify({ t: entry }), new Uint8Array(8));
}

const good = { dtype: "F32", shape: [2], data_offsets: [0, 8] };

Deno.test("a good header gives absolute offsets", async () => {
  const bytes = encode([f32("a", [2, 1], [1, 2]), f32("b", [], [3])]);
  const [a, b] = await parse(bytes);
  const start = bytes.length - 12;
  assert.deepEqual(a, { name: "a", dtype: "F32", shape: [2, 1], file: "m.safetensors", offset: start, byteLength: 8 });
  assert.equal(b.offset, start + 8);
});

Deno.test("padding, gaps, empty tensors and sub-byte dtypes are fine", async () => {
  assert.equal((await parse(withHeader(`${JSON.stringify({ t: good })}   `, new Uint8Array(8)))).length, 1);
  assert.equal((await parse(lying({ ...good, shape: [1], data_offsets: [4, 8] }))).length, 1);
  assert.equal((await parse(lying({ ...good, shape: [2 ** 50, 0, 2 ** 50], data_offsets: [3, 3] }))).length, 1);
  assert.equal((await parse(lying({ dtype: "F6_E2M3", shape: [4], data_offsets: [0, 3] }))).length, 1);
  assert.deepEqual(await parse(withHeader("{}")), []);
});

Deno.test("a length that cannot be is refused before anything is allocated", async () => {
  const eight = new Uint8Array(8);
  new DataView(eight.buffer).setBigUint64(0, 12n, true);
  await assert.rejects(parse(eight), {
    name: "SyntaxError",
    message: "Cannot read safetensors header of m.safetensors: length 12 exceeds file size 8",
  });
  new DataView(eight.buffer).setBigUint64(0, 2n ** 64n - 1n, true);
  await assert.rejects(parse(eight), /exceeds the limit of 100000000/);
  await assert.rejects(parse(new Uint8Array(7)), /the file has 7 bytes, a header needs at least 8/);
  await assert.rejects(parse(new Uint8Array(8)), SyntaxError);
});

Deno.test("text that is no JSON object is refused", async () => {
  for (const text of ["", "[]", "null", "3", "{", '{"a":}', '{"a":1}x', "{'a':1}"]) {
    await assert.rejects(parse(withHeader(text, new Uint8Array(8))), SyntaxError, text);
  }
  await assert.rejects(parse(withHeader(new Uint8Array([0x7b, 0x22, 0xff, 0x22]))), /it is not UTF-8/);
});

Deno.test("every lie in an entry is refused, with the tensor's name", async () => {
  const lies: unknown[] = [
    null,
    [],
    "F32",
    { ...good, dtype: "F31" },
    { ...good, dtype: "toString" },
    { ...good, dtype: 32 },
    { ...good, dtype: undefined },
    { ...good, shape: undefined },
    { ...good, shape: 2 },
    { ...good, shape: [-2] },
    { ...good, shape: [1.5] },
    { ...good, shape: ["2"] },
    { ...good, shape: [1e300] },
    { ...good, shape: [2 ** 53, 2 ** 53] },
    { ...good, shape: [3] },
    { ...good, shape: [] },
    { ...good, data_offsets: undefined },
    { ...good, data_offsets: [0] },
    { ...good, data_offsets: [0, 8, 16] },
    { ...good, data_offsets: [8, 0] },
    { ...good, data_offsets: [-8, 0] },
    { ...good, data_offsets: [0.5, 8.5] },
    { ...good, data_offsets: ["0", "8"] },
    { ...good, data_offsets: [Number.MAX_SAFE_INTEGER - 8, Number.MAX_SAFE_INTEGER] },
    { dtype: "F4", shape: [3], data_offsets: [0, 2] },
  ];
  for (const lie of lies) {
    await assert.rejects(parse(lying(lie)), { name: "SyntaxError", message: /"t"/ }, JSON.stringify(lie));
  }
});

Deno.test("a tensor outside the file: the sizes are given", async () => {
  const whole = encode([f32("a", [4], [1, 2, 3, 4])]);
  await assert.rejects(parse(whole.subarray(0, whole.length - 5)), {
    name: "SyntaxError",
    message: `Cannot read m.safetensors: its header expects ${whole.length} bytes, the file has ${
      whole.length - 5
    }: it is cut`,
  });
});

Deno.test("a file cut anywhere is an error", async () => {
  const whole = encode([f32("a", [4], [1, 2, 3, 4]), f32("b", [1], [5])]);
  for (let length = 0; length < whole.length; length++) {
    await assert.rejects(parse(whole.subarray(0, length)), SyntaxError, `${length} bytes`);
  }
  assert.equal((await parse(whole)).length, 2);
});

Deno.test("overlapping tensors and keys given twice are refused", async () => {
  const other = { ...good, shape: [1], data_offsets: [4, 8] };
  const overlap = withHeader(JSON.stringify({ t: good, u: other }), new Uint8Array(8));
  await assert.rejects(parse(overlap), /tensors "t" and "u" overlap/);
  const entry = JSON.stringify(good);
  const twice = [`{"t":${entry},"t":${entry}}`, `{"t":${entry.replace("{", '{"dtype":"F32",')}}`]
    .concat([`{"__proto__":${entry},"__proto__":${entry}}`, `{"t":${entry},"\\u0074":${entry}}`]);
  for (const text of twice) await assert.rejects(parse(withHeader(text, new Uint8Array(8))), /a key is given twice/);
});

Deno.test("keys are counted right beside strings and deeper values", () => {
  const text = '{ "a:{" : { "b\\":" : [":", {"x":1}], "c": {"d":{"e":2}} }, "\\\\" : "}" }';
  assert.deepEqual(parseUniqueObject(text, "it"), JSON.parse(text));
  assert.equal(Object.keys(parseUniqueObject('{"__proto__":{"a":1}}', "it")).length, 1);
  assert.throws(() => parseUniqueObject("[".repeat(100_000) + "]".repeat(100_000), "it"), SyntaxError);
});

/** One to four faults: changed bytes, a cut, a repeated piece, or a number in the text made another. */
function mutate(bytes: Uint8Array<ArrayBuffer>, random: () => number): Uint8Array<ArrayBuffer> {
  const at = (limit: number): number => Math.floor(random() * limit);
  for (let faults = 1 + at(4); faults > 0; faults--) {
    const place = at(Math.min(bytes.length, 340));
    const kind = at(6);
    if (kind === 0) bytes[place] = at(256);
    if (kind === 1) bytes[place] ^= 1 << at(8);
    if (kind === 2) bytes = bytes.slice(0, Math.max(1, bytes.length - at(40)));
    if (kind === 3) bytes = concat([bytes.slice(0, place), bytes.slice(Math.max(0, place - at(50)))]);
    if (kind === 4) bytes[at(8)] = at(2) ? 255 : at(4);
    const digits = [...bytes.keys()].filter((i) => i > 8 && i < 340 && bytes[i] >= 48 && bytes[i] <= 57);
    if (kind === 5 && digits.length > 0) bytes[digits[at(digits.length)]] = 48 + at(10);
  }
  return bytes;
}

Deno.test("two thousand damaged files: a clear error, or a store that reads within bounds", async () => {
  const random = makeRandom(20_240);
  const valid = encode([f32("a", [2, 3], [1, 2, 3, 4, 5, 6]), f32("b.weight", [4], [1, 2, 3, 4]), {
    name: "c",
    dtype: "BF16",
    shape: [3],
    bytes: new Uint8Array(6),
  }]);
  let opened = 0;
  for (let i = 0; i < 2000; i++) {
    const bytes = mutate(concat([valid]), random);
    try {
      const store = await openSafetensors(memorySource("m", bytes), { file: "m" });
      opened++;
      for (const { name, offset, byteLength } of store.tensors.values()) {
        assert.ok(offset >= 8 && offset + byteLength <= bytes.length);
        await store.read(name);
      }
    } catch (error) {
      const clear = error instanceof SyntaxError || error instanceof TypeError && /its dtype is/.test(error.message);
      assert.ok(clear && /^Cannot read /.test(error.message), `case ${i}: ${error}`);
    }
  }
  assert.ok(opened > 100 && opened < 1900, `${opened} of 2000 opened: the faults test nothing`);
});

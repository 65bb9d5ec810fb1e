/** npz files as numpy writes them (tests/data/formats/make.py), and zips that nobody should have written. */
import assert from "node:assert/strict";
import zlib from "node:zlib";
import { crc32 } from "../../../lib/weights/formats/crc32.ts";
import { readNpyHeader, readNpz } from "../../../lib/weights/formats/npz.ts";
import { isFloatDtype, readFloats } from "../../../lib/weights/tensors/floats.ts";
import { openSource } from "../../../lib/weights/files/source.ts";
import { readZip } from "../../../lib/weights/formats/zip.ts";
import { openZip } from "../../../lib/weights/formats/zip_source.ts";
import { concat, makeRandom, memorySource } from "../fixtures.ts";
import { deflateRaw, zipOf, type ZipPart } from "./pickle_fixtures.ts";

const ARRAYS = new URL("../../data/formats/arrays/", import.meta.url);
const text = (content: string): Uint8Array => new TextEncoder().encode(content);

for (const file of ["stored.npz", "deflated.npz"]) {
  Deno.test(`${file}: every dtype in both orders`, async () => {
    await using source = openSource(ARRAYS);
    const zip = await openZip(source, file);
    const arrays = new Map((await readNpz(zip)).map((info) => [info.name, info]));
    assert.equal(arrays.size, 8);
    assert.deepEqual([...zip.entries.values()].map(({ method }) => method)[0], file.slice(0, -4));
    const grid = Array.from({ length: 12 }, (_, i) => i / 8 - 0.5);
    const turned = [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11].map((i) => grid[i]);
    for (const type of ["<f2", "<f4", "<f8"]) {
      for (const order of ["", "fortran"]) {
        const info = arrays.get(order + type)!;
        assert.deepEqual(info.shape, [3, 4]);
        assert.equal(info.order, order === "" ? "C" : "F");
        assert.ok(isFloatDtype(info.dtype));
        const into = new Float32Array(12);
        await readFloats(zip, info.file, info.dtype, [{ offset: info.offset, length: info.byteLength }], into);
        assert.deepEqual([...into], order === "" ? grid : turned);
      }
    }
    assert.deepEqual(arrays.get("scalar")?.shape, []);
    assert.equal(arrays.get("integers")?.dtype, "I64");
  });
}

Deno.test(".npy headers of every version", async () => {
  await using source = openSource(ARRAYS);
  for (const version of [1, 2, 3]) {
    const { shape, dtype, offset } = await readNpyHeader(source, `version_${version}.npy`);
    assert.deepEqual([shape, dtype, offset % 64], [[3, 4], "F32", 0]);
  }
});

Deno.test("Python objects and big-endian numbers are refused by name", async () => {
  await using source = openSource(ARRAYS);
  await assert.rejects(openZip(source, "objects.npz").then(readNpz), /w_enc\.npy: it holds Python objects/);
  await assert.rejects(openZip(source, "big_endian.npz").then(readNpz), /of the kind ">f4"/);
});

function npy(header: string, data = 4, version = 1): Uint8Array {
  const length = version === 1 ? [header.length & 255, header.length >> 8] : [header.length, 0, 0, 0];
  const start = [0x93, ...text("NUMPY"), version, 0, ...length];
  return concat([new Uint8Array(start), text(header), new Uint8Array(data)]);
}

Deno.test("an .npy header is read, not evaluated", async () => {
  const read = (bytes: Uint8Array) => readNpyHeader(memorySource("a.npy", bytes), "a.npy");
  const good = "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }";
  assert.deepEqual((await read(npy(good))).shape, [1]);
  assert.deepEqual((await read(npy(good, 4, 2))).shape, [1]);
  assert.deepEqual((await read(npy(`{"shape": (), "descr": "<f4", "fortran_order": True}\n`))).shape, []);
  const bad = [
    "{'descr': '<f4', 'fortran_order': False}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'shape': (1,)}",
    "{'descr': '<f4', 'fortran_order': __import__('os'), 'shape': (1,)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1e3,)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999999999,)}",
    "[]",
    `{${" ".repeat(200)}x`,
    "{'descr' }",
    "",
    "{",
  ];
  for (const header of bad) await assert.rejects(read(npy(header)), SyntaxError, header);
  await assert.rejects(
    read(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}")),
    /expects \d+ bytes, it has/,
  );
  await assert.rejects(read(npy(good, 4, 4)), /its version is 4/);
  await assert.rejects(read(npy(good).subarray(0, 20)), /cut within its header/);
  await assert.rejects(read(npy(good).subarray(0, 5)), /no \.npy file/);
});

const read = (parts: readonly ZipPart[], how: Parameters<typeof zipOf>[1] = {}) =>
  readZip(memorySource("a.zip", zipOf(parts, how)), "a.zip");

Deno.test("zip64, comments and names", async () => {
  const parts = [{ name: "a/b.npy", bytes: text("hello") }, { name: "c", bytes: text("!") }];
  const entries = await read(parts);
  assert.deepEqual([...entries.keys()], ["a/b.npy", "c"]);
  assert.deepEqual(await read(parts, { zip64: true }).then((wide) => [...wide.values()].map(({ size }) => size)), [
    5,
    1,
  ]);
  assert.equal((await read(parts, { comment: "PK\x05\x06 is no end" })).size, 2);
  for (const name of ["../a", "/a", "a/../../b", "C:/a", "a\\b", "a\0b", "a//b", "./a", ""]) {
    await assert.rejects(read([{ name, bytes: text("x") }]), SyntaxError, JSON.stringify(name));
  }
  await assert.rejects(read([parts[0], parts[0]]), /twice/);
});

Deno.test("entries that overlap, lie outside or claim too much are refused", async () => {
  const part = { name: "a", bytes: text("hello") };
  const other = { name: "b", bytes: text("world") };
  await assert.rejects(read([part, { ...other, header: 0 }]), /reaches into what follows|has no header/);
  await assert.rejects(read([{ ...part, listedSize: 50, listedCompressed: 50 }, other]), /reaches into what follows/);
  await assert.rejects(read([{ ...part, listedSize: 500, listedCompressed: 500 }]), /reaches into what follows/);
  await assert.rejects(read([{ ...part, header: 10_000 }]), /outside the file/);
  await assert.rejects(read([{ ...part, listedSize: 6 }]), /cannot have 6 bytes: 5 are in the file/);
  await assert.rejects(read([{ ...part, method: 8, listedSize: 2 ** 31 }]), /cannot have 2147483648 bytes/);
  await assert.rejects(read([{ ...part, method: 14 }]), /compression 14/);
  await assert.rejects(read([{ ...part, flags: 1 }]), /encrypted/);
  await assert.rejects(read([part], { count: 60_000 }), /limit/);
  await assert.rejects(read([part], { count: 2 }), /malformed/);
  await assert.rejects(readZip(memorySource("a.zip", text("no zip at all, but some text")), "a.zip"), /no zip, or cut/);
});

Deno.test("a zip bomb ends when it exceeds the size that it claims", async () => {
  const zeros = await deflateRaw(new Uint8Array(64 * 2 ** 20));
  const bytes = zipOf([{ name: "a", bytes: zeros, method: 8, listedSize: 100_000 }]);
  const zip = await openZip(memorySource("a.zip", bytes), "a.zip");
  await assert.rejects(zip.read("a", 0, 100_000), /larger than the 100000 bytes that the zip says/);
  const cut = zipOf([{ name: "a", bytes: zeros.subarray(0, 1000), method: 8, listedSize: 900_000 }]);
  const short = await openZip(memorySource("a.zip", cut), "a.zip");
  await assert.rejects(short.read("a", 0, 900_000), SyntaxError);
  const noise = zipOf([{ name: "a", bytes: new Uint8Array(1000).fill(0xff), method: 8, listedSize: 2000 }]);
  await assert.rejects((await openZip(memorySource("a.zip", noise), "a.zip")).read("a", 0, 2000), /not deflated data/);
});

Deno.test("entries that together expand to far more than the file are refused before anything is inflated", async () => {
  const half = 40 * 2 ** 20;
  const part = { bytes: await deflateRaw(new Uint8Array(half)), method: 8, listedSize: half };
  await assert.rejects(
    read([{ ...part, name: "a" }, { ...part, name: "b" }]),
    /bytes expand to 83886080: save it without/,
  );
  assert.equal((await read([{ ...part, name: "a" }])).get("a")!.size, half);
});

Deno.test("the CRC of every entry is checked when it is read to its end", async () => {
  const content = text("0123456789".repeat(3000)); // more than is read at first
  const deflated = { name: "a", bytes: await deflateRaw(content.slice()), method: 8, listedSize: content.length };
  for (const part of [deflated, { name: "a", bytes: content }]) {
    const open = async (crc?: number) => await openZip(memorySource("a.zip", zipOf([{ ...part, crc }])), "a.zip");
    const good = await open();
    assert.deepEqual(await good.read("a", 0, content.length), content);
    assert.deepEqual(await good.read("a", 20_000, 10), content.subarray(0, 10));
    assert.deepEqual(await (await open(0)).read("a", 0, content.length), content, "torch's files may have none");
    const bad = await open(0xabc);
    if (part !== deflated) assert.deepEqual(await bad.read("a", 0, 10), content.subarray(0, 10), "a header's bytes");
    for (const [offset, length] of [[0, content.length], [content.length - 1, 1]]) {
      await assert.rejects(bad.read("a", offset, length), {
        name: "SyntaxError",
        message: /^Cannot read entry "a" of a\.zip: its CRC is [0-9a-f]{8}, the zip says 00000abc: damaged$/,
      });
    }
  }
  for (const length of [0, 1, 3, 4, 5, 1000]) {
    const bytes = Uint8Array.from({ length }, (_, i) => i * 37);
    assert.equal(crc32(bytes), zlib.crc32(bytes));
    assert.equal(crc32(bytes.subarray(length >> 1), crc32(bytes.subarray(0, length >> 1))), zlib.crc32(bytes));
  }
});

Deno.test("a large deflated entry is read piece by piece, in any order of parts", async () => {
  const size = 130 * 2 ** 20; // more than is kept
  const content = new Uint8Array(size);
  const random = makeRandom(1);
  for (let i = 0; i < size; i += 4096) {
    content[i] = i / 4096;
    for (let j = i + 100; j < i + 500; j++) content[j] = 256 * random(); // or it would be deflated to nothing
  }
  const bytes = zipOf([{ name: "a", bytes: await deflateRaw(content), method: 8, listedSize: size }]);
  const zip = await openZip(memorySource("a.zip", bytes), "a.zip");
  const into = new Uint8Array(12);
  await zip.readParts!(
    "a",
    [{ offset: 4096 * 99, length: 4 }, { offset: 0, length: 4 }, { offset: 4095, length: 4 }],
    into,
  );
  assert.deepEqual([...into], [99, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]);
  assert.deepEqual([...await zip.read("a", size - 4096, 1)], [(size / 4096 - 1) & 255]);
});

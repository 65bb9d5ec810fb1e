import assert from "node:assert/strict";
import { chosenFiles, offerFiles } from "../../../lib/weights/files/chosen.ts";
import { openPacked, pack } from "../../../lib/weights/files/packed.ts";
import { openSource } from "../../../lib/weights/files/source.ts";

/** A packed directory in memory. */
async function packedDirectory(files: Readonly<Record<string, Uint8Array<ArrayBuffer>>>, damage = false) {
  const chosen = await Promise.all(
    Object.entries(files).map(async ([name, bytes]) => {
      const [path, packed] = await pack(name, bytes);
      if (damage) packed[packed.length - 5] ^= 1; // of the checksum
      return new File([packed as BlobPart], path);
    }),
  );
  return openPacked(openSource(offerFiles(await chosenFiles(chosen))));
}

const NUMBERS = Uint8Array.from({ length: 100_000 }, (_, i) => (i * i) % 251);

Deno.test("files of a packed directory are what they were before, in whole and in part", async () => {
  const text = new TextEncoder().encode('{"a": "é"}');
  await using files = await packedDirectory({ "a.json": text, "b.bin": NUMBERS, "empty": new Uint8Array() });
  assert.equal(await files.readText("a.json"), '{"a": "é"}');
  assert.deepEqual([await files.size("b.bin"), await files.size("empty")], [100_000, 0]);
  assert.deepEqual(await files.read("b.bin", 0, 100_000), NUMBERS);
  assert.deepEqual(await files.read("b.bin", 99_990, 10), NUMBERS.subarray(99_990));
  const into = new Uint8Array(4);
  assert.equal(await files.read("b.bin", 5, 4, into), into);
  assert.deepEqual(into, NUMBERS.subarray(5, 9));
  await assert.rejects(files.read("b.bin", 99_990, 11), RangeError);
  await assert.rejects(files.readText("b.bin", 100), RangeError);
});

Deno.test("of a packed directory what is not there is not there, and what is damaged is said to be", async () => {
  await using files = await packedDirectory({ "a.bin": NUMBERS });
  assert.equal(await files.size("b.bin"), undefined);
  await assert.rejects(files.read("b.bin", 0, 1), { name: "NotFound", message: /\/b\.bin: no such file$/ });
  await using damaged = await packedDirectory({ "a.bin": NUMBERS }, true);
  await assert.rejects(damaged.size("a.bin"), {
    name: "SyntaxError",
    message: /a\.bin\.gzip is damaged: load the page/,
  });
});

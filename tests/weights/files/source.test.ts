import assert from "node:assert/strict";
import { checkPath, fromFileUrl } from "../../../lib/weights/files/places.ts";
import { batchParts, joinParts, STAGING_BYTES } from "../../../lib/weights/files/ranges.ts";
import { openSource } from "../../../lib/weights/files/source.ts";
import { makeRandom, withDirectory } from "../fixtures.ts";

const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => (i * 7919) >> 3);

Deno.test("a local file is read by range, whole and as text", async () => {
  await withDirectory({ "a.bin": bytes, "sub/b.txt": "héllo", "empty": "" }, async (directory) => {
    await using source = openSource(`${directory}/`);
    assert.equal(source.location, directory);
    assert.equal(await source.size("a.bin"), bytes.length);
    assert.equal(await source.size("none"), undefined);
    assert.equal(await source.size("sub"), undefined);
    assert.equal(await source.size("a.bin/below"), undefined);
    assert.deepEqual(await source.read("a.bin", 10, 5), bytes.slice(10, 15));
    assert.deepEqual(await source.read("a.bin", 0, bytes.length), bytes);
    assert.deepEqual(await source.read("a.bin", bytes.length, 0), new Uint8Array());
    assert.equal(await source.readText("sub/b.txt"), "héllo");
    assert.equal(await source.readText("empty"), "");
  });
});

Deno.test("a read fills the caller's array and no more", async () => {
  await withDirectory({ "a.bin": bytes }, async (directory) => {
    await using source = openSource(directory);
    const into = new Uint8Array(12).fill(255);
    const view = await source.read("a.bin", 3, 8, into);
    assert.equal(view.buffer, into.buffer);
    assert.deepEqual(into, new Uint8Array([...bytes.slice(3, 11), 255, 255, 255, 255]));
    await assert.rejects(source.read("a.bin", 0, 13, into), RangeError);
  });
});

Deno.test("many reads at a time do not disturb each other", async () => {
  await withDirectory({ "a.bin": bytes }, async (directory) => {
    await using source = openSource(directory);
    const offsets = Array.from({ length: 200 }, (_, i) => (i * 487) % (bytes.length - 300));
    const reads = await Promise.all(offsets.map((offset) => source.read("a.bin", offset, 300)));
    reads.forEach((read, i) => assert.deepEqual(read, bytes.slice(offsets[i], offsets[i] + 300)));
  });
});

Deno.test("more files than stay open can be read at a time", async () => {
  const files = Object.fromEntries(Array.from({ length: 80 }, (_, i) => [`${i}.bin`, new Uint8Array(50).fill(i)]));
  await withDirectory(files, async (directory) => {
    await using source = openSource(directory);
    for (let round = 0; round < 2; round++) {
      const reads = await Promise.all(Object.keys(files).map((path) => source.read(path, 10, 3)));
      reads.forEach((read, i) => assert.deepEqual([...read], [i, i, i]));
    }
  });
});

Deno.test("parts are read one after another, in any order, near or far", async () => {
  const random = makeRandom(1);
  await withDirectory({ "a.bin": bytes }, async (directory) => {
    await using source = openSource(directory);
    for (let round = 0; round < 30; round++) {
      const parts = Array.from({ length: 40 }, () => {
        const offset = Math.floor(random() * bytes.length);
        return { offset, length: Math.floor(random() * Math.min(2000, bytes.length - offset)) };
      });
      if (round % 2) parts.sort((a, b) => a.offset - b.offset);
      const expected = parts.flatMap(({ offset, length }) => [...bytes.subarray(offset, offset + length)]);
      const into = new Uint8Array(expected.length);
      await source.readParts!("a.bin", parts, into);
      assert.deepEqual(into, new Uint8Array(expected));
    }
    await assert.rejects(source.readParts!("a.bin", [{ offset: 99_999, length: 2 }], new Uint8Array(2)), RangeError);
    await assert.rejects(source.readParts!("a.bin", [{ offset: 0, length: 9 }], new Uint8Array(8)), RangeError);
  });
});

Deno.test("a file: URL is a local directory", async () => {
  await withDirectory({ "a b/c.txt": "x" }, async (directory) => {
    await using source = openSource(new URL(`file://${directory}/a%20b/`));
    assert.equal(await source.readText("c.txt"), "x");
  });
});

Deno.test("file: URLs on Windows", () => {
  assert.equal(fromFileUrl("file:///C:/models/a%20b", "windows"), "C:\\models\\a b");
  assert.equal(fromFileUrl("file://server/share/x", "windows"), "\\\\server\\share\\x");
  assert.equal(fromFileUrl("file:///a%/b%20c", "linux"), "/a%/b c");
  assert.throws(() => fromFileUrl("http://a/b"), TypeError);
});

Deno.test("a location that is neither local nor http(s) is refused", () => {
  for (const bad of ["", "s3://bucket/x", "https://", new URL("data:,x")]) {
    assert.throws(() => openSource(bad), RangeError);
  }
});

Deno.test("a path never leaves its directory", async () => {
  await withDirectory({ "in/a.txt": "x", "secret.txt": "s" }, async (directory) => {
    await using source = openSource(`${directory}/in`);
    const bad = ["../secret.txt", "a/../../secret.txt", `${directory}/secret.txt`, "..", ".", "", "a//b", "./a.txt"]
      .concat(["..\\secret.txt", "C:x", "c:\\x", "a\0b", "a/", "/"]);
    for (const path of bad) {
      assert.throws(() => checkPath(path), RangeError, path);
      await assert.rejects(source.size(path), RangeError);
      await assert.rejects(source.read(path, 0, 1), RangeError);
      await assert.rejects(source.readText(path), RangeError);
      await assert.rejects(source.readParts!(path, [], new Uint8Array()), RangeError);
    }
  });
});

Deno.test("wrong ranges are RangeErrors that give the size", async () => {
  await withDirectory({ "a.bin": bytes }, async (directory) => {
    await using source = openSource(directory);
    for (const [offset, length] of [[0, 100_001], [100_000, 1], [-1, 1], [0, -1], [0.5, 1], [NaN, 1], [0, 2 ** 53]]) {
      await assert.rejects(source.read("a.bin", offset, length), RangeError);
    }
    await assert.rejects(source.read("a.bin", 99_999, 2), /bytes 99999 to 100001 exceed file size 100000/);
  });
});

Deno.test("text is refused above the limit and when it is not UTF-8", async () => {
  await withDirectory({ "a.txt": "12345", "b.txt": new Uint8Array([0xff, 0xfe]) }, async (directory) => {
    await using source = openSource(directory);
    await assert.rejects(source.readText("a.txt", 4), { name: "RangeError", message: /5 bytes exceed the limit of 4/ });
    await assert.rejects(source.readText("b.txt"), SyntaxError);
  });
});

Deno.test("a file cut while it is open is noticed", async () => {
  await withDirectory({ "a.bin": bytes }, async (directory) => {
    await using source = openSource(directory);
    await source.read("a.bin", 0, 1);
    await Deno.truncate(`${directory}/a.bin`, 10);
    await assert.rejects(source.read("a.bin", 5, 20), { name: "RangeError", message: /ended at byte 10/ });
    const parts = [{ offset: 0, length: 2 }, { offset: 50_000, length: 2 }];
    await assert.rejects(source.readParts!("a.bin", parts, new Uint8Array(4)), RangeError);
  });
});

Deno.test("missing files and directories say so", async () => {
  await withDirectory({ "a.txt": "x" }, async (directory) => {
    await using source = openSource(directory);
    await assert.rejects(source.read("b.txt", 0, 1), { name: "NotFound", message: /b\.txt: no such file/ });
    await assert.rejects(source.readText("b.txt"), Deno.errors.NotFound);
    for (
      const [gone, message] of [
        ["none", /none: no such directory$/],
        ["a.txt", /a\.txt: it is a file, not a directory$/],
      ] as const
    ) {
      await using missing = openSource(`${directory}/${gone}`);
      await assert.rejects(missing.size("a.txt"), { name: "NotFound", message });
      await assert.rejects(missing.read("a.txt", 0, 1), { name: "NotFound", message });
    }
  });
});

Deno.test("close waits for reads, may be called twice, and ends the source", async () => {
  await withDirectory({ "a.bin": bytes }, async (directory) => {
    const source = openSource(directory);
    const reading = Promise.all(Array.from({ length: 40 }, (_, i) => source.read("a.bin", i, 1000)));
    await source.close();
    assert.deepEqual((await reading)[39], bytes.slice(39, 1039));
    await source.close();
    await source[Symbol.asyncDispose]();
    await assert.rejects(source.read("a.bin", 0, 1), { name: "BadResource", message: /is closed/ });
    await assert.rejects(source.size("a.bin"), Deno.errors.BadResource);
  });
});

Deno.test("a denied read names the path and the flag", async () => {
  const module = new URL("../../../lib/weights/files/source.ts", import.meta.url).href;
  const code = `import { openSource } from ${JSON.stringify(module)};
    const source = openSource("models");
    const calls = [() => source.size("a.bin"), () => source.read("a.bin", 0, 1), () => source.readText("a.bin")];
    for (const call of calls) await call().catch((error) => console.log(error.name, error.message));`;
  await withDirectory({ "main.ts": code }, async (directory) => {
    const args = ["run", "--no-prompt", "--deny-read", `${directory}/main.ts`];
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, cwd: directory }).output();
    const line = "NotCapable Cannot read models/a.bin: not allowed; pass --allow-read=models\n";
    assert.equal(new TextDecoder().decode(stdout), line.repeat(3), new TextDecoder().decode(stderr));
  });
});

Deno.test("parts are joined over small gaps, in blocks of bounded length", () => {
  const row = STAGING_BYTES / 4;
  const parts = Array.from({ length: 9 }, (_, i) => ({ offset: i * row, length: row - 8 }));
  assert.deepEqual(joinParts(parts, 8).map((block) => block.parts.length), [4, 4, 1]);
  assert.deepEqual(joinParts(parts, 7).map((block) => block.parts.length), Array(9).fill(1));
  const whole = Array.from({ length: 9 }, (_, i) => ({ offset: i * row, length: row }));
  assert.deepEqual(joinParts(whole, 0).map(({ length, whole }) => [length, whole]), [[9 * row, true]]);
  const batches = [...batchParts(whole, STAGING_BYTES)].map((batch) =>
    batch.reduce((sum, { length }) => sum + length, 0)
  );
  assert.deepEqual(batches, [STAGING_BYTES, STAGING_BYTES, row]);
});

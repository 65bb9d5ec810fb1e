import assert from "node:assert/strict";
import { openSafetensors } from "../../../lib/weights/tensors/tensors.ts";
import { addSpan, areSpans, missingSpans, type Span } from "../../../lib/weights/hub/ranges/spans.ts";
import { encode, f32, makeRandom } from "../fixtures.ts";
import { COMMIT, COMMIT_2, etagOf, type FakeFile, makeBytes, tree, withHub } from "./fake_hub.ts";

const GRAIN = 64 * 1024;
const SIZE = 5_000_000;
const NAME = "sae.safetensors";
const weights: FakeFile = { bytes: makeBytes(SIZE), lfs: true };
const slice = (start: number, length: number): Uint8Array => weights.bytes.slice(start, start + length);
const ranges = { weights: "ranges" } as const;

Deno.test("parts are fetched once, into the program's own cache and never into blobs", async () => {
  await withHub({ [NAME]: weights }, async (hub, open, home) => {
    {
      await using source = open(ranges);
      assert.deepEqual(await source.read(NAME, 100, 50), slice(100, 50));
      assert.equal(hub.bytesOf(NAME), GRAIN);
      assert.deepEqual(await source.read(NAME, 0, GRAIN), slice(0, GRAIN));
      assert.equal(hub.bytesOf(NAME), GRAIN);
      const parts = [{ offset: 70_000, length: 10 }, { offset: 4_999_990, length: 10 }];
      const into = new Uint8Array(20);
      await source.readParts!(NAME, parts, into);
      assert.deepEqual([...into], [...slice(70_000, 10), ...slice(4_999_990, 10)]);
      assert.equal(hub.bytesOf(NAME), 2 * GRAIN + SIZE % GRAIN);
      await assert.rejects(source.read(NAME, SIZE, 1), RangeError);
    }
    const found = Object.keys(await tree(home)).sort();
    assert.ok(found.every((name) => name.startsWith("own/ranges/models--owner--name/")), found.join());
    hub.seen.length = 0;
    await using again = open({ ...ranges, revision: COMMIT });
    assert.deepEqual(await again.read(NAME, 100, 50), slice(100, 50));
    assert.deepEqual(hub.seen, []);
    assert.deepEqual(await again.read(NAME, 1_000_000, 50), slice(1_000_000, 50)); // the address is asked for anew
    assert.deepEqual(hub.log().map((line) => line.slice(0, 12)), ["hub HEAD /ow", "storage GET "]);
    await using offline = open({ ...ranges, revision: COMMIT, offline: true });
    assert.deepEqual(await offline.read(NAME, 100, 50), slice(100, 50));
    await assert.rejects(offline.read(NAME, 3_000_000, 1), /not in the cache, and HF_HUB_OFFLINE is set/);
  });
});

Deno.test("reads at the same time do not fetch a byte twice", async () => {
  await withHub({ [NAME]: weights }, async (hub, open) => {
    await using source = open(ranges);
    const random = makeRandom(1);
    const reads = Array.from({ length: 40 }, () => {
      const offset = Math.floor(random() * (SIZE - 200_000));
      return { offset, length: Math.floor(random() * 200_000) };
    });
    await Promise.all(reads.map(async ({ offset, length }) => {
      assert.deepEqual(await source.read(NAME, offset, length), slice(offset, length));
    }));
    await source.read(NAME, 0, SIZE);
    assert.equal(hub.bytesOf(NAME), SIZE);
  });
});

Deno.test("the storage is asked with If-Match once its ETag is known; another ETag is an error", async () => {
  await withHub({ [NAME]: weights }, async (hub, open) => {
    await using source = open(ranges);
    await source.read(NAME, 0, 1);
    await source.read(NAME, 1_000_000, 1);
    const [first, second] = hub.seen.filter(({ at }) => at === "storage");
    assert.equal(first.ifMatch, null);
    assert.equal(second.ifMatch, hub.storageEtag(weights));
    hub.storageEtag = () => '"other"';
    await assert.rejects(source.read(NAME, 2_000_000, 1), /the file changed while it was read: its ETag is no more/);
  });
  // The file on the hub itself, replaced between two reads.
  const small: FakeFile = { bytes: weights.bytes };
  await withHub({ [NAME]: small }, async (hub, open) => {
    await using source = open(ranges);
    assert.deepEqual(await source.read(NAME, 5, 5), slice(5, 5));
    hub.files.set(NAME, { bytes: makeBytes(SIZE, 7) });
    await assert.rejects(source.read(NAME, 1_000_000, 1), /the file changed/);
    assert.deepEqual(await source.read(NAME, 5, 5), slice(5, 5)); // what was fetched is still the commit's
    hub.commit = COMMIT_2;
    await using now = open(ranges);
    assert.deepEqual(await now.read(NAME, 5, 5), makeBytes(SIZE, 7).slice(5, 10));
  });
});

Deno.test("a server that answers 200 to a range is noticed: the file is downloaded whole", async () => {
  await withHub({ [NAME]: weights }, async (hub, open, home) => {
    hub.ranges = false;
    await using source = open(ranges);
    assert.deepEqual(await source.read(NAME, 100, 50), slice(100, 50));
    const into = new Uint8Array(2);
    await source.readParts!(NAME, [{ offset: 7, length: 1 }, { offset: 9, length: 1 }], into);
    assert.deepEqual([...into], [weights.bytes[7], weights.bytes[9]]);
    assert.equal(hub.seen.filter(({ at }) => at === "storage").length, 2);
    assert.equal((await Deno.stat(`${home}/hub/models--owner--name/blobs/${etagOf(weights)}`)).size, SIZE);
  });
});

Deno.test("cut ranges go on where they stopped, and what came is kept when they fail", async () => {
  await withHub({ [NAME]: weights }, async (hub, open) => {
    let cuts = 0;
    hub.fault = (request, { at }) => {
      if (at !== "storage" || cuts++ > 3) return undefined;
      return cuts % 2 === 1 ? hub.cut(request, NAME, 300_000) : new Response(null, { status: 503 });
    };
    {
      await using source = open({ ...ranges, retryDelays: [1, 1] });
      assert.deepEqual(await source.read(NAME, 0, 2_000_000), slice(0, 2_000_000));
    }
    assert.equal(hub.bytesOf(NAME), Math.ceil(2_000_000 / GRAIN) * GRAIN);
    let failing = false;
    hub.fault = (request, { at }) => {
      if (at !== "storage") return undefined;
      if (failing) return new Response(null, { status: 503 });
      failing = true;
      return hub.cut(request, NAME, 500_000);
    };
    {
      await using source = open(ranges);
      await assert.rejects(source.read(NAME, 3_000_000, 2_000_000), /HTTP 503/);
    }
    hub.fault = () => undefined;
    await using source = open(ranges);
    await source.read(NAME, 0, SIZE);
    assert.equal(hub.bytesOf(NAME), SIZE);
  });
});

Deno.test("small files, and those whose blob is there, are read from the shared cache", async () => {
  const small: FakeFile = { bytes: makeBytes(1000), lfs: true };
  await withHub({ [NAME]: weights, "small.safetensors": small }, async (hub, open, home) => {
    await using source = open(ranges);
    await source.read("small.safetensors", 5, 5);
    assert.equal(hub.bytesOf("small.safetensors"), 1000);
    await using whole = open();
    await whole.download(NAME);
    hub.commit = COMMIT_2;
    await using next = open(ranges);
    assert.deepEqual(await next.read(NAME, 5, 5), slice(5, 5));
    assert.equal(hub.bytesOf(NAME), SIZE);
    assert.equal(Object.keys(await tree(home)).some((name) => name.startsWith("own/")), false);
  });
});

Deno.test("a file that has been read in parts is completed, not downloaded again", async () => {
  await withHub({ [NAME]: weights }, async (hub, open, home) => {
    {
      await using parts = open(ranges);
      await parts.read(NAME, 1_000_000, 500_000);
      await parts.read(NAME, 0, 10);
    }
    const before = hub.bytesOf(NAME);
    await using source = open();
    assert.equal((await source.download(NAME)).came, SIZE - before);
    assert.deepEqual(await source.read(NAME, 1_234_567, 9), slice(1_234_567, 9));
    assert.equal(hub.bytesOf(NAME), SIZE);
    const found = Object.keys(await tree(home));
    assert.equal(found.some((name) => /own\/.*(data|index)/.test(name) || name.endsWith(".incomplete")), false);
  });
  // The parts are not what they should be.
  await withHub({ [NAME]: weights }, async (hub, open, home) => {
    {
      await using parts = open(ranges);
      await parts.read(NAME, 0, 10);
    }
    const [data] = Object.keys(await tree(home)).filter((name) => name.endsWith("/data"));
    await Deno.writeFile(`${home}/${data}`, new Uint8Array(SIZE));
    await using source = open();
    await source.download(NAME);
    assert.deepEqual(await Deno.readFile(`${home}/hub/models--owner--name/blobs/${etagOf(weights)}`), weights.bytes);
    assert.equal(hub.bytesOf(NAME), 2 * SIZE);
  });
});

Deno.test("a range that is longer than asked for is refused, and nothing of it is kept", async () => {
  await withHub({ [NAME]: weights }, async (hub, open, home) => {
    let sent = 0;
    hub.fault = (request, { at, range }) => {
      if (at !== "storage") return undefined;
      const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(range!)!;
      const body = new ReadableStream({
        pull(controller) {
          sent += 10_000;
          controller.enqueue(new Uint8Array(10_000));
        },
      });
      return new Response(request.method === "HEAD" ? null : body, {
        status: 206,
        headers: { "content-range": `bytes ${start}-${end}/${SIZE}` },
      });
    };
    await using source = open(ranges);
    await assert.rejects(source.read(NAME, 100, 50), /the server answered bytes=0-65535 with HTTP 206 and more bytes$/);
    assert.ok(sent < 50_000_000, `${sent} bytes were sent`);
    hub.fault = () => undefined;
    assert.deepEqual(await source.read(NAME, 100, 50), slice(100, 50));
    assert.equal(hub.bytesOf(NAME), GRAIN);
    assert.equal(Object.keys(await tree(home)).some((name) => name.startsWith("hub/models")), false);
  });
});

Deno.test("the hash of a file that is read in parts is of all its bytes; wrong bytes in a range are found", async () => {
  await withHub({ [NAME]: weights }, async (hub, open) => {
    {
      await using source = open(ranges);
      await source.read(NAME, 100, 50);
      assert.equal(await source.sha256(NAME), etagOf(weights));
      assert.equal(hub.bytesOf(NAME), SIZE);
    }
    await using offline = open({ ...ranges, offline: true });
    assert.equal(await offline.sha256(NAME), etagOf(weights));
  });
  await withHub({ [NAME]: weights }, async (hub, open) => {
    hub.fault = (_, { at, range }) => {
      const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(range ?? "") ?? [];
      if (at !== "storage" || start !== "0") return undefined;
      const headers = { "content-range": `bytes ${start}-${end}/${SIZE}` };
      return new Response(new Uint8Array(Number(end) + 1), { status: 206, headers });
    };
    await using source = open(ranges);
    assert.deepEqual(await source.read(NAME, 100, 50), new Uint8Array(50));
    await using offline = open({ ...ranges, offline: true, revision: source.revision });
    assert.equal(await offline.sha256(NAME), undefined);
    await assert.rejects(source.sha256(NAME), /^Error: Cannot trust the parts of .* the whole does not have the hub's/);
    hub.fault = () => undefined;
    await using again = open(ranges);
    assert.deepEqual(await again.read(NAME, 100, 50), slice(100, 50));
    assert.equal(await again.sha256(NAME), etagOf(weights));
  });
});

Deno.test("a damaged index or data file is made anew", async () => {
  await withHub({ [NAME]: weights }, async (hub, open, home) => {
    const own = `${home}/own/ranges/models--owner--name`;
    const read = async (): Promise<void> => {
      await using source = open(ranges);
      assert.deepEqual(await source.read(NAME, 100, 50), slice(100, 50));
    };
    await read();
    const directory = [...Deno.readDirSync(own)].map(({ name }) => name).find((name) => name !== "commits")!;
    const index = `${own}/${directory}/index.json`;
    const bad = ["", "{", "null", '{"spans":[[0,9e9]]}', (await Deno.readTextFile(index)).replace("[0,", "[-1,")];
    for (const [i, text] of bad.entries()) {
      await Deno.writeTextFile(index, text);
      await read();
      assert.equal(hub.bytesOf(NAME), (i + 2) * GRAIN);
    }
    await Deno.writeFile(`${own}/${directory}/data`, new Uint8Array(3));
    await read();
    assert.equal(hub.bytesOf(NAME), (bad.length + 2) * GRAIN);
  });
});

Deno.test("an SAE's active rows: the header and the rows, not the file", async () => {
  const rows = 2000;
  const values = Float32Array.from({ length: rows * 1000 }, (_, i) => i);
  const bytes = encode([f32("W_dec", [rows, 1000], values), f32("b_dec", [4], [1, 2, 3, 4])]) as Uint8Array<
    ArrayBuffer
  >;
  await withHub({ [NAME]: { bytes, lfs: true } }, async (hub, open) => {
    await using source = open(ranges);
    const store = await openSafetensors(source, { file: NAME });
    const got = await store.readRows("W_dec", [0, 500, 1500]);
    assert.deepEqual([got[0], got[1000], got[2000]], [0, 500_000, 1_500_000]);
    assert.deepEqual([...(await store.read("b_dec"))], [1, 2, 3, 4]);
    assert.ok(hub.bytesOf(NAME) < 6 * GRAIN, `${hub.bytesOf(NAME)} bytes`);
  });
});

Deno.test("spans: what is there and what is missing, against a bitmap", () => {
  const random = makeRandom(3);
  let spans: Span[] = [];
  const bits = new Uint8Array(100);
  for (let i = 0; i < 300; i++) {
    const [a, b] = [Math.floor(random() * 101), Math.floor(random() * 101)].sort((x, y) => x - y);
    const missing = new Uint8Array(100);
    for (const [start, end] of missingSpans(spans, [a, b])) missing.fill(1, start, end);
    assert.deepEqual(missing, bits.map((bit, at) => at >= a && at < b && bit === 0 ? 1 : 0));
    if (random() < 0.2) spans = [], bits.fill(0);
    const end = Math.min(b, a + 9);
    spans = addSpan(spans, [a, end]);
    bits.fill(1, a, end);
    assert.ok(areSpans(spans, 100));
    const filled = new Uint8Array(100);
    for (const [from, to] of spans) filled.fill(1, from, to);
    assert.deepEqual(filled, bits);
  }
});

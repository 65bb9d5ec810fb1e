import { readTextIfThere } from "../../../lib/weights/files/source.ts";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { PARTIAL_ENDING } from "../../../lib/weights/hub/cache/layout.ts";
import type { DownloadProgress, HubSource } from "../../../lib/weights/hub/hub.ts";
import { openSafetensors } from "../../../lib/weights/tensors/tensors.ts";
import { encode, f32 } from "../fixtures.ts";
import { COMMIT, COMMIT_2, etagOf, type FakeFile, makeBytes, textFile, tree, withHub } from "./fake_hub.ts";

const config = textFile('{"model_type":"gpt2"}');
const weights: FakeFile = { bytes: makeBytes(3_000_000), lfs: true };
const REPO = "hub/models--owner--name";
/** As a model is opened: its configuration comes first. */
const loadModelFrom = (source: HubSource): Promise<unknown> => readTextIfThere(source, "config.json", 2 ** 22);
const blobOf = (home: string, file: FakeFile): string => `${home}/${REPO}/blobs/${etagOf(file)}`;

Deno.test("files lie in the cache as huggingface_hub lays them out", async () => {
  await withHub({ "config.json": config, "sub/model.safetensors": weights }, async (hub, open, home) => {
    await using source = open();
    assert.equal(source.location, "hf:owner/name@main");
    assert.equal(source.revision, undefined);
    assert.equal(await source.size("none.json"), undefined);
    assert.equal(source.revision, COMMIT);
    assert.equal(await source.readText("config.json"), '{"model_type":"gpt2"}');
    assert.equal(await source.size("sub/model.safetensors"), 3_000_000);
    assert.equal(hub.bytesOf("sub/model.safetensors"), 0);
    assert.deepEqual(await source.read("sub/model.safetensors", 10, 5), weights.bytes.slice(10, 15));
    const found = await tree(`${home}/hub`);
    for (const name of Object.keys(found)) if (name.startsWith(".locks/")) delete found[name];
    assert.deepEqual(found, {
      "CACHEDIR.TAG": found["CACHEDIR.TAG"],
      [`models--owner--name/blobs/${etagOf(config)}`]: "21",
      [`models--owner--name/blobs/${etagOf(weights)}`]: "3000000",
      [`models--owner--name/snapshots/${COMMIT}/config.json`]: `-> ../../blobs/${etagOf(config)}`,
      [`models--owner--name/snapshots/${COMMIT}/sub/model.safetensors`]: `-> ../../../blobs/${etagOf(weights)}`,
      "models--owner--name/refs/main": "40",
      [`models--owner--name/.no_exist/${COMMIT}/none.json`]: "0",
    });
    assert.equal(await source.sha256("sub/model.safetensors"), etagOf(weights));
    assert.equal(await source.sha256("config.json"), createHash("sha256").update(config.bytes).digest("hex"));
    assert.equal(hub.bytesOf("sub/model.safetensors"), 3_000_000);
  });
});

Deno.test("what is in the cache is not downloaded again; a new commit's unchanged file is only linked", async () => {
  await withHub({ "config.json": config, "model.safetensors": weights }, async (hub, open, home) => {
    {
      await using source = open();
      await source.readText("config.json");
      assert.equal((await source.download("model.safetensors")).came, 3_000_000);
    }
    hub.seen.length = 0;
    {
      await using source = open();
      await source.readText("config.json");
      assert.equal((await source.download("model.safetensors")).came, 0);
      assert.deepEqual(hub.log(), ["hub HEAD /owner/name/resolve/main/config.json"]);
    }
    {
      await using source = open({ revision: COMMIT });
      await source.readText("config.json");
      assert.equal(hub.seen.length, 1); // a commit is not asked for
    }
    hub.commit = COMMIT_2;
    hub.files.set("config.json", textFile("{}"));
    await using source = open();
    assert.equal(await source.readText("config.json"), "{}");
    await source.read("model.safetensors", 0, 1);
    assert.equal(source.revision, COMMIT_2);
    assert.equal(hub.bytesOf("model.safetensors"), 3_000_000);
    assert.equal(await Deno.readTextFile(`${home}/${REPO}/refs/main`), COMMIT_2);
    await using old = open({ revision: COMMIT });
    assert.equal(await old.readText("config.json"), '{"model_type":"gpt2"}');
  });
});

Deno.test("a cut download goes on where it stopped, in one run and in the next", async () => {
  await withHub({ "m.safetensors": weights }, async (hub, open, home) => {
    let cuts = 0;
    hub.fault = (request, { at, method }) =>
      at === "storage" && method === "GET" && cuts++ < 5 ? hub.cut(request, "m.safetensors", 400_000) : undefined;
    {
      await using source = open({ retryDelays: [1] }); // fewer new tries than cuts: each that brings bytes counts anew
      assert.deepEqual(await source.read("m.safetensors", 2_999_990, 10), weights.bytes.slice(-10));
    }
    const starts = hub.seen.filter(({ at }) => at === "storage").map(({ range }) => range);
    assert.deepEqual(starts.slice(0, 2), [null, "bytes=400000-"]);
    assert.equal(hub.bytesOf("m.safetensors"), 3_000_000);
    await Deno.remove(`${home}/hub`, { recursive: true });
    hub.sent.clear();
    cuts = 0;
    hub.fault = (request, { at }) => {
      if (at !== "storage") return undefined;
      return cuts++ === 0 ? hub.cut(request, "m.safetensors", 1_000_000) : new Response(null, { status: 503 });
    };
    {
      await using source = open();
      await assert.rejects(source.download("m.safetensors"), /HTTP 503 .*\(tried \d times\)$/);
    }
    assert.equal((await Deno.stat(blobOf(home, weights) + PARTIAL_ENDING)).size, 1_000_000);
    hub.fault = () => undefined;
    await using source = open();
    assert.equal((await source.download("m.safetensors")).came, 2_000_000);
    assert.equal(hub.bytesOf("m.safetensors"), 3_000_000);
    assert.deepEqual(await Deno.readFile(blobOf(home, weights)), weights.bytes);
  });
});

Deno.test("closing in the middle leaves what came for the next run, and nothing else", async () => {
  await withHub({ "m.safetensors": weights }, async (hub, open, home) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    hub.fault = (request, { at }) =>
      at === "storage" ? hub.cut(request, "m.safetensors", 500_000, () => promise) : undefined;
    const { promise: began, resolve: begin } = Promise.withResolvers<void>();
    const source = open({ onProgress: ({ done }) => done > 0 && begin() });
    const reading = assert.rejects(source.read("m.safetensors", 0, 1), { name: "BadResource" });
    await began;
    await source.close();
    await reading;
    resolve();
    await assert.rejects(source.size("m.safetensors"), /is closed/);
    const blobs = Object.keys(await tree(`${home}/${REPO}`));
    assert.deepEqual(blobs, [`blobs/${etagOf(weights)}${PARTIAL_ENDING}`]);
    hub.fault = () => undefined;
    await using again = open();
    const { came } = await again.download("m.safetensors");
    assert.ok(came < 3_000_000 && came > 0, String(came));
    assert.deepEqual(await Deno.readFile(blobOf(home, weights)), weights.bytes);
  });
});

Deno.test("a server that ignores the range of a resumed download: it begins anew", async () => {
  await withHub({ "m.safetensors": weights }, async (hub, open, home) => {
    await Deno.mkdir(`${home}/${REPO}/blobs`, { recursive: true });
    await Deno.writeFile(blobOf(home, weights) + PARTIAL_ENDING, weights.bytes.subarray(0, 1000));
    hub.ranges = false;
    await using source = open();
    assert.deepEqual(await source.read("m.safetensors", 0, 10), weights.bytes.slice(0, 10));
    assert.deepEqual(await Deno.readFile(blobOf(home, weights)), weights.bytes);
  });
});

Deno.test("wrong bytes: a hash that does not match is an error, and nothing is left", async () => {
  for (const lfs of [true, false]) {
    const lie: FakeFile = { bytes: weights.bytes, lfs, etag: etagOf({ bytes: makeBytes(10), lfs }) };
    await withHub({ "m.safetensors": lie }, async (_, open, home) => {
      await using source = open();
      const message = lfs ? /its SHA-256 is .*, the hub's is .*; it is thrown away/ : /its git hash is/;
      await assert.rejects(source.download("m.safetensors"), message);
      assert.deepEqual(Object.keys(await tree(`${home}/${REPO}`)), []);
    });
  }
  // The rest of an earlier run is wrong, the hub is right.
  for (const bad of [new Uint8Array(1000), new Uint8Array(3_000_000), new Uint8Array(4_000_000)]) {
    await withHub({ "m.safetensors": weights }, async (_, open, home) => {
      await Deno.mkdir(`${home}/${REPO}/blobs`, { recursive: true });
      await Deno.writeFile(blobOf(home, weights) + PARTIAL_ENDING, bad);
      await using source = open();
      await source.download("m.safetensors");
      assert.deepEqual(await Deno.readFile(blobOf(home, weights)), weights.bytes);
    });
  }
});

Deno.test("more bytes than announced are refused", async () => {
  await withHub({ "m.safetensors": weights }, async (hub, open, home) => {
    hub.fault = (_, { at }) => at === "storage" ? new Response(makeBytes(3_000_001)) : undefined;
    await using source = open();
    await assert.rejects(source.download("m.safetensors"), /its size was 3000000 and is at least 3000001/);
    assert.deepEqual(Object.keys(await tree(`${home}/${REPO}`)), []);
  });
});

/** A body without end, which counts what is taken of it. */
function endless(onChunk: (bytes: number) => void, chunk = 1 << 16): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    pull(controller) {
      onChunk(chunk);
      controller.enqueue(new Uint8Array(chunk).fill(120));
    },
  });
}

Deno.test("a body without end is left at the byte where it exceeds what was announced, or the limit", async (t) => {
  const none = { "x-repo-commit": COMMIT, "x-linked-etag": "0".repeat(64) };
  const left = async (home: string): Promise<string[]> =>
    Object.keys(await tree(home)).filter((name) => !name.endsWith(".lock"));
  await t.step("announced", async () => {
    await withHub({ "m.safetensors": weights }, async (hub, open, home) => {
      let sent = 0;
      hub.fault = (_, { at }) => at === "storage" ? new Response(endless((bytes) => sent += bytes)) : undefined;
      await using source = open();
      await assert.rejects(source.download("m.safetensors"), /its size was 3000000 and is at least \d+/);
      assert.deepEqual(await left(home), []);
      assert.ok(sent < 50_000_000, `${sent} bytes were sent`); // what lies in sockets' buffers
    });
  });
  await t.step("announced with the answer alone", async () => {
    await withHub({}, async (hub, open, home) => {
      const headers = { ...none, "content-length": "5000000" };
      hub.fault = ({ method }) => new Response(method === "HEAD" ? null : endless(() => {}), { headers });
      await using source = open();
      await assert.rejects(source.readText("config.json", 4_000_000), /5000000 bytes exceed the limit of 4000000/);
      assert.deepEqual(await left(home), []);
    });
  });
  await t.step("not announced", async () => {
    await withHub({}, async (hub, open, home) => {
      let sent = 0;
      const count = (bytes: number): number => sent += bytes;
      hub.fault = ({ method }) => new Response(endless(method === "HEAD" ? () => 0 : count), { headers: none });
      await using source = open();
      const message = "Cannot read config.json whole: its size was not announced, and more than 4194304 bytes came";
      await assert.rejects(source.readText("config.json", 2 ** 22), { name: "RangeError", message });
      assert.deepEqual(await left(home), []);
      assert.ok(sent < 50_000_000, `${sent} bytes were sent`);
      await assert.rejects(loadModelFrom(source), { message });
    });
  });
  await t.step("a listing", async () => {
    await withHub({}, async (hub, open, home) => {
      let sent = 0;
      hub.fault = () => new Response(endless((bytes) => sent += bytes));
      await using source = open();
      await assert.rejects(source.list(), /revision\/main: the answer is longer than 16777216 bytes$/);
      assert.ok(sent < 70_000_000, `${sent} bytes were sent`);
      hub.fault = () => new Response("{");
      await assert.rejects(source.list(), /revision\/main: it is not JSON/);
      assert.deepEqual(await tree(home), {});
    });
  });
});

Deno.test("hashes are of the bytes that are there, and a flipped bit is found", async () => {
  await withHub({ "m.safetensors": weights, "config.json": config }, async (_, open, home) => {
    for (const [name, file] of [["m.safetensors", weights], ["config.json", config]] as const) {
      {
        await using source = open();
        await source.download(name);
      }
      const blob = blobOf(home, file);
      const bytes = await Deno.readFile(blob);
      bytes[bytes.length >> 1] ^= 4;
      await Deno.writeFile(blob, bytes);
      const kind = file.lfs ? "SHA-256" : "git hash";
      const message = new RegExp(
        `^Error: Cannot trust ${name} of owner/name in the cache: its ${kind} is [0-9a-f]+, the hub's is ${
          etagOf(file)
        }; `,
      );
      await using source = open();
      await assert.rejects(source.sha256(name), message);
      await using offline = open({ offline: true });
      await assert.rejects(offline.sha256(name), message);
    }
  });
});

Deno.test("reads at the same time download a file once, shards side by side", async () => {
  const shard = encode([f32("w", [4], [1, 2, 3, 4])]) as Uint8Array<ArrayBuffer>;
  const other = encode([f32("b", [2], [5, 6])]) as Uint8Array<ArrayBuffer>;
  const index = textFile(JSON.stringify({ weight_map: { w: "model-1.safetensors", b: "model-2.safetensors" } }));
  const files = {
    "sub/model.safetensors.index.json": index,
    "sub/model-1.safetensors": { bytes: shard, lfs: true },
    "sub/model-2.safetensors": { bytes: other, lfs: true },
  };
  await withHub(files, async (hub, open) => {
    await using source = open({ path: "sub" });
    assert.equal(source.location, "hf:owner/name@main:sub");
    const store = await openSafetensors(source);
    assert.deepEqual(await store.readMany(["w", "b"]), [new Float32Array([1, 2, 3, 4]), new Float32Array([5, 6])]);
    assert.deepEqual([...(await store.readRows("w", [0, 3]))], [1, 4]);
    assert.equal(hub.bytesOf("sub/model-1.safetensors"), shard.length);
    assert.equal(hub.bytesOf("sub/model-2.safetensors"), other.length);
    assert.deepEqual((await source.list()).map(({ path }) => path).sort(), [
      "model-1.safetensors",
      "model-2.safetensors",
      "model.safetensors.index.json",
    ]);
  });
});

Deno.test("progress: bytes of all files, what an earlier run left included, at last all", async () => {
  await withHub({ "m.safetensors": weights, "config.json": config }, async (_, open, home) => {
    await Deno.mkdir(`${home}/${REPO}/blobs`, { recursive: true });
    await Deno.writeFile(blobOf(home, weights) + PARTIAL_ENDING, weights.bytes.subarray(0, 1_000_000));
    const reports: DownloadProgress[] = [];
    await using source = open({ onProgress: (progress) => reports.push(progress) });
    await Promise.all([source.download("m.safetensors"), source.download("config.json")]);
    const { done, total } = reports.at(-1)!;
    assert.deepEqual([done, total], [3_000_021, 3_000_021]);
    assert.ok(reports.every((report) => report.done <= (report.total ?? Infinity)));
  });
});

Deno.test("where links are not possible the file itself stands in the snapshot", async () => {
  await withHub({ "m.safetensors": weights }, async (hub, open, home) => {
    for (let run = 0; run < 2; run++) {
      await using source = open({ symlinks: false });
      assert.deepEqual(await source.read("m.safetensors", 0, 3), weights.bytes.slice(0, 3));
    }
    const found = await tree(`${home}/${REPO}`);
    assert.deepEqual(found, { "refs/main": "40", [`snapshots/${COMMIT}/m.safetensors`]: "3000000" });
    assert.equal(hub.bytesOf("m.safetensors"), 3_000_000);
  });
});

Deno.test("a link into nothing is not a cached file", async () => {
  await withHub({ "m.safetensors": weights }, async (hub, open, home) => {
    await using first = open();
    await first.download("m.safetensors");
    await Deno.remove(blobOf(home, weights));
    await using source = open();
    await source.read("m.safetensors", 0, 1);
    assert.equal(hub.bytesOf("m.safetensors"), 6_000_000);
  });
});

Deno.test("no size announced: the file is downloaded to know it", async () => {
  await withHub({ "m.safetensors": weights }, async (hub, open) => {
    hub.fault = (request, { at }) => {
      if (at === "storage" && request.method === "GET") return undefined;
      const headers = { "x-repo-commit": COMMIT, "x-linked-etag": etagOf(weights), location: "/elsewhere" };
      if (request.url.endsWith("/elsewhere")) {
        return new Response(
          new ReadableStream({
            start: (controller) => (controller.enqueue(weights.bytes), controller.close()),
          }),
        );
      }
      return new Response(null, { status: 307, headers });
    };
    await using source = open();
    assert.equal(await source.size("m.safetensors"), 3_000_000);
    assert.deepEqual(await source.read("m.safetensors", 0, 3), weights.bytes.slice(0, 3));
  });
});

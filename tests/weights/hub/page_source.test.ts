/** The hub by a browser's rules: what is asked for, what is kept, and what is refused. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { type ByteStorage, memoryStorage } from "../../../lib/platform/storage.ts";
import { type HubOptions, type HubSource, openHub } from "../../../lib/weights/hub/hub.ts";
import type { DownloadProgress } from "../../../lib/weights/hub/progress.ts";
import { pick } from "../http/faults.ts";
import { makeRandom } from "../fixtures.ts";
import { COMMIT_2, etagOf, type FakeFile, FakeHub, makeBytes, settingsFor, textFile } from "./fake_hub.ts";
import { keepPageRules } from "./page_rules.ts";

const SIZE = 20_000_000;
const NAME = "model.safetensors";
const weights: FakeFile = { bytes: makeBytes(SIZE), lfs: true };
const config = textFile('{"model_type":"gpt2"}');
const tokenizer = textFile(JSON.stringify({ text: "x".repeat(1_500_000) }));
const FILES = { [NAME]: weights, "config.json": config, "tokenizer.json": tokenizer };
const slice = (start: number, length: number): Uint8Array => weights.bytes.slice(start, start + length);

/** Keys of what is kept of it. */
const PARTS = `owner/name@${etagOf(weights)}/`;

type Open = (options?: Partial<HubOptions>) => HubSource;

/** A hub that keeps to the rules, and a storage that outlives its sources. */
async function withPage(
  test: (hub: FakeHub, open: Open, storage: ByteStorage) => Promise<void>,
  files: Record<string, FakeFile> = FILES,
  prepare: (hub: FakeHub) => void = () => {},
): Promise<void> {
  await using hub = new FakeHub(files);
  prepare(hub);
  const { broken } = keepPageRules(hub);
  const storage = memoryStorage("this is a test");
  const open: Open = (options = {}) =>
    openHub({ repo: hub.repo, ...settingsFor(hub.endpoint, "/nowhere"), storage, ...options });
  await test(hub, open, storage);
  assert.deepEqual(broken, []);
}

Deno.test("a page's requests: one list, one look for the address, then plain ranges; each byte once", async () => {
  await withPage(async (hub, open, storage) => {
    await using source = open();
    assert.equal(await source.readText("config.json", 4096), '{"model_type":"gpt2"}');
    assert.equal(await source.size(NAME), SIZE);
    assert.equal(await source.size("absent.json"), undefined);
    assert.deepEqual(await source.read(NAME, 2_000_000, 5_500_000), slice(2_000_000, 5_500_000));
    assert.deepEqual(await source.read(NAME, 6_000_000, 100), slice(6_000_000, 100));
    assert.deepEqual(hub.log().toSorted(), [
      "hub GET /api/models/owner/name/revision/main",
      `hub GET /owner/name/resolve/${hub.commit}/config.json`,
      `hub GET /owner/name/resolve/${hub.commit}/${NAME} bytes=0-0`,
      `storage GET /${NAME} bytes=0-0`,
      `storage GET /${NAME} bytes=1998848-6193151`,
      `storage GET /${NAME} bytes=6193152-7503871`,
    ]);
    const keys = (await storage.list(PARTS)).map(({ key }) => key.split("#")[1]);
    assert.deepEqual(keys.toSorted(), ["1998848-6193152", "6193152-7503872"]);
  });
});

Deno.test("a hub that does not say where a file is: as many tries as there are delays, and one count of them", async () => {
  await withPage(async (hub, open) => {
    await using source = open();
    assert.equal(await source.size(NAME), SIZE);
    hub.fault = (_, { path }) => path.includes("/resolve/") ? new Response(null, { status: 503 }) : undefined;
    hub.seen.length = 0;
    await assert.rejects(source.read(NAME, 5_000_000, 100), ({ message }: Error) => {
      const [, tries] = /^[^(]*\(tried (\d+) times\)$/.exec(message) ?? [];
      assert.equal(hub.seen.length, Number(tries), message);
      return true;
    });
  });
});

Deno.test("the second visit fetches nothing, without a network too; a new commit's unchanged file neither", async () => {
  await withPage(async (hub, open, storage) => {
    const rows = [{ offset: 10, length: 5 }, { offset: 9_000_000, length: 3000 }, { offset: 9_200_000, length: 3000 }];
    const visit = async (options: Partial<HubOptions> = {}): Promise<void> => {
      await using source = open(options);
      assert.equal(JSON.parse(await source.readText("tokenizer.json")).text.length, 1_500_000);
      const into = new Uint8Array(6005);
      await source.readParts!(NAME, rows, into);
      assert.deepEqual([...into], rows.flatMap(({ offset, length }) => [...slice(offset, length)]));
    };
    await visit();
    assert.equal(hub.bytesOf(NAME), 1 + 3 * 4096, "the first byte, and what surrounds the rows");
    assert.equal((await storage.list(PARTS)).length, 1, "rows that came together are one");
    hub.seen.length = 0;
    await visit();
    await visit({ offline: true, endpoint: "http://127.0.0.1:1" });
    assert.deepEqual(hub.seen, []);
    await makeOld(storage);
    await visit({ endpoint: "http://127.0.0.1:1" }); // the list is old, and nobody answers
    hub.commit = COMMIT_2;
    hub.files.set("config.json", textFile("{}"));
    await visit();
    assert.deepEqual(hub.log(), ["hub GET /api/models/owner/name/revision/main"]);
    await using source = open();
    assert.equal(await source.readText("config.json"), "{}");
    assert.equal(source.revision, COMMIT_2);
    assert.deepEqual(await storage.list(`owner/name@${etagOf(config)}/`), [], "what is replaced is removed");
    await storage.clear();
    assert.equal(await storage.size(), 0);
    assert.deepEqual(await source.read(NAME, 10, 5), slice(10, 5)); // emptied while it is open
    await using nothing = open({ offline: true });
    await assert.rejects(nothing.readText("config.json"), /HF_HUB_OFFLINE is set/);
  });
});

async function isKept(storage: ByteStorage, bytes: number): Promise<boolean> {
  return (await storage.list(PARTS)).reduce((sum, { size }) => sum + size, 0) >= bytes;
}

/** Lists were kept two days ago. */
async function makeOld(storage: ByteStorage): Promise<void> {
  for (const { key } of (await storage.list()).filter(({ key }) => key.endsWith("#list"))) {
    const list = JSON.parse(new TextDecoder().decode(await storage.get(key)));
    list.time -= 2 * 24 * 60 * 60 * 1000;
    await storage.put(key, [new TextEncoder().encode(JSON.stringify(list))]);
  }
}

Deno.test("connections cut at random: the same bytes, and none that had come is fetched again", async () => {
  const random = makeRandom(3);
  let cuts = 0;
  const cutAtRandom = (hub: FakeHub): void => {
    hub.fault = (request, { at, range }) => {
      if (at !== "storage" || range === "bytes=0-0" || cuts >= 40) return undefined;
      cuts++;
      return hub.cut(request, NAME, 1 + Math.floor(random() * 250_000));
    };
  };
  await withPage(
    async (hub, open) => {
      await using source = open();
      assert.deepEqual(await source.read(NAME, 0, SIZE), weights.bytes);
      assert.ok(cuts === 40, `${cuts} cuts`);
      assert.ok(hub.bytesOf(NAME) <= SIZE + 100, `${hub.bytesOf(NAME)} bytes`); // and looks for the address
      const asked = hub.seen.filter(({ at, range }) => at === "storage" && range !== "bytes=0-0");
      assert.ok(asked.length >= 45, `${asked.length} requests`);
    },
    FILES,
    cutAtRandom,
  );
});

Deno.test("a visit that is cut off leaves what came to the next one", async () => {
  await withPage(async (hub, open, storage) => {
    const stop = new AbortController();
    const seen: DownloadProgress[] = [];
    const onProgress = (progress: DownloadProgress): void => void seen.push(progress);
    hub.fault = (request, { at, range }) => {
      if (!range?.endsWith(`-${SIZE - 1}`)) return undefined;
      assert.equal(at, "storage");
      return hub.cut(request, NAME, 1_000_000, async () => { // the last range never ends
        while (!await isKept(storage, 16_000_000)) await new Promise((resolve) => setTimeout(resolve, 5));
        stop.abort();
      });
    };
    {
      await using source = open({ signal: stop.signal, onProgress });
      await assert.rejects(source.read(NAME, 0, SIZE), { name: "BadResource", message: /the source is closed$/ });
    }
    assert.ok(seen.every(({ total, path }) => total === SIZE && path === NAME) && seen.at(-1)!.done <= SIZE);
    const kept = (await storage.list(PARTS)).reduce((sum, { size }) => sum + size, 0);
    assert.ok(kept >= 16_000_000, `${kept} bytes kept`);
    hub.fault = () => undefined;
    hub.sent.clear();
    await using again = open();
    assert.deepEqual(await again.read(NAME, 0, SIZE), weights.bytes);
    assert.equal(hub.bytesOf(NAME), 1 + SIZE - kept);
    await using never = open({ signal: stop.signal });
    await assert.rejects(never.readText("config.json"), { name: "BadResource" });
  });
});

Deno.test("the price of parts is what fetching them fetches; then they cost nothing", async () => {
  await withPage(async (hub, open) => {
    await using source = open();
    const parts = [{ offset: 5000, length: 100 }, { offset: 20_000, length: 9_000_000 }, { offset: 15e6, length: 1 }];
    await source.read(NAME, 0, 1);
    const { missing, there } = await source.cost!(NAME, parts);
    assert.equal(there, 0);
    hub.sent.clear();
    await source.fetch!(NAME, parts);
    assert.equal(hub.bytesOf(NAME), missing);
    assert.deepEqual(await source.cost!(NAME, parts), { missing: 0, there: missing });
    hub.seen.length = 0;
    assert.deepEqual(await source.read(NAME, 20_000, 9_000_000), slice(20_000, 9_000_000));
    assert.deepEqual(hub.seen, []);
    assert.deepEqual(await source.cost!("config.json", [{ offset: 0, length: 1 }]), {
      missing: config.bytes.length,
      there: 0,
    });
  });
});

Deno.test("fetching stops at once where one part fails, or nobody wants it any more: what came is kept", async () => {
  const reason = new Error("nobody waits");
  for (const how of ["fails", "aborted"]) {
    const stop = new AbortController();
    const interrupt = (hub: FakeHub): void => {
      let asked = 0;
      hub.fault = (_, { at, range }) => {
        if (at !== "storage" || range === "bytes=0-0" || ++asked !== 3) return undefined;
        if (how === "fails") return new Response(new Uint8Array(SIZE), { status: 206 }); // more than asked for
        stop.abort(reason);
        return undefined;
      };
    };
    await withPage(
      async (hub, open, storage) => {
        await using source = open();
        const all = source.fetch!(NAME, [{ offset: 0, length: SIZE }], stop.signal);
        await assert.rejects(all, how === "fails" ? /more bytes/ : reason);
        const { missing, there } = await source.cost!(NAME, [{ offset: 0, length: SIZE }]);
        const kept = (await storage.list(PARTS)).reduce((sum, { size }) => sum + size, 0);
        assert.ok(there === kept && missing > 0, `${kept} bytes kept`);
        const rest = hub.bytesOf(NAME);
        assert.deepEqual(await source.read(NAME, 0, SIZE), weights.bytes);
        assert.equal(hub.bytesOf(NAME) - rest, missing);
      },
      FILES,
      interrupt,
    );
  }
});

Deno.test("a private file: the token goes to the hub, which tells the signed address, and no further", async () => {
  const close = (hub: FakeHub): void => void (hub.token = "hf_secret");
  await withPage(
    async (hub, open) => {
      await using source = open({ token: "hf_secret" });
      assert.deepEqual(await source.read(NAME, 0, 10_000_000), slice(0, 10_000_000));
      assert.equal(await source.readText("config.json"), '{"model_type":"gpt2"}');
      assert.ok(hub.seen.every(({ at, authorization }) => (at === "hub") === (authorization === "Bearer hf_secret")));
      await using other = open({ repo: "owner/name", storage: memoryStorage("test") });
      await assert.rejects(
        other.readText("config.json"),
        /there is no such repository; check its name, if it is private/,
      );
    },
    FILES,
    close,
  );
});

Deno.test("a signed address that has run out is asked for again", async () => {
  let refusals = 0;
  const expire = (hub: FakeHub): void => {
    hub.fault = (_, { at, range }) => {
      if (at !== "storage" || range === "bytes=0-0" || refusals >= 2) return undefined;
      refusals++;
      return new Response(null, { status: 403 });
    };
  };
  await withPage(
    async (hub, open) => {
      await using source = open();
      assert.deepEqual(await source.read(NAME, 100, 5000), slice(100, 5000));
      assert.equal(hub.log().filter((line) => line.startsWith("hub GET /owner")).length, 3);
    },
    FILES,
    expire,
  );
});

Deno.test("wrong bytes: a whole file that has not its hash is refused, thrown away, and right the next time", async (t) => {
  for (const name of [NAME, "config.json", "tokenizer.json"]) {
    await t.step(name, () =>
      withPage(async (hub, open, storage) => {
        const right = hub.files.get(name)!;
        const wrong = right.bytes.slice();
        wrong[wrong.length - 2] ^= 1;
        hub.files.set(name, { ...right, bytes: wrong, etag: etagOf(right) });
        await using source = open();
        await assert.rejects(source.read(name, 0, right.bytes.length), {
          message: `Cannot trust ${name} of owner/name: the whole has not the hash that the hub has listed ` +
            `(${etagOf(right)}); it is thrown away, run again`,
        });
        assert.deepEqual(await storage.list(`owner/name@${etagOf(right)}/`), []);
        hub.files.set(name, right);
        assert.deepEqual(await source.read(name, 0, right.bytes.length), right.bytes);
        assert.equal(await source.sha256(name), etagOf({ bytes: right.bytes, lfs: true }));
        hub.seen.length = 0;
        await using again = open();
        assert.equal((await again.download(name)).came, 0);
        assert.deepEqual(hub.seen, []);
      }));
  }
  await t.step("a part alone cannot be checked, and there is no hash of it", () =>
    withPage(async (_, open) => {
      await using source = open();
      await source.read(NAME, 0, 10);
      assert.equal(await source.sha256(NAME), undefined);
      assert.equal((await source.download(NAME)).came, SIZE - 4096);
      assert.equal(await source.sha256(NAME), etagOf(weights));
    }));
});

Deno.test("more bytes than asked for, fewer, and whole files instead of ranges are refused", async () => {
  let length = 0;
  const lie = (hub: FakeHub): void => {
    hub.fault = (_, { at, range }) => {
      if (at !== "storage" || range === "bytes=0-0") return undefined;
      const status = length === SIZE ? 200 : 206;
      return new Response(weights.bytes.slice(0, length), { status });
    };
  };
  await withPage(
    async (_, open) => {
      await using source = open({ retryDelays: [1] });
      length = 5000;
      await assert.rejects(source.read(NAME, 0, 4096), /more bytes/);
      length = 0;
      await assert.rejects(source.read(NAME, 0, 4096), /only 0 of 4096 bytes came \(tried 2 times\)/);
      length = SIZE;
      await assert.rejects(source.read(NAME, 0, 4096), /the server sends whole files only/);
    },
    FILES,
    lie,
  );
});

Deno.test("random reads from a hub that fails at random, over visits: right bytes or one line", async () => {
  const random = makeRandom(11);
  let [right, refused, rate] = [0, 0, 0];
  const fail = (hub: FakeHub): void => {
    hub.fault = (request, { at, range }) => {
      if (random() > rate) return undefined;
      if (at === "hub" || range === "bytes=0-0") {
        return new Response(null, { status: pick(random, [500, 503, 403, 404]) });
      }
      return hub.cut(request, NAME, Math.floor(random() * 100_000));
    };
  };
  await withPage(
    async (_, open) => {
      for (let visit = 0; visit < 6; visit++) {
        rate = [0, 0.95, 0.3][visit % 3];
        await using source = open({ retryDelays: [1] });
        for (let i = 0; i < 5; i++) {
          const parts = Array.from({ length: 1 + Math.floor(random() * 12) }, () => ({
            offset: Math.floor(random() * (SIZE - 300_000)),
            length: Math.floor(random() ** 4 * 300_000),
          })).toSorted((a, b) => a.offset - b.offset);
          const into = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
          try {
            await source.readParts!(NAME, parts, into);
            let at = 0;
            for (const { offset, length } of parts) {
              assert.ok(Buffer.compare(into.subarray(at, at + length), slice(offset, length)) === 0, `visit ${visit}`);
              at += length;
            }
            right++;
          } catch (error) {
            if (error instanceof assert.AssertionError) throw error;
            assert.match(String(error), /^\w*Error: Cannot [^\n]*$/);
            refused++;
          }
        }
      }
    },
    FILES,
    fail,
  );
  assert.ok(right >= 8 && refused > 3, `${right} right, ${refused} refused`);
});

Deno.test("a list without sizes or hashes, and a hostile one", async () => {
  const strange = (hub: FakeHub): void => void (hub.extraNames = ["unknown.bin", "../../etc/passwd"]);
  await withPage(
    async (_, open) => {
      await using source = open();
      await assert.rejects(
        source.read("unknown.bin", 0, 1),
        /^Error: Cannot read hf:owner\/name@main:unknown.bin: the hub's list has not its size$/,
      );
      await assert.rejects(source.read("../../etc/passwd", 0, 1), RangeError);
      assert.equal((await source.list()).length, 5);
    },
    FILES,
    strange,
  );
});

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { openStorage } from "../../lib/platform/open_storage.ts";
import { makeSha } from "../../lib/platform/sha.ts";
import { type ByteStorage, memoryStorage } from "../../lib/platform/storage.ts";
import { type Disk, FakeDirectory } from "./fake_origin_files.ts";

/** A browser's storage of files, `undefined`: a browser that has none. */
async function withBrowser(
  getDirectory: (() => Promise<unknown>) | undefined,
  test: () => Promise<void>,
): Promise<void> {
  Object.defineProperty(navigator, "storage", { value: { getDirectory }, configurable: true });
  try {
    await test();
  } finally {
    Reflect.deleteProperty(navigator, "storage");
  }
}

const bytes = (...numbers: number[]): Uint8Array => Uint8Array.from(numbers);
const keysOf = async (storage: ByteStorage, prefix?: string): Promise<string[]> =>
  (await storage.list(prefix)).map(({ key, size }) => `${key} ${size}`).toSorted();

async function readFrom(
  storage: ByteStorage,
  key: string,
  offset: number,
  length: number,
): Promise<Uint8Array | undefined> {
  const into = new Uint8Array(length);
  return await storage.read(key, offset, into) ? into : undefined;
}

/** What every storage does. */
async function checkStorage(storage: ByteStorage): Promise<void> {
  await storage.put("owner/name@12/a.b/c#0-3", [bytes(1, 2), bytes(3)]);
  await storage.put("owner/name@12/a.b/c#8-9*2", [bytes(9)]);
  await storage.put("owner/name@main#list", [bytes()]);
  await storage.put("owner/../%2e/ü", [bytes(5, 6)]);
  assert.deepEqual(await storage.get("owner/name@12/a.b/c#0-3"), bytes(1, 2, 3));
  assert.deepEqual(await readFrom(storage, "owner/name@12/a.b/c#0-3", 1, 1), bytes(2));
  assert.deepEqual(await readFrom(storage, "owner/name@12/a.b/c#0-3", 1, 2), bytes(2, 3));
  assert.equal(await readFrom(storage, "owner/name@12/a.b/c#0-3", 2, 2), undefined);
  assert.equal(await readFrom(storage, "owner/name@12/a.b/d", 0, 0), undefined);
  assert.equal(await storage.get("owner/name@12/a.b"), undefined);
  assert.equal(await storage.get("owner/name@13/a.b/c#0-3"), undefined);
  assert.deepEqual(await storage.get("owner/name@main#list"), bytes());
  assert.deepEqual(await keysOf(storage), [
    "owner/../%2e/ü 2",
    "owner/name@12/a.b/c#0-3 3",
    "owner/name@12/a.b/c#8-9*2 1",
    "owner/name@main#list 0",
  ]);
  assert.deepEqual(await keysOf(storage, "owner/name@12/a.b/c#8"), ["owner/name@12/a.b/c#8-9*2 1"]);
  assert.deepEqual(await keysOf(storage, "nobody/"), []);
  assert.equal(await storage.size(), 6);
  await storage.put("owner/name@12/a.b/c#0-3", [bytes(7)]);
  assert.deepEqual(await storage.get("owner/name@12/a.b/c#0-3"), bytes(7));
  await storage.clear("owner/name@12/");
  assert.deepEqual(await keysOf(storage), ["owner/../%2e/ü 2", "owner/name@main#list 0"]);
  await storage.clear();
  assert.equal(await storage.size(), 0);
  await storage.put("owner/name@12/a", [bytes(1)]);
  assert.deepEqual(await storage.get("owner/name@12/a"), bytes(1));
}

Deno.test("a storage in memory, and in a browser's files", async () => {
  await checkStorage(memoryStorage("this is a test"));
  const root = new FakeDirectory({ room: 1e6, breakAfter: Infinity });
  await withBrowser(() => Promise.resolve(root), async () => {
    const storage = await openStorage();
    assert.equal(storage.passing, undefined);
    await checkStorage(storage);
    const again = await openStorage();
    assert.deepEqual(await again.get("owner/name@12/a"), bytes(1));
    await again.clear(); // in another tab
    assert.deepEqual(await storage.list(), []);
    await storage.put("owner/name@12/b", [bytes(2)]);
    assert.deepEqual(await again.get("owner/name@12/b"), bytes(2));
    assert.deepEqual([...root.children.keys()], ["sae-attribution"]);
  });
});

Deno.test("a browser's file is looked for once, however often it is read, and again once it was removed", async () => {
  const root = new FakeDirectory({ room: 100, breakAfter: Infinity });
  await withBrowser(() => Promise.resolve(root), async () => {
    const storage = await openStorage();
    await storage.put("x", [bytes(1, 2, 3)]);
    const folder = await root.getDirectoryHandle("sae-attribution");
    const find = folder.getFileHandle.bind(folder);
    let looked = 0;
    folder.getFileHandle = (...args) => {
      looked++;
      return find(...args);
    };
    for (const at of [0, 1, 2]) assert.deepEqual(await readFrom(storage, "x", at, 1), bytes(at + 1));
    assert.equal(looked, 1);
    await storage.clear();
    assert.equal(await readFrom(storage, "x", 0, 1), undefined);
  });
});

Deno.test("a browser without files: memory, and it is said why", async () => {
  const refuse = (): Promise<unknown> => Promise.reject(new DOMException("no", "SecurityError"));
  await withBrowser(undefined, async () => {
    assert.equal((await openStorage()).passing, "this browser keeps no files for pages");
  });
  await withBrowser(refuse, async () => {
    const storage = await openStorage();
    assert.equal(storage.passing, "this browser keeps no files for pages in private windows");
    await checkStorage(storage);
  });
});

Deno.test("what has no room, or cannot be written, is kept in memory, and nothing half written is left", async () => {
  const disk: Disk = { room: 4, breakAfter: Infinity };
  const root = new FakeDirectory(disk);
  await withBrowser(() => Promise.resolve(root), async () => {
    const storage = await openStorage();
    await storage.put("a/b", [bytes(1, 2)]);
    await storage.put("a/c", [bytes(3, 4), bytes(5)]);
    assert.equal(storage.passing, "the browser has no room left for this page");
    assert.deepEqual(await storage.get("a/c"), bytes(3, 4, 5));
    assert.deepEqual(await keysOf(await openStorage()), ["a/b 2", "a/c 0"]);
    await storage.clear();
    assert.equal(storage.passing, undefined);
    disk.breakAfter = 1;
    await storage.put("a/d", [bytes(1, 2)]);
    assert.equal(storage.passing, "the browser does not keep it (InvalidStateError)");
    assert.deepEqual(await readFrom(storage, "a/d", 1, 1), bytes(2));
  });
  const shared = new FakeDirectory({ room: 100, breakAfter: Infinity });
  await withBrowser(() => Promise.resolve(shared), async () => {
    const storage = await openStorage();
    const folder = await shared.getDirectoryHandle("sae-attribution");
    const other = await (await folder.getFileHandle("x", { create: true })).createSyncAccessHandle() as {
      close(): void;
    };
    await storage.put("y", [bytes(3, 4)]);
    await storage.put("x", [bytes(1)]); // while another tab writes it
    assert.equal(storage.passing, undefined);
    assert.deepEqual(await storage.get("x"), bytes(1));
    const reader = await (await folder.getFileHandle("y")).createSyncAccessHandle() as { close(): void };
    assert.deepEqual(await readFrom(storage, "y", 1, 1), bytes(4), "while another tab reads it");
    reader.close();
    other.close();
  });
});

Deno.test("SHA-1 and SHA-256 in pieces are those of OpenSSL", () => {
  for (const algorithm of ["sha1", "sha256"] as const) {
    for (const length of [0, 1, 3, 55, 56, 63, 64, 65, 119, 120, 128, 1000, 100_000]) {
      const data = Uint8Array.from({ length }, (_, i) => Math.imul(i + length, 2654435761) >>> 24);
      const hash = makeSha(algorithm);
      for (let at = 0, step = 1; at < length; at += step, step = step * 5 % 197) {
        hash.update(data.subarray(at, at + step));
      }
      assert.equal(hash.digest("hex"), createHash(algorithm).update(data).digest("hex"), `${algorithm} ${length}`);
    }
  }
});

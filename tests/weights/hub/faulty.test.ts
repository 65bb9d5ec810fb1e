/** A hub and a storage that fail at random: what is read is right or refused in a line, and nothing grows. */
import assert from "node:assert/strict";
import type { HubSource } from "../../../lib/weights/hub/hub.ts";
import { bodyOf, pick } from "../http/faults.ts";
import { makeRandom } from "../fixtures.ts";
import { COMMIT, etagOf, type FakeFile, type Fault, makeBytes, textFile, tree, withHub } from "./fake_hub.ts";

const SIZE = 400_000;
const weights: FakeFile = { bytes: makeBytes(SIZE), lfs: true };
const config = textFile('{"model_type":"gpt2"}');
const FILES = { "m.safetensors": weights, "config.json": config };
const ROUNDS = 200;

type Random = () => number;

/** Headers that are not what they should be, on top of those that are. */
function strangeHeaders(random: Random): Record<string, string> {
  const sizes = ["0", "1", String(SIZE + 1), "9007199254740993", "-1", "1e9", "x".repeat(5000)];
  const etags = ['"../../x"', "W/" + `"${"0".repeat(64)}"`, '"' + "a".repeat(9000) + '"', `"${"f".repeat(64)}"`, '""'];
  const ranges = ["bytes 0-0/1", `bytes 0-${SIZE - 1}/${SIZE}`, "bytes */5", "bytes 9-2/*", "x".repeat(4000)];
  const all: [string, string][] = [
    ["x-linked-size", pick(random, sizes)],
    ["x-linked-etag", pick(random, etags)],
    ["etag", pick(random, etags)],
    ["x-repo-commit", pick(random, ["../..", "0".repeat(39), "b".repeat(40), "x".repeat(3000)])],
    ["content-range", pick(random, ranges)],
    ["x-error-code", pick(random, ["RepoNotFound", "EntryNotFound", "GatedRepo", "y".repeat(3000)])],
    ["retry-after", pick(random, ["0.001", "x", "99999999"])],
    [
      "location",
      pick(random, ["/", "http://", "ftp://a/b", "/owner/name/resolve/main/m.safetensors", "//", "z".repeat(5000)]),
    ],
  ];
  return Object.fromEntries(all.filter(() => random() < 0.3));
}

function makeFault(random: Random): Fault {
  const rate = random();
  return (request, { at }) => {
    if (random() > rate * 0.7) return undefined;
    const good: Record<string, string> = { "x-repo-commit": COMMIT, etag: `"${etagOf(weights)}"` };
    if (at === "hub") good["x-linked-size"] = String(SIZE);
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.get("range") ?? "");
    const start = Number(range?.[1] ?? 0);
    const last = Number(range?.[2] || SIZE - 1);
    if (range && random() < 0.8) good["content-range"] = `bytes ${start}-${last}/${SIZE}`;
    const status = pick(random, [200, 200, 206, 206, 302, 404, 416, 403, 500, 503]);
    const length = pick(random, [
      0,
      1,
      last + 1 - start,
      last + 2 - start,
      Math.floor((last - start) / 2),
      3 * SIZE,
      Infinity,
    ]);
    const body = bodyOf(weights.bytes.slice(start, last + 1), length, pick(random, ["close", "break"]));
    return new Response(body, { status, headers: { ...good, ...strangeHeaders(random) } });
  };
}

/** Something that is read, and what it has to be. */
function operation(random: Random, source: HubSource): Promise<[unknown, unknown]> {
  const offset = Math.floor(random() * (SIZE - 1000));
  const wanted = weights.bytes.slice(offset, offset + 1000);
  const name = "m.safetensors";
  const operations: (() => Promise<[unknown, unknown]>)[] = [
    async () => [await source.read(name, offset, 1000), wanted],
    async () => {
      const into = new Uint8Array(2);
      await source.readParts!(name, [{ offset, length: 1 }, { offset: offset + 999, length: 1 }], into);
      return [into, new Uint8Array([wanted[0], wanted[999]])];
    },
    async () => [await Deno.readFile((await source.download(name)).path), weights.bytes],
    async () => [await source.sha256(name), etagOf(weights)],
    async () => [await source.readText("config.json", 4096), new TextDecoder().decode(config.bytes)],
    async () => [(await source.list()).length > 0, true],
  ];
  return pick(random, operations)();
}

Deno.test("random faults of hub and storage: right bytes or one short line, and no more on the disk than the files", async () => {
  const random = makeRandom(7);
  let [right, refused] = [0, 0];
  for (let round = 0; round < ROUNDS; round++) {
    await withHub(FILES, async (hub, open, home) => {
      hub.fault = makeFault(random);
      const weights = pick(random, ["whole", "ranges"] as const);
      await using source = open({ weights, wholeBelow: 1000, retryDelays: [1], stallTimeout: 5000 });
      for (let i = 0; i < 3; i++) {
        try {
          const [found, wanted] = await operation(random, source);
          assert.deepEqual(found, wanted, `round ${round}`);
          right++;
        } catch (error) {
          if (error instanceof assert.AssertionError) throw error;
          const message = error instanceof Error ? error.message : String(error);
          assert.ok(message.length <= 300 && !message.includes("\n"), `round ${round}: ${message}`);
          assert.match(message, /^Cannot /, `round ${round}: ${error instanceof Error ? error.stack : message}`);
          refused++;
        }
      }
      const found = await tree(home);
      // A file, what of it is not complete, and its parts: no more than what some answer announced.
      for (const [name, size] of Object.entries(found)) {
        assert.ok(size.startsWith("->") || Number(size) <= SIZE + 1, name);
      }
    });
  }
  assert.ok(right > 100 && refused > 100, `${right} right, ${refused} refused`);
});

/** A server that fails at random: what is read is right or refused in a line. */
import assert from "node:assert/strict";
import { openHttpSource } from "../../../lib/weights/http/http.ts";
import type { FileSource } from "../../../lib/weights/files/file_source.ts";
import { bodyOf, pick } from "./faults.ts";
import { answerRange, makeRandom, withServer } from "../fixtures.ts";

const SIZE = 400_000;
const BYTES = Uint8Array.from({ length: SIZE }, (_, i) => (i * 7919) >> 3);
const TEXT = '{"model_type":"gpt2"}';
const ROUNDS = 200;

/** Files as they are, and now and then something else. */
function makeHandler(random: () => number): (request: Request) => Response {
  const rate = random();
  return (request) => {
    const { pathname } = new URL(request.url);
    const bytes = pathname.endsWith(".json") ? new TextEncoder().encode(TEXT) : BYTES;
    if (random() > rate * 0.7) return answerRange(request, bytes, { etag: '"1"' });
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.get("range") ?? "") ?? [];
    const [start, end] = [Number(first ?? 0), Number(last ?? bytes.length - 1)];
    const length = end + 1 - start;
    const range = pick(random, [`bytes ${start}-${end}/${bytes.length}`, `bytes ${start}-${end}/*`, "x".repeat(4000)]);
    const headers = {
      ...(random() < 0.7 ? { "content-range": range } : {}),
      ...(random() < 0.3 ? { etag: pick(random, ['"1"', "y".repeat(5000)]) } : {}),
      ...(random() < 0.2 ? { "retry-after": pick(random, ["0.001", "x"]) } : {}),
    };
    const status = pick(random, [200, 206, 206, 404, 410, 416, 403, 500, 503]);
    const body = pick(random, [0, 1, length, length + 1, length >> 1, Infinity]);
    return new Response(bodyOf(bytes.slice(start, end + 1), body, pick(random, ["close", "break"])), {
      status,
      headers,
    });
  };
}

function operation(random: () => number, source: FileSource): Promise<[unknown, unknown]> {
  const offset = Math.floor(random() * (SIZE - 1000));
  const operations: (() => Promise<[unknown, unknown]>)[] = [
    async () => [await source.read("a.bin", offset, 1000), BYTES.slice(offset, offset + 1000)],
    async () => {
      const into = new Uint8Array(2);
      await source.readParts!("a.bin", [{ offset, length: 1 }, { offset: offset + 999, length: 1 }], into);
      return [into, new Uint8Array([BYTES[offset], BYTES[offset + 999]])];
    },
    async () => [await source.readText("config.json", 4096), TEXT],
  ];
  return pick(random, operations)();
}

Deno.test("random faults of a server: a run's reads are right or one short line", async () => {
  const random = makeRandom(3);
  let [right, refused, other] = [0, 0, 0];
  for (let round = 0; round < ROUNDS; round++) {
    await withServer(makeHandler(random), async (base) => {
      await using source = openHttpSource(`${base}/dir?sig=s3cret`, { retryDelays: [1], stallTimeout: 5000 });
      for (let i = 0; i < 3; i++) {
        try {
          const [found, wanted] = await operation(random, source);
          // A whole text of another length is one that the server says is the file: nothing tells that it is not.
          if (typeof found === "string" && found !== wanted) other++;
          else assert.deepEqual(found, wanted, `round ${round}`);
          right++;
        } catch (error) {
          if (error instanceof assert.AssertionError) throw error;
          const message = error instanceof Error ? error.message : String(error);
          assert.ok(message.length <= 300 && !message.includes("\n"), `round ${round}: ${message}`);
          assert.match(message, /^Cannot read /, `round ${round}`);
          assert.ok(!Deno.inspect(error).includes("s3cret"));
          refused++;
        }
      }
    });
  }
  assert.ok(right > 100 && refused > 100 && other < right / 2, `${right} right, ${refused} refused, ${other} other`);
});

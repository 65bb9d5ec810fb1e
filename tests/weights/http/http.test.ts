import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { type HttpOptions, openHttpSource } from "../../../lib/weights/http/http.ts";
import type { FileSource } from "../../../lib/weights/files/file_source.ts";
import { openSafetensors } from "../../../lib/weights/tensors/tensors.ts";
import { answerRange, encode, f32, withDirectory, withServer } from "../fixtures.ts";

const bytes = Uint8Array.from({ length: 2_000_000 }, (_, i) => (i * 7919) >> 3);
const quick: HttpOptions = { retryDelays: [1, 1, 1] };

type Handler = (request: Request) => Response | Promise<Response>;

/** Opens a source on a server for the length of a test. */
async function withSource(
  handler: Handler,
  test: (source: FileSource, base: string) => Promise<void>,
  options: HttpOptions = quick,
): Promise<void> {
  await withServer(handler, async (base) => {
    await using source = openHttpSource(`${base}/dir/`, options);
    await test(source, base);
  });
}

/** A server that sends these bytes of an answer and then hangs up, once a connection. */
async function withCutServer(
  answers: ((head: string) => Uint8Array)[],
  test: (base: string) => Promise<void>,
): Promise<void> {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const serving = (async (): Promise<void> => {
    let count = 0;
    for await (const connection of listener) {
      const head = new Uint8Array(4096);
      const length = await connection.read(head) ?? 0;
      const answer = answers[Math.min(count++, answers.length - 1)](new TextDecoder().decode(head.subarray(0, length)));
      for (let done = 0; done < answer.length;) done += await connection.write(answer.subarray(done));
      connection.close();
    }
  })();
  try {
    await test(`http://127.0.0.1:${listener.addr.port}`);
  } finally {
    listener.close();
    await serving;
  }
}

/** A port where nobody listens. */
function closedPort(): number {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  listener.close();
  return listener.addr.port;
}

/** A 206 as text and bytes, cut after `sent` bytes of its body. */
function cutAnswer(head: string, sent: number): Uint8Array {
  const match = /range: bytes=(\d+)-(\d+)/i.exec(head)!;
  const [start, end] = [Number(match[1]), Number(match[2])];
  const text = `HTTP/1.1 206 Partial Content\r\nconnection: close\r\ncontent-length: ${end - start + 1}\r\n` +
    `content-range: bytes ${start}-${end}/${bytes.length}\r\n\r\n`;
  return new Uint8Array([...new TextEncoder().encode(text), ...bytes.subarray(start, Math.min(end + 1, start + sent))]);
}

Deno.test("a file behind http is read by range, in parts and as text", async () => {
  const handler: Handler = (request) => {
    const path = new URL(request.url).pathname;
    if (path === "/dir/a.bin") return answerRange(request, bytes, { etag: '"1"' });
    if (path === "/dir/sub/b%20c.txt") return answerRange(request, new TextEncoder().encode("héllo"));
    if (path === "/dir/empty") return answerRange(request, new Uint8Array());
    return new Response("no", { status: 404 });
  };
  await withSource(handler, async (source, base) => {
    assert.equal(source.location, `${base}/dir`);
    assert.equal(await source.size("a.bin"), bytes.length);
    assert.equal(await source.size("empty"), 0);
    assert.equal(await source.size("none"), undefined);
    assert.deepEqual(await source.read("a.bin", 10, 5), bytes.slice(10, 15));
    assert.deepEqual(await source.read("a.bin", 0, bytes.length), bytes);
    assert.deepEqual(await source.read("empty", 0, 0), new Uint8Array());
    assert.equal(await source.readText("sub/b c.txt"), "héllo");
    const parts = [{ offset: 5, length: 3 }, { offset: 100, length: 2 }, { offset: 1_900_000, length: 4 }];
    const into = new Uint8Array(9);
    await source.readParts!("a.bin", parts, into);
    assert.deepEqual([...into], parts.flatMap(({ offset, length }) => [...bytes.subarray(offset, offset + length)]));
    await assert.rejects(source.read("a.bin", bytes.length, 1), RangeError);
    await assert.rejects(source.read("none", 0, 1), { name: "NotFound", message: /\/dir\/none: no such file/ });
    await assert.rejects(source.readText("none"), Deno.errors.NotFound);
    await assert.rejects(source.readText("a.bin", 1000), { name: "RangeError", message: /exceed the limit of 1000/ });
    for (const path of ["../a.bin", "/a.bin", "a\\b"]) await assert.rejects(source.size(path), RangeError);
  });
});

Deno.test("a query is sent with every file's request and never shown", async () => {
  const seen: string[] = [];
  const handler: Handler = (request) => {
    seen.push(new URL(request.url).search);
    if (request.url.includes("/a.bin")) return answerRange(request, bytes);
    return new Response("no", { status: 403 });
  };
  await withServer(handler, async (base) => {
    await using source = openHttpSource(`${base}/dir?token=secret&x=1`, quick);
    assert.equal(source.location, `${base}/dir`);
    await source.read("a.bin", 0, 4);
    await assert.rejects(source.size("b.bin"), {
      message: `Cannot read ${base}/dir/b.bin: HTTP 403 Forbidden: the server wants other credentials`,
    });
    assert.deepEqual(seen, Array(3).fill("?token=secret&x=1"));
  });
  const closed = closedPort();
  await using gone = openHttpSource(`http://127.0.0.1:${closed}/dir?token=secret`, quick);
  await assert.rejects(gone.size("a"), (error: Error) => {
    const shown = `http://127.0.0.1:${closed}/dir/a`;
    assert.ok(error.message.startsWith(`Cannot read ${shown}: `) && error.message.includes("onnect"), error.message);
    assert.match(error.message, /\(tried 4 times\)$/);
    return !Deno.inspect(error).includes("secret");
  });
});

Deno.test("credentials in the URL and headers are sent", async () => {
  const handler: Handler = ({ headers }) => new Response(`${headers.get("authorization")} ${headers.get("x-a")}`);
  await withServer(handler, async (base) => {
    await using source = openHttpSource(base.replace("//", "//me:p%40ss@"), { headers: { "x-a": "b" } });
    assert.equal(await source.readText("a"), `Basic ${btoa("me:p@ss")} b`);
    assert.equal(source.location, base);
  });
});

Deno.test("a server without range requests: a small file is fetched whole, once", async () => {
  let count = 0;
  await withSource(() => (count++, new Response(bytes)), async (source) => {
    assert.equal(await source.size("a.bin"), bytes.length);
    assert.deepEqual(await source.read("a.bin", 1000, 50), bytes.slice(1000, 1050));
    assert.deepEqual(await source.read("a.bin", 7, 5), bytes.slice(7, 12));
    assert.equal(count, 1);
  });
});

Deno.test("a server that stops to answer ranges after the first", async () => {
  let count = 0;
  const handler: Handler = (request) => count++ === 0 ? answerRange(request, bytes) : new Response(bytes);
  await withSource(handler, async (source) => {
    assert.deepEqual(await source.read("a.bin", 1000, 50), bytes.slice(1000, 1050));
    assert.deepEqual(await source.read("a.bin", 2000, 50), bytes.slice(2000, 2050));
    assert.equal(count, 2);
  });
});

Deno.test("a server without range requests: a large file is an error that says so", async () => {
  const announced = `HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 99999999999\r\n\r\nabc`;
  await withCutServer([() => new TextEncoder().encode(announced)], async (base) => {
    await using source = openHttpSource(base, quick);
    assert.equal(await source.size("a.bin"), 99_999_999_999);
    await assert.rejects(source.read("a.bin", 0, 8), /does not support range requests/);
    await assert.rejects(source.readText("a.bin"), RangeError);
  });
});

Deno.test("500, 429 and 503 are tried again, and then are an error with URL and status", async () => {
  const statuses = [500, 429, 503, 206];
  let count = 0;
  const flaky: Handler = (request) => {
    const status = statuses[count++ % 4];
    return status === 206 ? answerRange(request, bytes) : new Response("sorry", { status });
  };
  await withSource(flaky, async (source) => {
    assert.deepEqual(await source.read("a.bin", 9, 9), bytes.slice(9, 18));
    assert.equal(count, 8);
  });
  count = 0;
  await withSource(() => (count++, new Response("sorry", { status: 502 })), async (source, base) => {
    await assert.rejects(source.size("a"), {
      message: `Cannot read ${base}/dir/a: HTTP 502 Bad Gateway (tried 4 times)`,
    });
    assert.equal(count, 4);
    await assert.rejects(source.size("a")); // an error is not remembered
    assert.equal(count, 8);
  });
});

Deno.test("401, 403 and other statuses are not tried again", async () => {
  for (const status of [401, 403, 400, 204]) {
    let count = 0;
    await withSource(() => (count++, new Response(null, { status })), async (source) => {
      await assert.rejects(source.size("a"), new RegExp(`HTTP ${status}`));
      await assert.rejects(source.readText("a"), new RegExp(`/dir/a: HTTP ${status}`));
      assert.equal(count, 2);
    });
  }
});

Deno.test("a cut connection is taken up where it stopped", async () => {
  const heads: string[] = [];
  const answer = (sent: number) => (head: string): Uint8Array => {
    heads.push(/bytes=\S+/.exec(head)![0]);
    return cutAnswer(head, sent);
  };
  await withCutServer([answer(1), answer(3000), answer(0), answer(1e9)], async (base) => {
    await using source = openHttpSource(base, quick);
    assert.deepEqual(await source.read("a.bin", 500, 10_000), bytes.slice(500, 10_500));
    assert.deepEqual([heads[0], heads[1], heads.length], ["bytes=0-0", "bytes=500-10499", 4]);
    assert.match(heads[3], /^bytes=\d+-10499$/);
  });
});

Deno.test("a body that is always cut is an error with the URL", async () => {
  await withCutServer([(head) => cutAnswer(head, 1)], async (base) => {
    await using source = openHttpSource(base, quick);
    await assert.rejects(source.read("a.bin", 0, 1000), (error: Error) => {
      return error.message.startsWith(`Cannot read ${base}/a.bin: `) && error.message.endsWith("(tried 4 times)");
    });
  });
});

Deno.test("a server that sends nothing more is given up", async () => {
  const stuck: Handler = (request) => {
    const answer = answerRange(request, bytes);
    if (request.headers.get("range") === "bytes=0-0") return answer;
    return new Response(new ReadableStream({ pull: () => new Promise(() => {}) }), answer);
  };
  await withSource(stuck, async (source) => {
    await assert.rejects(source.read("a.bin", 0, 10), /the server sends no more \(tried 2 times\)/);
  }, { retryDelays: [1], stallTimeout: 40 });
});

Deno.test("a changed ETag or size is an error", async () => {
  let etag = 1;
  await withSource((request) => answerRange(request, bytes, { etag: `"${etag}"` }), async (source) => {
    await source.read("a.bin", 0, 4);
    etag = 2;
    await assert.rejects(source.read("a.bin", 0, 4), /the file changed .*: its ETag was "1" and is "2"/);
    await assert.rejects(source.readText("a.bin"), /the file changed/);
  });
  let content = bytes;
  await withSource((request) => answerRange(request, content), async (source) => {
    await source.read("a.bin", 0, 4);
    content = bytes.slice(0, 100);
    await assert.rejects(source.read("a.bin", 0, 4), /its size was 2000000 and is 100/);
  });
  let gone = false;
  await withSource(
    (request) => gone ? new Response(null, { status: 404 }) : answerRange(request, bytes),
    async (source) => {
      await source.size("a.bin");
      gone = true;
      await assert.rejects(source.read("a.bin", 0, 4), /the file changed .*it is gone/);
    },
  );
});

Deno.test("an answer with other bytes than those asked for is refused", async () => {
  for (const range of ["bytes 5-8/2000000", "bytes 0-9/2000000", "bytes 0-3/*", "bytes 3-0/2000000", "0-3", ""]) {
    const handler: Handler = (request) => {
      if (request.headers.get("range") === "bytes=0-0") return answerRange(request, bytes);
      return new Response(bytes.slice(0, 4), { status: 206, headers: range ? { "content-range": range } : {} });
    };
    await withSource(handler, async (source) => {
      await assert.rejects(source.read("a.bin", 0, 4), /^Error: Cannot read http/, range);
    });
  }
  const long: Handler = (request) => {
    const { headers } = answerRange(request, bytes);
    return new Response(bytes.slice(0, 100), { status: 206, headers });
  };
  await withSource(long, async (source) => {
    await assert.rejects(source.read("a.bin", 0, 4), /Cannot read/);
  });
  const unsized: Handler = () => new Response("a", { status: 206, headers: { "content-range": "bytes 0-0/*" } });
  await withSource(
    unsized,
    async (source) => await assert.rejects(source.size("a"), /answered bytes=0-0 with HTTP 206/),
  );
});

Deno.test("a closed source cuts off what is under way and answers no more", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const stuck: Handler = async () => {
    await promise;
    return new Response("late");
  };
  await withSource(stuck, async (source) => {
    const reading = assert.rejects(source.size("a"), Deno.errors.BadResource);
    await source.close();
    await reading;
    await source.close();
    await assert.rejects(source.readText("a"), { name: "BadResource", message: /is closed/ });
    resolve();
  });
});

Deno.test("safetensors are read through http, few requests at a time", async () => {
  const values = Float32Array.from({ length: 300 * 2000 }, (_, i) => i);
  const file = encode([f32("w", [300, 2000], values), f32("b", [3], [1, 2, 3])]) as Uint8Array<ArrayBuffer>;
  const index = JSON.stringify({ weight_map: { w: "1.safetensors", b: "1.safetensors" } });
  let [running, most] = [0, 0];
  const handler: Handler = async (request) => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, 2));
    running--;
    if (request.url.endsWith("/1.safetensors")) return answerRange(request, file, { etag: '"x"' });
    if (request.url.endsWith("/model.safetensors.index.json")) return new Response(index);
    return new Response(null, { status: 404 });
  };
  await withSource(handler, async (source) => {
    const store = await openSafetensors(source);
    const views = await store.readMany(["b", "w"]);
    assert.deepEqual(views, [new Float32Array([1, 2, 3]), values]);
    const columns = await store.readColumnRange("w", 5, 7);
    assert.deepEqual([...columns.subarray(0, 4)], [5, 6, 2005, 2006]);
    const rows = Array.from({ length: 8 }, (_, i) => i * 40);
    assert.deepEqual(
      [...(await store.readRows("w", rows))].filter((_, i) => i % 2000 === 0),
      rows.map((row) => row * 2000),
    );
    assert.ok(most > 1 && most <= 6, `${most} at a time`);
  });
});

Deno.test("a denied request names the URL and the flag", async () => {
  const module = new URL("../../../lib/weights/http/http.ts", import.meta.url).href;
  const code = `import { openHttpSource } from ${JSON.stringify(module)};
    await openHttpSource("http://localhost:2222/x").size("a").catch((error) => console.log(error.name, error.message));`;
  await withDirectory({ "main.ts": code }, async (directory) => {
    const args = ["run", "--no-prompt", "--allow-read", "--deny-net", `${directory}/main.ts`];
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
    const line = "NotCapable Cannot read http://localhost:2222/x/a: not allowed; pass --allow-net=localhost:2222\n";
    assert.equal(new TextDecoder().decode(stdout), line, new TextDecoder().decode(stderr));
  });
});

Deno.test("a server that sends more than it announced, or without end, is left at once", async () => {
  let sent = 0;
  const body = (): ReadableStream<Uint8Array<ArrayBuffer>> =>
    new ReadableStream({
      pull(controller) {
        sent += 1 << 16;
        controller.enqueue(new Uint8Array(1 << 16).fill(120));
      },
    });
  const handler: Handler = ({ headers, url }) => {
    const range = /^bytes=(\d+)-(\d+)$/.exec(headers.get("range") ?? "");
    if (url.endsWith("/bomb.json")) { // 100 MB in 100 kB, although nobody said that it may be compressed
      const bomb = gzipSync(new Uint8Array(100_000_000));
      return new Response(new Uint8Array(bomb), { headers: { "content-encoding": "gzip" } });
    }
    if (!range || url.endsWith("/whole")) return new Response(body());
    const [, start, end] = range;
    return new Response(body(), { status: 206, headers: { "content-range": `bytes ${start}-${end}/5000000` } });
  };
  await withSource(handler, async (source) => {
    await assert.rejects(source.readText("config.json", 4096), {
      name: "RangeError",
      message: /config\.json whole: more bytes came than the limit of 4096$/,
    });
    assert.equal(await source.size("a.bin"), 5_000_000);
    await assert.rejects(source.read("a.bin", 100, 70_000), /answered bytes=100-70099 with HTTP 206 and more bytes$/);
    const into = new Uint8Array(2);
    const parts = [{ offset: 0, length: 1 }, { offset: 9, length: 1 }];
    await assert.rejects(source.readParts!("a.bin", parts, into), /HTTP 206 and more bytes$/);
    const bomb = /bomb\.json whole: more bytes came than the limit of 4096$/;
    await assert.rejects(source.readText("bomb.json", 4096), bomb);
    assert.ok(sent < 50_000_000, `${sent} bytes were sent`); // what lies in sockets' buffers
    await assert.rejects(
      source.size("whole"),
      /does not support range requests, and the file is longer than the 67108864/,
    );
    assert.ok(sent < 150_000_000, `${sent} bytes were sent`);
  });
});

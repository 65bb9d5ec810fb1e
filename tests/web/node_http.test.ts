import assert from "node:assert/strict";
import { serveHttp } from "../../lib/web/node_http.ts";

Deno.test("a client that takes nothing of a long answer is dropped, one that takes it slowly is not", async () => {
  const ended: Promise<number>[] = [];
  const chunk = new Uint8Array(1 << 20);
  const handler = (): Promise<Response> => {
    const { promise, resolve } = Promise.withResolvers<number>();
    ended.push(promise);
    let sent = 0;
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull(controller) {
        sent += chunk.length;
        controller.enqueue(chunk);
        if (sent < 40 * chunk.length) return;
        resolve(sent);
        controller.close();
      },
      cancel: () => resolve(sent),
    });
    return Promise.resolve(new Response(body));
  };
  await using server = await serveHttp(handler, { hostname: "127.0.0.1", port: 0, silenceMs: 4000 });
  const ask = async (): Promise<Deno.TcpConn> => {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
    await connection.write(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"));
    return connection;
  };
  using silent = await ask();
  while (ended.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.ok(await ended[0] < 40 * chunk.length);
  assert.ok(silent.remoteAddr);
  using slow = await ask();
  const buffer = new Uint8Array(1 << 20);
  let came = 0;
  for (let n = await slow.read(buffer); n !== null; n = await slow.read(buffer)) {
    came += n;
    if (came > 30 * chunk.length) continue;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  assert.ok(came >= 40 * chunk.length, `${came} bytes`);
});

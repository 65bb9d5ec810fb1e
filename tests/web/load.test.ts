import assert from "node:assert/strict";
import { EXAMPLE, post, startServer } from "./ask.ts";

const ROWS = { ...EXAMPLE, format: "csv" };

Deno.test("many requests at once are answered as single ones are, or refused and may come again", async () => {
  await using server = await startServer({ limits: { waiting: 6, waitingPerClient: 3 } });
  const single = await (await post(server, "/api/attribute", ROWS)).text();
  const answers = await Promise.all(Array.from({ length: 40 }, async (_, i) => {
    const response = await post(server, "/api/attribute", ROWS, { headers: { "x-client": `page ${i % 4}` } });
    return { status: response.status, retry: response.headers.get("retry-after"), text: await response.text() };
  }));
  const count = (status: number): number => answers.filter((answer) => answer.status === status).length;
  assert.equal(count(200) + count(429) + count(503), 40);
  assert.ok(count(200) >= 6 && count(503) > 0, `${count(200)} answered, ${count(429)} 429, ${count(503)} 503`);
  for (const { status, retry, text } of answers) {
    if (status === 200) assert.equal(text, single);
    else assert.ok(Number(retry) >= 1 && JSON.parse(text).error.status === status);
  }
  const again = await post(server, "/api/attribute", ROWS);
  assert.equal(await again.text(), single);
});

Deno.test("one client may not fill the queue", async () => {
  await using server = await startServer({ limits: { waiting: 100, waitingPerClient: 2 } });
  const statuses = await Promise.all(Array.from({ length: 12 }, async () => {
    const response = await post(server, "/api/attribute", ROWS);
    await response.body?.cancel();
    return response.status;
  }));
  assert.ok(statuses.includes(429) && statuses.includes(200) && !statuses.includes(503), statuses.join());
});

/** The state of the queue. */
async function status({ port }: { readonly port: number }): Promise<{ busy: boolean; waiting: number }> {
  return await (await fetch(`http://127.0.0.1:${port}/api/status`)).json();
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 300_000; // against a hang, however busy the machine is
  while (!await isSo()) {
    assert.ok(performance.now() < end, "it does not come about");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

for (const accept of ["application/x-ndjson", "application/json"]) {
  Deno.test(`a client that goes away takes its requests with it (${accept})`, async () => {
    await using server = await startServer();
    const gone = new AbortController();
    const options = { signal: gone.signal, headers: { accept } };
    const requests = Array.from(
      { length: 5 },
      () => post(server, "/api/attribute", ROWS, options).then((response) => response.text()).catch(() => "gone"),
    );
    let haveEnded = false; // all of them, unseen
    const ended = Promise.all(requests).finally(() => haveEnded = true);
    await until(async () => haveEnded || (await status(server)).waiting >= 4);
    gone.abort();
    await ended;
    await until(async () => (await status(server)).waiting === 0);
    const csv = await (await post(server, "/api/attribute", ROWS)).text();
    assert.match(csv, /^position,feature,attribution\n/);
    assert.equal(server.workersStarted(), 1);
  });
}

Deno.test("a run that nobody waits for makes room, and its worker does the next one", async () => {
  await using server = await startServer();
  const single = await (await post(server, "/api/attribute", ROWS)).text();
  const gone = new AbortController();
  let hasEnded = false; // unseen
  const asked = post(server, "/api/attribute", ROWS, { signal: gone.signal });
  const request = asked.then((response) => response.text()).catch(() => {}).finally(() => hasEnded = true);
  await until(async () => hasEnded || (await status(server)).busy);
  gone.abort();
  await request;
  await until(async () => !(await status(server)).busy);
  assert.equal(await (await post(server, "/api/attribute", ROWS)).text(), single);
  assert.equal(server.workersStarted(), 1);
});

Deno.test("a run that takes too long is ended, with a line that says so, and the next has a worker of its own", async () => {
  await using server = await startServer({ limitMs: 1 });
  for (const accept of ["application/json", "application/x-ndjson"]) {
    const response = await post(server, "/api/attribute", ROWS, { headers: { accept } });
    const text = await response.text();
    const { status, message } = accept.endsWith("ndjson")
      ? JSON.parse(text.trim().split("\n").at(-1)!)
      : JSON.parse(text).error;
    assert.deepEqual([status, message], [504, "The run took longer than 0.001 s and was ended: shorten the prompt"]);
  }
  assert.equal(server.workersStarted(), 2);
  await using patient = await startServer({ limitMs: 600_000 });
  const response = await post(patient, "/api/attribute", ROWS);
  assert.equal(response.status, 200);
  await response.body?.cancel();
});

Deno.test("hundreds of lists asked for at once, on one connection: answered one by one or refused, the page goes on", async () => {
  await using server = await startServer();
  const before = Deno.memoryUsage().rss;
  const count = 600;
  const texts = Array.from({ length: count }, (_, i) => {
    const path = i % 2 === 0
      ? `/api/saes?search=${"abcdefgh "[i % 8]}${i}&limit=1000`
      : `/api/saes?model=gpt2&limit=1000&search=r`;
    return `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${i === count - 1 ? "Connection: close\r\n" : ""}\r\n`;
  });
  const flood = sendAll(server, texts.join(""));
  // Another client is answered while the flood lasts: at once, not after it.
  const own = await status(server);
  assert.equal(own.busy, false);
  const answers = await flood;
  const statuses = [...answers.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, code]) => code);
  assert.ok(statuses.every((code) => code === "200" || code === "429" || code === "503"), statuses.join());
  assert.ok(statuses.includes("200"));
  const grown = (Deno.memoryUsage().rss - before) / 2 ** 20;
  assert.ok(grown < 500, `${grown} MiB`);
  const { saes } = await (await fetch(`http://127.0.0.1:${server.port}/api/saes?model=gpt2&search=res-jb`)).json();
  assert.ok(saes.length > 0);
});

/** What comes back for these bytes until the server closes the connection. */
async function sendAll({ port }: { readonly port: number }, text: string): Promise<string> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const sending = connection.write(new TextEncoder().encode(text));
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  const buffer = new Uint8Array(1 << 16);
  for (let n = await connection.read(buffer); n !== null; n = await connection.read(buffer)) {
    chunks.push(buffer.slice(0, n));
  }
  await sending;
  return await new Blob(chunks).text();
}

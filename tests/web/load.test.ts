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
  for (let tries = 0; !await isSo(); tries++) {
    assert.ok(tries < 200, "it does not come about");
    await new Promise((resolve) => setTimeout(resolve, 50));
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
    await until(async () => (await status(server)).waiting >= 4);
    gone.abort();
    await Promise.all(requests);
    await until(async () => (await status(server)).waiting === 0);
    const csv = await (await post(server, "/api/attribute", ROWS)).text();
    assert.match(csv, /^position,feature,attribution\n/);
    assert.equal(server.workersStarted(), 1);
  });
}

Deno.test("a run that nobody waits for and that goes on too long is ended with its worker", async () => {
  await using server = await startServer({ mercyMs: 1 });
  const gone = new AbortController();
  const request = post(server, "/api/attribute", ROWS, { signal: gone.signal }).catch(() => {});
  await until(async () => (await status(server)).busy);
  gone.abort();
  await request;
  await until(async () => !(await status(server)).busy);
  const csv = await (await post(server, "/api/attribute", ROWS)).text();
  assert.match(csv, /^position,feature,attribution\n/);
  assert.equal(server.workersStarted(), 2);
});

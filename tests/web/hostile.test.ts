import assert from "node:assert/strict";
import { ApiError, errorBody } from "../../lib/web/api_error.ts";
import { EXAMPLE, post, PROMPT, refusal, sendRaw, startServer } from "./ask.ts";

Deno.test("requests of other sites and under other names do nothing", async (t) => {
  await using server = await startServer();
  const host = `127.0.0.1:${server.port}`;
  const get = (headers: string): Promise<string> =>
    sendRaw(server, `GET /api/status HTTP/1.1\r\n${headers}connection: close\r\n\r\n`);
  await t.step("our own names", async () => {
    for (const name of [host, `localhost:${server.port}`, `LOCALHOST`]) {
      assert.match(await get(`Host: ${name}\r\n`), /^HTTP\/1.1 200 /);
    }
  });
  await t.step("DNS rebinding", async () => {
    for (const name of ["evil.example", `evil.example:${server.port}`, "127.0.0.1.evil.example", "192.168.1.7"]) {
      assert.match(await get(`Host: ${name}\r\n`), /^HTTP\/1.1 421 /, name);
    }
    for (const headers of ["", "Host: \r\n", "Host: a b\r\n", "Host: 127.0.0.1@evil.example\r\n"]) {
      assert.match(await get(headers), /^HTTP\/1.1 4\d\d /, headers);
    }
  });
  await t.step("another origin", async () => {
    const origins = ["http://evil.example", "null", `https://${host}`, `http://127.0.0.1:${server.port + 1}`];
    for (const origin of origins) {
      assert.match(await get(`Host: ${host}\r\nOrigin: ${origin}\r\n`), /^HTTP\/1.1 403 /, origin);
      const response = await post(server, "/api/attribute", EXAMPLE, { headers: { origin } });
      assert.match(await refusal(response), /^403 Requests from /);
      assert.equal(response.headers.get("access-control-allow-origin"), null);
    }
    for (const site of ["cross-site", "same-site"]) {
      assert.match(await get(`Host: ${host}\r\nSec-Fetch-Site: ${site}\r\n`), /^HTTP\/1.1 403 /, site);
    }
  });
  await t.step("a form, which a browser sends without asking", async () => {
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]) {
      const response = await post(server, "/api/attribute", EXAMPLE, { headers: { "content-type": type } });
      assert.match(await refusal(response), /^415 /);
    }
  });
});

Deno.test("no request reads a file that is not the page's", async () => {
  await using server = await startServer();
  const paths = [
    "/../../../../etc/passwd",
    "/web/page/../../../deno.json",
    "/web/page/..%2f..%2f..%2fdeno.json",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/page.js%00.css",
    "/page.js/",
    "/web/page/main.ts",
    "/web/worker.ts",
    "/deno.json",
    "/web/page/",
    "//etc/passwd",
    "/\\..\\deno.json",
    "/__proto__",
    "/constructor",
    "/api/__proto__",
    "/api/constructor",
    "/file:///etc/passwd",
  ];
  for (const path of paths) {
    const answer = await sendRaw(server, `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nconnection: close\r\n\r\n`);
    assert.match(answer, /^HTTP\/1.1 4\d\d /, path);
    assert.ok(!answer.includes("root:") && !answer.includes("compilerOptions"), path);
  }
  const absolute = await sendRaw(
    server,
    "GET http://evil.example/ HTTP/1.1\r\nHost: 127.0.0.1\r\nconnection: close\r\n\r\n",
  );
  assert.match(absolute, /^HTTP\/1.1 4\d\d /);
});

Deno.test("paths and URLs of a request are not opened", async () => {
  await using server = await startServer();
  const directory = new URL("../../models/bundled/tiny-facts", import.meta.url);
  const places = [
    directory.pathname,
    directory.href,
    "http://127.0.0.1:1/model",
    "./models",
    "~/model",
    "C:\\m",
  ];
  for (const model of places) {
    const message = await refusal(await post(server, "/api/predict", { prompt: PROMPT, model }));
    assert.match(message, /^403 .* is a path or URL/, model);
    const other = await refusal(await post(server, "/api/attribute", { prompt: PROMPT, saes: [model] }));
    assert.match(other, /^403 .* is a path or URL/, model);
  }
});

Deno.test("it does not tell whether a file or directory of this machine exists, nor open it", async () => {
  await using server = await startServer();
  const ask = async (field: "model" | "saes", name: string): Promise<string> => {
    const body = { prompt: PROMPT, [field]: field === "model" ? name : [name] };
    const message = await refusal(await post(server, "/api/predict", body));
    return message.replaceAll(name, "X").replace(/the nearest.*/, "");
  };
  assert.match(await ask("model", "models"), /^400 Unknown model "X": $/);
  assert.equal(await ask("model", "modelz"), await ask("model", "models"));
  assert.match(await ask("saes", "tests/data"), /^400 Unknown SAE "X": /);
  assert.equal(await ask("saes", "tests/dada"), await ask("saes", "tests/data"));
});

Deno.test("failures inside show no absolute paths", () => {
  const paths = [
    [
      "Cannot write /root/.cache/huggingface/hub/x.incomplete: the disk is full",
      "Cannot write …/x.incomplete: the disk",
    ],
    ["at file:///srv/app/lib/web/worker.ts:3:4", "at …/worker.ts:3:4"],
    ['"/home/my name/models/a"', '"…/a"'],
    [String.raw`C:\Users\me\model.safetensors is gone`, "…/model.safetensors is gone"],
    ["Cannot read https://example.com/a/b.json: HTTP 502", "Cannot read https://example.com/a/b.json: HTTP 502"],
    ["hf:owner/name@main:a/b and/or", "hf:owner/name@main:a/b and/or"],
  ];
  for (const [text, shown] of paths) {
    assert.ok(errorBody(new Error(text)).error.message.startsWith(shown), errorBody(new Error(text)).error.message);
    assert.equal(errorBody(new ApiError(400, text)).error.message, text);
  }
});

Deno.test("behind a proxy that speaks https the page may ask, under the name that is allowed", async () => {
  await using server = await startServer({ allowedHosts: ["lab.example.org"] });
  const ask = async (host: string, origin: string): Promise<string> => {
    const body = JSON.stringify({ prompt: PROMPT });
    const head = `POST /api/predict HTTP/1.1\r\nHost: ${host}\r\nOrigin: ${origin}\r\nSec-Fetch-Site: same-origin\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`;
    return (await sendRaw(server, head + body)).slice(9, 12);
  };
  const own = `127.0.0.1:${server.port}`;
  assert.equal(await ask("lab.example.org", "https://lab.example.org"), "200");
  assert.equal(await ask("lab.example.org:8443", "https://lab.example.org:8443"), "200");
  assert.equal(await ask(own, "https://lab.example.org"), "200"); // a proxy that does not pass the name on
  assert.equal(await ask(own, "https://lab.example.org:8443"), "403");
  assert.equal(await ask("lab.example.org", "https://evil.example"), "403");
  assert.equal(await ask("lab.example.org", "https://lab.example.org.evil.example"), "403");
  assert.equal(await ask("lab.example.org", "https://me@lab.example.org.evil.example"), "403");
  assert.equal(await ask("lab.example.org", "null"), "403");
  assert.equal(await ask(own, `https://${own}`), "403");
  assert.equal(await ask("evil.example", "https://lab.example.org"), "421");
});

/** Whether a connection on which this is sent, and nothing more, is closed. */
async function silence(port: number, text: string): Promise<boolean> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(new TextEncoder().encode(text));
  const ended = (async (): Promise<boolean> => {
    const buffer = new Uint8Array(65536);
    while (await connection.read(buffer).catch(() => null) !== null);
    return true;
  })();
  const late = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => late.resolve(false), 20_000);
  const isClosed = await Promise.race([ended, late.promise]);
  clearTimeout(timer);
  return isClosed;
}

Deno.test("connections that say nothing more are closed, and others are served meanwhile", async () => {
  await using server = await startServer({ silenceMs: 500 });
  const head = `Host: 127.0.0.1:${server.port}\r\n`;
  const post = `POST /api/predict HTTP/1.1\r\n${head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{`;
  const texts = ["", "G", "GET /api/status HTTP/1.1\r\n", `GET /api/status HTTP/1.1\r\n${head}`, post];
  const silent = Array.from({ length: 50 }, (_, i) => silence(server.port, texts[i % texts.length]));
  const response = await fetch(`http://127.0.0.1:${server.port}/api/status`);
  assert.equal(response.status, 200);
  await response.body?.cancel();
  assert.deepEqual(await Promise.all(silent), silent.map(() => true));
});

Deno.test("long and malformed bodies are refused, and the server goes on", async () => {
  await using server = await startServer();
  const long = JSON.stringify({ prompt: "a".repeat(300_000) });
  const head = `POST /api/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n`;
  assert.match(await sendRaw(server, `${head}Content-Length: 99999999999\r\n\r\n{`), /^HTTP\/1.1 413 /);
  assert.match(await sendRaw(server, `${head}Content-Length: ${long.length}\r\n\r\n${long}`), /^HTTP\/1.1 413 /);
  const chunk = `${long.length.toString(16)}\r\n${long}\r\n`;
  assert.match(await sendRaw(server, `${head}Transfer-Encoding: chunked\r\n\r\n${chunk}`), /^HTTP\/1.1 413 /);
  assert.match(await sendRaw(server, "nonsense\r\n\r\n"), /^HTTP\/1.1 400 /);
  for (const body of ["", "{", "[]", "null", "3", '"text"', "[".repeat(100_000), `{"prompt":${"[".repeat(100_000)}`]) {
    assert.match(
      await refusal(await post(server, "/api/predict", body)),
      /^400 Cannot read the body: it is (not JSON|not a JSON object|nested)/,
    );
  }
  const proto = '{"prompt":"a","__proto__":{"model":"/etc"},"constructor":1}';
  assert.match(await refusal(await post(server, "/api/predict", proto)), /^400 Unknown field/);
  const tooLong = await refusal(await post(server, "/api/predict", { prompt: " golf".repeat(15_000) }));
  assert.match(tooLong, /^400 The prompt has \d+ tokens, the model's context/);
  for (const method of ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
    const response = await fetch(`http://127.0.0.1:${server.port}/api/predict`, { method });
    assert.equal(response.status, 405);
    await response.body?.cancel();
  }
  const response = await post(server, "/api/predict", { prompt: PROMPT });
  assert.equal(response.status, 200);
  await response.body?.cancel();
});

Deno.test("HTML in a prompt stays a text in JSON, which no browser takes for a page", async () => {
  await using server = await startServer();
  const prompt = ` <script>alert(1)</script><img src=x onerror=alert(2)>`;
  const response = await post(server, "/api/predict", { prompt });
  assert.equal(response.headers.get("content-type"), "application/json");
  assert.equal(response.headers.get("x-content-type-options"), "nosniff");
  assert.match(response.headers.get("content-security-policy")!, /default-src 'none'; script-src 'self'/);
  const { tokens } = await response.json();
  const texts = tokens.filter(({ special }: { special: boolean }) => !special).map(({ text }: { text: string }) =>
    text
  );
  assert.equal(texts.join(""), prompt);
});

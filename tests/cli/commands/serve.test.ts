import assert from "node:assert/strict";
import { EXAMPLE, post } from "../../web/ask.ts";
import { cliCommand, runCli } from "../run_cli.ts";

/** Starts `serve` and waits for the address that it prints. */
async function startServe(
  args: readonly string[],
  permissions: readonly string[],
): Promise<{ child: Deno.ChildProcess; port: number }> {
  const child = cliCommand(["serve", "--port", "0", "--threads", "1", ...args], { permissions }).spawn();
  const reader = child.stdout.getReader();
  let text = "";
  while (!text.includes("\n")) {
    const { done, value } = await reader.read();
    if (done) break;
    text += new TextDecoder().decode(value);
  }
  reader.releaseLock();
  const [, port] = /^http:\/\/127\.0\.0\.1:(\d+)\/\n$/.exec(text) ?? [];
  assert.ok(port !== undefined, text);
  return { child, port: Number(port) };
}

Deno.test("serve writes nothing, asks nobody else, and ends when it is interrupted", async () => {
  const permissions = [
    "--allow-read",
    "--allow-env",
    "--allow-sys",
    "--allow-net=127.0.0.1",
    "--deny-write",
    "--deny-run",
  ];
  const { child, port } = await startServe(["--no-hub"], permissions);
  const response = await post({ port }, "/api/attribute", { ...EXAMPLE, format: "csv", top: 3 });
  const csv = await response.text();
  const page = await fetch(`http://127.0.0.1:${port}/`);
  assert.match(await page.text(), /^<!DOCTYPE html>/);
  child.kill("SIGINT");
  const { code } = await child.status;
  const stderr = await new Response(child.stderr).text();
  await child.stdout.cancel();
  assert.equal(code, 0, stderr);
  assert.match(stderr, /^Open it in a browser/);
  const same = await runCli([
    ...["attribute", EXAMPLE.prompt, "--pos-token", " golf", "--neg-token", " tennis", "--threads", "1"],
    ...["--top", "3", "--quiet", "--format", "csv"],
  ]);
  assert.equal(csv, same.stdout);
});

Deno.test("a port that another program has, and options that are not understood", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const cases: readonly [string[], number, RegExp][] = [
    [
      ["--port", String(port)],
      1,
      /^error: Cannot listen on 127\.0\.0\.1 port \d+: another program does; give another --port\n$/,
    ],
    [["--port", "70000"], 2, /^error: --port is "70000": give a whole number, at least 0 and at most 65535\n$/],
    [["--allow-host", "http://a"], 2, /^error: --allow-host is "http:\/\/a": give a name without scheme and port/],
    [
      ["--host", "203.0.113.9", "--port", "0"],
      1,
      /^error: Cannot listen on 203\.0\.113\.9 port 0: this machine has no such address/,
    ],
    [
      ["--static", "--time-limit", "5"],
      2,
      /^error: --time-limit is about a server's models, and --static serves files/,
    ],
    [["prompt"], 2, /^error: /],
  ];
  for (const [args, code, expected] of cases) {
    const outcome = await runCli(["serve", ...args]);
    assert.match(outcome.stderr, expected);
    assert.equal(outcome.code, code);
    assert.equal(outcome.stdout, "");
  }
});

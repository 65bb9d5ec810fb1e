import assert from "node:assert/strict";
import { dirname, resolve } from "node:path";
import { fromFileUrl } from "../../lib/weights/files/places.ts";
import { type FakeFile, withHub } from "../weights/hub/fake_hub.ts";
import { cliCommand, inDirectory, MODEL, PROMPT, runCli } from "./run_cli.ts";

/** The least permissions of every command, as the table of the guide has them. */

const ROOT = resolve(dirname(fromFileUrl(import.meta.url)), "../..");
const ONE = ["--threads", "1"];
const TWO_SAES = ["--sae", "tiny-facts/blocks.2.hook_resid_pre", "--sae", "tiny-facts/blocks.3.hook_resid_pre"];

/** Runs a command with what it needs, and then without each of it: that must fail with a line that names what is missing. */
async function needs(
  args: readonly string[],
  permissions: readonly string[],
  env?: Record<string, string>,
): Promise<void> {
  const whole = await runCli(args, { permissions, env });
  assert.equal(whole.code, 0, `${args.join(" ")}: ${whole.stderr}`);
  for (const [i, left] of permissions.entries()) {
    const { code, stdout, stderr } = await runCli(args, { permissions: permissions.toSpliced(i, 1), env });
    assert.deepEqual([code, stdout], [1, ""], `${args.join(" ")} without ${left}: ${stderr}`);
    assert.match(stderr, /^error: [^\n]*\n$/, `${args.join(" ")} without ${left}`);
    assert.ok(stderr.includes(left.split("=")[0]), `${stderr} does not name ${left}`);
  }
}

Deno.test("permissions: on local files every command needs to read them, and nothing more", () =>
  inDirectory(async (directory) => {
    const prompts = `${directory}/prompts.txt`;
    await Deno.writeTextFile(prompts, `${PROMPT}\n`);
    const read = [`--allow-read=${ROOT},${directory}`];
    const commands: string[][] = [
      ["predict", PROMPT, ...ONE],
      ["generate", PROMPT, "--max-tokens", "3", ...ONE],
      ["attribute", PROMPT, ...ONE],
      ["attribute", PROMPT, "--check", "--verify", "3"], // more threads, all features of a layer
      ["report", PROMPT, "--cards", "2", ...ONE],
      ["ablate", PROMPT, "--top", "2", ...ONE],
      ["evaluate", PROMPT, ...ONE],
      ["select", PROMPT, "--size", "2", "--steps", "2", ...ONE],
      ["interactions", PROMPT, "--top", "2", ...ONE],
      ["steer", PROMPT, "--set", "189@-1=0", ...ONE],
      ["graph", PROMPT, ...ONE],
      ["edges", PROMPT, "--top", "2", ...TWO_SAES, ...ONE],
      ["evals", prompts, ...ONE],
      ["models", "pythia"],
      ["saes", "gpt2"],
      ["cache"],
    ];
    for (const args of commands) await needs(args, read);
    const help = await runCli(["--help"], { permissions: [] });
    assert.equal(help.code, 0);
  }));

Deno.test("permissions: what is written needs its directory", () =>
  inDirectory(async (directory) => {
    const prompts = `${directory}/prompts.txt`;
    await Deno.writeTextFile(prompts, `${PROMPT}\n`);
    const [read, write] = [`--allow-read=${ROOT},${directory}`, `--allow-write=${directory}`];
    const commands: string[][] = [
      ["attribute", PROMPT, "--output", `${directory}/rows.csv`, "--summary", `${directory}/run.json`, ...ONE],
      ["report", PROMPT, "--cards", "2", "--output", `${directory}/report.html`, ...ONE],
      ["graph", PROMPT, "--graph-file-dir", `${directory}/graphs`, ...ONE],
    ];
    for (const args of commands) await needs([...args, "--quiet"], [read, write]);
    const run = `${directory}/run`;
    await needs(["batch", prompts, "--output", run, "--workers", "1", "--quiet"], [read, `--allow-write=${run}`]);
    assert.ok((await Deno.readTextFile(`${run}/rows/part-000000.csv`)).split("\n").length > 2);
  }));

Deno.test("permissions: the hub needs the network, and its cache and where that is", async () => {
  const names = ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"];
  const read = async (name: string): Promise<FakeFile> => ({ bytes: await Deno.readFile(`${MODEL}/${name}`) });
  const files = Object.fromEntries(await Promise.all(names.map(async (name) => [name, await read(name)] as const)));
  await withHub(files, async (hub, _, home) => {
    hub.repo = "owner/name";
    const env = { HF_ENDPOINT: hub.endpoint, HF_HOME: home, SAE_ATTRIBUTION_CACHE: `${home}/own` };
    const permissions = [
      `--allow-read=${ROOT},${home}`,
      `--allow-env=${Object.keys(env).join()}`,
      "--allow-net=127.0.0.1",
      `--allow-write=${home}`,
    ];
    const args = ["predict", PROMPT, "--model", "owner/name", "--quiet", ...ONE];
    const net = await runCli(args, { permissions: permissions.toSpliced(2, 1), env });
    assert.match(net.stderr, /^error: Cannot read \S+: not allowed; pass --allow-net=127\.0\.0\.1:\d+\n$/);
    const write = await runCli(args, { permissions: permissions.slice(0, 3), env });
    assert.match(write.stderr, /^error: Cannot write [^\n]*--allow-write[^\n]*\n$/);
    assert.equal((await runCli(args, { permissions, env })).code, 0);
    const offline = await runCli(args, { permissions: permissions.slice(0, 2), env: { ...env, HF_HUB_OFFLINE: "1" } });
    assert.match(offline.stderr, /HF_HUB_OFFLINE|allow-net/);
  });
});

/** What `serve` says first, until it has said a line on standard output or ended. */
async function serve(
  permissions: readonly string[],
): Promise<{ address?: string; page?: number; code: number; stderr: string }> {
  const child = cliCommand(["serve", "--port", "0", ...ONE], { permissions }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const address = (await reader.read()).value?.trim();
  let page: number | undefined;
  if (address !== undefined) {
    const answer = await fetch(`${address}api/attribute`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ prompt: PROMPT, format: "csv" }),
    });
    page = answer.status;
    await answer.body?.cancel();
    child.kill("SIGINT");
  }
  await reader.cancel();
  const [{ code }, stderr] = await Promise.all([child.status, new Response(child.stderr).text()]);
  return { address, page, code, stderr };
}

Deno.test("permissions: serve needs to listen, and says so", async () => {
  const read = `--allow-read=${ROOT}`;
  const { page, code, stderr } = await serve([read, "--allow-net=127.0.0.1"]);
  assert.deepEqual([page, code], [200, 0], stderr);
  for (const permissions of [[read], [read, "--allow-net=localhost"], ["-A", "--deny-net"]]) {
    const refused = await serve(permissions);
    assert.deepEqual([refused.address, refused.code], [undefined, 1]);
    assert.match(
      refused.stderr,
      /^error: Cannot listen on 127\.0\.0\.1 port 0: Deno was not allowed to, run it with --allow-net=127\.0\.0\.1:0\n$/,
    );
  }
});

Deno.test("permissions: the guide has what these tests hold", async () => {
  const page = await Deno.readTextFile(`${ROOT}/.github/guide/permissions-and-offline.md`);
  const [table] = /(?:^\|.*\n)+/m.exec(page)!;
  const named = new Set(table.match(/--allow-\w+/g));
  assert.deepEqual([...named].sort(), ["--allow-env", "--allow-net", "--allow-read", "--allow-write"]);
  const { COMMANDS } = await import("../../cli.ts");
  for (const command of Object.keys(COMMANDS)) {
    assert.ok(table.includes(`\`${command}\``), `${command} is not in the table`);
  }
});

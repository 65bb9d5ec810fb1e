import assert from "node:assert/strict";
import { COMMIT, type FakeFile, makeBytes, textFile, withHub } from "../weights/hub/fake_hub.ts";
import { inDirectory, MODEL, type Outcome, PROMPT, runCli } from "./run_cli.ts";
import { runCommand } from "./run_command.ts";

const NAMES = ["gpt2", "openai-community/gpt2"] as const;

async function modelFiles(): Promise<Record<string, FakeFile>> {
  const read = async (name: string): Promise<FakeFile> => ({ bytes: await Deno.readFile(`${MODEL}/${name}`) });
  const names = ["config.json", "tokenizer.json", "tokenizer_config.json"];
  const files = await Promise.all(names.map(async (name) => [name, await read(name)] as const));
  return { ...Object.fromEntries(files), "model.safetensors": { ...await read("model.safetensors"), lfs: true } };
}

function predict(model: string, env: Record<string, string>): Promise<Outcome> {
  return runCli(["predict", PROMPT, "--model", model, "--threads", "1", "--format", "csv"], { env });
}

Deno.test("a model in the cache is found by every name of its repository", async () => {
  const files = await modelFiles();
  const { stdout: wanted } = await predict(MODEL, {});
  for (const [pulled, ...others] of [NAMES, NAMES.toReversed()]) {
    await withHub(files, async (hub, _, home) => {
      hub.repo = pulled;
      const env = { HF_ENDPOINT: hub.endpoint, HF_HOME: home, SAE_ATTRIBUTION_CACHE: `${home}/own` };
      const first = await runCommand("pull", [pulled], env);
      assert.equal(first.code, 0, first.stderr);
      // What Python's tokenizers leave under another name is no model.
      const [other] = others;
      const folder = `${home}/hub/models--${other.replace("/", "--")}`;
      await Deno.mkdir(`${folder}/refs`, { recursive: true });
      await Deno.mkdir(`${folder}/snapshots/${COMMIT}`, { recursive: true });
      await Deno.writeTextFile(`${folder}/refs/main`, COMMIT);
      await Deno.writeTextFile(`${folder}/snapshots/${COMMIT}/config.json`, "{}");
      for (const model of [pulled, other, "gpt2-small"]) {
        const { code, stdout, stderr } = await predict(model, { ...env, HF_HUB_OFFLINE: "1" });
        assert.equal(code, 0, stderr);
        assert.equal(stdout, wanted);
      }
      const again = await runCommand("pull", [other], { ...env, HF_HUB_OFFLINE: "1" });
      assert.match(again.stderr, new RegExp(`^hf:${pulled} at ${COMMIT}: 4 files, .*, all were there\n$`));
      await Deno.remove(folder, { recursive: true });
      const removing = await runCommand("cache", ["remove", other], env);
      assert.match(
        removing.stderr,
        new RegExp(`${other} is not in .*: ${pulled} is, another name of it: write cache remove ${pulled}\n`),
      );
    });
  }
});

Deno.test("a name that both directories have is the one that was asked for", async () => {
  const small = { "config.json": textFile("{}"), "model.safetensors": { bytes: makeBytes(100), lfs: true } };
  await withHub(small, async (hub, _, home) => {
    hub.repo = NAMES[0];
    hub.otherRepos.push(NAMES[1]);
    const env = { HF_ENDPOINT: hub.endpoint, HF_HOME: home, SAE_ATTRIBUTION_CACHE: `${home}/own` };
    for (const name of [...NAMES.map((name) => `hf:${name}`), ...NAMES]) {
      const { code, stderr } = await runCommand("pull", [name], env);
      assert.equal(code, 0, stderr);
      assert.ok(stderr.startsWith(`hf:${name.replace("hf:", "")} at `), stderr);
    }
  });
});

/** A port of this machine at which nobody listens. */
function closedPort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}

Deno.test("without a network: one line, the address once, what to do", () =>
  inDirectory(async (home) => {
    const endpoint = `http://127.0.0.1:${closedPort()}`;
    const env = { HF_ENDPOINT: endpoint, HF_HOME: home, SAE_ATTRIBUTION_CACHE: `${home}/own` };
    const sae = "gpt2-small-res-jb/blocks.10.hook_resid_pre";
    const commands: string[][] = [
      ["predict", PROMPT, "--model", "gpt2"],
      ["attribute", PROMPT, "--model", "gpt2", "--sae", sae],
      ["attribute", PROMPT, "--model", MODEL, "--sae", sae],
      ["predict", PROMPT, "--model", `${endpoint}/gpt2`],
      ["pull", "gpt2"],
    ];
    for (const { code, stdout, stderr } of await Promise.all(commands.map((args) => runCli(args, { env })))) {
      assert.deepEqual([code, stdout], [1, ""], stderr);
      assert.match(stderr, /^error: Cannot (read|list) [^\n]*\n$/);
      assert.match(
        stderr,
        /: no connection to 127\.0\.0\.1:\d+ \(.*refused\), check the network and the address, or give files on this machine \(tried 4 times\)\n$/i,
      );
      assert.equal(stderr.split(endpoint).length, 2, stderr);
      assert.doesNotMatch(stderr, /os error/);
      assert.ok(stderr.length <= 300, stderr);
    }
    const { code, stderr } = await runCli(commands[0], { env: { ...env, HF_HUB_OFFLINE: "1" } });
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^error: Cannot read \S+: it is not in the cache, and HF_HUB_OFFLINE is set; unset it, or download/,
    );
  }));

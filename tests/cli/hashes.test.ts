/** Hashes that are shown are those of the files, of a model and an SAE from a hub on this machine. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { type FakeFile, FakeHub } from "../weights/hub/fake_hub.ts";
import { HOOK, inDirectory, MODEL, PROMPT, runCli, SAE } from "./run_cli.ts";

/** The small model and an SAE of its own, as one repository. */
function files(): Record<string, FakeFile> {
  const found: Record<string, FakeFile> = {};
  for (const [directory, below] of [[MODEL, ""], [SAE, "sae/"]]) {
    for (const { name } of Deno.readDirSync(directory)) {
      found[below + name] = { bytes: Deno.readFileSync(`${directory}/${name}`), lfs: name.endsWith(".safetensors") };
    }
  }
  return found;
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

Deno.test("--check and batch show hashes of the files, and find a flipped bit in the cache", async () => {
  await inDirectory(async (directory) => {
    const there = files();
    await using hub = new FakeHub(there);
    const env = {
      HF_ENDPOINT: hub.endpoint,
      HF_HOME: `${directory}/hf`,
      HF_TOKEN: "",
      SAE_ATTRIBUTION_CACHE: `${directory}/own`,
    };
    const on = ["--model", "owner/name", "--sae", `hf:owner/name:sae@${HOOK}`, "--threads", "1"];
    const metric = ["--pos-id", "5", "--neg-id", "6"];
    const summary = `${directory}/summary.json`;
    const check = ["attribute", PROMPT, ...metric, ...on, "--check", "--summary", summary];
    const right = await runCli(check, { env });
    assert.equal(right.code, 0, right.stderr);
    const shown = JSON.parse(await Deno.readTextFile(summary)).check.file_sha256;
    const wanted = {
      "owner/name/config.json": sha256(there["config.json"].bytes),
      "owner/name/model.safetensors": sha256(there["model.safetensors"].bytes),
      "hf:owner/name:sae/sae_weights.safetensors": sha256(there["sae/sae_weights.safetensors"].bytes),
    };
    assert.deepEqual(shown, wanted);
    const rows = `${JSON.stringify({ prompt: PROMPT })}\n`;
    await Deno.writeTextFile(`${directory}/prompts.jsonl`, rows);
    const batch = (to: string): string[] => ["batch", `${directory}/prompts.jsonl`, ...metric, ...on, "--output", to];
    const made = await runCli(batch(`${directory}/run`), { env });
    assert.equal(made.code, 0, made.stderr);
    const { model, saes } = JSON.parse(await Deno.readTextFile(`${directory}/run/manifest.json`));
    assert.deepEqual(model.sha256["model.safetensors"], wanted["owner/name/model.safetensors"]);
    assert.deepEqual(Object.values(saes[0].sha256), [wanted["hf:owner/name:sae/sae_weights.safetensors"]]);

    const blob = `${directory}/hf/hub/models--owner--name/blobs/${wanted["owner/name/model.safetensors"]}`;
    const bytes = await Deno.readFile(blob);
    bytes[bytes.length - 1000] ^= 1;
    await Deno.writeFile(blob, bytes);
    const message = new RegExp(
      `^error: Cannot trust model\\.safetensors of owner/name in the cache: its SHA-256 is ${
        sha256(bytes)
      }, the hub's ` +
        "is [0-9a-f]{64}; remove the repository from the cache and run again\n$",
    );
    await Deno.remove(summary);
    const found = await runCli([...check, "--quiet"], { env });
    assert.deepEqual([found.code, found.stdout], [1, ""]);
    assert.match(found.stderr, message);
    assert.equal(await Deno.stat(summary).catch(() => undefined), undefined);
    const other = await runCli([...batch(`${directory}/other`), "--quiet"], { env });
    assert.equal(other.code, 1);
    assert.match(other.stderr, message);
  });
});

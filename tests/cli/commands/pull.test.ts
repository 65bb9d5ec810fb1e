import assert from "node:assert/strict";
import { parseRequest } from "../../../lib/cli/commands/names/pull.ts";
import { findOnHub } from "../../../lib/cli/runs/names/pull.ts";
import {
  describeBatch,
  describeProgress,
  formatBytes,
  withDownloadProgress,
} from "../../../lib/cli/screen/progress.ts";
import { chooseFiles } from "../../../lib/weights/hub/choose_files.ts";
import { COMMIT, type FakeFile, type FakeHub, makeBytes, textFile, tree, withHub } from "../../weights/hub/fake_hub.ts";
import type { Outcome } from "../run_cli.ts";
import { runCommand } from "../run_command.ts";

const FILES: Record<string, FakeFile> = {
  "config.json": textFile("{}"),
  "tokenizer.json": textFile("{ }"),
  "model.safetensors": { bytes: makeBytes(300_000), lfs: true },
  "pytorch_model.bin": { bytes: makeBytes(300_000, 2), lfs: true },
  "layer_8/cfg.json": textFile("[]"),
  "layer_8/sae_weights.safetensors": { bytes: makeBytes(2000, 3), lfs: true },
};

function pull(hub: FakeHub, home: string, args: readonly string[], env: Record<string, string> = {}): Promise<Outcome> {
  const own = { HF_ENDPOINT: hub.endpoint, HF_HOME: home, SAE_ATTRIBUTION_CACHE: `${home}/own` };
  return runCommand("pull", args, { ...own, ...env });
}

Deno.test("pull downloads what a model needs, once, and lists it", async () => {
  await withHub(FILES, async (hub, _, home) => {
    const first = await pull(hub, home, ["owner/name"]);
    assert.equal(first.code, 0, first.stderr);
    assert.match(first.stderr, new RegExp(`^hf:owner/name at ${COMMIT}: 3 files, 300 kB, 300 kB downloaded\n$`));
    const [header, ...rows] = first.stdout.trim().split("\n");
    assert.equal(header, "repo,commit,file,size,downloaded,path");
    assert.deepEqual(rows.map((row) => row.split(",").slice(2, 5).join()), [
      "config.json,2,2",
      "tokenizer.json,3,3",
      "model.safetensors,300000,300000",
    ]);
    assert.equal((await Deno.readFile(rows[2].split(",")[5])).length, 300_000);
    const again = await pull(hub, home, ["owner/name", "hf:owner/name:layer_8", "--format", "json"]);
    assert.match(
      again.stderr,
      /3 files, 300 kB, all were there\nhf:owner\/name:layer_8 at .*: 2 files, 2\.0 kB, 2\.0 kB downloaded\n$/,
    );
    assert.equal(JSON.parse(again.stdout).length, 5);
    assert.equal(hub.bytesOf("model.safetensors"), 300_000);
    assert.equal(hub.bytesOf("pytorch_model.bin"), 0);
    const offline = await pull(hub, home, ["owner/name", "--quiet"], { HF_HUB_OFFLINE: "1" });
    assert.deepEqual([offline.code, offline.stderr], [0, ""]);
  });
});

Deno.test("pull tells in one line what is wrong", async () => {
  await withHub(FILES, async (hub, _, home) => {
    const failing: [string[], RegExp][] = [
      [["owner/none"], /^error: Cannot read owner\/none on .*no such repository; check its name, if it is private/],
      [["owner/name", "--revision", "v9"], /^error: .*no revision "v9"; give another/],
      [
        ["owner/name", "--include", "*.gguf"],
        /^error: hf:owner\/name has no file that fits \*\.gguf: give another --include/,
      ],
      [["hf:owner/name:layer_9"], /^error: hf:owner\/name:layer_9 has nothing to download there/],
      [["hf:owner/name:../x"], /^error: Cannot read "\.\.\/x"/],
      [["owner/name", "--revision", "../x"], /^error: "\.\.\/x" is no revision/],
      [["gpt22"], /^error: Unknown model "gpt22": the nearest are gpt2/],
      [[], /^error: NAME is missing/],
    ];
    const outcomes = await Promise.all(failing.map(([args]) => pull(hub, home, args)));
    for (const [i, { code, stdout, stderr }] of outcomes.entries()) {
      assert.match(stderr, failing[i][1]);
      assert.deepEqual([code, stdout, stderr.trim().includes("\n")], [1, "", false]);
    }
    hub.extraNames = ["../../../../evil.json"];
    const hostile = await pull(hub, home, ["owner/name", "--include", "*"]);
    assert.match(hostile.stderr, /^error: Cannot read "\.\.\/\.\.\/\.\.\/\.\.\/evil\.json"/);
    assert.deepEqual(await tree(home), {});
  });
});

Deno.test("which files are chosen", () => {
  const choose = (names: string[], include?: string[], path?: string): string[] =>
    chooseFiles(names.map((name) => ({ path: name, size: 1 })), { include, path }).map((file) => file.path);
  const shards = [
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
    "model.safetensors.index.json",
  ];
  const model = [...shards, "config.json", "tokenizer.model", "merges.txt", "LICENSE"];
  assert.deepEqual(choose([...model, "consolidated.safetensors", "onnx/model.onnx", "README.md", "x.bin"]), model);
  assert.deepEqual(choose(["cfg.json", "sae_weights.safetensors", "a/sae_weights.safetensors"]), [
    "cfg.json",
    "sae_weights.safetensors",
  ]);
  assert.deepEqual(choose([...model, "model.safetensors"]), [...model.slice(2), "model.safetensors"]);
  const torch = ["config.json", "pytorch_model.bin", "pytorch_model.bin.index.json", "vocab.json"];
  assert.deepEqual(choose([...torch, "tf_model.h5", "training_args.bin", "pytorch_model.fp16.bin"]), torch);
  assert.deepEqual(choose([...model, ...torch]).includes("pytorch_model.bin"), false);
  const saes = ["a/cfg.json", "a/b/params.npz", "ab/cfg.json", "c.npz"];
  assert.deepEqual(choose(saes, [], "a"), ["a/cfg.json", "a/b/params.npz"]);
  assert.deepEqual(choose(saes, [], "c.npz"), ["c.npz"]);
  assert.deepEqual(choose(saes, ["*.npz"]), ["a/b/params.npz", "c.npz"]);
  assert.deepEqual(choose(saes, ["a/"]), ["a/cfg.json", "a/b/params.npz"]);
  assert.deepEqual(choose(saes, ["a?/[!d]fg.json", "[c-d].npz"]), ["ab/cfg.json", "c.npz"]);
  assert.deepEqual(choose(["a+b.json", "aab.json", "[x"], ["a+b.json", "[x"]), ["a+b.json", "[x"]);
});

Deno.test("names of models, SAEs and repositories", async () => {
  assert.equal((await findOnHub("gpt2")).repo, "gpt2");
  assert.equal((await findOnHub("gpt2-small")).repo, "gpt2");
  const sae = { repo: "jbloom/GPT2-Small-SAEs-Reformatted", revision: undefined, path: "blocks.10.hook_resid_pre" };
  assert.deepEqual(await findOnHub("gpt2-small-res-jb/blocks.10.hook_resid_pre"), sae);
  assert.deepEqual(await findOnHub("np:gpt2-small/10-res-jb"), sae);
  const { repo, revision, path, otherRepos } = await findOnHub("owner/name");
  assert.deepEqual([repo, revision, path, otherRepos], ["owner/name", undefined, undefined, undefined]);
  assert.deepEqual((await findOnHub("gpt2")).otherRepos, ["openai-community/gpt2"]);
  assert.deepEqual((await findOnHub("openai-community/gpt2")).otherRepos, ["gpt2"]);
});

Deno.test("the command line of pull", () => {
  const request = parseRequest(["a/b", "c/d", "--include", "*.json", "--include=x", "--revision", "v1"]);
  assert.deepEqual(request.names, ["a/b", "c/d"]);
  assert.deepEqual(request.include, ["*.json", "x"]);
  assert.equal(request.revision, "v1");
});

Deno.test("progress in words, and none where there is no terminal", async () => {
  const progress = { path: "a.bin", files: 3, done: 1.25e9, total: 4.9e9, bytesPerSecond: 35e6, secondsLeft: 104.2 };
  assert.equal(describeProgress(progress), "1.3 GB of 4.9 GB, 35 MB/s, 1 min 45 s left: a.bin and 2 more");
  const early = {
    path: "a\x1b[2J",
    files: 1,
    done: 0,
    total: undefined,
    bytesPerSecond: undefined,
    secondsLeft: undefined,
  };
  assert.equal(describeProgress(early), "0 B: a\\x1b[2J");
  const far = { done: 300, before: 100, failed: 1, total: 1000, seconds: 20 };
  assert.equal(describeBatch(far), "300 of 1000 prompts, 10 a second, 1 min 10 s left, 1 failed");
  assert.deepEqual([0, 999, 1000, 9949, 999_600, 1.5e13].map(formatBytes), [
    "0 B",
    "999 B",
    "1.0 kB",
    "9.9 kB",
    "1.0 MB",
    "15 TB",
  ]);
  const screen = { width: 80, color: false, isTerminal: false };
  assert.equal(await withDownloadProgress(screen, (report) => (report(progress), Promise.resolve(7))), 7);
});

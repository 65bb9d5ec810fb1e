import assert from "node:assert/strict";
import { checkHubPath, formatHubName, parseHubName } from "../../../lib/weights/hub/names.ts";
import { normalizeEtag, waitAsked } from "../../../lib/weights/hub/requests/answers.ts";
import { folderRepo, repoFolder } from "../../../lib/weights/hub/cache/layout.ts";
import { type DownloadProgress, makeProgressMeter } from "../../../lib/weights/hub/progress.ts";
import { readHubSettings } from "../../../lib/weights/hub/settings.ts";
import { openHub } from "../../../lib/weights/hub/hub.ts";
import { textFile, tree, withHub } from "./fake_hub.ts";

const HOSTILE = [
  "../x",
  "a/../../x",
  "/etc/passwd",
  "C:/x",
  "C:\\x",
  "a\\..\\x",
  "a\0b",
  "",
  ".",
  "..",
  "a//b",
  "a/",
  "a\nb",
];

Deno.test("names of the hub", () => {
  const none = { revision: undefined, path: undefined };
  assert.deepEqual(parseHubName("openai-community/gpt2"), { repo: "openai-community/gpt2", ...none });
  assert.deepEqual(parseHubName("hf:gpt2"), { repo: "gpt2", ...none });
  assert.deepEqual(parseHubName("hf://owner/name"), { repo: "owner/name", ...none });
  assert.deepEqual(parseHubName("hf:owner/name@refs/pr/1:a/b"), {
    repo: "owner/name",
    revision: "refs/pr/1",
    path: "a/b",
  });
  assert.deepEqual(parseHubName("hf:owner/name:layer_8/"), {
    repo: "owner/name",
    revision: undefined,
    path: "layer_8",
  });
  assert.deepEqual(parseHubName("hf:owner/name:"), { repo: "owner/name", ...none });
  assert.equal(formatHubName(parseHubName("hf:owner/name@v1:a/b")!), "hf:owner/name@v1:a/b");
  for (const text of ["gpt2", "./a/b", "/a/b", "a/b/c", "https://a/b", "a\\b", "~/a", "../a", "C:/a"]) {
    assert.equal(parseHubName(text), undefined, text);
  }
  for (
    const text of [
      "hf:",
      "hf:../x",
      "hf:a/b/c",
      "hf:a--b/c",
      "hf:a/b@",
      "hf:a/b@../x",
      "hf:a/b@/x",
      "hf:a/b:../x",
      "hf:a/b:/x",
      "hf:a/b.git",
    ]
  ) {
    assert.throws(() => parseHubName(text), RangeError, text);
  }
});

Deno.test("hostile names never leave the cache", async () => {
  for (const path of HOSTILE) {
    assert.throws(() => checkHubPath(path), RangeError, path);
    assert.throws(() => openHub({ repo: "owner/name", path: path || "/" }), RangeError);
    assert.throws(() => openHub({ repo: "owner/name", revision: path }), RangeError);
    assert.throws(() => openHub({ repo: path }), RangeError);
  }
  for (const path of ["nul", "a/CON.txt", "ab:c", "a.", "a ", "a|b"]) {
    assert.throws(() => checkHubPath(path, "windows"), RangeError, path);
    checkHubPath(path, "linux");
  }
  await withHub({ "config.json": textFile("{}") }, async (hub, open, home) => {
    hub.extraNames = HOSTILE;
    await using source = open();
    const listed = (await source.list()).map(({ path }) => path);
    for (const path of listed.filter((name) => name !== "config.json")) {
      await assert.rejects(source.download(path), RangeError);
      await assert.rejects(source.readText(path), RangeError);
    }
    assert.deepEqual(await tree(home), {});
  });
});

Deno.test("ETags become names only if they are harmless", () => {
  assert.equal(normalizeEtag('W/"ab12"'), "ab12");
  assert.equal(normalizeEtag('"ab-12"'), "ab-12");
  for (
    const etag of [null, undefined, "", '""', '"../a"', '"a/b"', '"a\\b"', '".."', '"a..b"', `"${"a".repeat(200)}"`]
  ) {
    assert.equal(normalizeEtag(etag), undefined);
  }
});

Deno.test("directories of the cache", () => {
  for (const repo of ["owner/name", "gpt2", "a-b/c-d.e"]) assert.equal(folderRepo(repoFolder(repo)), repo);
  assert.equal(folderRepo("datasets--a--b"), undefined);
});

Deno.test("the environment's settings", () => {
  const read = (variables: Record<string, string>, os = "linux"): ReturnType<typeof readHubSettings> =>
    readHubSettings((name) => variables[name], os);
  const plain = read({ HOME: "/home/me" });
  assert.equal(plain.endpoint, "https://huggingface.co");
  assert.equal(plain.cacheDirectory, "/home/me/.cache/huggingface/hub");
  assert.equal(plain.rangesDirectory, "/home/me/.cache/sae-attribution/ranges");
  assert.equal(plain.tokenFile, "/home/me/.cache/huggingface/token");
  assert.deepEqual([plain.offline, plain.symlinks, plain.token], [false, true, undefined]);
  assert.equal(read({ HOME: "/home/me", XDG_CACHE_HOME: "/x" }).cacheDirectory, "/x/huggingface/hub");
  assert.equal(read({ HOME: "/home/me", HF_HOME: "~/hf" }).cacheDirectory, "/home/me/hf/hub");
  assert.equal(read({ HOME: "/h", HF_HOME: "/hf", HF_HUB_CACHE: "$HOME/${X}/c", X: "y" }).cacheDirectory, "/h/y/c");
  assert.equal(read({ HF_HOME: "/hf", SAE_ATTRIBUTION_CACHE: "/own" }).rangesDirectory, "/own/ranges");
  assert.equal(read({ HOME: "/u" }, "darwin").rangesDirectory, "/u/Library/Caches/sae-attribution/ranges");
  assert.equal(read({ HF_ENDPOINT: "https://mirror.example/" }).endpoint, "https://mirror.example");
  assert.equal(read({ HF_TOKEN: " hf_a\n" }).token, "hf_a");
  assert.equal(read({ HF_HUB_DISABLE_IMPLICIT_TOKEN: "1" }).tokenFile, undefined);
  for (const value of ["1", "true", "YES", "on"]) assert.equal(read({ HF_HUB_OFFLINE: value }).offline, true);
  for (const value of ["0", "", "false"]) assert.equal(read({ HF_HUB_OFFLINE: value }).offline, false);
  assert.throws(() => openHub({ repo: "a/b", endpoint: "ftp://x" }), /HF_ENDPOINT is "ftp:\/\/x"/);
});

Deno.test("how long a server asks to wait", () => {
  const wait = (value: string): number =>
    waitAsked(new Response(null, { headers: { "retry-after": value } }), 1_000_000);
  assert.equal(wait("2"), 2000);
  assert.equal(wait(new Date(1_005_000).toUTCString()), 5000);
  assert.equal(wait(new Date(0).toUTCString()), 0);
  assert.equal(wait("soon"), 0);
});

Deno.test("rate and time left, by a clock of the test", () => {
  let time = 0;
  const reports: DownloadProgress[] = [];
  const meter = makeProgressMeter((progress) => reports.push(progress), () => time);
  const track = meter("a", 10_000);
  track.skip(4000);
  time = 1000;
  track.add(1000);
  assert.deepEqual(reports.at(-1), {
    path: "a",
    files: 1,
    done: 5000,
    total: 10_000,
    bytesPerSecond: 1000,
    secondsLeft: 5,
  });
  const unknown = meter("b", undefined);
  time = 2000;
  unknown.add(500);
  assert.equal(reports.at(-1)!.total, undefined);
  unknown.end();
  time = 30_000; // long ago
  track.add(5000);
  track.end();
  assert.equal(reports.at(-1)!.files, 1);
  assert.equal(reports.at(-1)!.done, 10_500);
});

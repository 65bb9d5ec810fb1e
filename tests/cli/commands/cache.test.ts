import assert from "node:assert/strict";
import { parseRequest } from "../../../lib/cli/commands/names/cache.ts";
import { COMMIT, type FakeFile, makeBytes, textFile, tree, withHub } from "../../weights/hub/fake_hub.ts";
import type { Outcome } from "../run_cli.ts";
import { runCommand } from "../run_command.ts";

const FILES: Record<string, FakeFile> = {
  "config.json": textFile("{}"),
  "m.safetensors": { bytes: makeBytes(3_000_000), lfs: true },
};

function cache(home: string, args: readonly string[]): Promise<Outcome> {
  return runCommand("cache", args, { HF_HOME: home, SAE_ATTRIBUTION_CACHE: `${home}/own` });
}

Deno.test("cache lists, measures and removes", async () => {
  await withHub(FILES, async (_, open, home) => {
    const empty = await cache(home, []);
    assert.deepEqual([empty.code, empty.stdout], [0, "repo,commits,files,bytes,partial_bytes,range_bytes,path\n"]);
    assert.match(empty.stderr, /^Nothing has been downloaded to .*hub\.\n$/);
    {
      await using parts = open({ weights: "ranges" });
      await parts.read("m.safetensors", 1_000_000, 10);
      await using source = open();
      await source.readText("config.json");
    }
    const repo = `${home}/hub/models--owner--name`;
    await Deno.writeFile(`${repo}/blobs/ab.incomplete`, new Uint8Array(77));
    await Deno.writeFile(`${repo}/snapshots/${COMMIT}/no-link.json`, new Uint8Array(5)); // as on Windows
    await Deno.mkdir(`${home}/hub/datasets--owner--data`);
    const listed = await cache(home, ["list", "--format", "json"]);
    const [row, ...others] = JSON.parse(listed.stdout);
    assert.deepEqual(others, []);
    assert.deepEqual([row.repo, row.commits, row.files, row.bytes, row.partial_bytes, row.path], [
      "owner/name",
      1,
      2,
      7,
      77,
      repo,
    ]);
    assert.ok(row.range_bytes >= 65_536 && row.range_bytes < 3_000_000, `${row.range_bytes}`);
    const size = await cache(home, ["size"]);
    assert.equal(size.stdout, `cache,bytes,path\nshared,84,${home}/hub\nown,${row.range_bytes},${home}/own/ranges\n`);
    const table = await cache(home, ["--format", "table"]);
    assert.match(table.stdout, /^repo +size +files +commits\nowner\/name +\d+ kB +2 +1\n$/);

    const removed = await cache(home, ["remove", "owner/name"]);
    assert.deepEqual([removed.code, removed.stderr.split(":")[0]], [0, "Removed owner/name"]);
    assert.deepEqual(Object.keys(await tree(home)), ["hub/CACHEDIR.TAG"]);
    assert.equal((await Deno.stat(`${home}/hub/datasets--owner--data`)).isDirectory, true);
  });
});

Deno.test("cache remove tells in one line what is wrong, and removes nothing else", async () => {
  await withHub(FILES, async (_, open, home) => {
    await using source = open();
    await source.readText("config.json");
    const before = await tree(home);
    const failing: [string[], RegExp][] = [
      [["remove", "owner/other"], /^error: owner\/other is not in .*: cache list shows what is/],
      [["remove", "hf:owner/name@v1"], /^error: cache removes whole repositories: write cache remove owner\/name/],
      [["remove", "../hub"], /^error: /],
      [["remove", "hf:../.."], /^error: .*no repository of the hub/],
      [["remove", "/etc"], /^error: /],
      [["remove"], /^error: what to remove is missing/],
    ];
    const outcomes = await Promise.all(failing.map(([args]) => cache(home, args)));
    for (const [i, { code, stderr }] of outcomes.entries()) {
      assert.match(stderr, failing[i][1]);
      assert.deepEqual([code, stderr.trim().includes("\n")], [1, false]);
    }
    assert.deepEqual(await tree(home), before);
  });
});

Deno.test("the command line of cache", () => {
  assert.equal(parseRequest([]).action, "list");
  assert.equal(parseRequest(["remove", "a/b"]).name, "a/b");
  assert.throws(() => parseRequest(["drop"]), /cache knows no "drop": write list, size or remove NAME/);
  assert.throws(() => parseRequest(["size", "a/b"]), /unexpected argument "a\/b"/);
});

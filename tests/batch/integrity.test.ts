/** Directories that are claimed, damaged, copied, or not to be written to: nothing is lost or mixed without a word. */
import assert from "node:assert/strict";
import { claimDirectory } from "../../lib/batch/shards/claim.ts";
import { TextSet } from "../../lib/batch/input/ids.ts";
import { background } from "./queue/redis.ts";
import { cliCommand, inDirectory, type Outcome, runCli } from "../cli/run_cli.ts";
import { killBatches, raceStarts } from "./faults.ts";
import { assertSameTrees, countFiles, makePrompts, readTree, toJsonLines, until } from "./prompts.ts";

function batch(input: string, output: string, ...more: string[]): Promise<Outcome> {
  return runCli(["batch", input, "--output", output, "--shard-size", "3", "--workers", "1", "--top", "3", ...more]);
}

Deno.test("killed while it claims, writes inputs, works and puts together: the same bytes", async () => {
  await killBatches(8);
});

Deno.test("two starts at once: one does its prompts, the other says why not", async () => {
  await raceStarts(3);
});

Deno.test("a directory at which another process works is left alone, until it has ended", async () => {
  await inDirectory(async (directory) => {
    const input = `${directory}/prompts.jsonl`;
    await Deno.writeTextFile(input, toJsonLines(makePrompts(4)));
    const output = `${directory}/out`;
    const claim = await claimDirectory(output);
    try {
      const { code, stderr } = await batch(input, output);
      assert.equal(code, 1);
      assert.match(stderr, /^error: Another process is at work in .*out: wait until it has ended, or choose another/);
      assert.deepEqual(await Array.fromAsync(Deno.readDir(output), ({ name }) => name), ["lock"]);
    } finally {
      claim[Symbol.dispose]();
    }
    // One that shares its work waits until the other has read the prompts, or has ended.
    const other = await claimDirectory(output);
    const options = ["--shard-size", "3", "--workers", "1", "--top", "3", "--shard", "1/2"];
    const { child, stderr } = background(["batch", input, "--output", output, ...options]);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    assert.equal(countFiles(`${output}/inputs`), 0);
    other[Symbol.dispose]();
    assert.equal((await child.status).code, 0, await stderr);
    assert.match(await stderr, /waiting until it lets others in\n[^]*1 of 2 shards are done/);
    assert.equal((await batch(input, output)).code, 0);
  });
});

Deno.test("shares that start at once: one reads the prompts, the last one puts the results together", async () => {
  await inDirectory(async (directory) => {
    const input = `${directory}/prompts.jsonl`;
    await Deno.writeTextFile(input, toJsonLines(makePrompts(18)));
    assert.equal((await batch(input, `${directory}/alone`)).code, 0);
    const shares = await Promise.all(
      ["1/3", "2/3", "3/3"].map((share) => batch(input, `${directory}/shared`, "--shard", share)),
    );
    for (const { code, stderr } of shares) assert.equal(code, 0, stderr);
    assert.ok(shares.some(({ stderr }) => /18 prompts attributed/.test(stderr)));
    assertSameTrees(await readTree(`${directory}/shared`), await readTree(`${directory}/alone`));
  });
});

Deno.test("what is damaged is found by its SHA-256 and made again from the input", async () => {
  await inDirectory(async (directory) => {
    const input = `${directory}/prompts.jsonl`;
    await Deno.writeTextFile(input, toJsonLines(makePrompts(12)));
    const place = `${directory}/out/rows.csv`;
    await Deno.mkdir(`${directory}/out`);
    assert.equal((await batch(input, place)).code, 0);
    const want = await readTree(`${directory}/out`);
    const zeroed = (path: string): Promise<void> => Deno.writeFile(path, new Uint8Array(Deno.statSync(path).size));
    const at = (name: string): string => `${place}.run/${name}`;
    const flipped = async (path: string): Promise<void> => {
      const bytes = await Deno.readFile(path);
      bytes[Math.floor(bytes.length / 2)] ^= 1;
      await Deno.writeFile(path, bytes);
    };
    const undo = (shard: number): Promise<void> => Deno.remove(at(`done/00000${shard}.json`));
    const damages: Record<string, () => Promise<unknown>> = {
      "an empty input": () => Promise.all([undo(1), Deno.truncate(at("inputs/000001.jsonl"))]),
      "a zeroed input": () => Promise.all([undo(2), zeroed(at("inputs/000002.jsonl"))]),
      "a missing input": () => Promise.all([undo(0), Deno.remove(at("inputs/000000.jsonl"))]),
      "another shard's input": () =>
        Promise.all([undo(3), Deno.copyFile(at("inputs/000000.jsonl"), at("inputs/000003.jsonl"))]),
      "zeroed rows": () => zeroed(at("rows/part-000001.csv")),
      "a bit of rows": () => flipped(at("rows/part-000002.csv")),
      "a bit of what is added up": () => flipped(at("done/000003.json")),
      "an empty end": () => Deno.truncate(at("done/000000.json")),
      "another shard's end": () => Deno.copyFile(at("done/000000.json"), at("done/000001.json")),
      "a merge that was killed": () =>
        Promise.all([
          Deno.remove(at("summary.json")),
          Deno.truncate(at("features.csv"), 20),
          Deno.writeTextFile(`${directory}/out/.rows.csv.tmp`, "half"),
          Deno.writeTextFile(at(`.${crypto.randomUUID()}.tmp`), "half"),
          Deno.writeTextFile(at(`rows/.${crypto.randomUUID()}.tmp`), "half"),
        ]),
    };
    for (const [what, damage] of Object.entries(damages)) {
      await damage();
      const { code, stderr } = await batch(input, place);
      assert.equal(code, 0, `${what}: ${stderr}`);
      assertSameTrees(await readTree(`${directory}/out`), want);
    }
    // Of a share that works beside others nobody writes inputs anew: its input is refused.
    await undo(1);
    await Deno.truncate(at("inputs/000001.jsonl"));
    using claim = await claimDirectory(`${place}.run`);
    await claim.share();
    const { code, stderr } = await batch(input, place, "--shard", "1/1");
    assert.equal(code, 1, stderr);
    assert.match(stderr, /Another process is at work/);
    const share = await batch(input, place, "--shard", "2/2");
    assert.equal(share.code, 1);
    assert.match(
      share.stderr,
      /^error: shard 1 failed several times, .*inputs\/000001\.jsonl is damaged \(SHA-256 e3b0c4.*\): give the same command/m,
    );
  });
});

Deno.test("what is read is not written over, and a start that is refused leaves nothing", async () => {
  await inDirectory(async (directory) => {
    const input = `${directory}/prompts.csv`;
    const text = "id,prompt\n1, The capital of France is\n1, The capital of Italy is\n2, a\n2, b\n2, c\n";
    await Deno.writeTextFile(input, text);
    await Deno.link(input, `${directory}/linked.csv`);
    await Deno.symlink(input, `${directory}/symlinked.csv`);
    for (const output of ["prompts.csv", "linked.csv", "symlinked.csv"]) {
      const { code, stderr } = await batch(input, `${directory}/${output}`);
      assert.equal(code, 2, stderr);
      assert.match(stderr, /^error: --output .* is the file that is read: choose another name$/m);
    }
    const inside = await batch(input, directory);
    assert.equal(inside.code, 2);
    assert.match(inside.stderr, /prompts\.csv lies in .*, where the run's files go: choose another --output$/m);
    const twice = await batch(input, `${directory}/out`);
    assert.equal(twice.code, 1);
    assert.match(
      twice.stderr,
      /^error: Lines 2 and 3 both have the id "1", and 2 more repeat an id: give each prompt an id of its own, or none$/m,
    );
    await Deno.writeTextFile(`${directory}/mixed.jsonl`, '{"prompt": " a", "id": 2}\n{"prompt": " b"}\n');
    assert.match(
      (await batch(`${directory}/mixed.jsonl`, `${directory}/out`)).stderr,
      /Lines 1 and 2 both have the id "2"/,
    );
    assert.equal(await Deno.readTextFile(input), text);
    const names = await Array.fromAsync(Deno.readDir(directory), ({ name }) => name);
    assert.deepEqual(names.sort(), ["linked.csv", "mixed.jsonl", "prompts.csv", "symlinked.csv"]);
    // Files that are there are not those of a run.
    await Deno.mkdir(`${directory}/mine`);
    await Deno.writeTextFile(`${directory}/mine/features.csv`, "of my own\n");
    const other = await batch(`${directory}/mixed.jsonl`, `${directory}/mine`);
    assert.match(other.stderr, /mine has features\.csv but no manifest\.json: choose another directory$/m);
    await Deno.mkdir(`${directory}/data/inputs/deep`, { recursive: true });
    await Deno.writeTextFile(`${directory}/data/inputs/of my own.txt`, "of my own\n");
    const third = await batch(`${directory}/mixed.jsonl`, `${directory}/data`);
    assert.match(third.stderr, /data has inputs\/of my own\.txt but no manifest\.json: choose another directory$/m);
    await Deno.remove(`${directory}/data/inputs/of my own.txt`);
    await Deno.writeTextFile(`${directory}/data/inputs/deep/own.txt`, "of my own\n");
    assert.match((await batch(`${directory}/mixed.jsonl`, `${directory}/data`)).stderr, /both have the id "2"/);
    assert.equal(await Deno.readTextFile(`${directory}/data/inputs/deep/own.txt`), "of my own\n");
    assert.deepEqual(await Array.fromAsync(Deno.readDir(`${directory}/mine`), ({ name }) => name), ["features.csv"]);
  });
});

Deno.test("a link among a run's files is not written through", async () => {
  await inDirectory(async (directory) => {
    const input = `${directory}/prompts.jsonl`;
    await Deno.writeTextFile(input, toJsonLines(makePrompts(3)));
    await Deno.writeTextFile(`${directory}/mine`, "mine");
    await Deno.mkdir(`${directory}/out/rows`, { recursive: true });
    assert.equal((await batch(input, `${directory}/out`)).code, 0);
    for (const name of ["rows/part-000000.csv", "prompts.csv", "done/000000.json"]) {
      await Deno.remove(`${directory}/out/${name}`);
      await Deno.symlink(`${directory}/mine`, `${directory}/out/${name}`);
    }
    const { code, stderr } = await batch(input, `${directory}/out`);
    assert.equal(code, 0, stderr);
    assert.equal(await Deno.readTextFile(`${directory}/mine`), "mine");
  });
});

Deno.test("Ctrl-C while prompts are read: nothing is left, and that is said", async () => {
  await inDirectory(async (directory) => {
    const output = `${directory}/out`;
    const args = ["batch", "-", "--input-format", "jsonl", "--output", output, "--shard-size", "2"];
    const child = cliCommand(args, { stdin: "" }).spawn();
    const writer = child.stdin.getWriter();
    // Enough that shards are written; then it waits for more.
    await writer.write(
      new TextEncoder().encode(toJsonLines(makePrompts(1000)).repeat(2).replaceAll(/"id":"p\d+",/g, "")),
    );
    await until("the first inputs", () => countFiles(`${output}/inputs`) > 0);
    child.kill("SIGINT");
    const { code, stderr } = await child.output();
    const text = new TextDecoder().decode(stderr);
    assert.equal(code, 130, text);
    assert.match(text, /^error: stopped before all prompts were read: the same command begins anew$/m);
    await writer.close().catch(() => {});
    assert.deepEqual(await Array.fromAsync(Deno.readDir(directory)), []);
  });
});

Deno.test("texts are told apart, whatever they are and however many", () => {
  const set = new TextSet();
  const want = new Map<string, number>();
  for (let i = 1; i <= 20_000; i++) {
    const text = `${(i * i) % 15_013}`;
    assert.equal(set.add(text, i), want.get(text));
    if (!want.has(text)) want.set(text, i);
  }
  assert.equal(set.size, want.size);
});

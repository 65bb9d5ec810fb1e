/** Runs that are killed and taken up again. */
import assert from "node:assert/strict";
import { cliCommand, inDirectory, runCli } from "../cli/run_cli.ts";
import { assertSameTrees, countFiles, makePrompts, readTree, seededRandom, toJsonLines, until } from "./prompts.ts";

const PROMPTS = 1000;
const SHARD_SIZE = 20;
const SHARDS = PROMPTS / SHARD_SIZE;
const KILLS = 20;

Deno.test("1,000 prompts, killed at 20 random points, end byte-identical to an uninterrupted run", async () => {
  await inDirectory(async (directory) => {
    const input = `${directory}/prompts.jsonl`;
    await Deno.writeTextFile(input, toJsonLines(makePrompts(PROMPTS)));
    const args = (output: string, workers: number): string[] => {
      const options = [
        "--workers",
        String(workers),
        "--threads",
        "1",
        "--shard-size",
        String(SHARD_SIZE),
        "--top",
        "5",
      ];
      return ["batch", input, "--output", `${directory}/${output}/rows.csv`, ...options];
    };
    await Deno.mkdir(`${directory}/whole`);
    await Deno.mkdir(`${directory}/killed`);
    const whole = await runCli(args("whole", 1));
    assert.equal(whole.code, 0, whole.stderr);

    const random = seededRandom(9);
    const done = `${directory}/killed/rows.csv.run/done`;
    // The first while the input is read, the last while the results are put together, the others in between.
    const points = Array.from({ length: KILLS - 2 }, () => 1 + Math.floor(random() * (SHARDS - 2)));
    const thresholds = [0, ...points.sort((a, b) => a - b), SHARDS];
    const seen: number[] = [];
    for (const [life, threshold] of thresholds.entries()) {
      const child = cliCommand(args("killed", life % 5 === 2 ? 2 : 1)).spawn();
      const [, stderr] = [child.stdout.cancel(), new Response(child.stderr).text()];
      let ended = false;
      const status = child.status.finally(() => ended = true);
      await until(`shard ${threshold}`, () => ended || countFiles(done) >= threshold);
      await new Promise((resolve) => setTimeout(resolve, random() * 30));
      if (!ended) child.kill("SIGKILL");
      const { signal } = await status;
      // The last one may have been faster than its killer.
      if (life < KILLS - 1) assert.equal(signal, "SIGKILL", await stderr);
      else await stderr;
      seen.push(countFiles(done));
    }
    assert.deepEqual(seen, seen.toSorted((a, b) => a - b), "shards that were done stay done");

    const last = await runCli(args("killed", 2));
    assert.equal(last.code, 0, last.stderr);
    assert.match(last.stderr, /1,?000 prompts attributed/);
    assertSameTrees(await readTree(`${directory}/killed`), await readTree(`${directory}/whole`));
  });
});

Deno.test("Ctrl-C says how far it is, and the same command goes on from there", async () => {
  await inDirectory(async (directory) => {
    const input = `${directory}/prompts.jsonl`;
    await Deno.writeTextFile(input, toJsonLines(makePrompts(PROMPTS)));
    const args = (output: string, workers: number): string[] => {
      const options = ["--workers", String(workers), "--threads", "1", "--shard-size", "4", "--top", "2"];
      return ["batch", input, "--output", `${directory}/${output}`, ...options];
    };
    const whole = runCli(args("whole", 1));
    for (const workers of [1, 2]) {
      const output = `${directory}/stopped${workers}`;
      const child = cliCommand(args(`stopped${workers}`, workers)).spawn();
      await until("the second shard", () => countFiles(`${output}/done`) >= 2);
      child.kill("SIGINT");
      const { code, stderr } = await child.output();
      const text = new TextDecoder().decode(stderr);
      assert.equal(code, 130, text);
      const [, done] = /^error: stopped with (\d+) of 250 shards done: the same command goes on from there$/m.exec(
        text,
      )!;
      // A worker that is ended may have handed its last write to the system already.
      const late = countFiles(`${output}/done`) - Number(done);
      assert.ok(late >= 0 && late <= workers - 1, `${late} shards more than it said`);
      assert.ok(Number(done) < 250);
      assert.equal((await runCli(args(`stopped${workers}`, workers))).code, 0);
      assert.equal((await whole).code, 0);
      assertSameTrees(await readTree(output), await readTree(`${directory}/whole`));
    }
  });
});

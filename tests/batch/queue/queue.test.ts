/** Shards as jobs on a Redis that the test starts; Debian's redis-server is enough. */
import assert from "node:assert/strict";
import { claimDirectory } from "../../../lib/batch/shards/claim.ts";
import { readManifest } from "../../../lib/batch/shards/manifest.ts";
import { distribute } from "../../../lib/batch/queue/distribute.ts";
import { directoryStore } from "../../../lib/batch/shards/store.ts";
import { inDirectory, runCli } from "../../cli/run_cli.ts";
import { failRedis } from "../faults.ts";
import { assertSameTrees, countFiles, makePrompts, readTree, toJsonLines, until } from "../prompts.ts";
import { background, end, freePort, withRedis } from "./redis.ts";

const SHARDS = 30;
const SHARD_SIZE = 6;

/** Stops processes at a moment when each of them has a job. */
async function stopInMidJob(workers: readonly Deno.ChildProcess[], url: string): Promise<void> {
  const all = (signal: Deno.Signal): void => workers.forEach((worker) => worker.kill(signal));
  await until("a job for every worker", async () => {
    all("SIGSTOP");
    const { stdout } = await runCli(["batch", "status", "--queue", url]);
    if (JSON.parse(stdout).queue.active === workers.length) return true;
    all("SIGCONT");
    return false;
  });
}

Deno.test("three workers, one killed in the middle of a job, Redis restarted: every prompt exactly once", async () => {
  await withRedis(async (directory, redis) => {
    const { url } = redis;
    const input = `${directory}/prompts.jsonl`;
    await Deno.writeTextFile(input, toJsonLines(makePrompts(SHARDS * SHARD_SIZE)));
    const args = (output: string): string[] => {
      return ["batch", input, "--output", `${directory}/${output}`, "--shard-size", String(SHARD_SIZE), "--top", "3"];
    };
    const alone = runCli([...args("alone"), "--workers", "1"]);
    const started = [background([...args("shared"), "--queue", url])];
    try {
      for (let i = 0; i < 3; i++) started.push(background(["worker", "--queue", url]));
      const [coordinator, victim, ...others] = started;
      const done = `${directory}/shared/done`;
      await until("the third shard", () => countFiles(done) >= 3);
      await stopInMidJob([victim, ...others].map(({ child }) => child), url);
      await end(victim.child, "SIGKILL");
      for (const { child } of others) child.kill("SIGCONT");
      const atKill = countFiles(done);
      assert.ok(atKill < SHARDS, "there was work left when the worker was killed");
      await until("a shard after that", () => countFiles(done) > atKill);
      await redis.restart();
      const { code } = await coordinator.child.status;
      assert.equal(code, 0, await coordinator.stderr);
      for (const { child, stderr } of others) {
        assert.equal((await end(child, "SIGTERM")).code, 0);
        assert.match(await stderr, /is done/);
      }
      const { code: aloneCode, stderr } = await alone;
      assert.equal(aloneCode, 0, stderr);
      assertSameTrees(await readTree(`${directory}/shared`), await readTree(`${directory}/alone`));
      const prompts = (await Deno.readTextFile(`${directory}/shared/prompts.csv`)).split("\n").slice(1, -1);
      assert.deepEqual(prompts.map((line) => line.split(",")[0]), makePrompts(SHARDS * SHARD_SIZE).map(({ id }) => id));
    } finally {
      await Promise.all(started.map(({ child }) => end(child, "SIGKILL")));
    }
  });
});

Deno.test("a shard that fails every time is a dead letter, and is tried again by the same command", async () => {
  await withRedis(async (directory, { url }) => {
    const input = `${directory}/prompts.jsonl`;
    await Deno.writeTextFile(input, toJsonLines(makePrompts(4)));
    const args = ["batch", input, "--output", `${directory}/out`, "--shard-size", "2", "--queue", url];
    // A directory where the rows of the second shard belong: they cannot be written.
    await Deno.mkdir(`${directory}/out/rows/part-000001.csv`, { recursive: true });
    // The worker's machine has another name for the directory.
    await Deno.symlink(`${directory}/out`, `${directory}/mounted`);
    const worker = background(["worker", "--queue", url, "--directory", `${directory}/mounted`]);
    try {
      const { code, stderr } = await runCli(args);
      assert.equal(code, 1);
      assert.match(
        stderr,
        /^error: shard 1 failed several times, Cannot write .*mounted\/rows\/part-000001\.csv: it is a directory/m,
      );
      const { queue } = JSON.parse((await runCli(["batch", "status", "--queue", url])).stdout);
      assert.deepEqual([queue.waiting, queue.active, queue.delayed, queue.workers], [0, 0, 0, 1]);
      assert.deepEqual([queue.dead.length, queue.dead[0].shard, queue.dead[0].attempts], [1, 1, 3]);
      await Deno.remove(`${directory}/out/rows/part-000001.csv`);
      const again = await runCli(args);
      assert.equal(again.code, 0, again.stderr);
      assert.match(again.stderr, /4 prompts attributed/);
    } finally {
      await end(worker.child, "SIGKILL");
      await worker.stderr;
    }
  });
});

Deno.test("no Redis where one should be", async () => {
  await inDirectory(async (directory) => {
    const url = `redis://:secret@127.0.0.1:${freePort()}`;
    await Deno.writeTextFile(`${directory}/prompts.txt`, " a\n");
    const args = [`${directory}/prompts.txt`, "--output", `${directory}/out`, "--queue", url];
    for (const command of [["batch", ...args], ["worker", "--queue", url], ["batch", "status", "--queue", url]]) {
      const { code, stderr } = await runCli(command);
      assert.equal(code, 1);
      assert.match(stderr, /^error: Cannot reach Redis at redis:\/\/127\.0\.0\.1:\d+: .*ECONNREFUSED/m);
      assert.doesNotMatch(stderr, /secret/);
    }
  });
});

/** A worker, and what it is to do. */
async function withWorker(
  test: (
    directory: string,
    redis: Parameters<Parameters<typeof withRedis>[0]>[1],
    batch: (output: string, ...more: string[]) => ReturnType<typeof runCli>,
  ) => Promise<void>,
  ...workerArgs: string[]
): Promise<void> {
  await withRedis(async (directory, redis) => {
    const input = `${directory}/prompts.jsonl`;
    await Deno.writeTextFile(input, toJsonLines(makePrompts(8)));
    const worker = background([
      "worker",
      "--queue",
      redis.url,
      ...workerArgs.map((arg) => arg.replace("@", directory)),
    ]);
    try {
      await test(
        directory,
        redis,
        (output, ...more) =>
          runCli([
            "batch",
            input,
            "--output",
            `${directory}/${output}`,
            "--shard-size",
            "2",
            "--queue",
            redis.url,
            ...more,
          ]),
      );
    } finally {
      await end(worker.child, "SIGKILL");
      await worker.stderr;
    }
  });
}

Deno.test("the same prompts into a second directory, a copy of it and one made anew, by a worker that knows the first", async () => {
  await withWorker(async (directory, _, batch) => {
    const first = await batch("first");
    assert.equal(first.code, 0, first.stderr);
    const want = await readTree(`${directory}/first`);
    // A copy has the first one's id until a batch begins in it; with its shards undone the worker must not take the other.
    await new Deno.Command("cp", { args: ["-r", `${directory}/first`, `${directory}/copy`] }).output();
    await Deno.remove(`${directory}/copy/done`, { recursive: true });
    for (const output of ["second", "copy"]) {
      const { code, stderr } = await batch(output);
      assert.equal(code, 0, stderr);
      assertSameTrees(await readTree(`${directory}/${output}`), want);
    }
    await Deno.remove(`${directory}/second`, { recursive: true });
    const again = await batch("second");
    assert.equal(again.code, 0, again.stderr);
    assertSameTrees(await readTree(`${directory}/second`), want);
    assertSameTrees(await readTree(`${directory}/first`), want);
  });
});

Deno.test("a worker that sees one directory only does not take another run's shards for it", async () => {
  await withWorker(
    async (directory, _, batch) => {
      const seen = await batch("seen");
      assert.equal(seen.code, 0, seen.stderr);
      const want = await readTree(`${directory}/seen`);
      const { code, stderr } = await batch("other");
      assert.equal(code, 1);
      assert.match(
        stderr,
        /failed several times, .*seen is not the directory of this run: is it shared with this machine/,
      );
      assertSameTrees(await readTree(`${directory}/seen`), want);
      assert.equal(countFiles(`${directory}/other/done`), 0);
    },
    "--directory",
    "@/seen",
  );
});

Deno.test("jobs that are none break nothing, and write nothing", async () => {
  await withWorker(async (directory, redis, batch) => {
    assert.equal((await batch("out")).code, 0);
    const before = await readTree(directory);
    await redis.junk(`${directory}/out`);
    const status = async () => JSON.parse((await runCli(["batch", "status", "--queue", redis.url])).stdout).queue;
    await until("the jobs have failed", async () => (await status()).dead.length === 5);
    const reasons = (await status()).dead.map((
      { shard, error }: { shard: number | null; error: string },
    ) => [shard, error]);
    assert.equal(reasons.filter(([, error]: string[]) => error === "it is no job of this program").length, 4);
    assert.match(reasons.find(([shard]: [number | null]) => shard === 0)[1], /is not the directory of this run/);
    const run = (tree: Map<string, Uint8Array>) => new Map([...tree].filter(([path]) => !path.startsWith("redis/")));
    assertSameTrees(run(await readTree(directory)), run(before));
    const { code, stderr } = await batch("next");
    assert.equal(code, 0, stderr);
  });
});

Deno.test("Redis goes for good: the batch says so, how far it is, and ends", async () => {
  await withRedis(async (directory, redis) => {
    const input = `${directory}/prompts.jsonl`;
    await Deno.writeTextFile(input, toJsonLines(makePrompts(4)));
    const output = `${directory}/out`;
    assert.equal((await runCli(["batch", input, "--output", output, "--shard-size", "1", "--shard", "1/4"])).code, 0);
    using claim = await claimDirectory(output);
    const store = directoryStore(output);
    const manifest = (await readManifest(store))!;
    const gone: string[] = [];
    const run = { url: redis.url, directory: output, directoryId: claim.id, manifest, store, patienceMs: 1000 };
    const distributeUntil = async (stop: () => Promise<void> | void): Promise<void> => {
      let stopped: Promise<void> | void = undefined;
      const onDone = (done: number): void => {
        assert.equal(done, 1);
        stopped ??= stop();
      };
      await assert.rejects(
        distribute({ ...run, onDone, onGone: (reason) => gone.push(reason) }),
        /Redis at redis:\/\/127\.0\.0\.1:\d+ is gone \(.+\) with 1 of 4 shards done: the same command goes on from there/,
      );
      await stopped;
    };
    await distributeUntil(() => redis.stop());
    assert.equal(gone.length, 1);
    await redis.start();
    await distributeUntil(() => redis.freeze());
  });
});

Deno.test("a worker waits for a Redis that has gone, until it is told to end", async () => {
  await withRedis(async (_, redis) => {
    const worker = background(["worker", "--queue", redis.url]);
    try {
      await until("the worker", async () => {
        return JSON.parse((await runCli(["batch", "status", "--queue", redis.url])).stdout).queue.workers === 1;
      });
      await redis.stop();
      assert.equal((await end(worker.child, "SIGTERM")).code, 0, await worker.stderr);
    } finally {
      await end(worker.child, "SIGKILL");
    }
    assert.match(await worker.stderr, /^(Redis: .*\n)*$/);
  });
});

Deno.test("a Redis that restarts, forgets, says nothing or ends connections, and processes that are killed: every row once", async () => {
  await failRedis(7); // the eighth kind, that it goes for good, takes a minute's patience
});

/** Shards as jobs on a Redis that the test starts; Debian's redis-server is enough. */
import assert from "node:assert/strict";
import { cliCommand, inDirectory, runCli } from "../cli/run_cli.ts";
import { assertSameTrees, countFiles, makePrompts, readTree, toJsonLines, until } from "./prompts.ts";

const SHARDS = 30;
const SHARD_SIZE = 6;

function hasRedis(): boolean {
  try {
    return new Deno.Command("redis-server", { args: ["--version"], stdout: "null", stderr: "null" }).outputSync()
      .success;
  } catch {
    return false;
  }
}

function freePort(): number {
  using listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  return listener.addr.port;
}

/** A Redis that keeps what it is told in a directory, as one does whose jobs shall outlive it. */
async function startRedis(directory: string, port: number): Promise<Deno.ChildProcess> {
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--dir", directory, "--appendonly", "yes", "--save", ""];
  const child = new Deno.Command("redis-server", { args, stdout: "null", stderr: "null" }).spawn();
  await until("Redis", async () => {
    try {
      using _ = await Deno.connect({ port, hostname: "127.0.0.1" });
      return true;
    } catch {
      return false;
    }
  });
  return child;
}

/** A process that goes on beside the test, whose output is read so that it is never held up. */
function background(args: readonly string[]): { child: Deno.ChildProcess; stderr: Promise<string> } {
  const child = cliCommand(args).spawn();
  child.stdout.cancel();
  return { child, stderr: new Response(child.stderr).text() };
}

async function end(child: Deno.ChildProcess, signal: Deno.Signal): Promise<Deno.CommandStatus> {
  try {
    child.kill(signal);
  } catch {
    // it has ended by itself
  }
  return await child.status;
}

async function withRedis(test: (directory: string, url: string, restart: () => Promise<void>) => Promise<void>) {
  if (!hasRedis()) return console.log("skipped: there is no redis-server (Debian: apt-get install redis-server)");
  await inDirectory(async (directory) => {
    await Deno.mkdir(`${directory}/redis`);
    const port = freePort();
    let redis = await startRedis(`${directory}/redis`, port);
    try {
      await test(directory, `redis://127.0.0.1:${port}`, async () => {
        await end(redis, "SIGTERM");
        redis = await startRedis(`${directory}/redis`, port);
      });
    } finally {
      await end(redis, "SIGKILL");
    }
  });
}

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
  await withRedis(async (directory, url, restart) => {
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
      await restart();
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
  await withRedis(async (directory, url) => {
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

/**
 * Batches that are killed, started twice, and worked on with a Redis that fails. The tests do a few of each; by hand
 * `deno run -A tests/batch/faults.ts kills 200`, `races 20` or `redis 25` does as many as you like.
 */
import assert from "node:assert/strict";
import { cliCommand, inDirectory, type Outcome, runCli } from "../cli/run_cli.ts";
import { assertSameTrees, countFiles, makePrompts, readTree, seededRandom, toJsonLines, until } from "./prompts.ts";
import { background, end, withRedis } from "./queue/redis.ts";

const SHARD_SIZE = 4;
const SHARDS = 12;
const PROMPTS = SHARD_SIZE * SHARDS;

/** Kills of one directory before its run may come to its end. */
const KILLS_A_RUN = 8;

/** What a directory was when its process was killed. */
type Phase = "nothing" | "claimed" | "inputs" | "work" | "merge" | "done";

function phaseOf(run: string): Phase {
  const has = (name: string): boolean => {
    try {
      return Deno.statSync(`${run}/${name}`).isFile;
    } catch {
      return false;
    }
  };
  if (has("summary.json")) return "done";
  if (countFiles(`${run}/done`) === SHARDS) return "merge";
  if (has("manifest.json")) return "work";
  if (countFiles(`${run}/inputs`) > 0) return "inputs";
  return has("lock") ? "claimed" : "nothing";
}

/** A batch of the first prompts, or of others. */
async function writeInput(path: string, from = 0): Promise<void> {
  await Deno.writeTextFile(path, toJsonLines(makePrompts(from + PROMPTS).slice(from)));
}

function batchArgs(input: string, output: string, ...more: string[]): string[] {
  return [
    "batch",
    input,
    "--output",
    output,
    "--shard-size",
    String(SHARD_SIZE),
    "--threads",
    "1",
    "--top",
    "5",
    ...more,
  ];
}

/**
 * Kills batches at random: as soon as something is claimed, at any time, and when the last shard is done. Each directory is
 * then brought to its end and compared with that of a batch that was left alone.
 *
 * @returns how often each phase was hit
 */
export async function killBatches(kills: number, seed = 5): Promise<Readonly<Record<Phase, number>>> {
  const random = seededRandom(seed);
  const hits = { nothing: 0, claimed: 0, inputs: 0, work: 0, merge: 0, done: 0 };
  await inDirectory(async (directory) => {
    const input = `${directory}/prompts.jsonl`;
    await writeInput(input);
    const wantOf = new Map<string, Map<string, Uint8Array>>();
    for (const format of ["csv", "parquet"]) {
      const start = await runCli(batchArgs(input, `${directory}/whole-${format}/rows.${format}`, "--workers", "1"));
      assert.equal(start.code, 1); // its directory is missing
      await Deno.mkdir(`${directory}/whole-${format}`);
      const whole = await runCli(batchArgs(input, `${directory}/whole-${format}/rows.${format}`, "--workers", "1"));
      assert.equal(whole.code, 0, whole.stderr);
      wantOf.set(format, await readTree(`${directory}/whole-${format}`));
    }
    for (let done = 0, run = 0; done < kills; run++) {
      const format = run % 4 === 3 ? "parquet" : "csv";
      const place = `${directory}/run-${run}`;
      await Deno.mkdir(place);
      const args = batchArgs(input, `${place}/rows.${format}`, "--workers", run % 2 === 0 ? "1" : "2");
      const files = `${place}/rows.${format}.run`;
      for (let i = 0; i < KILLS_A_RUN && done < kills; i++, done++) {
        const isThere = [
          () => phaseOf(files) !== "nothing",
          () => countFiles(`${files}/inputs`) > 0,
          () => countFiles(`${files}/done`) > Math.floor(random() * SHARDS),
          () => countFiles(`${files}/done`) === SHARDS,
        ][Math.floor(i / 2)];
        await killWhen(args, isThere, random() * (i < 2 ? 250 : 50));
        hits[phaseOf(files)]++;
      }
      const last = await runCli(args);
      assert.equal(last.code, 0, last.stderr);
      assertSameTrees(await readTree(place), wantOf.get(format)!);
      await Deno.remove(place, { recursive: true });
    }
  });
  return hits;
}

async function killWhen(args: readonly string[], isSo: () => boolean, milliseconds: number): Promise<void> {
  const { child, stderr } = background(args);
  let hasEnded = false;
  const status = child.status.finally(() => hasEnded = true);
  await until("the moment of the kill", () => hasEnded || isSo());
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  if (!hasEnded) child.kill("SIGKILL");
  const { code, signal } = await status;
  assert.ok(code === 0 || signal === "SIGKILL", await stderr);
}

/**
 * Starts two batches at once, or nearly so, in one directory that is not there yet, in every third round of the same prompts: exactly one
 * does its prompts, the other one says that it does not (or, if it came late and had the same prompts, found them done).
 *
 * @returns how often the other was told that the directory was taken, that it was of other prompts, or that all was done
 */
export async function raceStarts(rounds: number, seed = 7): Promise<Readonly<Record<string, number>>> {
  const random = seededRandom(seed);
  const ends = { "at work": 0, "other prompts": 0, "all done": 0 };
  await inDirectory(async (directory) => {
    const inputs = [`${directory}/a.jsonl`, `${directory}/b.jsonl`];
    await writeInput(inputs[0]);
    await writeInput(inputs[1], 100);
    const want: Map<string, Uint8Array>[] = [];
    for (const [i, input] of inputs.entries()) {
      const { code, stderr } = await runCli(batchArgs(input, `${directory}/want-${i}`, "--workers", "1"));
      assert.equal(code, 0, stderr);
      want.push(await readTree(`${directory}/want-${i}`));
    }
    for (let round = 0; round < rounds; round++) {
      const place = `${directory}/race-${round}`;
      const started = round % 3 === 2 ? [0, 0] : round % 3 === 1 ? [0, 1] : [1, 0];
      const late = round % 2 * random() * 2000; // milliseconds
      const outcomes = await Promise.all(started.map(async (i, second) => {
        await new Promise((resolve) => setTimeout(resolve, second * late));
        return await runCli(batchArgs(inputs[i], place, "--workers", "1"));
      }));
      const won = outcomes.findIndex(({ code }) => code === 0);
      assert.ok(won >= 0, outcomes.map(({ stderr }) => stderr).join());
      ends[reasonOf(outcomes[1 - won], started[0] === started[1])]++;
      assertSameTrees(await readTree(place), want[started[won]]);
    }
  });
  return ends;
}

function reasonOf({ code, stderr }: Outcome, isSame: boolean): "at work" | "other prompts" | "all done" {
  if (code === 0 && isSame) return "all done";
  assert.equal(code, 1, stderr);
  if (/^error: Another process is at work in .*: wait until it has ended, or choose another directory$/m.test(stderr)) {
    return "at work";
  }
  assert.match(stderr, /^error: .* was made of 48 prompts that are not the 48 in .*: give that input, or another/m);
  assert.ok(!isSame);
  return "other prompts";
}

/** What a Redis goes through while a run is worked on, and who else does. */
const FAULTS = [
  "restart",
  "empty",
  "pause",
  "kill clients",
  "kill worker",
  "kill coordinator",
  "junk",
  "gone",
] as const;

/**
 * Runs a data set through a queue again and again, each time with a fault at a random moment: its rows are those of a run
 * without a queue, or, where Redis has gone for good, the batch says so and goes on when it is back.
 *
 * @returns how often each fault was made
 */
export async function failRedis(faults: number, seed = 3): Promise<Readonly<Record<string, number>>> {
  const random = seededRandom(seed);
  const made: Record<string, number> = Object.fromEntries(FAULTS.map((fault) => [fault, 0]));
  await withRedis(async (directory, redis) => {
    const input = `${directory}/prompts.jsonl`;
    await writeInput(input);
    const alone = await runCli(batchArgs(input, `${directory}/alone`, "--workers", "1"));
    assert.equal(alone.code, 0, alone.stderr);
    const want = await readTree(`${directory}/alone`);
    const startWorker = () => background(["worker", "--queue", redis.url]);
    const workers = [startWorker(), startWorker()];
    try {
      for (let i = 0; i < faults; i++) {
        const fault = FAULTS[i % FAULTS.length];
        const output = `${directory}/run-${i}`;
        const args = batchArgs(input, output, "--queue", redis.url);
        let coordinator = background(args);
        let hasEnded = false;
        const moment = Math.floor(random() * (SHARDS - 2));
        void coordinator.child.status.then(() => hasEnded = true);
        await until(`shard ${moment} of ${output}`, () => hasEnded || countFiles(`${output}/done`) > moment);
        switch (fault) {
          case "restart":
            await redis.restart();
            break;
          case "empty":
            await redis.command("FLUSHALL");
            break;
          case "pause":
            await redis.pause(3000 * random());
            break;
          case "kill clients":
            await redis.command("CLIENT", "KILL", "TYPE", "normal");
            break;
          case "kill worker":
            await end(workers[0].child, "SIGKILL");
            workers[0] = startWorker();
            break;
          case "kill coordinator":
            await end(coordinator.child, "SIGKILL");
            coordinator = background(args);
            break;
          case "junk":
            await redis.junk(`${directory}/evil`);
            break;
          case "gone": {
            await redis.stop();
            const { code } = await coordinator.child.status;
            // It may have been just done.
            if (code !== 0) {
              assert.match(await coordinator.stderr, /^error: Redis at .* is gone \(.*\) with \d+ of 12 /m);
            }
            await redis.start();
            coordinator = background(args);
          }
        }
        const { code } = await coordinator.child.status;
        assert.equal(code, 0, `${fault}: ${await coordinator.stderr}`);
        assertSameTrees(await readTree(output), want);
        made[fault]++;
      }
    } finally {
      await Promise.all(workers.map(({ child }) => end(child, "SIGKILL")));
    }
    const names = await Array.fromAsync(Deno.readDir(directory), ({ name }) => name);
    assert.ok(!names.some((name) => name.includes("evil")), names.join());
  });
  return made;
}

/** How a batch ends that is told to. */
export async function interrupted(args: readonly string[], isSo: () => boolean, signal: Deno.Signal): Promise<Outcome> {
  const child = cliCommand(args).spawn();
  await until("the moment of the signal", isSo);
  child.kill(signal);
  const { code, stdout, stderr } = await child.output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

if (import.meta.main) {
  const [what, count] = Deno.args;
  const start = performance.now();
  const work = { kills: killBatches, races: raceStarts, redis: failRedis }[what as "kills" | "races" | "redis"];
  console.log(what, count, await work(Number(count)), `${((performance.now() - start) / 1000).toFixed(0)} s`);
}

/**
 * Every reader on damaged files: no round takes five seconds or half a gigabyte, and every refusal is one clear line of at
 * most 300 characters. `FUZZ_ROUNDS=3000 deno test -A tests/fuzz` does more of them.
 */
import assert from "node:assert/strict";
import type { Outcome } from "./run.ts";
import { readLines } from "../../lib/batch/input/lines.ts";
import { fromFileUrl } from "../../lib/weights/files/places.ts";

const ROUNDS = Number(Deno.env.get("FUZZ_ROUNDS") ?? 100);
const MOST_MS = 5000;
const MOST_BYTES = 500e6;
/** Nothing is heard of a reader for so long only if a round never ends, however busy the machine is. */
const SILENCE_MS = 120_000 + 50 * ROUNDS;

/** What came of each reader; the process ends if it is silent for too long. */
async function* outcomes(): AsyncGenerator<Outcome> {
  const script = fromFileUrl(new URL("run.ts", import.meta.url));
  const args = ["run", "--allow-all", script, String(ROUNDS)];
  const child = new Deno.Command(Deno.execPath(), { args, stdout: "piped", stderr: "inherit" }).spawn();
  let begun = "nothing";
  let timer: ReturnType<typeof setTimeout> | undefined;
  const watch = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => child.kill("SIGKILL"), SILENCE_MS);
  };
  watch();
  try {
    for await (const { text } of readLines(child.stdout)) {
      watch();
      const value = JSON.parse(text) as Outcome | { readonly begins: string };
      if ("begins" in value) begun = value.begins;
      else yield value;
    }
    const { code, signal } = await child.status;
    assert.equal(signal, null, `${begun} does not end`);
    assert.equal(code, 0, `${begun} ended the process`);
  } finally {
    clearTimeout(timer);
  }
}

Deno.test("damaged files and bombs: in time, in memory, in one line", async (t) => {
  const figures: Outcome[] = [];
  for await (const outcome of outcomes()) {
    figures.push(outcome);
    await t.step(`${outcome.name}: ${outcome.rounds} readings`, () => {
      assert.deepEqual(outcome.unclear, []);
      assert.ok(outcome.slowestMs < MOST_MS, `one took ${outcome.slowestMs} ms`);
      assert.ok(outcome.mostBytes < MOST_BYTES, `one took ${outcome.mostBytes} bytes`);
      assert.ok(outcome.longestMessage <= 300, `one says ${outcome.longestMessage} characters`);
    });
  }
  const most = (of: "slowestMs" | "mostBytes" | "longestMessage"): number => Math.max(...figures.map((one) => one[of]));
  console.log(
    `${figures.length} readers and bombs: at most ${most("slowestMs")} ms, ${
      Math.round(most("mostBytes") / 1e6)
    } MB, ` +
      `${most("longestMessage")} characters`,
  );
});

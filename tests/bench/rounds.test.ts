/** Turns of the bench, with contestants whose times are known. */
import assert from "node:assert/strict";
import type { Contestant } from "./contestants.ts";
import { inTurn } from "./rounds.ts";

const set = { name: "7 tokens", prompts: [[1, 2]], file: "prompts.json" };

Deno.test("everyone has a turn in every round, and who fails is left out", async () => {
  const order: string[] = [];
  const times: Record<string, number[]> = { a: [3, 1, 2], b: [10, 20, 30], fails: [5] };
  const contestant = (name: string, kind: Contestant["kind"]): Contestant => ({
    name,
    kind,
    run() {
      order.push(name);
      const seconds = times[name].shift();
      if (seconds === undefined) return Promise.reject(new Error("it failed:\nlater\nerror: no memory\n  at line 3"));
      return Promise.resolve({ seconds: [seconds], peakMemory: 100 * seconds });
    },
  });
  const all = [contestant("fails", "process"), contestant("a", "process"), contestant("b", "process")];
  const [failed, a, b] = await inTurn(all, set, 3);
  assert.deepEqual(order, ["fails", "a", "b", "fails", "a", "b", "a", "b"]);
  assert.equal(failed.failed, "error: no memory");
  assert.deepEqual([a.seconds, a.medianSeconds, a.medianPeakMemory, a.ratio], [[3, 1, 2], 2, 200, 1]);
  assert.deepEqual([b.medianSeconds, b.ratio], [20, 10]);
});

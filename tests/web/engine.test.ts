import assert from "node:assert/strict";
import { Engine } from "../../lib/web/engine.ts";
import { readAttribute } from "../../lib/web/job_requests.ts";
import { EXAMPLE, SAE } from "./ask.ts";

const JOB = readAttribute({ ...EXAMPLE, format: "csv" }, { model: "tiny-facts", saes: () => [{ source: SAE }] });

Deno.test("a job may be stopped before any stage of the model, forward or back; the next one is right", async () => {
  await using engine = new Engine({ device: "auto", threads: 1 });
  let stages = 0;
  const whole = await engine.perform(JOB, () => {}, () => stages++);
  assert.equal(whole.type, "rows");
  // Embedding, 4 blocks and the final norm forward; back over the block above the SAE and the norm.
  assert.ok(stages >= 7, `${stages}`);
  for (let last = 1; last <= stages; last++) {
    let calls = 0;
    const stop = (): void => {
      if (++calls === last) throw new RangeError("stopped");
    };
    await assert.rejects(engine.perform(JOB, () => {}, stop), /^RangeError: stopped$/);
    assert.equal(calls, last);
    assert.deepEqual(await engine.perform(JOB, () => {}), whole);
  }
});

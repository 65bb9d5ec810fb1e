/** A prompt's own continuation in a data set. */
import assert from "node:assert/strict";
import { metricOf } from "../../lib/batch/metric.ts";
import { toRecord } from "../../lib/batch/input/record.ts";
import { inDirectory, runCli } from "../cli/run_cli.ts";

Deno.test("a prompt's continuation takes the place of the run's tokens, and what contradicts it is said", () => {
  assert.deepEqual(toRecord({ prompt: " a", target_text: " b c" }, 2, 1), {
    line: 2,
    id: "1",
    prompt: " a",
    targetText: " b c",
  });
  assert.match(
    (toRecord({ prompt: " a", target_text: 5 }, 2, 1) as { error: string }).error,
    /^target_text is 5: give a text/,
  );
  assert.equal(metricOf({ posToken: [" golf"] }, { targetText: " b" }).name, "target_logprob");
  assert.equal(metricOf({ posToken: [" golf"] }).name, "logit");
  const wrong: [Parameters<typeof metricOf>, RegExp][] = [
    [[{ metric: "loss" }, { targetText: " b" }], /^target_text is a metric of its own: leave out metric$/],
    [[{}, { targetText: " b", positive: [" c"] }], /^target_text is a metric of its own: leave out pos_token$/],
    [[{}, { targetText: "" }], /^target_text is empty: give the continuation to explain$/],
  ];
  for (const [args, message] of wrong) assert.throws(() => metricOf(...args), { name: "RangeError", message });
});

Deno.test("batch: rows of a prompt with target_text are those of attribute --target-text", async () => {
  await inDirectory(async (directory) => {
    const prompts = [
      { id: "own", prompt: " Tiger Woods plays the sport", target_text: " of golf" },
      { id: "run", prompt: " Tiger Woods plays the sport of" },
    ];
    await Deno.writeTextFile(`${directory}/in.jsonl`, prompts.map((one) => JSON.stringify(one)).join("\n"));
    const file = `${directory}/rows.json`;
    const answers = ["--pos-token", " golf", "--neg-token", " tennis", "--threads", "1", "--quiet"];
    const { code, stderr } = await runCli(["batch", `${directory}/in.jsonl`, "--output", file, ...answers]);
    assert.equal(code, 0, stderr);
    const rows: { prompt_id: string }[] = JSON.parse(await Deno.readTextFile(file));
    const of = (id: string): unknown[] =>
      rows.filter(({ prompt_id }) => prompt_id === id).map(({ prompt_id: _, ...row }) => row);
    const alone = async (prompt: string, ...question: string[]): Promise<unknown> => {
      const args = ["attribute", prompt, ...question, "--threads", "1", "--format", "json", "--quiet"];
      return JSON.parse((await runCli(args)).stdout);
    };
    assert.deepEqual(of("own"), await alone(prompts[0].prompt, "--target-text", " of golf"));
    assert.deepEqual(of("run"), await alone(prompts[1].prompt, "--pos-token", " golf", "--neg-token", " tennis"));
  });
});

/** Answers in a data set: each token's rows are those of `attribute`, whatever stands beside them. */
import assert from "node:assert/strict";
import { answerOf } from "../../lib/batch/metric.ts";
import { toRecord } from "../../lib/batch/input/record.ts";
import { readDataSetRequest } from "../../lib/batch/settings.ts";
import { readConfig } from "../../lib/deploy/config.ts";
import { inDirectory, runCli } from "../cli/run_cli.ts";

const [GOLF, PLAYS] = [" Tiger Woods plays the sport", " Roger Federer plays"];
const SHARED = ["--threads", "1", "--quiet"];

async function rowsOf(args: readonly string[]): Promise<Record<string, unknown>[]> {
  const { code, stdout, stderr } = await runCli(["attribute", ...args, ...SHARED, "--format", "json"]);
  assert.deepEqual([code, stderr], [0, ""]);
  return JSON.parse(stdout);
}

async function batch(directory: string, lines: readonly object[], output: string, ...args: string[]): Promise<void> {
  await Deno.writeTextFile(`${directory}/in.jsonl`, lines.map((line) => JSON.stringify(line)).join("\n"));
  const { code, stderr } = await runCli(["batch", `${directory}/in.jsonl`, "--output", output, ...args, ...SHARED]);
  assert.deepEqual([code, stderr], [0, ""]);
}

const own = (rows: readonly Record<string, unknown>[], id: string): unknown[] =>
  rows.filter(({ prompt_id }) => prompt_id === id).map(({ prompt_id: _, ...row }) => row);

Deno.test("batch: rows along a prompt's answer_text are those of attribute --answer-text, others have no target", async () => {
  await inDirectory(async (directory) => {
    const lines = [
      { id: "first", prompt: PLAYS, pos_token: " tennis", neg_token: " golf" },
      { id: "long", prompt: GOLF, answer_text: " of golf. Roger" },
      { id: "none", prompt: GOLF, answer_text: "" },
      { id: "two", prompt: GOLF, answer_text: " of", target_text: " of" },
      { id: "last", prompt: PLAYS, answer_text: " tennis" },
    ];
    const file = `${directory}/rows.json`;
    await batch(directory, lines, file, "--shard-size", "2", "--workers", "2");
    const rows = JSON.parse(await Deno.readTextFile(file));
    assert.deepEqual(own(rows, "long"), await rowsOf([GOLF, "--answer-text", " of golf. Roger"]));
    assert.deepEqual(own(rows, "last"), await rowsOf([PLAYS, "--answer-text", " tennis"]));
    const plain = await rowsOf([PLAYS, "--pos-token", " tennis", "--neg-token", " golf"]);
    const noTarget = { target_position: null, target_token: null };
    assert.deepEqual(own(rows, "first"), plain.map((row) => ({ ...noTarget, ...row })));
    const errors = (await Deno.readTextFile(`${file}.run/errors.jsonl`)).trim().split("\n").map((line) =>
      JSON.parse(line)
    );
    assert.deepEqual(errors.map(({ prompt_id, error }) => [prompt_id, error]), [
      ["none", "answer_text is empty: give the continuation to explain"],
      ["two", "answer_text explains each token after the text before it: leave out target_text"],
    ]);
    const prompts = JSON.parse(await Deno.readTextFile(`${file}.run/prompts.json`));
    const [, long] = prompts;
    assert.deepEqual(JSON.parse(long.pos_token), [" of", " golf", ".", " Roger"]);
    assert.deepEqual([long.metric_name, long.tokens], ["target_logprob", JSON.parse(long.token_ids).length + 4]);
    // What is added up by feature is over all tokens of the answer.
    const sums = new Map<number, number>();
    for (const { prompt_id, feature, attribution } of rows) {
      if (prompt_id === "long") sums.set(feature, (sums.get(feature) ?? 0) + attribution);
    }
    const [strongest, sum] = [...sums].sort(([, a], [, b]) => b - a)[0];
    await batch(directory, lines.slice(1, 2), `${directory}/alone`, "--format", "json");
    const features: { feature: number; mean: number }[] = JSON.parse(
      await Deno.readTextFile(`${directory}/alone/features.json`),
    );
    const found = features.find(({ feature }) => feature === strongest)!;
    assert.ok(Math.abs(found.mean - sum) <= 1e-5 * Math.abs(sum), `${found.mean} is not ${sum}`);
  });
});

Deno.test("batch --generate: what the model says after each prompt, explained token by token; the same header in CSV", async () => {
  await inDirectory(async (directory) => {
    const lines = [{ prompt: GOLF }, { prompt: PLAYS, answer_text: " golf" }, { prompt: GOLF, pos_token: " of" }];
    const file = `${directory}/rows.csv`;
    await batch(directory, lines, file, "--generate", "2", "--metric", "logit-diff", "--top", "3");
    const [header, ...rows] = (await Deno.readTextFile(file)).trimEnd().split("\n");
    assert.equal(header, "prompt_id,target_position,target_token,position,feature,attribution");
    const alone = async (...args: string[]): Promise<string[]> => {
      const all = [...args, "--metric", "logit-diff", "--top", "3", ...SHARED, "--format", "csv"];
      return (await runCli(["attribute", ...all])).stdout.trimEnd().split("\n").slice(1);
    };
    const [one, two] = [await alone(GOLF, "--generate", "2"), await alone(PLAYS, "--answer-text", " golf")];
    assert.deepEqual(rows, [...one.map((row) => `1,${row}`), ...two.map((row) => `2,${row}`)]);
    const { error } = JSON.parse(await Deno.readTextFile(`${file}.run/errors.jsonl`));
    assert.equal(error, "--generate explains each token after the text before it: leave out pos_token");
  });
});

Deno.test("answers in data sets: what cannot be along with them is said", () => {
  const saes = [{ source: "tiny-facts/blocks.3.hook_resid_pre" }];
  const refused = (values: Parameters<typeof readDataSetRequest>[0], message: RegExp): void =>
    void assert.throws(() => readDataSetRequest({ generate: 2, ...values }, saes), { name: "RequestError", message });
  refused({ posToken: [" a"] }, /^`generate` explains each token after the text before it: leave out `posToken`$/);
  refused({ metric: "loss" }, /^`metric: "loss"` is not about single tokens, and `generate` is/);
  refused({ method: "ablation" }, /^`method: "ablation"` takes many passes for each token of an answer/);
  refused({ baseline: "mean" }, /^`baseline` would be another mean for each token of an answer, and they are added up/);
  const record = toRecord({ prompt: " a", answer_text: " b" }, 1, 1);
  assert.deepEqual(record, { line: 1, id: "1", prompt: " a", answerText: " b" });
  assert.match(
    (toRecord({ prompt: " a", answer_text: [1] }, 1, 1) as { error: string }).error,
    /^answer_text is \[1\]: give/,
  );
  const settings = { ...readDataSetRequest({ method: "relp" }, saes), format: "csv", shardSize: 1 } as const;
  const rows = { ...settings.rows, columns: [] };
  assert.deepEqual(answerOf({ ...settings, rows }, { answerText: " b" }), { text: " b", metric: "logprob" });
  assert.equal(answerOf({ ...settings, rows }, { positive: [" b"] }), undefined);
  assert.throws(() => answerOf({ ...settings, rows, baseline: "mean" }, { answerText: " b" }), { name: "RangeError" });
  const prompts = [{ prompt: " a", answer_text: " b" }];
  assert.throws(() => readConfig({ schedule: "0 6 * * *", prompts }), {
    message: /answer_text is not taken here: runs are/,
  });
});

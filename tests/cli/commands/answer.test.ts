/** `attribute --answer-text`: a row for each token of an answer, position and feature. */
import assert from "node:assert/strict";
import { parseRequest } from "../../../lib/cli/commands/explain/attribute.ts";
import { UsageError } from "../../../lib/cli/args/args.ts";
import { inDirectory, MODEL, PROMPT, runCli, SAE } from "../run_cli.ts";

const ON = ["--model", MODEL, "--sae", SAE, "--threads", "1"];
const ANSWER = " golf, tennis";

Deno.test("attribute along an answer: what a command line asks for, and what has no meaning there", () => {
  const request = parseRequest([
    PROMPT,
    "--answer-text",
    ANSWER,
    "--metric",
    "logit-diff",
    "--answer-positions",
    "0,-2:",
  ]);
  assert.deepEqual(request.answer, {
    text: ANSWER,
    metric: "logit-diff",
    positions: [0, { start: -2, end: undefined }],
  });
  assert.equal(parseRequest([PROMPT, "--answer-text", ANSWER]).answer?.metric, "logprob");
  assert.equal(parseRequest([PROMPT, "--pos-token", " golf"]).answer, undefined);
  const mistakes: [string[], RegExp][] = [
    [
      ["--answer-positions", "0"],
      /^--answer-positions chooses tokens of --answer-text or --generate: add one, or leave it out$/,
    ],
    [["--answer-text", ANSWER, "--generate", "2"], /^--answer-text and --generate both say what the answer is/],
    [["--generate", "2", "--metric", "kl"], /^--metric kl is not about single tokens, and --generate is/],
    [["--answer-text", ""], /^--answer-text is empty/],
    [["--answer-text", ANSWER, "--answer-positions", "x"], /^--answer-positions is "x": write positions and A:B/],
    [["--answer-text", ANSWER, "--pos-token", " golf"], /the text before it: leave out --pos-token$/],
    [["--answer-text", ANSWER, "--target-text", " golf"], /the text before it: leave out --target-text$/],
    [["--answer-text", ANSWER, "--metric-position", "-2"], /the text before it: leave out --metric-position$/],
    [["--answer-text", ANSWER, "--metric", "loss"], /^--metric loss is not about single tokens.*logprob, logit-diff,/],
    [
      ["--answer-text", ANSWER, "--method", "integrated-gradients"],
      /takes many passes for each token of an answer/,
    ],
    [["--answer-text", ANSWER, "--method", "ablation"], /takes many passes for each token of an answer/],
    [["--answer-text", ANSWER, "--refine", "3"], /^--refine takes many passes for each token of an answer/],
    [["--answer-text", ANSWER, "--method", "ablation"], /takes many passes for each token of an answer/],
    [["--answer-text", ANSWER, "--curvature", "3"], /^--curvature takes many passes for each token of an answer/],
    [["--answer-text", ANSWER, "--baseline", "ids:1,2"], /^--baseline is zero or mean \(over the text so far\)/],
    [
      ["--answer-text", ANSWER, "--check"],
      /^--check is about the run of one metric, and each token of an answer has its own: leave out/,
    ],
    [["--answer-text", ANSWER, "--verify", "3"], /^--verify is about the run of one metric/],
    [["--answer-text", ANSWER, "--save-tensors", "a"], /^--save-tensors is about the run of one metric/],
    [["--answer-text", ANSWER, "--track", "hook_embed"], /^--track is about the run of one metric/],
  ];
  for (const [args, message] of mistakes) {
    assert.throws(() => parseRequest([PROMPT, ...args]), (error) => {
      assert.ok(error instanceof UsageError);
      assert.match(error.message, message);
      return true;
    });
  }
});

interface Row {
  readonly target_position: number;
  readonly target_token: string;
}

async function rowsOf(args: readonly string[]): Promise<Row[]> {
  const { code, stdout, stderr } = await runCli([...args, "--format", "json", "--quiet"]);
  assert.deepEqual([code, stderr], [0, ""]);
  return JSON.parse(stdout);
}

Deno.test("attribute along an answer: its rows are those of a run of the text before each token, in every table", async () => {
  await inDirectory(async (directory) => {
    const summary = `${directory}/run.json`;
    const base = ["attribute", PROMPT, ...ON, "--answer-text", ANSWER];
    const rows = await rowsOf([...base, "--summary", summary]);
    const { tokens, answer, saes, warnings } = JSON.parse(await Deno.readTextFile(summary));
    assert.deepEqual([saes.length, Array.isArray(warnings)], [1, true]);
    assert.equal(answer.metric, "logprob");
    const ids = tokens.map(({ id }: { id: number }) => id);
    assert.deepEqual(
      answer.targets.map(({ position }: { position: number }) => position),
      ids.slice(answer.prompt_tokens).map((_: number, i: number) => answer.prompt_tokens + i),
    );
    for (const { position, id, text, metric, saes: [sae] } of answer.targets) {
      const own = rows.filter((row) => row.target_position === position);
      assert.ok(own.every((row) => row.target_token === text));
      assert.equal(sae.rows, own.length);
      const before = ["--token-ids", ids.slice(0, position).join()];
      const question = ["--metric", "logprob", "--pos-id", String(id)];
      const alone = await rowsOf(["attribute", ...before, ...ON, ...question]);
      assert.deepEqual(own.map(({ target_position: _, target_token: __, ...row }) => row), alone);
      assert.equal(metric.name, "logprob");
    }
    const byFeature = await rowsOf([...base, "--table", "features", "--answer-positions", "-1", "--top", "3"]);
    assert.equal(byFeature.length, 3);
    assert.ok(byFeature.every((row) => row.target_position === ids.length - 1));
    const byPosition = await rowsOf([...base, "--table", "positions", "--positions", "1"]);
    assert.equal(byPosition.length, ids.length - answer.prompt_tokens);
    const [{ sum_per_position: sums, recurring }] = answer.totals;
    const total = rows.reduce((sum, row) => sum + (row as unknown as { attribution: number }).attribution, 0);
    assert.ok(Math.abs(sums.reduce((a: number, b: number) => a + b, 0) - total) < 1e-5 * Math.max(1, Math.abs(total)));
    assert.ok(recurring.every(({ target_positions }: { target_positions: number[] }) => target_positions.length > 1));
  });
});

Deno.test("attribute along an answer: the summary for people, and one line where the answer does not fit", async () => {
  const said = await runCli(["attribute", PROMPT, ...ON, "--answer-text", ANSWER, "--top", "1"]);
  assert.equal(said.code, 0);
  assert.match(said.stdout, /^target_position,target_token,position,feature,attribution\n/);
  assert.match(said.stderr, /\nAnswer +·golf [<\d.]+ %/);
  assert.match(said.stderr, /\nMetric +log-probability of each token after the text before it; together -[\d.]+/);
  assert.match(
    said.stderr,
    /\nWhat speaks for each token \(\+\) and against it \(-\): activation × gradient\n {2}·golf \(/,
  );
  assert.match(said.stderr, /\nAll features and tokens of the answer together, by position/);
  const none = await runCli([
    "attribute",
    PROMPT,
    ...ON,
    "--answer-text",
    ANSWER,
    "--answer-positions",
    "9",
    "--quiet",
  ]);
  assert.deepEqual([none.code, none.stdout], [1, ""]);
  assert.match(none.stderr, /^error: There is no position 9: an answer of \d+ tokens has 0 to \d+, or -\d+ to -1\n$/);
});

Deno.test("attribute --generate: the rows are those of the same answer given as text", async () => {
  const prompt = " Tiger Woods plays the sport of";
  const args = ["attribute", prompt, "--threads", "1", "--top", "3"];
  const said = await rowsOf([...args, "--generate", "4"]);
  const tokens = [...new Map(said.map((row) => [row.target_position, row.target_token])).values()];
  assert.equal(tokens.length, 4);
  assert.equal(tokens[0], " golf");
  assert.deepEqual(said, await rowsOf([...args, "--answer-text", tokens.join("")]));
});

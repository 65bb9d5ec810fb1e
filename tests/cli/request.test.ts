import assert from "node:assert/strict";
import { UsageError } from "../../lib/cli/args.ts";
import { parseRequest as parseAttribute } from "../../lib/cli/attribute.ts";
import { readDestination } from "../../lib/cli/format.ts";
import { parseRequest as parsePredict } from "../../lib/cli/predict.ts";
import { STDIN } from "../../lib/cli/prompt.ts";
import { readSlice, sliceBounds } from "../../lib/cli/row_options.ts";
import { readSaes } from "../../lib/cli/sae_options.ts";

/** The message of the UsageError that `work` throws. */
function usageError(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof UsageError, String(error));
    assert.doesNotMatch(error.message, /\n/);
    return error.message;
  }
  throw new assert.AssertionError({ message: "it was accepted" });
}

Deno.test("attribute: what a bare prompt means", () => {
  const request = parseAttribute([" golf"]);
  assert.equal(request.prompt, " golf");
  assert.equal(request.model, "tiny-facts");
  assert.deepEqual(request.saes, [{ source: "tiny-facts/blocks.3.hook_resid_pre" }]);
  assert.equal(request.metric.kind, "top-two");
  assert.equal(request.metric.position, -1);
  assert.equal(request.includeErrorTerm, true);
  assert.equal(request.prependBos, undefined);
  assert.deepEqual([request.processing, request.device, request.threads], ["sae", "auto", undefined]);
});

Deno.test("attribute: the prompt from standard input or as ids", () => {
  assert.equal(parseAttribute(["-"]).prompt, STDIN);
  assert.deepEqual(parseAttribute(["--token-ids", "1,2,3"]).prompt, [1, 2, 3]);
  assert.equal(parseAttribute(["--", "-"]).prompt, STDIN);
  assert.match(usageError(() => parseAttribute([])), /^PROMPT is missing: write .*--token-ids 1,2,3$/);
  assert.match(usageError(() => parseAttribute(["x", "--token-ids", "1"])), /^the prompt is given twice/);
});

Deno.test("attribute: which metric the tokens make", () => {
  const metric = (...args: string[]): ReturnType<typeof parseAttribute>["metric"] =>
    parseAttribute(["x", ...args]).metric;
  const difference = metric("--pos-token", " golf", "--neg-id", "3");
  assert.deepEqual([difference.kind, difference.positive, difference.negative], ["logit-diff", " golf", 3]);
  assert.equal(difference.chosenFrom, "from --pos-token and --neg-id");
  assert.equal(metric("--pos-token", "--").positive, "--");
  assert.equal(metric("--pos-id", "0").kind, "logit");
  assert.equal(metric("--metric", "logit-diff").kind, "top-two");
  for (const name of ["logit", "logprob", "prob"]) {
    assert.equal(metric("--metric", name, "--pos-token", " golf").kind, name);
  }
  assert.equal(metric("--metric", "loss").kind, "loss");
  assert.equal(metric("--metric-position", "-3").position, -3);
});

Deno.test("attribute: tokens that do not fit the metric are usage errors", () => {
  const cases: [string[], RegExp][] = [
    [["--neg-token", " golf"], /^--neg-token without --pos-token: give/],
    [["--pos-token", "a", "--pos-id", "1"], /^--pos-token and --pos-id name the same token/],
    [
      ["--metric", "logit-diff", "--pos-token", "a"],
      /^--metric logit-diff compares two tokens .*choose --metric logit$/,
    ],
    [["--metric", "prob"], /^--metric prob needs a token/],
    [["--metric", "prob", "--pos-id", "1", "--neg-id", "2"], /^--metric prob is about one token: leave out --neg-id/],
    [["--metric", "loss", "--pos-id", "1"], /^--metric loss takes no tokens/],
    [["--metric", "loss", "--metric-position", "2"], /^--metric loss is over all positions/],
  ];
  for (const [args, message] of cases) assert.match(usageError(() => parseAttribute(["x", ...args])), message);
});

Deno.test("attribute: SAEs, their hooks and factors", () => {
  const saes = (...args: string[]): unknown => parseAttribute(["x", "--model", "m", ...args]).saes;
  assert.deepEqual(
    saes("--sae", "a@blocks.1.hook_mlp_out", "--norm-scaling-factor", "2.5", "--sae", "user@host/b", "--sae", "c@2024"),
    [{ source: "a", hook: "blocks.1.hook_mlp_out", normScalingFactor: 2.5 }, { source: "user@host/b" }, {
      source: "c@2024",
    }],
  );
  assert.deepEqual(saes("--track", "hook_embed"), []);
  assert.match(usageError(() => saes()), /^no SAE for m: give --sae .* or a hook to --track$/);
  const factor: [string, number] = ["norm-scaling-factor", 1];
  assert.match(usageError(() => readSaes([factor, ["sae", "a"]])), /has no --sae before it/);
  assert.match(usageError(() => readSaes([["sae", "a"], factor, factor])), /given twice for --sae "a"/);
  assert.match(usageError(() => readSaes([["sae", "a"], ["norm-scaling-factor", 0]])), /give a number above 0/);
  assert.match(usageError(() => readSaes([["sae", "a@"]])), /names no hook after the @/);
  assert.match(usageError(() => readSaes([["sae", ""]])), /names no SAE/);
});

Deno.test("attribute: positions are slices as in Python", () => {
  const among = (text: string, length = 5): number[] => {
    const { first, after } = sliceBounds(readSlice(text), length);
    return [0, 1, 2, 3, 4, 5].slice(first, Math.max(first, after));
  };
  assert.deepEqual(among("1:3"), [1, 2]);
  assert.deepEqual(among(":"), [0, 1, 2, 3, 4]);
  assert.deepEqual(among("-2:"), [3, 4]);
  assert.deepEqual(among(":-1"), [0, 1, 2, 3]);
  assert.deepEqual(among("-9:99"), [0, 1, 2, 3, 4]);
  assert.deepEqual(among("3:1"), []);
  for (const text of ["", "3", "1:2:3", "a:b", "1.5:"]) {
    assert.match(usageError(() => readSlice(text)), /^--positions is ".*": write A:B as Python does/);
  }
});

Deno.test("attribute: columns", () => {
  const columns = (text: string): unknown => parseAttribute(["x", "--columns", text]).rows.columns;
  assert.deepEqual(columns("feature, label"), ["feature", "label"]);
  assert.match(
    usageError(() => columns("featur")),
    /^--columns has no column "featur": the nearest is feature, there are/,
  );
  assert.match(usageError(() => columns("feature,feature")), /twice/);
});

Deno.test("the format: its name, the file's ending, the terminal", () => {
  const format = (file: string | undefined, name?: string, isTerminal = false): string =>
    readDestination({ format: name, output: file }, isTerminal).format;
  assert.deepEqual([format(undefined), format(undefined, undefined, true)], ["csv", "table"]);
  assert.deepEqual(["a.csv", "a.JSON", "a.b.jsonl", "a.txt", "/dev/fd/3", ".csv"].map((file) => format(file)), [
    "csv",
    "json",
    "jsonl",
    "table",
    "csv",
    "csv",
  ]);
  assert.equal(format("a.parquet", "json"), "json");
  assert.match(usageError(() => format("a.xlsx")), /^--output ends with "\.xlsx": say how with --format csv/);
  assert.match(usageError(() => format("")), /^--output is empty/);
});

Deno.test("predict: its own options", () => {
  const request = parsePredict(["x", "--answer-id", "4", "--no-prepend-bos"]);
  assert.deepEqual([request.top, request.answer, request.prependBos], [10, 4, false]);
  assert.deepEqual(parsePredict(["x", "--model", "m"]).saes, []);
  assert.match(usageError(() => parsePredict(["x", "--answer", "a", "--answer-id", "1"])), /name the same token/);
  assert.match(usageError(() => parsePredict(["x", "--top", "0"])), /at least 1/);
});

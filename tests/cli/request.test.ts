import assert from "node:assert/strict";
import { UsageError } from "../../lib/cli/args/args.ts";
import { parseRequest as parseAttribute } from "../../lib/cli/commands/explain/attribute.ts";
import { readDestination } from "../../lib/cli/args/options.ts";
import { parseRequest as parsePredict } from "../../lib/cli/commands/explain/predict.ts";
import { STDIN } from "../../lib/cli/args/prompt.ts";
import { positionsIn } from "../../lib/attribution/positions.ts";
import { readPositions } from "../../lib/request/rows.ts";

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
  assert.deepEqual(request.metric.positions, [-1]);
  assert.equal(request.rows.table, "rows");
  assert.deepEqual([request.processingFlags, request.excludeSpecialTokens], [{}, undefined]);
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
  assert.deepEqual([difference.kind, difference.positive, difference.negative], ["logit-diff", [" golf"], [3]]);
  assert.equal(difference.chosenFrom, "from --pos-token and --neg-id");
  assert.deepEqual(metric("--pos-token", "--").positive, ["--"]);
  const several = metric("--pos-id", "1", "--pos-token", " golf", "--pos-token", " Golf", "--neg-id", "2");
  assert.deepEqual([several.kind, several.positive], ["logit-diff", [" golf", " Golf", 1]]);
  assert.equal(several.chosenFrom, "from --pos-token and --pos-id and --neg-id");
  assert.equal(metric("--pos-id", "0").kind, "logit");
  assert.equal(metric("--metric", "logit-diff").kind, "top-two");
  for (const name of ["logit", "logprob", "prob"]) {
    assert.equal(metric("--metric", name, "--pos-token", " golf").kind, name);
  }
  assert.equal(metric("--metric", "loss").kind, "loss");
  assert.deepEqual(metric("--metric-position", "-3").positions, [-3]);
  assert.deepEqual(metric("--pos-id", "0", "--metric-position", "-2,-1").positions, [-2, -1]);
  assert.deepEqual(metric("--metric", "kl", "--no-error-term", "--metric-position", "-2,-1").positions, [-2, -1]);
  const target = metric("--target-text", " golf.");
  assert.deepEqual([target.kind, target.text, target.chosenFrom], ["target-text", " golf.", "from --target-text"]);
});

Deno.test("attribute: tokens that do not fit the metric are usage errors", () => {
  const cases: [string[], RegExp][] = [
    [["--neg-token", " golf"], /^--neg-token without --pos-token: give/],
    [["--pos-token", "a", "--pos-id", "1"], /^--metric logit-diff compares two sides .* add --neg-token or --neg-id$/],
    [["--metric", "logit", "--pos-id", "2", "--pos-id", "1"], /^--metric logit is about one token: leave out all /],
    [["--metric-position", "-2,-1"], /^--metric-position with several positions needs tokens/],
    [["--metric", "kl", "--pos-id", "1"], /^--metric kl takes no tokens: leave out --pos-id$/],
    [
      ["--target-text", "a", "--pos-id", "1", "--metric", "prob"],
      /^--target-text is a metric of its own: leave out --pos-id, --metric$/,
    ],
    [["--target-text", ""], /^--target-text is empty/],
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

Deno.test("attribute: logits with weights", () => {
  const metric = (...args: string[]): ReturnType<typeof parseAttribute>["metric"] =>
    parseAttribute(["x", ...args]).metric;
  const weighted = metric("--id-weight", "3=.5", "--token-weight", " golf=1", "--token-weight===-2e-1");
  assert.deepEqual([weighted.kind, weighted.positive, weighted.weights], ["weighted", [" golf", "=", 3], [
    1,
    -0.2,
    0.5,
  ]]);
  assert.deepEqual([weighted.positions, weighted.chosenFrom], [[-1], "from --token-weight and --id-weight"]);
  const elsewhere = metric("--id-weight", "0=1", "--metric-position", "-2,-1");
  assert.deepEqual([elsewhere.positions, elsewhere.chosenFrom], [[-2, -1], "from --id-weight"]);
  const cases: [string[], RegExp][] = [
    [["--token-weight", " golf"], /^--token-weight is " golf": give a token, = and its weight, as in/],
    [["--token-weight", "=1"], /^--token-weight is "=1": give a token/],
    [["--token-weight", " golf=much"], /^--token-weight is "much": give a number$/],
    [["--token-weight", " golf="], /^--token-weight is "": give a number$/],
    [["--id-weight", "golf=1"], /^--id-weight is "golf": give a whole number, at least 0$/],
    [["--id-weight", "-1=1"], /^--id-weight is "-1": give a whole number, at least 0$/],
    [
      ["--id-weight", "1=1", "--pos-id", "1", "--neg-token", "a", "--metric", "logit", "--target-text", "b"],
      /^--id-weight is a metric of its own: leave out --pos-id, --neg-token, --metric, --target-text$/,
    ],
  ];
  for (const [args, message] of cases) assert.match(usageError(() => metric(...args)), message);
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
  assert.match(
    usageError(() => saes()),
    /^no SAE for m: give --sae .* or a hook to --track; saes m lists public ones$/,
  );
  const factor = ["--norm-scaling-factor", "1"];
  assert.match(usageError(() => saes(...factor, "--sae", "a")), /has no --sae before it/);
  assert.match(usageError(() => saes("--sae", "a", ...factor, ...factor)), /given twice for --sae "a"/);
  assert.match(
    usageError(() => parseAttribute(["x", "--sae", "a", "--norm-scaling-factor", "0"])),
    /^--norm-scaling-factor is "0": give a number, above 0$/,
  );
  assert.deepEqual(
    saes("--sae", "a", "--hook-in", "blocks.1.mlp.hook_in", "--explanations", "x", "--explanations", "y"),
    [
      { source: "a", hookIn: "blocks.1.mlp.hook_in", explanations: ["x", "y"] },
    ],
  );
  assert.deepEqual(saes("--explanations", "x", "--sae", "a"), [{ source: "a", explanations: ["x"] }]);
  assert.deepEqual(saes("--sae", "a", "--sae", "b", "--explanations", "x"), [{ source: "a" }, {
    source: "b",
    explanations: ["x"],
  }]);
  assert.deepEqual(parseAttribute(["x", "--explanations", "f"]).saes, [
    { source: "tiny-facts/blocks.3.hook_resid_pre", explanations: ["f"] },
  ]);
  assert.match(usageError(() => saes("--explanations", "x", "--sae", "a", "--sae", "b")), /has no --sae before it/);
  assert.match(usageError(() => saes("--sae", "a", "--explanations", "")), /^--explanations is empty/);
  assert.match(usageError(() => saes("--sae", "a", "--hook-in", "a b")), /^--hook-in is "a b": give a hook's name/);
  assert.match(usageError(() => saes("--sae", "a", "--hook-in", "h", "--hook-in", "h")), /given twice/);
  assert.match(usageError(() => saes("--sae", "a@")), /names no hook after the @/);
  assert.match(usageError(() => saes("--sae", "")), /names no SAE/);
});

Deno.test("attribute: positions are slices as in Python", () => {
  const among = (text: string, length = 5): number[] => positionsIn(readPositions(text, {}), { length });
  assert.deepEqual(among("1:3"), [1, 2]);
  assert.deepEqual(among(":"), [0, 1, 2, 3, 4]);
  assert.deepEqual(among("-2:"), [3, 4]);
  assert.deepEqual(among(":-1"), [0, 1, 2, 3]);
  assert.deepEqual(among("-9:99"), [0, 1, 2, 3, 4]);
  assert.deepEqual(among("3:1"), []);
  assert.deepEqual(among("3"), [3]);
  assert.deepEqual(among("-1"), [4]);
  assert.deepEqual(among("4, 1"), [1, 4]);
  assert.deepEqual(among("0,-2:,3"), [0, 3, 4]);
  assert.deepEqual(among("7"), []);
  for (const text of ["", ",", "1,", "1:2:3", "a:b", "1.5:", "1 2"]) {
    assert.match(
      usageError(() => parseAttribute(["x", "--positions", text])),
      /^--positions is ".*": write positions and A:B as Python does/,
    );
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

Deno.test("attribute: tables and what they have no use for", () => {
  assert.equal(parseAttribute(["x", "--table", "features", "--top", "3", "--positions", "1:"]).rows.table, "features");
  const useless = (...args: string[]): string => usageError(() => parseAttribute(["x", "--table", ...args]));
  assert.match(useless("positions", "--top", "3"), /^--top means nothing in --table positions: leave one of them out$/);
  assert.match(useless("positions", "--include-error"), /^--include-error means nothing/);
  assert.match(useless("features", "--columns", "hook"), /^--columns means nothing in --table features/);
});

Deno.test("attribute: flags of the processing, and excluded tokens", () => {
  const request = parseAttribute(["x", "--processing", "none", "--fold-ln", "--no-fold-value-biases"]);
  assert.deepEqual(request.processingFlags, { foldLn: true, foldValueBiases: false });
  assert.equal(parseAttribute(["x", "--no-exclude-special-tokens"]).excludeSpecialTokens, false);
  assert.deepEqual(parseAttribute(["x", "--exclude-token-ids", "1,2"]).excludeSpecialTokens, [1, 2]);
  assert.match(
    usageError(() => parseAttribute(["x", "--exclude-special-tokens", "--exclude-token-ids", "1"])),
    /^--exclude-special-tokens and --exclude-token-ids exclude each other: give one of them$/,
  );
  for (const name of ["summary", "save-tensors", "emit-python"]) {
    assert.match(usageError(() => parseAttribute(["x", `--${name}=`])), new RegExp(`^--${name} is empty`));
  }
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

Deno.test("the memory limit: above 0, and only where it decides", () => {
  assert.equal(parseAttribute(["x", "--memory-limit", "0.5"]).memoryLimit, 5e8);
  for (const text of ["0", "-1", "-0.5"]) {
    const message = usageError(() => parseAttribute(["x", "--memory-limit", text]));
    assert.equal(message, `--memory-limit is "${text}": give a number, above 0`);
  }
  for (const weights of ["resident", "streamed"]) {
    const message = usageError(() => parseAttribute(["x", "--memory-limit", "1", "--weights", weights]));
    assert.match(message, /^--memory-limit decides for --weights auto, and --weights is \w+: leave out one of them$/);
  }
});

Deno.test("predict: its own options", () => {
  const request = parsePredict(["x", "--answer-id", "4", "--no-prepend-bos"]);
  assert.deepEqual([request.top, request.answer, request.prependBos], [10, 4, false]);
  assert.deepEqual(parsePredict(["x", "--model", "m"]).saes, []);
  assert.match(usageError(() => parsePredict(["x", "--answer", "a", "--answer-id", "1"])), /name the same token/);
  assert.match(usageError(() => parsePredict(["x", "--top", "0"])), /at least 1/);
});

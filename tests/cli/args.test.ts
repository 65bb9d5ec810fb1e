import assert from "node:assert/strict";
import { type CommandSpec, parseCommand, UsageError } from "../../lib/cli/args/args.ts";
import { helpText } from "../../lib/cli/args/help.ts";

const spec = {
  name: "attribute",
  summary: "Attribute a metric to SAE features",
  usage: "PROMPT [options]",
  positionals: [{ name: "PROMPT", help: "the text; - reads standard input", required: true }],
  options: {
    sae: { kind: "string", multiple: true, placeholder: "S[@HOOK]", help: "an SAE" },
    "norm-scaling-factor": { kind: "number", multiple: true, placeholder: "X", help: "for the --sae before it" },
    "pos-token": { kind: "string", placeholder: "T", help: "a single token as text" },
    "metric-position": { kind: "integer", placeholder: "P", help: "where the metric reads", default: "-1" },
    top: { kind: "integer", placeholder: "K", help: "the K largest", min: 1, max: 1000 },
    features: { kind: "integers", placeholder: "LIST", help: "rows of these features", min: 0 },
    scale: { kind: "number", help: "a factor" },
    format: { kind: "string", choices: ["csv", "json", "table"], placeholder: "F", help: "how rows are written" },
    "prepend-bos": { kind: "boolean", negatable: true, help: "begin with the model's first token" },
    quiet: { kind: "boolean", help: "no summary" },
  },
  examples: ['attribute "The capital of France is" --top 5'],
} satisfies CommandSpec;

const values = (...args: string[]): ReturnType<typeof parseCommand<typeof spec>>["values"] =>
  parseCommand(spec, ["hello", ...args]).values;

/** The message of the UsageError that the arguments give. */
function usageError(args: string[], command: CommandSpec = spec): string {
  try {
    parseCommand(command, args);
  } catch (error) {
    assert.ok(error instanceof UsageError, String(error));
    assert.equal(error.name, "UsageError");
    assert.doesNotMatch(error.message, /[\n\p{Cc}]/u);
    return error.message;
  }
  throw new assert.AssertionError({ message: `${JSON.stringify(args)} was accepted` });
}

Deno.test("parseCommand: values that are not given", () => {
  assert.deepEqual(values(), {
    sae: [],
    "norm-scaling-factor": [],
    "pos-token": undefined,
    "metric-position": -1,
    top: undefined,
    features: undefined,
    scale: undefined,
    format: undefined,
    "prepend-bos": undefined,
    quiet: false,
  });
});

Deno.test("parseCommand: values have their kinds", () => {
  const parsed = values("--top", "7", "--features=1,2,3", "--scale", "-1.5e-3", "--format", "csv", "--quiet");
  // The types are part of the promise: these lines do not compile otherwise.
  const top: number | undefined = parsed.top;
  const position: number = parsed["metric-position"];
  const features: readonly number[] | undefined = parsed.features;
  const quiet: boolean = parsed.quiet;
  const saes: readonly string[] = parsed.sae;
  // @ts-expect-error: an option that the command lacks
  const unknown: undefined = parsed.unknown;
  assert.deepEqual([top, position, features, quiet, saes, unknown], [7, -1, [1, 2, 3], true, [], undefined]);
  assert.equal(parsed.scale, -0.0015);
  assert.equal(parsed.format, "csv");
});

Deno.test("parseCommand: an option takes the next argument whatever it begins with", () => {
  assert.equal(values("--metric-position", "-3")["metric-position"], -3);
  for (const token of ["--", "-", "--top", "-h", "--help", "=", "a=b", "", "-1", "--pos-token=x"]) {
    assert.equal(values("--pos-token", token)["pos-token"], token);
    assert.equal(values(`--pos-token=${token}`)["pos-token"], token);
  }
});

Deno.test("parseCommand: arguments without a name", () => {
  assert.deepEqual(parseCommand(spec, ["-"]).positionals, ["-"]);
  assert.deepEqual(parseCommand(spec, [""]).positionals, [""]);
  assert.deepEqual(parseCommand(spec, ["--quiet", " Tiger Woods"]).positionals, [" Tiger Woods"]);
  const ended = parseCommand(spec, ["--quiet", "--", "--top"]);
  assert.deepEqual(ended.positionals, ["--top"]);
  assert.equal(ended.values.top, undefined);
  assert.deepEqual(parseCommand(spec, ["--", "--"]).positionals, ["--"]);
});

Deno.test("parseCommand: negatable booleans", () => {
  assert.equal(values("--prepend-bos")["prepend-bos"], true);
  assert.equal(values("--no-prepend-bos")["prepend-bos"], false);
  assert.match(usageError(["p", "--no-quiet"]), /^unknown option "--no-quiet"/);
});

Deno.test("parseCommand: the order of what was given", () => {
  const args = ["--sae", "a", "--norm-scaling-factor", "2", "p", "--sae=b", "--no-prepend-bos", "--top", "3"];
  const { order, values } = parseCommand(spec, args);
  assert.deepEqual(order, [
    ["sae", "a"],
    ["norm-scaling-factor", 2],
    ["sae", "b"],
    ["prepend-bos", false],
    ["top", 3],
  ]);
  assert.deepEqual(values.sae, ["a", "b"]);
});

Deno.test("parseCommand: help is found before anything is missing", () => {
  for (const flag of ["--help", "-h"]) {
    assert.equal(parseCommand(spec, [flag]).help, true);
    assert.equal(parseCommand(spec, ["p", "--quiet", flag, "--nonsense"]).help, true);
    assert.deepEqual(parseCommand(spec, ["--", flag]), { ...parseCommand(spec, ["p"]), positionals: [flag] });
  }
});

Deno.test("parseCommand: each mistake is one line that says what to do", () => {
  const cases: [string[], string][] = [
    [["p", "--postoken", "x"], 'unknown option "--postoken": the nearest is --pos-token, attribute --help lists all'],
    [
      ["p", "--no-prepend-bso"],
      'unknown option "--no-prepend-bso": the nearest is --no-prepend-bos, attribute --help lists all',
    ],
    [["-t", "5"], 'unknown option "-t": options have two dashes; text that begins with one goes after --'],
    [["p", "--top"], "--top has no value: write --top K"],
    [["p", "--scale"], "--scale has no value: write --scale VALUE"],
    [["p", "--quiet=yes"], '--quiet takes no value: write it without "=yes"'],
    [["p", "--top", "ten"], '--top is "ten": give a whole number, at least 1 and at most 1000'],
    [["p", "--top", "0"], '--top is "0": give a whole number, at least 1 and at most 1000'],
    [["p", "--top", "2.5"], '--top is "2.5": give a whole number, at least 1 and at most 1000'],
    [["p", "--top="], '--top is "": give a whole number, at least 1 and at most 1000'],
    [
      ["p", "--metric-position", "99999999999999999999"],
      '--metric-position is "99999999999999999999": give a whole number',
    ],
    [["p", "--scale", "0x10"], '--scale is "0x10": give a number'],
    [["p", "--scale", "1e999"], '--scale is "1e999": give a number'],
    [["p", "--features", "1,,2"], '--features is "1,,2": give whole numbers with commas between, at least 0'],
    [["p", "--features", "1,-2"], '--features is "1,-2": give whole numbers with commas between, at least 0'],
    [["p", "--format", "xml"], '--format is "xml": choose csv, json or table'],
    [["p", "--top", "1", "--top", "2"], "--top is given twice: give it once"],
    [["p", "--prepend-bos", "--no-prepend-bos"], "--prepend-bos is given twice: give it once"],
    [[], "PROMPT is missing (the text; - reads standard input): write attribute PROMPT [options]"],
    [["p", "q"], 'unexpected argument "q": write text that has spaces in quotes, and options with --'],
  ];
  for (const [args, message] of cases) assert.equal(usageError(args), message);
});

Deno.test("parseCommand: hostile arguments stay harmless", () => {
  for (const name of ["constructor", "__proto__", "toString", "hasOwnProperty", "=", ""]) {
    assert.match(usageError(["p", `--${name}=x`]), /^unknown option/);
  }
  assert.match(usageError(["p", "\x1b[2J\u{9b}\u{202e}\n"]), /"\\u001b\[2J\\u\{9b\}\\u\{202e\}\\n"/);
  assert.ok(usageError(["p", "x".repeat(100_000)]).length < 200);
  assert.ok(usageError([`--${"x".repeat(100_000)}`]).length < 200);
});

Deno.test("parseCommand: optional arguments and commands without options", () => {
  const bare: CommandSpec = {
    name: "list",
    summary: "List",
    usage: "[NAME]",
    positionals: [{ name: "NAME", help: "one of them", required: false }],
    options: {},
    examples: [],
  };
  assert.deepEqual(parseCommand(bare, []), { help: false, positionals: [], values: {}, order: [] });
  assert.equal(usageError(["--x"], bare), 'unknown option "--x": the nearest is --help, list --help lists all');
});

Deno.test("helpText: usage, arguments, options with their notes, examples", () => {
  const text = helpText(spec);
  assert.match(
    text,
    /^Attribute a metric to SAE features\n\nUsage:\n {2}attribute PROMPT \[options\]\n\nArguments:\n {2}PROMPT /,
  );
  assert.match(text, /\n {2}--sae S\[@HOOK\] +an SAE \(repeatable\)\n/);
  assert.match(text, /\n {2}--metric-position P +where the metric reads \(default: -1\)\n/);
  assert.match(text, /\n {2}--norm-scaling-factor X +for the --sae before it/);
  assert.match(text, /how rows are written \(one of csv, json, table\)/);
  assert.match(text, /\n {2}--\[no-\]prepend-bos +begin with/);
  assert.match(text, /\n {2}-h, --help +show this\n/);
  assert.match(text, /\nExamples:\n {2}attribute "The capital of France is" --top 5\n$/);
});

Deno.test("helpText: wraps to the width", () => {
  const help = "a long description that does not fit beside its name ".repeat(4).trim();
  const long: CommandSpec = {
    ...spec,
    options: {
      x: { kind: "string", help },
      "a-very-long-option-name-indeed": { kind: "string", placeholder: "FILE", help },
    },
  };
  for (const width of [80, 60]) {
    const lines = helpText(long, width).split("\n");
    assert.equal(lines.find((line) => line.length > width), undefined);
    assert.ok(lines.includes("  --a-very-long-option-name-indeed FILE"));
  }
});

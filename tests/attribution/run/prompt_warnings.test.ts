import assert from "node:assert/strict";
import {
  calculateFeatureAttribution,
  loadModel,
  loadSae,
  logit,
  logitDiff,
  type Model,
  targetText,
  testPrompt,
} from "../../../mod.ts";
import { answerWarnings, promptWarnings } from "../../../lib/attribution/run/prompt_warnings.ts";
import { runCli } from "../../cli/run_cli.ts";
import { post, startServer } from "../../web/ask.ts";

const PROMPT = " Tiger Woods plays the sport of";
const SPACE = /^The prompt ends with a space: most models expect the space at the start of the next token$/;
const RETURN =
  /^The prompt has carriage returns \(\\r, as Windows ends lines\), which are tokens: was \\n alone meant\?$/;
const TWICE = /^The prompt begins with <\|endoftext\|> twice: write it or have it put first, not both$/;
const CASES: readonly [prompt: string, ...warnings: RegExp[]][] = [
  [PROMPT],
  [`${PROMPT}\n`],
  ["one line\nand another"],
  [`${PROMPT} `, SPACE],
  [`${PROMPT}\t`, SPACE],
  [`one line\r\n${PROMPT}`, RETURN],
  [`${PROMPT}\r\n`, RETURN],
  [`<|endoftext|>${PROMPT}`, TWICE],
  [`<|endoftext|>one\r\n `, SPACE, RETURN, TWICE],
];

function matches(warnings: readonly string[], patterns: readonly RegExp[], prompt: string): void {
  assert.equal(warnings.length, patterns.length, `${JSON.stringify(prompt)}: ${warnings.join("; ")}`);
  for (const [i, pattern] of patterns.entries()) assert.match(warnings[i], pattern);
}

Deno.test("prompts with spaces, returns and BOS that cannot be seen are told of, as text and as ids", async () => {
  await using model = await loadModel("tiny-facts", { threads: 1 });
  for (const [prompt, ...patterns] of CASES) {
    const ids = await model.toTokens(prompt);
    for (const given of [prompt, ids]) matches(await promptWarnings(model, given, ids), patterns, prompt);
    matches((await testPrompt(model, prompt)).warnings, patterns, prompt);
    matches(
      (await testPrompt(model, prompt, { prependBos: false })).warnings,
      patterns.filter((p) => p !== TWICE),
      prompt,
    );
  }
});

Deno.test("a prompt without a character is told of", async () => {
  await using model = await loadModel("tiny-facts", { threads: 1 });
  matches(await promptWarnings(model, "", await model.toTokens("")), [/^The prompt is empty: all that the model/], "");
});

/** Warnings of an answer that stands at the ranks given. */
async function ofRanks(model: Model, text: string, before: string, ranks: Record<string, number>): Promise<string[]> {
  const { predictions: [one] } = await testPrompt(model, PROMPT, { topK: 1 });
  const tokenizer = await model.requireTokenizer();
  const byId = new Map(Object.entries(ranks).map(([token, rank]) => [tokenizer.encode(token)[0], rank]));
  return await answerWarnings(model, {
    text,
    before,
    place: (id) => Promise.resolve({ ...one, id, rank: byId.get(id)! }),
  });
}

Deno.test("an answer without its leading space, or with one after a space, gets both ranks", async () => {
  await using model = await loadModel("tiny-facts", { threads: 1 });
  const far = { T: 200, " T": 3 };
  assert.deepEqual(await ofRanks(model, "T", " of", far), [
    '"T" has rank 200 among the predictions, " T" with a leading space rank 3: was that meant?',
  ]);
  assert.deepEqual(await ofRanks(model, " T", " of", { T: 3, " T": 200 }), []);
  assert.deepEqual(await ofRanks(model, " T", " ", { T: 3, " T": 200 }), [
    '" T" has rank 200 among the predictions, "T" without its leading space rank 3: was that meant?',
  ]);
  assert.deepEqual(await ofRanks(model, "T", " of", { T: 30, " T": 20 }), []);
  assert.deepEqual(await ofRanks(model, "T", " of", { T: 0, " T": 200 }), []);
});

Deno.test("warnings of prompts and answers stand in results", async () => {
  await using model = await loadModel("tiny-facts", { threads: 1 });
  await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
  const run = async (metric: Parameters<typeof calculateFeatureAttribution>[2], prompt = PROMPT): Promise<string> => {
    const result = await calculateFeatureAttribution(model, prompt, metric, { saes: [sae] });
    assert.deepEqual(result.summary().warnings, result.warnings);
    return result.warnings.join("; ");
  };
  const { answer } = await testPrompt(model, PROMPT, { answer: " golf" });
  assert.equal(answer!.rank, 0);
  assert.equal(await run(logitDiff(" golf", " tennis")), "");
  assert.match(await run(logitDiff(" golf", " tennis"), `${PROMPT} `), /^The prompt ends with a space/);
  assert.match(
    await run(targetText("golf")),
    /^"golf" has rank \d+ .*, " golf" with a leading space rank 0: was that meant\?$/,
  );
  assert.equal(await run(targetText(" golf.")), "");
  const tokenizer = await model.requireTokenizer();
  const [first] = tokenizer.encode("golf");
  assert.equal(await run(logit(first)), "", "an id is exact");
});

Deno.test("every command that shows a prompt tells of it", async () => {
  const commands: string[][] = [
    ["predict"],
    ["attribute"],
    ["ablate", "--top", "2"],
    ["evaluate"],
    ["steer", "--set", "189@-1=0"],
    ["graph", "--output", "/dev/null"],
    [
      "edges",
      "--sae",
      "tiny-facts/blocks.2.hook_resid_pre",
      "--sae",
      "tiny-facts/blocks.3.hook_resid_pre",
      "--top",
      "1",
    ],
  ];
  for (const [command, ...args] of commands) {
    const { code, stderr } = await runCli([command, `<|endoftext|>${PROMPT}\r\n `, ...args, "--threads", "1"]);
    assert.equal(code, 0, stderr);
    const said = stderr.replace(/\s+/g, " ");
    assert.match(said, /Warning The prompt ends with a space: /, command);
    assert.match(said, /Warning The prompt has carriage returns/, command);
    assert.match(said, /Warning The prompt begins with <\|endoftext\|> twice/, command);
  }
  const { stdout } = await runCli(["report", `${PROMPT} `, "--cards", "0", "--threads", "1"]);
  assert.match(stdout, /"warnings":\["The prompt ends with a space/);
  const { stderr } = await runCli([
    "attribute",
    " The capital of France is",
    "--target-text",
    "Paris",
    "--threads",
    "1",
  ]);
  assert.match(
    stderr.replace(/\s+/g, " "),
    /Warning "Paris" has rank \d+ .*" Paris" with a leading space rank 0: was that meant\?/,
  );
});

Deno.test("the page is told what the command line tells", async () => {
  await using server = await startServer();
  for (const [prompt, ...patterns] of CASES) {
    const answer = await (await post(server, "/api/predict", { prompt })).json();
    matches(answer.warnings, patterns, prompt);
  }
  const last = await (await post(server, "/api/predict", { prompt: `${PROMPT} of`, position: 3 })).json();
  assert.deepEqual(last.warnings, []);
});

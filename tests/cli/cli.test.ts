import assert from "node:assert/strict";
import { findBundledModel } from "../../lib/bundled.ts";
import { cliCommand, HOOK, inDirectory, MODEL, ON_MODEL, PROMPT, runCli, SAE, SAES } from "./run_cli.ts";

interface Golden {
  readonly expected: {
    readonly metric: number;
    readonly next_tokens: { token: string; rank: number; logit: number; probability: number }[];
    readonly saes: Record<string, { rows: [number, number, number][] }>;
  };
}

const golden: Golden = JSON.parse(
  await Deno.readTextFile(new URL("../data/cases/gpt2-standard-resid_pre.json", import.meta.url)),
);
const PAIR = ["--pos-token", " golf", "--neg-token", " tennis"];

function near(got: number, want: number, tolerance: number = 1e-4): void {
  assert.ok(Math.abs(got - want) <= tolerance, `${got} is not ${want}`);
}

Deno.test("cli: help, version, and what is no command", async (t) => {
  const [help, version, attribute, predict] = await Promise.all(
    [["--help"], ["--version"], ["attribute", "--help"], ["predict", "x", "-h"]].map((args) => runCli(args)),
  );
  await t.step("help is on standard output", () => {
    for (const { code, stderr } of [help, version, attribute, predict]) assert.deepEqual([code, stderr], [0, ""]);
    assert.match(help.stdout, /^sae-attribution \d+\.\d+\.\d+: .*\n\nUsage:\n[^]*\n {2}predict {2,}show/);
    assert.match(version.stdout, /^sae-attribution \d+\.\d+\.\d+\n$/);
    assert.match(attribute.stdout, /\n {2}--neg-token T /);
    assert.match(predict.stdout, /\n {2}--answer TOKEN /);
  });
  await t.step("help and version as commands", async () => {
    const cases = [[["help"], help], [["help", "attribute"], attribute], [["version"], version]] as const;
    for (const [args, { stdout }] of cases) assert.deepEqual(await runCli(args), { code: 0, stdout, stderr: "" });
  });
  await t.step("mistakes end with code 2 and one line", async () => {
    const cases: [string[], RegExp][] = [
      [[], /^error: no command: write predict or attribute, or --help\n$/],
      [["atribute"], /^error: unknown command "atribute": the nearest is attribute, --help lists all\n$/],
      [["__proto__"], /^error: unknown command/],
      [["zzzz"], /^error: unknown command "zzzz": --help lists all\n$/],
      [["attr"], /^error: unknown command "attr": the nearest is attribute/],
      [["help", "atribute"], /^error: unknown command "atribute": the nearest is attribute/],
      [["--quiet", "predict"], /^error: "--quiet" comes before a command/],
      [["attribute"], /^error: PROMPT is missing/],
      [["attribute", "x", "--neg-token", "y"], /^error: --neg-token without --pos-token/],
      [["predict", "x", "--tpo", "3"], /^error: unknown option "--tpo": the nearest is --top/],
    ];
    const outcomes = await Promise.all(cases.map(([args]) => runCli(args)));
    for (const [i, { code, stdout, stderr }] of outcomes.entries()) {
      assert.deepEqual([code, stdout], [2, ""]);
      assert.match(stderr, cases[i][1]);
    }
  });
});

Deno.test("cli: attribute writes the golden rows as csv, and its summary to standard error", async () => {
  const { code, stdout, stderr } = await runCli(["attribute", PROMPT, ...PAIR, ...ON_MODEL]);
  assert.equal(code, 0, stderr);
  const [header, ...lines] = stdout.trimEnd().split("\n");
  assert.equal(header, "position,feature,attribution");
  const want = new Map(golden.expected.saes[HOOK].rows.map(([p, f, a]) => [`${p},${f}`, a]));
  assert.equal(lines.length, want.size);
  let previous = Infinity;
  for (const line of lines) {
    const [position, feature, attribution] = line.split(",");
    near(Number(attribution), want.get(`${position},${feature}`)!);
    assert.ok(Number(attribution) <= previous);
    previous = Number(attribution);
  }
  assert.match(stderr, /^Metric {6}logit of ·golf - logit of ·tennis .* = -0\.3405$/m);
  assert.ok(!stderr.includes("\x1b"));
});

Deno.test("cli: attribute to files, with several SAEs, a tracked hook and a check", () =>
  inDirectory(async (directory) => {
    const [rows, summary] = [`${directory}/rows.jsonl`, `${directory}/summary.json`];
    const args = [
      "--sae",
      `${SAES}/g-std-z1`,
      "--track",
      "hook_embed",
      "--check",
      "--columns",
      "hook,token,attribution",
    ];
    const files = ["--output", rows, "--summary", summary, "--top", "7"];
    const { code, stdout, stderr } = await runCli(["attribute", PROMPT, ...PAIR, ...ON_MODEL, ...args, ...files]);
    assert.equal(code, 0, stderr);
    assert.equal(stdout, "");
    assert.match(stderr, /^Tracked {5}hook_embed/m);
    assert.match(stderr, /^Check {7}blocks/m);
    const records = (await Deno.readTextFile(rows)).trimEnd().split("\n").map((line) => JSON.parse(line));
    assert.equal(records.length, 7);
    assert.deepEqual(Object.keys(records[0]), ["hook", "token", "attribution"]);
    const json = JSON.parse(await Deno.readTextFile(summary));
    assert.equal(json.schema_version, 1);
    near(json.metric.value, golden.expected.metric);
    assert.deepEqual(json.saes.map(({ hook }: { hook: string }) => hook).sort(), ["blocks.1.attn.hook_z", HOOK]);
    assert.equal(json.tracked[0].hook, "hook_embed");
    assert.ok(json.check.hooks[0].gradient_central_difference.relative_error < 0.05);
    assert.deepEqual([...Deno.readDirSync(directory)].length, 2);
  }));

Deno.test("cli: labels from files, excluded tokens, flags, tensors, a script and a check without paths", () =>
  inDirectory(async (directory) => {
    const [tensors, script, summary] = ["run.safetensors", "run.py", "run.json"].map((name) => `${directory}/${name}`);
    const labels = `${directory}/labels.json`;
    await Deno.writeTextFile(labels, '[{ "modelId": "m", "layer": "l", "index": "83", "description": "sport" }]');
    const { code, stdout, stderr } = await runCli([
      ...["attribute", PROMPT, ...PAIR, ...ON_MODEL, "--explanations", labels, "--columns", "position,feature,label"],
      ...["--save-tensors", tensors, "--emit-python", script, "--summary", summary, "--check"],
      ...["--exclude-special-tokens", "--processing", "default", "--no-center-unembed"],
    ]);
    assert.equal(code, 0, stderr);
    const lines = stdout.trimEnd().split("\n").slice(1);
    assert.ok(lines.length > 0);
    for (const line of lines) {
      assert.doesNotMatch(line, /^0,/);
      assert.equal(line.endsWith(",sport"), line.includes(",83,"));
    }
    assert.match(stderr, /^Left out {4}<\|endoftext\|> \(0\) special or excluded tokens/m);
    const words = stderr.replace(/\s+/g, " ");
    assert.match(words, / Processing [\w, ]* fold_value_biases \(--processing default, --no-center-unembed\) /);
    assert.match(stderr, /labels\.json is about m\/l,/);
    assert.match(stderr, /^Neuronpedia https:/m);
    const run = JSON.parse(await Deno.readTextFile(summary));
    assert.deepEqual(run.excluded_positions, [0]);
    assert.deepEqual(run.model.processing.center_unembed, false);
    const files = [`${MODEL}/config.json`, `${MODEL}/model.safetensors`, `${SAE}/sae_weights.safetensors`];
    assert.deepEqual(Object.keys(run.check.file_sha256), files);
    assert.match(await Deno.readTextFile(script), /^# logits\[-1, 364\] - logits\[-1, 296\] = /);
    const start = new TextDecoder().decode((await Deno.readFile(tensors)).subarray(8, 40));
    assert.match(start, /^\{"__metadata__":/);
    assert.deepEqual([...Deno.readDirSync(directory)].length, 4);
  }));

Deno.test("cli: tables, kinds of rows, and metrics of several tokens and positions", async () => {
  const run = async (...args: string[]): Promise<string[]> => {
    const { code, stdout, stderr } = await runCli(["attribute", PROMPT, ...ON_MODEL, "--quiet", ...args]);
    assert.deepEqual([code, stderr], [0, ""]);
    return stdout.trimEnd().split("\n");
  };
  const [positions, features, kinds, several, target, kl] = await Promise.all([
    run(...PAIR, "--table", "positions", "--positions=-2:"),
    run(...PAIR, "--table", "features", "--top", "3"),
    run(...PAIR, "--include-error", "--track", "blocks.1.attn.hook_pattern"),
    run("--pos-token", " golf", "--pos-id", "340", "--neg-token", " tennis", "--metric-position=-2,-1", "--top", "2"),
    run("--target-text", " golf.", "--top", "2", "--positions=-2:"),
    run("--metric", "kl", "--no-error-term", "--top", "2"),
  ]);
  assert.deepEqual([positions[0], positions.length], ["position,token,features,bias,error,total", 3]);
  assert.deepEqual([features[0], features.length], ["feature,attribution,positions,max_activation", 4]);
  assert.equal(kinds[0], "hook,kind,position,feature,index_0,index_1,attribution");
  const counts = Object.groupBy(kinds.slice(1), (line) => line.split(",")[1]);
  assert.deepEqual(Object.keys(counts).sort(), ["activation", "bias", "error", "feature"]);
  assert.deepEqual([counts.bias!.length, counts.error!.length], [10, 10]);
  for (const lines of [several, kl]) assert.deepEqual([lines[0], lines.length], ["position,feature,attribution", 3]);
  assert.equal(target.length, 1 + 2);
});

Deno.test("cli: quiet, standard input, ids, and the formats", async () => {
  const common = ["--quiet", ...PAIR, ...ON_MODEL, "--top", "3"];
  const ids = "0,341,348,304,347,83,277,259,323,273";
  const [text, stdin, tokens, json, table] = await Promise.all([
    runCli(["attribute", PROMPT, ...common]),
    runCli(["attribute", "-", ...common], { stdin: `${PROMPT}\n` }),
    runCli(["attribute", "--token-ids", ids, ...common]),
    runCli(["attribute", PROMPT, ...common, "--format", "json"]),
    runCli(["attribute", PROMPT, ...common, "--format", "table"]),
  ]);
  for (const outcome of [text, stdin, tokens, json, table]) assert.deepEqual([outcome.code, outcome.stderr], [0, ""]);
  assert.equal(text.stdout.split("\n").length, 5);
  assert.equal(stdin.stdout, text.stdout);
  assert.equal(tokens.stdout, text.stdout);
  const records = JSON.parse(json.stdout).map((row: Record<string, number>) => Object.values(row).join());
  assert.deepEqual(records, text.stdout.trimEnd().split("\n").slice(1));
  assert.match(table.stdout, /^position {2}feature {2}attribution\n.*█/);
});

Deno.test("cli: predict gives the golden table and the answer outside the top", async () => {
  const { code, stdout, stderr } = await runCli(
    ["predict", PROMPT, ...ON_MODEL, "--top", "3", "--answer", " golf", "--format", "json"],
  );
  assert.equal(code, 0, stderr);
  const rows = JSON.parse(stdout);
  assert.equal(rows.length, 4);
  assert.deepEqual(Object.keys(rows[0]), ["token", "id", "rank", "logit", "probability", "is_answer"]);
  for (const [i, want] of golden.expected.next_tokens.slice(0, 3).entries()) {
    // A part of a character, which the reference shows as U+FFFD, is shown by its bytes.
    if (want.token === "\ufffd") assert.match(rows[i].token, /^(\\x[89A-F][0-9A-F])+$/);
    else assert.equal(rows[i].token, want.token);
    assert.deepEqual([rows[i].rank, rows[i].is_answer], [want.rank, false]);
    near(rows[i].logit, want.logit, 1e-3);
    near(rows[i].probability, want.probability);
  }
  assert.deepEqual([rows[3].token, rows[3].is_answer], [" golf", true]);
  assert.ok(rows[3].rank > 3);
  assert.equal(rows[3].id, 364);
  assert.match(stderr, /^Answer {6}·golf .*\(rank \d+, 0 is the most probable\)$/m);
});

Deno.test("cli: a model without a tokenizer predicts ids", () =>
  inDirectory(async (directory) => {
    for (const file of ["config.json", "model.safetensors"]) {
      await Deno.copyFile(`${MODEL}/${file}`, `${directory}/${file}`);
    }
    const on = ["--threads", "1", "--token-ids", "1,2,3", "--format", "json", "--quiet"];
    const rows = async (model: string): Promise<{ token: string; id: number; rank: number }[]> => {
      const { code, stdout, stderr } = await runCli(["predict", "--model", model, ...on]);
      assert.equal(code, 0, stderr);
      return JSON.parse(stdout);
    };
    const [named, bare] = [await rows(MODEL), await rows(directory)];
    assert.deepEqual(
      bare.map(({ token }) => token),
      named.map(() => ""),
    );
    assert.deepEqual(bare.map(({ id }) => id), named.map(({ id }) => id));
    assert.equal(new Set(bare.map(({ id }) => id)).size, 10);
  }));

Deno.test("cli: a reader that stops early ends it quietly", async () => {
  const child = cliCommand(["attribute", PROMPT, ...ON_MODEL, "--quiet"]).spawn();
  await child.stdout.cancel();
  const [{ code }, stderr] = await Promise.all([child.status, new Response(child.stderr).text()]);
  assert.deepEqual([code, stderr], [0, ""]);
});

Deno.test("cli: help and usage errors need no package", () =>
  inDirectory(async (empty) => {
    const options = { permissions: ["--cached-only", "-A"], env: { DENO_DIR: empty } };
    const lines = [["--help"], ["attribute", "--help"], ["predict", "--help"], ["attribute", "x", "--model", "m"]];
    const outcomes = await Promise.all(lines.map((args) => runCli(args, options)));
    assert.deepEqual(outcomes.map(({ code }) => code), [0, 0, 0, 2], outcomes.map(({ stderr }) => stderr).join(""));
  }));

Deno.test("cli: a run imports no package that it does not need", async () => {
  const needed = ["csv-stringify"];
  for (const command of ["attribute", "predict"]) {
    const url = new URL(`../../lib/cli/runs/explain/${command}.ts`, import.meta.url).href;
    const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json", url] }).output();
    const modules: { specifier: string }[] = JSON.parse(new TextDecoder().decode(stdout)).modules;
    const packages = modules.flatMap(({ specifier }) => /^npm:\/?(@?[^@]+)/.exec(specifier)?.[1] ?? []);
    assert.deepEqual(packages.filter((name) => !needed.includes(name)), []);
  }
});

Deno.test({
  name: "cli: the bundled model answers without being told anything",
  ignore: !(findBundledModel("tiny-facts")!.parameters > 0),
  async fn() {
    const { code, stdout, stderr } = await runCli(["attribute", PROMPT, ...PAIR, "--threads", "1"]);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /^tiny-facts \(bundled, synthetic, .* parameters; not GPT-2\)\n/);
    assert.match(stderr, /^Next token {2}·golf /m);
    assert.match(stderr, /^What speaks for ·golf \(\+\) and for ·tennis \(-\)/m);
    assert.ok(stdout.startsWith("position,feature,attribution\n"));
  },
});

Deno.test("cli: a revision is for models from the hub", async () => {
  const { code, stderr } = await runCli(["predict", " x", "--revision", "abc"]);
  assert.equal(code, 1);
  assert.match(
    stderr,
    /^error: A revision is for models from the hub, and tiny-facts is none: leave out --revision\n$/,
  );
});

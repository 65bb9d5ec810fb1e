/** The command `batch`: what it writes, against single runs and against sums made from its rows. */
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { calculateFeatureAttribution } from "../../lib/attribution/attribution.ts";
import { longTable } from "../../lib/attribution/result/long_table.ts";
import { testPrompt } from "../../lib/attribution/run/predict.ts";
import { logitDiff } from "../../lib/attribution/metric/metrics.ts";
import { parquetReadObjects } from "../../lib/deps/hyparquet.ts";
import { compressors } from "../../lib/batch/input/parquet/decompress.ts";
import { parse } from "../../lib/deps/csv_parse.ts";
import { loadModel } from "../../lib/model/model.ts";
import { loadSae } from "../../lib/sae/load.ts";
import { toCsv } from "../../lib/table/csv.ts";
import { UsageError } from "../../lib/cli/args/args.ts";
import { parseRequest } from "../../lib/cli/commands/many/batch.ts";
import { inDirectory, type Outcome, runCli } from "../cli/run_cli.ts";
import { assertSameTrees, makePrompts, readTree, toJsonLines } from "./prompts.ts";

type Row = Record<string, string>;

const ONE = ["--workers", "1"];

/** Runs `batch` on prompts in a file of the directory. */
async function batch(directory: string, prompts: string, output: string, args: readonly string[]): Promise<Outcome> {
  await Deno.writeTextFile(`${directory}/prompts.jsonl`, prompts);
  return await runCli(["batch", `${directory}/prompts.jsonl`, "--output", `${directory}/${output}`, ...ONE, ...args]);
}

function readCsv(path: string): Row[] {
  return parse(Deno.readTextFileSync(path), { columns: true }) as unknown as Row[];
}

async function readParquet(path: string): Promise<Record<string, unknown>[]> {
  const bytes = await Deno.readFile(path);
  const slice = (start: number, end?: number): ArrayBuffer => bytes.slice(start, end).buffer;
  return await parquetReadObjects({ file: { byteLength: bytes.length, slice }, compressors });
}

Deno.test("rows are those of single runs, features add up, and partitions are the whole", async () => {
  const prompts = makePrompts(13);
  await inDirectory(async (directory) => {
    const { code, stdout, stderr } = await batch(directory, toJsonLines(prompts), "rows.csv", [
      "--shard-size",
      "4",
      "--weights",
      "streamed",
    ]);
    assert.deepEqual([code, stdout], [0, ""], stderr);

    await using model = await loadModel("tiny-facts", { threads: 1 });
    await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
    let want = "prompt_id,position,feature,attribution\n";
    const byFeature = new Map<number, Map<string, number>>();
    for (const { id, prompt, pos_token, neg_token } of prompts) {
      const result = await calculateFeatureAttribution(model, prompt, logitDiff(pos_token, neg_token), { saes: [sae] });
      const { columns, rows } = await longTable(result);
      want += toCsv({ columns, rows }).split("\n").slice(1, -1).map((row) => `${id},${row}\n`).join("");
      for (const { feature, attribution } of result.rows(sae.hookOut)) {
        const sums = byFeature.get(feature) ?? new Map<string, number>();
        byFeature.set(feature, sums.set(id, (sums.get(id) ?? 0) + attribution));
      }
    }
    assert.equal(await Deno.readTextFile(`${directory}/rows.csv`), want);

    const parts = [0, 1, 2, 3].map((i) => Deno.readTextFileSync(`${directory}/rows.csv.run/rows/part-00000${i}.csv`));
    assert.equal(parts.map((part, i) => i === 0 ? part : part.slice(part.indexOf("\n") + 1)).join(""), want);

    const features = readCsv(`${directory}/rows.csv.run/features.csv`);
    assert.equal(features.length, byFeature.size);
    for (const row of features) checkFeature(row, byFeature.get(Number(row.feature))!, prompts.length);
    assert.ok(features.every((row, i) => i === 0 || Number(features[i - 1].mean_abs) >= Number(row.mean_abs)));
    assert.equal(features.find(({ feature }) => feature === "189")?.label, (await sae.labels()).get(189));
  });
});

Deno.test("prompts that may not be as they were meant are told of once, but not where nothing is to be printed", async () => {
  await inDirectory(async (directory) => {
    const prompts = toJsonLines([{ prompt: " one" }, { prompt: " two " }, { prompt: " three\r\n " }]);
    const { stderr } = await batch(directory, prompts, "said", []);
    assert.match(
      stderr,
      /^warning: 2 prompts, the first in line 2: The prompt ends with a space: .*\nwarning: in line 3: /,
    );
    assert.equal((await batch(directory, prompts, "quiet", ["--quiet"])).stderr, "");
  });
});

Deno.test("what was explained stands beside the rows, and over how many questions features are added up", async () => {
  await inDirectory(async (directory) => {
    const prompts = [...makePrompts(3), { ...makePrompts(1)[0], id: "again" }];
    const [{ prompt }] = prompts;
    const lines = toJsonLines([...prompts, { id: "ids", ids: [0, 1268, 2077], pos_id: 1656 }, { id: "two", prompt }]);
    const { code, stderr } = await batch(directory, lines, "out", ["--top", "1"]);
    assert.equal(code, 0, stderr);
    await using model = await loadModel("tiny-facts", { threads: 1 });
    await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
    const tokenizer = (await model.tokenizer())!;
    const rows = readCsv(`${directory}/out/prompts.csv`);
    const byId = new Map(rows.map((row) => [row.prompt_id, row]));
    const checkAnswer = async (row: Row, prompt: string | readonly number[], side: string, answer: string | number) => {
      const { tokens, answer: found } = await testPrompt(model, prompt, { answer, saes: [sae] });
      assert.deepEqual(JSON.parse(row.token_ids), tokens.map(({ id }) => id));
      assert.deepEqual(JSON.parse(row[`${side}_token`]), [found!.token]);
      assert.deepEqual(JSON.parse(row[`${side}_id`]), [found!.id]);
      const [probability] = JSON.parse(row[`${side}_probability`]);
      assert.ok(Math.abs(probability - found!.probability) <= 1e-6 * found!.probability, `${probability}`);
    };
    for (const { id, prompt, pos_token, neg_token } of prompts) {
      const row = byId.get(id)!;
      assert.deepEqual([row.prompt, row.metric_name], [prompt, "logit_diff"]);
      await checkAnswer(row, prompt, "pos", pos_token);
      await checkAnswer(row, prompt, "neg", neg_token);
      const [pos, neg] = [pos_token, neg_token].map((text) => tokenizer.encode(text));
      assert.equal(row.formula, `logits[-1, ${pos}] - logits[-1, ${neg}]`);
    }
    const ids = byId.get("ids")!;
    assert.deepEqual([ids.prompt, ids.metric_name, ids.neg_id], ["", "logit", "[]"]);
    await checkAnswer(ids, [0, 1268, 2077], "pos", 1656);
    // Without answers, the model's two best.
    const { predictions } = await testPrompt(model, prompt, { topK: 2, saes: [sae] });
    const two = byId.get("two")!;
    assert.deepEqual([JSON.parse(two.pos_id), JSON.parse(two.neg_id)], predictions.map(({ id }) => [id]));

    const questions = new Set(rows.map(({ metric_name, pos_id, neg_id }) => `${metric_name} ${pos_id} ${neg_id}`));
    assert.ok(questions.size >= 4 && questions.size < rows.length);
    assert.ok(readCsv(`${directory}/out/features.csv`).every((row) => row.questions === String(questions.size)));
    const summary = JSON.parse(await Deno.readTextFile(`${directory}/out/summary.json`));
    assert.deepEqual([summary.questions, summary.metrics], [questions.size, ["logit", "logit_diff"]]);
    const words = `added up over ${questions.size} different questions and 2 kinds of metric (logit, logit_diff)`;
    assert.ok(stderr.replaceAll(/\s+/g, " ").includes(words), stderr);
  });
});

Deno.test("the answers of continuations, of weights, and of metrics without any", async () => {
  await inDirectory(async (directory) => {
    const lines = toJsonLines([{ prompt: " The capital of France is" }]);
    await using model = await loadModel("tiny-facts", { threads: 1 });
    const answersOf = async (output: string, args: readonly string[]) => {
      const { code, stderr } = await batch(directory, lines, output, ["--top", "1", ...args]);
      assert.equal(code, 0, stderr);
      assert.doesNotMatch(stderr, /different questions/);
      const [row] = readCsv(`${directory}/${output}/prompts.csv`);
      const [ids, tokens] = [row.pos_id, row.pos_token].map((text) => JSON.parse(text));
      return { row, ids, tokens, against: JSON.parse(row.neg_token), probabilities: JSON.parse(row.pos_probability) };
    };
    const text = await answersOf("text", ["--target-text", " Paris and Rome"]);
    assert.deepEqual(text.tokens, [" Paris", " and", " Rome"]);
    // The metric is the sum of their logarithms.
    const sum = text.probabilities.map(Math.log).reduce((a: number, b: number) => a + b);
    assert.ok(Math.abs(sum - Number(text.row.metric)) < 1e-4, `${sum} ${text.row.metric}`);
    let read = JSON.parse(text.row.token_ids);
    for (const [i, answer] of text.ids.entries()) {
      const { answer: found } = await testPrompt(model, read, { answer });
      assert.ok(Math.abs(found!.probability - text.probabilities[i]) <= 1e-5 * found!.probability);
      read = [...read, answer];
    }
    const weights = await answersOf("weights", ["--token-weight", " Paris=2", "--token-weight", " Rome=-1"]);
    assert.deepEqual([weights.tokens, weights.against], [[" Paris"], [" Rome"]]);
    const loss = await answersOf("loss", ["--metric", "loss"]);
    assert.deepEqual([loss.row.metric_name, loss.tokens, loss.against], ["loss", [], []]);
  });
});

function checkFeature(row: Row, sums: ReadonlyMap<string, number>, prompts: number): void {
  const values = [...sums.values()];
  const total = values.reduce((a, b) => a + b, 0);
  const positive = values.filter((x) => x > 0).length;
  const want = {
    n: values.length,
    fraction_active: values.length / prompts,
    mean: total / prompts,
    mean_abs: values.reduce((a, b) => a + Math.abs(b), 0) / prompts,
    mean_when_active: total / values.length,
    sign_consistency: Math.max(positive, values.length - positive) / values.length,
  };
  for (const [name, value] of Object.entries(want)) {
    assert.ok(Math.abs(Number(row[name]) - value) <= 1e-8 + 1e-8 * Math.abs(value), `${row.feature} ${name}`);
  }
  const top = [...sums].sort(([, a], [, b]) => Math.abs(b) - Math.abs(a)).slice(0, 5).map(([id]) => id);
  assert.deepEqual(JSON.parse(row.top_prompts), top);
}

Deno.test("the same from Workers, from shares of the shards, and again", async () => {
  await inDirectory(async (directory) => {
    const input = `${directory}/prompts.jsonl`;
    await Deno.writeTextFile(input, toJsonLines(makePrompts(10)));
    const run = (output: string, ...args: string[]): Promise<Outcome> =>
      runCli(["batch", input, "--output", `${directory}/${output}`, "--threads", "1", "--shard-size", "3", ...args]);
    const one = await run("one", "--workers", "1");
    assert.equal(one.code, 0, one.stderr);
    const want = await readTree(`${directory}/one`);
    assert.equal((await run("three", "--workers", "3", "--quiet")).stderr, "");
    assertSameTrees(await readTree(`${directory}/three`), want);
    const first = await run("shares", "--workers", "1", "--shard", "1/2");
    assert.match(first.stderr, /2 of 4 shards are done/);
    assert.equal((await run("shares", "--workers", "1", "--shard", "2/2")).code, 0);
    assertSameTrees(await readTree(`${directory}/shares`), want);
    assert.equal((await run("one", "--workers", "1")).code, 0);
    assertSameTrees(await readTree(`${directory}/one`), want);
    // Lost after it was done, as a loss of power may have it.
    await Deno.truncate(`${directory}/one/rows/part-000001.csv`, 10);
    assert.equal((await run("one", "--workers", "1")).code, 0);
    assertSameTrees(await readTree(`${directory}/one`), want);
    const status = await runCli(["batch", "status", `${directory}/one`]);
    const { run: { shards, shards_done, complete, failed } } = JSON.parse(status.stdout);
    assert.deepEqual([shards, shards_done, complete, failed], [4, 4, true, 0]);
  });
});

Deno.test("JSON, JSON lines and Parquet have the numbers of CSV", async () => {
  const prompts = toJsonLines(makePrompts(5));
  await inDirectory(async (directory) => {
    const args = [
      "--shard-size",
      "2",
      "--columns",
      "token,kind,position,feature,attribution,is_special",
      "--include-error",
    ];
    for (const format of ["csv", "json", "jsonl", "parquet"]) {
      const { code, stderr } = await batch(directory, prompts, `rows.${format}`, args);
      assert.equal(code, 0, stderr);
    }
    const text = await Deno.readTextFile(`${directory}/rows.jsonl`);
    const json = text.split("\n").slice(0, -1).map((line) => JSON.parse(line));
    assert.deepEqual(JSON.parse(await Deno.readTextFile(`${directory}/rows.json`)), json);
    const [part] = JSON.parse(await Deno.readTextFile(`${directory}/rows.json.run/rows/part-000001.json`));
    assert.ok(json.some((row) => isDeepStrictEqual(row, part)));
    const csv = readCsv(`${directory}/rows.csv`);
    const parquet = await readParquet(`${directory}/rows.parquet`);
    assert.deepEqual(json.map((row) => mapped(row, (x) => x === null ? "" : String(x))), csv);
    assert.equal(parquet.length, csv.length);
    parquet.forEach((row, i) => {
      const { attribution, ...rest } = row;
      const { attribution: want, ...others } = json[i];
      assert.deepEqual({ ...rest }, others);
      // Bias and error are float64: their 9 digits and their float32 are rounded one without the other.
      if (rest.kind === "feature") assert.equal(attribution, Math.fround(want));
      else assert.ok(Math.abs(Number(attribution) - want) <= 2 ** -23 * Math.abs(want));
    });
    const parts = await Promise.all(
      [0, 1, 2].map((i) => readParquet(`${directory}/rows.parquet.run/rows/part-00000${i}.parquet`)),
    );
    assert.deepEqual(parts.flat(), parquet);
    const features = await readParquet(`${directory}/rows.parquet.run/features.parquet`);
    const want = readCsv(`${directory}/rows.csv.run/features.csv`);
    assert.deepEqual(
      features.map(({ feature, n, top_prompts }) => [String(feature), String(n), top_prompts]),
      want.map(
        ({ feature, n, top_prompts }) => [feature, n, top_prompts],
      ),
    );
  });
});

function mapped(row: Record<string, unknown>, f: (value: unknown) => string): Row {
  return Object.fromEntries(Object.entries(row).map(([key, value]) => [key, f(value)]));
}

Deno.test("what is wrong with a prompt is reported with its line; the others are attributed", async () => {
  const [good] = makePrompts(1);
  const { prompt, pos_token, neg_token } = good;
  const lines = [
    JSON.stringify({ ...good, id: '=HYPERLINK("x")' }),
    JSON.stringify({ prompt, pos_token: " golfing tennis", neg_token }),
    JSON.stringify({ prompt, pos_token, neg_token: pos_token }),
    JSON.stringify({ ids: [0, 4_000_000_000] }),
    "{broken",
    JSON.stringify({ prompt: "x ".repeat(5 * 2 ** 20) }),
    JSON.stringify({ prompt: " golf".repeat(5000), pos_token }),
    JSON.stringify({ prompt, neg_token }),
    JSON.stringify({ ids: [0], pos_token }),
    JSON.stringify({ prompt, pos_token }),
    JSON.stringify({ prompt }),
  ];
  await inDirectory(async (directory) => {
    const { code, stderr } = await batch(directory, lines.map((line) => `${line}\n`).join(""), "out", [
      "--shard-size",
      "4",
    ]);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /4 prompts attributed, 7 failed/);
    const errors = (await Deno.readTextFile(`${directory}/out/errors.jsonl`)).split("\n").slice(0, -1).map((line) =>
      JSON.parse(line)
    );
    const patterns = [
      [2, / golfing tennis" is \d+ tokens .*give pos_id or neg_id/],
      [3, /is both positive and negative/],
      [4, /^Token id 4000000000 is not in the vocabulary of \d+$/],
      [5, /^The line is no JSON object$/],
      [6, /^The line has 104857\d\d bytes/],
      [7, /^The prompt has \d+ tokens, the model's context \d+: .*\(--truncate\)$/],
      [8, /^neg_token without pos_token: give the token to explain/],
    ] as const;
    assert.deepEqual(errors.map(({ line }) => line), patterns.map(([line]) => line));
    patterns.forEach(([, pattern], i) => assert.match(errors[i].error, pattern));
    const ids = readCsv(`${directory}/out/prompts.csv`).map(({ prompt_id }) => prompt_id);
    assert.deepEqual(ids, ['=HYPERLINK("x")', "9", "10", "11"]);
  });
});

Deno.test("a baseline and direct effects, as of single runs", async () => {
  const [{ prompt, pos_token, neg_token }] = makePrompts(1);
  const [baseline, longer] = [" Babe Ruth plays the sport of", " The capital of France is, as everybody knows, in"];
  await inDirectory(async (directory) => {
    const args = ["--baseline", `prompt:${baseline}`, "--direct-effect"];
    const lines = toJsonLines([{ prompt, pos_token, neg_token }, { id: "longer", prompt: longer }]);
    const { code, stderr } = await batch(directory, lines, "rows.csv", args);
    assert.equal(code, 0, stderr);
    await using model = await loadModel("tiny-facts", { threads: 1 });
    await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
    const options = { saes: [sae], baseline: { prompt: baseline }, directEffect: true };
    const result = await calculateFeatureAttribution(model, prompt, logitDiff(pos_token, neg_token), options);
    const { columns, rows } = await longTable(result);
    assert.equal(columns.at(-1), "direct_effect");
    const want = toCsv({ columns: ["prompt_id", ...columns], rows: Array.from(rows, (row) => ["1", ...row]) });
    assert.equal(await Deno.readTextFile(`${directory}/rows.csv`), want);
    const { prompt_id, error } = JSON.parse(await Deno.readTextFile(`${directory}/rows.csv.run/errors.jsonl`));
    assert.equal(prompt_id, "longer");
    assert.match(error, /^The prompt has \d+ tokens, the baseline \d+: their positions are compared one by one/);
    const other = await batch(directory, lines, "rows.csv", ["--baseline", "mean", "--direct-effect"]);
    assert.match(other.stderr, /settings\.baseline/);
    const transcoder = ["--direct-effect", "--sae", "tiny-facts/blocks.3.hook_resid_pre@blocks.3.hook_mlp_in"];
    const nowhere = await batch(directory, lines, "none", transcoder);
    assert.match(nowhere.stderr, /blocks\.3\.hook_mlp_in does not write into the residual stream/);
    const beyond = await batch(directory, lines, "beyond", ["--features", "99999"]);
    assert.deepEqual([beyond.code, /give --features from 0 to \d+/.test(beyond.stderr)], [2, true], beyond.stderr);
  });
});

Deno.test("a run is not mixed with another", async () => {
  const prompts = makePrompts(4);
  await inDirectory(async (directory) => {
    const text = toJsonLines(prompts);
    assert.equal((await batch(directory, text, "out", ["--top", "2"])).code, 0);
    const before = await readTree(`${directory}/out`);
    const other = await batch(directory, text, "out", ["--top", "3"]);
    assert.equal(other.code, 1);
    assert.match(
      other.stderr,
      /has a run that is not this one, settings\.rows\.top was 2 and is now 3: choose another/,
    );
    const sae = await batch(directory, text, "out", ["--top", "2", "--sae", "tiny-facts/blocks.2.hook_resid_pre"]);
    assert.match(sae.stderr, /settings\.saes\.0\.source was "tiny-facts\/blocks\.3\.hook_resid_pre"/);
    const threads = await batch(directory, text, "out", ["--top", "2", "--threads", "2"]);
    assert.match(threads.stderr, /settings\.threads was 1 and is now 2/);
    const less = await batch(directory, toJsonLines(prompts.slice(1)), "out", ["--top", "2"]);
    assert.match(less.stderr, /was made of 4 prompts that are not the 3 in /);
    const none = await batch(directory, "\n", "new", []);
    assert.equal(none.code, 1);
    assert.match(none.stderr, /^error: There are no prompts in .*prompts\.jsonl\n$/);
    assertSameTrees(await readTree(`${directory}/out`), before);
    const manifest = JSON.parse(await Deno.readTextFile(`${directory}/out/manifest.json`));
    await Deno.writeTextFile(`${directory}/out/manifest.json`, JSON.stringify({ ...manifest, schema_version: 2 }));
    const older = await batch(directory, text, "out", ["--top", "2"]);
    assert.equal(older.code, 1);
    assert.match(
      older.stderr,
      /^error: .*manifest\.json is not a manifest of this version .*: choose another directory\n$/,
    );
    const bad = await batch(directory, "{}\n", "bad", []);
    assert.equal(bad.code, 1);
    assert.match(bad.stderr, /None of the 1 prompt could be attributed: see .*errors\.jsonl/);
  });
});

Deno.test("prompts from standard input", async () => {
  await inDirectory(async (directory) => {
    const args = [
      "batch",
      "-",
      "--input-format",
      "txt",
      "--output",
      `${directory}/out`,
      ...ONE,
      "--pos-token",
      " golf",
    ];
    const { code, stderr } = await runCli(args, {
      stdin: " Tiger Woods plays the sport of\n The capital of France is\n",
    });
    assert.equal(code, 0, stderr);
    assert.deepEqual(readCsv(`${directory}/out/prompts.csv`).map(({ prompt_id }) => prompt_id), ["1", "2"]);
  });
});

Deno.test("batch: its command line", () => {
  const request = parseRequest(["a.csv", "--output", "b/rows.parquet", "--pos-token", " golf", "--shard", "3/8"]);
  assert.deepEqual([request.inputFormat, request.asked.format, request.directory, request.file], [
    "csv",
    "parquet",
    "b/rows.parquet.run",
    "b/rows.parquet",
  ]);
  assert.deepEqual(request.share, { part: 2, of: 8 });
  assert.equal(parseRequest(["a.tsv", "--output", "b"]).inputFormat, "tsv");
  assert.equal(parseRequest(["a.csv", "--output", "run.v2"]).file, undefined);
  assert.deepEqual(request.asked.metric, { posToken: [" golf"] });
  const weighted = parseRequest(["a.csv", "--output", "b", "--token-weight", " golf=2"]).asked.metric;
  assert.deepEqual(weighted, { tokenWeight: [" golf=2"] });
  const cases: [string[], RegExp][] = [
    [["--output", "b"], /^INPUT is missing/],
    [["a.csv"], /^--output is missing/],
    [["a", "--output", "b"], /^how is "a" written\? Say it with --input-format/],
    [["-", "--output", "b"], /^how is "-" written\?/],
    [["-", "--output", "b", "--input-format", "parquet"], /^Parquet cannot be read from standard input/],
    [["a.csv", "--output", "b.csv", "--format", "parquet"], /^--output ends with \.csv and --format is parquet/],
    [
      ["a.csv", "--output", "b.tsv"],
      /^--output ends with \.tsv, which batch does not write: give a directory, or a file/,
    ],
    [["a.csv", "--output", "b.html"], /^--output ends with \.html, which batch does not write/],
    [["a.csv", "--output", "b.txt"], /^--output ends with \.txt, which batch does not write/],
    [["a.csv", "--output", "b", "--shard", "9/8"], /^--shard is "9\/8": write I\/N/],
    [["a.csv", "--output", "b", "--shard", "0/8"], /^--shard is "0\/8"/],
    [["a.csv", "--output", "b", "--queue", "localhost"], /^--queue is no address of a Redis: give one such as/],
    [["a.csv", "--output", "b", "--queue", "redis://x", "--workers", "2"], /^--queue leaves the work to others/],
    [["a.csv", "--output", "b", "--metric", "loss", "--pos-token", "x"], /^--metric loss takes no tokens/],
    [["a.csv", "--output", "b", "--model", "m"], /^no SAE for m: give --sae/],
    [["a.csv", "--output", "b", "--table", "features"], /^batch has no --table: rows, sums by feature and prompts/],
    [["a.csv", "--output", "b", "--token-ids", "1"], /^batch has no --token-ids: the prompts come from the input/],
    [["a.csv", "--output", "b", "--baseline", "mean:f"], /^--baseline is a mean over a file, which would run again/],
  ];
  for (const [args, pattern] of cases) {
    assert.throws(
      () => parseRequest(args),
      (e: Error) => e instanceof UsageError && pattern.test(e.message),
      args.join(),
    );
  }
});

/** The command `evals`: SAELens's figures from a file of prompts. */
import assert from "node:assert/strict";
import { UsageError } from "../../../lib/cli/args/args.ts";
import { parseRequest, run } from "../../../lib/cli/commands/trust/evals.ts";
import { STDIN } from "../../../lib/cli/args/prompt.ts";
import { HOOK, inDirectory, MODEL, ON_MODEL, runCli, SAE, SAES } from "../run_cli.ts";

type Figures = Record<string, Record<string, number | null>>;
type Evaluated = Figures & { readonly hook: string; readonly source: string };

interface Golden {
  readonly saes: readonly { hook: string; path: string }[];
  readonly batch_tokens: readonly (readonly number[])[];
  readonly expected: Record<"float32" | "float64", Record<"excluding_special_tokens" | "all_tokens", Figures>>;
}

const QUIET = ["--threads", "1", "--quiet"];
const PROMPTS = " Tiger Woods plays the sport of golf.\n\n The capital of France is Paris.\r\n";

function readGolden(name: string): Golden {
  return JSON.parse(Deno.readTextFileSync(new URL(`../../data/cases/${name}.json`, import.meta.url)));
}

function jsonLines(prompts: readonly (readonly number[])[]): string {
  return prompts.map((ids) => `${JSON.stringify(ids)}\n`).join("");
}

/** What the command writes as JSON for these prompts. */
async function evaluated(prompts: string, args: readonly string[]): Promise<Evaluated[]> {
  let result: Evaluated[] = [];
  await inDirectory(async (directory) => {
    await Deno.writeTextFile(`${directory}/prompts`, prompts);
    await run([`${directory}/prompts`, ...args, ...QUIET, "--output", `${directory}/evals.json`]);
    result = JSON.parse(await Deno.readTextFile(`${directory}/evals.json`));
  });
  return result;
}

/** Every figure that is expected, within 1e-5 + 1e-4 of it, but for those in `without`. */
function compare(got: Figures, want: Figures, name: string, without: readonly string[] = []): void {
  for (const [group, expected] of Object.entries(want)) {
    assert.deepEqual(Object.keys(got[group]).sort(), Object.keys(expected).sort(), group);
    for (const [key, figure] of Object.entries(expected)) {
      if (without.includes(key)) continue;
      const value = got[group][key];
      const label = `${name}: ${group} ${key} is ${value}, not ${figure}`;
      if (figure === null || value === null) assert.equal(value, figure, label);
      else assert.ok(Math.abs(value - figure) <= 1e-5 + 1e-4 * Math.abs(figure), label);
    }
  }
}

for (const name of ["gpt2-evals-resid_pre", "gpt2-evals-hook_z"]) {
  Deno.test(`evals: golden ${name}`, async () => {
    const { saes: [{ hook, path }], batch_tokens, expected } = readGolden(name);
    const source = `${SAES}/${path.slice("saes/".length)}`;
    const kinds = [["excluding_special_tokens", []], ["all_tokens", ["--no-exclude-special-tokens"]]] as const;
    for (const [kind, args] of kinds) {
      const [got, ...others] = await evaluated(jsonLines(batch_tokens), ["--model", MODEL, "--sae", source, ...args]);
      assert.deepEqual([others.length, got.hook, got.source], [0, hook, source]);
      for (const [dtype, figures] of Object.entries(expected)) {
        // Float32 cannot give this ratio of small differences as float64 does: see tests/attribution/evals/sae_evals.test.ts.
        compare(got, figures[kind], `${name} ${kind} ${dtype}`, dtype === "float64" ? ["ce_loss_score"] : []);
      }
    }
  });
}

Deno.test("evals: several SAEs, each as if alone", async () => {
  const { batch_tokens } = readGolden("gpt2-evals-resid_pre");
  const other = `${SAES}/g-jump-z2-cnorm`;
  const on = (...saes: string[]): Promise<Evaluated[]> =>
    evaluated(jsonLines(batch_tokens), ["--model", MODEL, ...saes.flatMap((sae) => ["--sae", sae])]);
  const [both, [first], [second]] = await Promise.all([on(SAE, other), on(SAE), on(other)]);
  assert.deepEqual(both, [first, second]);
});

Deno.test("evals: text on the bundled model, from a file and from standard input", async () => {
  const [got] = await evaluated(PROMPTS, []);
  assert.equal(got.source, "tiny-facts/blocks.3.hook_resid_pre");
  assert.ok(got.reconstruction_quality.explained_variance! > 0.9 && got.sparsity.l0! < 30);
  const { code, stdout, stderr } = await runCli(["evals", "-", "--threads", "1"], { stdin: PROMPTS });
  assert.equal(code, 0, stderr);
  assert.deepEqual(JSON.parse(stdout), [got]);
  assert.doesNotMatch(stderr, /warning/);
  const spaced = await runCli(["evals", "-", "--threads", "1"], { stdin: "a\nb \n c\n d \n" });
  assert.match(spaced.stderr, /^warning: 2 prompts, the first in line 2: The prompt ends with a space: /);
  assert.match(stderr, /\nSAE +tiny-facts\/blocks\.3\.hook_resid_pre\nPrompts +2 in standard input, \d+ tokens\n/);
});

Deno.test("evals: a table for people", async () => {
  const { batch_tokens } = readGolden("gpt2-evals-resid_pre");
  const evalsOf = (...args: string[]): ReturnType<typeof runCli> =>
    runCli(["evals", "-", ...ON_MODEL, "--quiet", "--format", "table", ...args], { stdin: jsonLines(batch_tokens) });
  const [one, two] = await Promise.all([evalsOf(), evalsOf("--sae", `${SAES}/g-jump-z2-cnorm`)]);
  assert.deepEqual([one.code, one.stderr, two.code], [0, "", 0]);
  assert.match(one.stdout, /^figure +value *\n/);
  assert.match(one.stdout, /\nmse +69\.\d+ *\n/);
  assert.match(one.stdout, /\ntotal_tokens_eval_reconstruction +80 *\n/);
  assert.match(one.stdout, /\nfeature_density +\d+ of 96 features active; median of these [\d.]+ %, most [\d.]+ % *\n/);
  assert.match(two.stdout, /^source +hook +figure +value *\n/);
  assert.equal(
    two.stdout.split("\n").filter((line) => line.includes(HOOK)).length * 2,
    two.stdout.split("\n").length - 2,
  );
});

Deno.test("evals: its command line", () => {
  const request = parseRequest(["-"]);
  assert.deepEqual([request.prompts, request.batchSize, request.destination.format], [STDIN, 16, "json"]);
  assert.deepEqual([request.excludeSpecialTokens, request.processing], [undefined, "sae"]);
  assert.equal(parseRequest(["a", "--output", "b.TXT"]).destination.format, "table");
  assert.equal(parseRequest(["a", "--output", "b"]).destination.format, "json");
  const cases: [string[], RegExp][] = [
    [[], /^FILE is missing/],
    [[""], /^FILE is empty/],
    [["a", "b"], /^unexpected argument "b"/],
    [["a", "--model", "m"], /^no SAE for m: give --sae/],
    [["a", "--batch-size", "0"], /^--batch-size is "0": give a whole number, at least 1$/],
    [["a", "--format", "csv"], /^--format is "csv": choose json or table$/],
    [["a", "--output", "b.csv"], /^--output ends with "\.csv": say how with --format json, table$/],
    [["a", "--output", ""], /^--output is empty/],
  ];
  for (const [args, message] of cases) assert.throws(() => parseRequest(args), { name: UsageError.name, message });
});

Deno.test("evals: prompts that cannot be used", async () => {
  const cases: [string, RegExp][] = [
    ["", /^There are no prompts in .*prompts: write one a line$/],
    ["\n\n", /^There are no prompts/],
    ["[1, 2]\n\n[1, 2\n", /^Line 3 of .* is "\[1, 2": a line that begins with \[ is an array of token ids/],
    ["[]", /^Line 1 of .* is "\[\]"/],
    ["[1, -2]", /^Line 1 of /],
    ["[1]\n[999]", /^Line 2 of .*: token id 999 is not in the vocabulary of 384$/],
    ["golf ".repeat(80), /^Line 1 of .*: The prompt has \d+ tokens, the model's context 64: .*--truncate/],
    ["[0, 0]", /^All 2 tokens are left out/],
  ];
  for (const [prompts, message] of cases) {
    await assert.rejects(evaluated(prompts, ["--model", MODEL, "--sae", SAE]), { message });
  }
  await inDirectory(async (directory) => {
    const reject = (file: string, message: RegExp): Promise<void> => assert.rejects(run([file, ...QUIET]), { message });
    const table = `${directory}/prompts.csv`;
    await Deno.writeTextFile(table, "prompt\n a\n");
    const isTable =
      /^.*prompts\.csv is a table by its ending, which batch reads: give a text file with one prompt a line$/;
    await reject(table, isTable);
    const baseline = await runCli(["attribute", " a", ...ON_MODEL, "--baseline", `mean:${table}`]);
    assert.match(baseline.stderr, /^error: .*prompts\.csv is a table/);
    await Deno.writeFile(`${directory}/latin1`, Uint8Array.of(0x67, 0xe9, 0x0a));
    await reject(
      `${directory}/latin1`,
      /^Cannot read prompts from .*latin1: it is no text in UTF-8, convert it first$/,
    );
    await reject(`${directory}/missing`, /^Cannot read prompts from .*missing: there is no such file$/);
    await reject(directory, /^Cannot read prompts from .*: it is a directory, give a file$/);
  });
});

Deno.test("evals: exit codes", async () => {
  const [usage, empty] = await Promise.all([runCli(["evals"]), runCli(["evals", "-", "--quiet"], { stdin: "\n" })]);
  assert.deepEqual([usage.code, usage.stdout, empty.code, empty.stdout], [2, "", 1, ""]);
  assert.match(usage.stderr, /^error: FILE is missing .*\n$/);
  assert.equal(empty.stderr, "error: There are no prompts in standard input: write one a line\n");
});

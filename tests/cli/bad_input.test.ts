import assert from "node:assert/strict";
import { run as ablate } from "../../lib/cli/commands/change/ablate.ts";
import { run as graph } from "../../lib/cli/commands/circuits/graph.ts";
import { run as report } from "../../lib/cli/commands/explain/report.ts";
import { run as attribute } from "../../lib/cli/commands/explain/attribute.ts";
import { run as predict } from "../../lib/cli/commands/explain/predict.ts";
import { HOOK, inDirectory, MODEL, ON_MODEL, PROMPT, runCli, SAE, SAES } from "./run_cli.ts";

const QUIET = [...ON_MODEL, "--quiet"];

/** The one-line message with which a command fails; nothing may have been printed by then. */
async function failure(run: (args: readonly string[]) => Promise<void>, args: readonly string[]): Promise<string> {
  try {
    await run(args);
  } catch (error) {
    assert.ok(error instanceof Error);
    assert.doesNotMatch(error.message, /\n/);
    return error.message;
  }
  throw new assert.AssertionError({ message: `${args.join(" ")} was accepted` });
}

/** A copy of a directory with one of its files changed. */
async function withChanged(
  source: string,
  file: string,
  change: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array,
  test: (directory: string) => Promise<void>,
): Promise<void> {
  await inDirectory(async (directory) => {
    for await (const { name, isFile } of Deno.readDir(source)) {
      if (!isFile) continue;
      const bytes = await Deno.readFile(`${source}/${name}`);
      await Deno.writeFile(`${directory}/${name}`, name === file ? change(bytes) : bytes);
    }
    await test(directory);
  });
}

/** Rewrites the header of safetensors: the text that it gives, its length, the data as they were. */
function withHeader(bytes: Uint8Array<ArrayBuffer>, change: (text: string) => string): Uint8Array {
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const header = new TextEncoder().encode(change(new TextDecoder().decode(bytes.subarray(8, 8 + length))));
  const changed = new Uint8Array(8 + header.length + bytes.length - 8 - length);
  new DataView(changed.buffer).setBigUint64(0, BigInt(header.length), true);
  changed.set(header, 8);
  changed.set(bytes.subarray(8 + length), 8 + header.length);
  return changed;
}

Deno.test("bad input: prompts and tokens", async () => {
  const long = "golf ".repeat(80);
  const cases: [string[], RegExp][] = [
    [
      [PROMPT, "--token-weight", " golfing=1"],
      /^" golfing" is 3 tokens \(" golf", "in", "g"\): choose one, or give --id-weight$/,
    ],
    [
      [PROMPT, "--pos-token", " golfing"],
      /^" golfing" is 3 tokens \(" golf", "in", "g"\): choose one, or give --pos-id/,
    ],
    [[PROMPT, "--pos-token", "golf"], /^"golf" is 3 tokens .* \(" golf" is a single token\)$/],
    [[PROMPT, "--pos-token", " golf", "--neg-token", " golf"], /^Token id 364 is both|the same/],
    [[PROMPT, "--pos-id", "384"], /^Token id 384 is not in the vocabulary of 384/],
    [[long], /^The prompt has 84 tokens, the model's context 64: .*--truncate/],
    [["", "--no-prepend-bos"], /^The prompt has no tokens: give some text, or prepend BOS/],
    [["--token-ids", "1,999"], /^Token id 999 is not in the vocabulary of 384/],
    [[PROMPT, "--metric-position", "10"], /^The metric's position 10 is not in a prompt of 10 tokens/],
    [[PROMPT, "--positions", "0,10"], /^There is no position 10: a prompt of 10 tokens has 0 to 9, or -10 to -1$/],
    [[PROMPT, "--positions", "20:30"], /^The slice "20:30" has no position: a prompt of 10 tokens/],
    [[PROMPT, "--features", "96"], /^There is no feature 96/],
    [
      [PROMPT, "--metric-position", "-1,9", "--pos-id", "1"],
      /^The metric's positions \[-1, 9\] are empty or name one twice/,
    ],
    [[PROMPT, "--metric", "kl"], /^--metric kl is always 0 with the error term: add --no-error-term$/],
  ];
  for (const [args, message] of cases) assert.match(await failure(attribute, [...args, ...QUIET]), message);
  assert.match(await failure(predict, [PROMPT, ...QUIET, "--answer", " golfing"]), /is 3 tokens .*give --answer-id/);
  assert.match(await failure(ablate, [PROMPT, ...QUIET, "--positions", "10"]), /^There is no position 10: /);
  assert.match(await failure(predict, [long, ...QUIET]), /^The prompt has 84 tokens, the model's context 64/);
});

Deno.test("bad input: hooks and SAEs that do not fit", async () => {
  const other = `${SAES}/np-std-z1`;
  const on = ["--model", MODEL, "--threads", "1", "--quiet"];
  const cases: [string[], RegExp][] = [
    [
      ["--sae", `${SAE}@blocks.2.hook_residpre`],
      /^No hook "blocks\.2\.hook_residpre" .*near: "blocks\.2\.hook_resid_pre"/,
    ],
    [["--sae", SAE, "--track", "hook_emb"], /^No hook "hook_emb" .*near: "hook_embed"/],
    [["--sae", `${SAE}@blocks.1.mlp.hook_post`], /^The SAE's d_in is 32, but blocks\.1\.mlp\.hook_post has 128/],
    [
      ["--sae", SAE, "--sae", other],
      /^The SAEs were trained on different forms of the model: .*--processing default or none/,
    ],
    [["--sae", SAE, "--sae", SAE], new RegExp(`^Two SAEs write ${HOOK}`)],
    [["--sae", `${SAES}/none`], /^Cannot read .*none: no such directory.*bundled name \(tiny-facts\//],
    [["--sae", SAE, "--hook-in", HOOK], /^Only transcoders read elsewhere than they write/],
    [["--sae", SAE, "--explanations", `${SAES}/none.csv`], /^Cannot read explanations from .*: there is no such file$/],
    [["--sae", MODEL], /has no cfg\.json.*: is it the directory of an SAE\?/],
  ];
  for (const [args, message] of cases) {
    assert.match(await failure(attribute, [PROMPT, ...on, ...args]), message);
  }
  for (const [run, what] of [[attribute, "SAE"], [report, "SAE"], [ablate, "SAE"], [graph, "transcoder"]] as const) {
    const output = run === report ? ["--output", "/dev/null"] : [];
    assert.equal(
      await failure(run, [PROMPT, "--model", "./nope", ...output]),
      '--model is "./nope": there is no such directory',
    );
    assert.match(
      await failure(run, [PROMPT, "--model", "gpt2", ...output]),
      new RegExp(
        `^no ${what} for gpt2: give --sae with the name, directory or URL of one.*; saes gpt2 lists public ones$`,
      ),
    );
  }
  assert.match(
    await failure(attribute, [PROMPT, "--model", "tinyfacts", "--sae", SAE]),
    /^Unknown model "tinyfacts": the nearest are tiny-facts, .*a path or URL a directory$/,
  );
  assert.match(await failure(attribute, [PROMPT, "--model", SAE, "--sae", SAE]), /has no config\.json/);
});

Deno.test("bad input: damaged weights", async () => {
  const model = (
    directory: string,
  ): string[] => [PROMPT, "--model", directory, "--sae", SAE, "--threads", "1", "--quiet"];
  const sae = (
    directory: string,
  ): string[] => [PROMPT, "--model", MODEL, "--sae", directory, "--threads", "1", "--quiet"];
  const fails = (args: string[], message: RegExp): Promise<void> =>
    failure(attribute, args).then((text) => assert.match(text, message));
  const [weights, saeWeights] = ["model.safetensors", "sae_weights.safetensors"];
  await withChanged(MODEL, weights, (b) => b.subarray(0, b.length - 64), (d) => fails(model(d), /safetensors/));
  await withChanged(MODEL, weights, (b) => b.subarray(0, 100), (d) => fails(model(d), /safetensors/));
  await withChanged(SAE, saeWeights, (b) => b.subarray(0, 4), (d) => fails(sae(d), /safetensors/));
  const liar = (b: Uint8Array<ArrayBuffer>): Uint8Array => withHeader(b, (text) => text.replace("[96]", "[97]"));
  await withChanged(SAE, saeWeights, liar, (d) => fails(sae(d), /b_enc/));
  const renamed = (b: Uint8Array<ArrayBuffer>): Uint8Array =>
    withHeader(b, (text) => text.replace('"W_dec"', '"W_dek"'));
  await withChanged(
    SAE,
    saeWeights,
    renamed,
    (d) => fails(sae(d), /has tensors that are not used here and may change what the SAE computes: W_dek$/),
  );
  const missing = (b: Uint8Array<ArrayBuffer>): Uint8Array =>
    withHeader(b, (text) => text.replace("ln_f.bias", "ln_f.byas"));
  await withChanged(MODEL, weights, missing, (d) => fails(model(d), /has no tensor "(transformer\.)?ln_f\.bias"/));
});

Deno.test("bad input: weights that are not numbers", async () => {
  const poison = (bytes: Uint8Array<ArrayBuffer>): Uint8Array => {
    const start = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
    for (let at = start; at + 4 <= bytes.length; at += 4) new DataView(bytes.buffer).setFloat32(at, NaN, true);
    return bytes;
  };
  await withChanged(MODEL, "model.safetensors", poison, async (directory) => {
    const args = [PROMPT, "--model", directory, "--sae", SAE, "--threads", "1", "--quiet"];
    assert.match(await failure(attribute, args), /NaN|not finite|non-finite|infinite/i);
    assert.match(await failure(predict, args), /NaN|not finite|non-finite|infinite/i);
  });
  await withChanged(SAE, "sae_weights.safetensors", poison, async (directory) => {
    const args = [PROMPT, "--model", MODEL, "--sae", directory, "--threads", "1", "--quiet"];
    assert.match(await failure(attribute, args), /NaN|not finite|non-finite|infinite/i);
  });
});

Deno.test("bad input: files that cannot be written leave nothing behind", () =>
  inDirectory(async (directory) => {
    const cases: [string[], RegExp][] = [
      [["--output", `${directory}/none/rows.csv`], /the directory .*none does not exist, make it first/],
      [["--output", directory], /it is a directory, give a file/],
      [["--summary", `${directory}/none/run.json`], /the directory .*none does not exist/],
      [["--save-tensors", directory], /it is a directory, give a file/],
      [["--emit-python", `${directory}/none/run.py`], /the directory .*none does not exist/],
      [["--metric", "kl", "--no-error-term", "--emit-python", `${directory}/run.py`], /kl_to_clean has no Python/],
    ];
    if (Deno.build.os === "linux") cases.push([["--output", "/dev/full", "--format", "csv"], /the disk is full/]);
    for (const [args, message] of cases) assert.match(await failure(attribute, [PROMPT, ...QUIET, ...args]), message);
    assert.deepEqual([...Deno.readDirSync(directory)], []);
  }));

Deno.test("bad input: failures exit with 1 and one line, permissions included", () =>
  inDirectory(async (directory) => {
    const args = ["attribute", PROMPT, ...QUIET];
    const output = ["--output", `${directory}/rows.csv`];
    const cases: [Promise<{ code: number; stdout: string; stderr: string }>, RegExp][] = [
      [runCli([...args, "--pos-token", " golfing"]), /^error: " golfing" is 3 tokens .*\n$/],
      [
        runCli([...args, ...output], { permissions: ["-A", "--deny-write"] }),
        /^error: Cannot write .*--allow-write\n$/,
      ],
      [runCli(args, { permissions: ["-A", `--deny-read=${SAE}`] }), /^error: .*allow-read.*\n$/],
      [
        runCli(["predict", "-", ...QUIET], { stdin: new Uint8Array([0xff, 0xfe]) }),
        /^error: Cannot read standard input: it is no text in UTF-8, convert it first\n$/,
      ],
    ];
    for (const [outcome, message] of cases) {
      const { code, stdout, stderr } = await outcome;
      assert.deepEqual([code, stdout], [1, ""]);
      assert.match(stderr, message);
      assert.equal(stderr.split("\n").length, 2);
    }
    assert.deepEqual([...Deno.readDirSync(directory)], []);
    const debug = await runCli([...args, "--pos-token", " golfing"], { env: { SAE_ATTRIBUTION_DEBUG: "1" } });
    assert.match(debug.stderr, /\n {4}at /);
  }));

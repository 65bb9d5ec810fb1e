/** `ablate`, `steer`, `evaluate` and `attribute --verify` as a user runs them. */
import assert from "node:assert/strict";
import { parse } from "../../../lib/deps/csv_parse.ts";
import { parseRequest as parseAblate } from "../../../lib/cli/commands/change/ablate.ts";
import { parseRequest as parseAttribute } from "../../../lib/cli/commands/explain/attribute.ts";
import { parseRequest as parseEvaluate } from "../../../lib/cli/commands/trust/evaluate.ts";
import { parseRequest as parseSteer } from "../../../lib/cli/commands/change/steer.ts";
import { loadModel, loadSteeringVector, steer, steeredPredictions } from "../../../mod.ts";
import { assertClose } from "../../attribution/golden.ts";
import { HOOK, inDirectory, MODEL, ON_MODEL, PROMPT, runCli, SAES } from "../run_cli.ts";

const METRIC = ["--pos-id", "364", "--neg-id", "296"];

function table(csv: string): Record<string, string>[] {
  return parse(csv, { columns: true }) as Record<string, string>[];
}

async function succeed(args: readonly string[]): Promise<{ rows: Record<string, string>[]; stderr: string }> {
  const { code, stdout, stderr } = await runCli(args);
  assert.equal(code, 0, stderr);
  return { rows: table(stdout), stderr };
}

Deno.test("ablate, steer, evaluate and --verify agree with each other and with the reference stack", async () => {
  await inDirectory(async (directory) => {
    const shared = [PROMPT, ...METRIC, ...ON_MODEL];
    const ablated = await succeed(["ablate", ...shared, "--top", "5"]);
    assert.deepEqual(Object.keys(ablated.rows[0]), [
      "position",
      "token",
      "feature",
      "activation",
      "attribution",
      "effect",
    ]);
    const strongest = ablated.rows.find(({ position, feature }) => position === "0" && feature === "83")!;
    assertClose([Number(strongest.attribution), Number(strongest.effect)], [0.49454463, 0.72712369], "golden");
    assert.match(ablated.stderr, /What removing one feature takes from the metric, exactly\n {2}\+0\.727/);
    assert.match(ablated.stderr, /removing 5 features at once takes/);

    const byFeature = await succeed(["ablate", ...shared, "--table", "features", "--features", "83", "--quiet"]);
    assertClose([Number(byFeature.rows[0].effect)], [0.8216111920371203], "everywhere");
    assert.equal(byFeature.stderr, "");

    const steered = await succeed(["steer", ...shared, "--set", "83@0=0", "--top", "3"]);
    const difference = Number(/before, \S+ after: (\S+)/.exec(steered.stderr)![1]);
    assert.ok(Math.abs(difference + 0.72712369) < 1e-3, steered.stderr);
    assert.match(steered.stderr, /Changed {5}feature 83 at .* \(0\): \S+ → 0/);
    assert.ok(steered.rows.length >= 3 && steered.rows.length <= 6);
    for (const row of steered.rows) {
      const moved = Number(row.logit_after) - Number(row.logit_before);
      assertClose([Number(row.logit_difference)], [moved], "logit");
    }

    const curves = await succeed(["evaluate", ...shared, "--counts", "1,4", "--ablation", "zero"]);
    assert.deepEqual(curves.rows.map(({ mode, k }) => `${mode} ${k}`), [
      "keep 1",
      "keep 4",
      "keep 96",
      "ablate 1",
      "ablate 4",
      "ablate 96",
    ]);
    assertClose([Number(curves.rows[2].metric)], [-0.340529228], "all");
    assertClose([Number(curves.rows[5].metric)], [-0.141427237], "none");
    assertClose([Number(curves.rows[3].metric)], [-0.340529228 - 0.72712369], "without the strongest");

    const summary = `${directory}/run.json`;
    const attributed = await succeed([
      "attribute",
      ...shared,
      "--verify",
      "4",
      "--verify-seed",
      "2",
      "--summary",
      summary,
    ]);
    assert.match(attributed.stderr, /Verified {4}the 4 strongest and 4 random features removed one at a time/);
    const { verify } = JSON.parse(await Deno.readTextFile(summary));
    assert.deepEqual([verify.count, verify.seed, verify.downstream_error, verify.hooks[0].hook], [
      4,
      2,
      "recomputed",
      HOOK,
    ]);
    assertClose([verify.hooks[0].rows[0].effect], [0.72712369], "verified");
  });
});

Deno.test("several SAEs: rows have a hook, and interventions need one", async () => {
  const two = [
    "--model",
    ON_MODEL[1],
    "--sae",
    ON_MODEL[3],
    "--sae",
    `${SAES}/g-std-mid1`,
    "--threads",
    "1",
    ...METRIC,
  ];
  const { rows } = await succeed(["ablate", PROMPT, ...two, "--top", "6", "--downstream-error", "frozen", "--quiet"]);
  assert.deepEqual([...new Set(rows.map(({ hook }) => hook))].sort(), ["blocks.1.hook_resid_mid", HOOK]);
  const { rows: curves } = await succeed(["evaluate", PROMPT, ...two, "--counts", "1", "--quiet"]);
  assert.equal(curves.length, 8);
  const { code, stderr } = await runCli(["steer", PROMPT, ...two, "--set", "3@-1=1"]);
  assert.equal(code, 1);
  assert.match(stderr, /^error: The intervention at feature 3 needs a hook: there is .*\n$/);
  const named = await succeed([
    "steer",
    PROMPT,
    ...two,
    "--add",
    `${HOOK}:3@-1=1`,
    "--scale",
    "blocks.1.hook_resid_mid:5@*=2",
  ]);
  assert.match(named.stderr, new RegExp(`feature 3 at .* of ${HOOK}: `));
});

Deno.test("interventions are read in their order", () => {
  const { interventions, metric } = parseSteer([
    PROMPT,
    "--scale",
    "1@*=0",
    "--set=2@-1=-3.5e1",
    "--add",
    "a.b:3@0=.5",
  ]);
  assert.deepEqual(interventions, [
    { feature: 1, position: "all", how: "scale", value: 0 },
    { feature: 2, position: -1, how: "set", value: -35 },
    { hook: "a.b", feature: 3, position: 0, how: "add", value: 0.5 },
  ]);
  assert.equal(metric, undefined);
  assert.equal(parseSteer([PROMPT, "--set", "1@0=1", "--pos-token", " a"]).metric!.kind, "logit");
});

Deno.test("vectors are read with their tensor, hook, positions and strength", () => {
  const args = ["v.json@blocks.0.hook_z", "a@b.safetensors:x:y@blocks.2.hook_resid_pre@new=-4", "d/v.npz@h_e@-1"];
  const { vectors, saes } = parseSteer([PROMPT, "--generate", "2", "--relative", ...args.map((v) => `--vector=${v}`)]);
  assert.deepEqual(vectors, [
    { file: "v.json", tensor: undefined, hook: "blocks.0.hook_z", position: "all", strength: 1, relative: true },
    { file: "a@b.safetensors", tensor: "x:y", hook: HOOK, position: "new", strength: -4, relative: true },
    { file: "d/v.npz", tensor: undefined, hook: "h_e", position: -1, strength: 1, relative: true },
  ]);
  assert.deepEqual(saes, [], "a vector needs no SAE");
  assert.equal(parseSteer([PROMPT, "--vector", args[0], "--set", "1@0=2"]).saes.length, 1);
});

Deno.test("steer --vector, and files and hooks that are none", async () => {
  const file = `${MODEL}/../../generate/vector.safetensors`;
  const onModel = [PROMPT, "--model", MODEL, "--threads", "1"];
  const [position, strength] = [3, 2];
  const steered = await succeed(["steer", ...onModel, "--vector", `${file}:${HOOK}@${HOOK}@${position}=${strength}`]);
  assert.match(steered.stderr, /Added {7}2\.000 ×[^]*at blocks\.2\.hook_resid_pre, position 3\n/);
  await using model = await loadModel(MODEL, { threads: 1 });
  const vector = await loadSteeringVector(file, HOOK);
  const result = await steer(model, PROMPT, [{ hook: HOOK, vector, position, strength }], { saes: [] });
  for (const { id, logit } of await steeredPredictions(model, result, 10)) {
    const row = steered.rows.find((one) => Number(one.id) === id)!;
    assertClose([Number(row.logit_before), Number(row.logit_after)], [logit.before, logit.after], `token ${id}`);
  }
  for (
    const [given, message] of [
      [`${file}@${HOOK}`, /^error: \S+ has 2 tensors: name one after a colon \(blocks\.\S+, blocks\.\S+\)\n$/],
      [`missing.json@${HOOK}`, /^error: Cannot read the vector missing\.json: no such file\n$/],
      [`${file}:${HOOK}@blocks.9.hook_resid_pre`, /^error: No hook "blocks\.9\.hook_resid_pre" [^\n]*\n$/],
      [`${file}:${HOOK}@blocks.1.mlp.hook_post`, /^error: The steering vector has 32 numbers, but [^\n]*\n$/],
    ] as const
  ) {
    const { code, stdout, stderr } = await runCli(["steer", ...onModel, "--vector", given]);
    assert.deepEqual([code, stdout], [1, ""], given);
    assert.match(stderr, message);
  }
});

Deno.test("what is not understood is said in one line", () => {
  const cases: [() => unknown, RegExp][] = [
    [() => parseSteer([PROMPT]), /^nothing is to be changed: give --set, --add or --scale/],
    [() => parseSteer([PROMPT, "--vector", "v.json"]), /^--vector is "v.json": write FILE@HOOK/],
    [() => parseSteer([PROMPT, "--vector", "v.json@h=1e999"]), /^--vector is "v.json@h=1e999"/],
    [() => parseSteer([PROMPT, "--vector", "v.json@h@new"]), /^the position new means nothing without --generate N/],
    [() => parseSteer([PROMPT, "--set", "1@0=1", "--relative"]), /^--relative means nothing without --vector/],
    [() => parseSteer([PROMPT, "--set", "1@0"]), /^--set is "1@0": write FEATURE@POSITION=VALUE/],
    [() => parseSteer([PROMPT, "--add", "1@x=2"]), /^--add is "1@x=2"/],
    [() => parseSteer([PROMPT, "--set", "1@0=1e999"]), /^--set is "1@0=1e999"/],
    [() => parseSteer([PROMPT, "--set", "1@0=1e39"]), /^--set is "1@0=1e39"/], // no 32-bit number is as large
    [
      () => parseSteer([PROMPT, "--set", "1@0=1", "--generate", "3", "--pos-token", " a"]),
      /^--pos-token means nothing with --generate N$/,
    ],
    [
      () => parseSteer([PROMPT, "--set", "1@0=1", "--generate", "3", "--strengths", "0,2,0.0"]),
      /^--strengths names 0 twice/,
    ],
    [
      () => parseAblate([PROMPT, "--downstream-error", "x"]),
      /^--downstream-error is "x": choose recomputed or frozen$/,
    ],
    [() => parseAblate([PROMPT, "--steps", "4"]), /^--steps belongs to --method integrated-gradients/],
    [
      () => parseEvaluate([PROMPT, "--order", "learnt", "--method", "gim"]),
      /^--method has no part in --order learnt: leave out one of them$/,
    ],
    [() => parseEvaluate([PROMPT, "--order", "learnt", "--steps", "4"]), /^--steps has no part in --order learnt/],
    [
      () => parseAttribute([PROMPT, "--method", "ablation", "--refine", "4"]),
      /^--refine makes some rows exact, --method ablation all: leave out one of them$/,
    ],
    [() => parseEvaluate([PROMPT, "--counts", "0"]), /^--counts is "0": give whole numbers .*at least 1$/],
    [() => parseEvaluate([PROMPT, "--model", "x"]), /^no SAE for x/],
    [() => parseAttribute([PROMPT, "--verify-seed", "1"]), /^--verify-seed means nothing without --verify K: add it$/],
    [
      () => parseAttribute([PROMPT, "--downstream-error", "frozen"]),
      /^--downstream-error means nothing without --verify/,
    ],
    [
      () => parseAttribute([PROMPT, "--method", "integrated-gradients", "--track", "hook_embed"]),
      /^--track has no integrated gradients/,
    ],
  ];
  for (const [parse, message] of cases) assert.throws(parse, { name: "UsageError", message });
});

/** `select` as a user runs it: its certificate from what it prints alone. */
import assert from "node:assert/strict";
import { parse } from "../../../lib/deps/csv_parse.ts";
import { parseRequest } from "../../../lib/cli/commands/trust/select.ts";
import {
  calculateFeatureAttribution,
  loadModel,
  loadSae,
  logitDiff,
  type PromptsSet,
  type SelectedSet,
} from "../../../mod.ts";
import { effectFromPrompt } from "../../attribution/whole_pass.ts";
import { HOOK, inDirectory, MODEL, ON_MODEL, PROMPT, runCli, SAE } from "../run_cli.ts";

const SHARED = [PROMPT, "--pos-id", "364", "--neg-id", "296", ...ON_MODEL];

async function succeed(args: readonly string[]): Promise<{ rows: Record<string, string>[]; said: string }> {
  const { code, stdout, stderr } = await runCli(args);
  assert.equal(code, 0, stderr);
  return { rows: parse(stdout, { columns: true }) as Record<string, string>[], said: stderr.replace(/\s+/g, " ") };
}

Deno.test("the printed figures are those of the printed set, run from the prompt", async () => {
  const { rows, said } = await succeed(["select", ...SHARED, "--keep", "0.8"]);
  assert.deepEqual(Object.keys(rows[0]), ["position", "token", "feature", "attribution"]);
  const pattern = /Set (\d+) features? keeps? (\S+) % \((\S+) of (\S+)\); without (?:it|them) (\S+) % is left/;
  const [, count, kept, part, whole, left] = pattern.exec(said)!.map(Number);
  assert.equal(rows.length, count);

  await using model = await loadModel(MODEL, { threads: 1 });
  await using sae = await loadSae(SAE);
  const result = await calculateFeatureAttribution(model, PROMPT, logitDiff(364, 296), { saes: [sae] });
  const set = new Set(rows.map(({ position, feature }) => `${position} ${feature}`));
  const { activations: { offsets, features } } = result.parts.saes.get(HOOK)!.run.encoded;
  const active = [...features].map((feature, i) => ({ feature, position: offsets.findLastIndex((at) => at <= i) }));
  const isIn = ({ position, feature }: typeof active[number]): boolean => set.has(`${position} ${feature}`);
  const none = await effectFromPrompt(result, HOOK, active);
  const alone = none - await effectFromPrompt(result, HOOK, active.filter((at) => !isIn(at)));
  const gone = await effectFromPrompt(result, HOOK, active.filter(isIn));
  assert.ok(Math.abs(part - alone) < 1e-3 && Math.abs(whole - none) < 1e-3, said); // printed with few digits
  assert.ok(Math.abs(kept - 100 * alone / none) < 0.1 && Math.abs(left - 100 * (1 - gone / none)) < 0.1);
  assert.ok(kept >= 80 - 0.1 && kept <= 120 + 0.1);
});

Deno.test("by feature, what is left is what ablate says of the same features", async () => {
  await inDirectory(async (directory) => {
    const file = `${directory}/set.json`;
    const by = ["--by", "feature", "--direction", "necessary", "--seed", "1", "--summary", file];
    const { rows } = await succeed(["select", ...SHARED, ...by, "--quiet"]);
    assert.deepEqual(Object.keys(rows[0]), ["feature", "attribution"]);
    const [set]: SelectedSet[] = JSON.parse(await Deno.readTextFile(file));
    assert.deepEqual(set.features.map(({ feature }) => String(feature)), rows.map(({ feature }) => feature));
    assert.deepEqual([set.hook, set.direction, set.by, set.seed, set.keep], [HOOK, "necessary", "feature", 1, 0.9]);
    const features = ["--features", rows.map(({ feature }) => feature).join()];
    const { said } = await succeed(["ablate", ...SHARED, "--table", "features", ...features]);
    const together = Number(/removing \d+ features? at once takes (\S+) from the metric/.exec(said)![1]);
    assert.ok(Math.abs(together - (set.metric - set.metricWithout)) < 1e-3, said);
    assert.ok(Math.abs(set.left) <= 0.1);
  });
});

Deno.test("what it asks for, and what is refused before the work", async () => {
  const asked = parseRequest([" golf"]);
  assert.ok(asked.promptFile === undefined);
  assert.deepEqual(
    [asked.keep, asked.size, asked.direction, asked.by, asked.ablation, asked.seed],
    [undefined, undefined, "sufficient", "feature-position", "zero", 0],
  );
  assert.equal(parseRequest([" golf", "--steps", "7"]).steps, 7);
  assert.equal(parseRequest(["--prompts", "a.csv", "--steps", "7"]).steps, 7);
  const wrong: [string[], RegExp][] = [
    [["--keep", "0.5", "--size", "3"], /^error: --keep and --size are both there: give one of them\n$/],
    [["--keep", "0"], /^error: --keep is "0": give a number, above 0 and at most 1\n$/],
    [["--keep", "2"], /^error: --keep is "2": give a number, above 0 and at most 1\n$/],
    [["--size", "0"], /^error: --size is "0": give a whole number, at least 1\n$/],
    [["--direction", "up"], /^error: --direction is "up": choose sufficient, necessary or both\n$/],
    [["--summary", ""], /^error: --summary is empty/],
    [["--held-out", "0.5"], /^error: --held-out means nothing without --prompts: add it\n$/],
    [["--prompts", "a.csv"], /^error: PROMPT and --prompts are both there: give one of them\n$/],
  ];
  for (const [args, message] of wrong) {
    const { code, stdout, stderr } = await runCli(["select", ...SHARED, ...args]);
    assert.deepEqual([code, stdout], [2, ""], stderr);
    assert.match(stderr, message);
  }
});

Deno.test("one set for the prompts of a file, and what it does for others", async () => {
  await inDirectory(async (directory) => {
    const [prompts, file] = [`${directory}/prompts.jsonl`, `${directory}/set.json`];
    const lines = [PROMPT, " The capital of France is", " golf and tennis", " Paris"].map((prompt, i) =>
      JSON.stringify({ prompt, pos_id: 364, neg_id: 296 + i })
    );
    await Deno.writeTextFile(prompts, lines.join("\n"));
    const asked = ["--prompts", prompts, "--held-out", "0.25", "--keep", "0.6", "--summary", file, ...ON_MODEL];
    const { rows, said } = await succeed(["select", ...asked]);
    assert.deepEqual(Object.keys(rows[0]), ["feature", "attribution"]);
    const [set]: PromptsSet[] = JSON.parse(await Deno.readTextFile(file));
    assert.deepEqual([set.prompts.length, set.heldOut!.prompts.length], [3, 1]);
    assert.deepEqual(set.features.map(({ feature }) => String(feature)), rows.map(({ feature }) => feature));
    assert.match(said, /Prompts 3 prompts of .*, and 1 more that are held out/);
    const [, kept, left, there] = /keeps? (\S+) %; without (?:it|them) (\S+) % is left .* on those prompts (\S+) %/
      .exec(said)!.map(Number);
    assert.ok(Math.abs(kept - 100 * set.kept) < 0.1 && Math.abs(left - 100 * set.left) < 0.1, said);
    assert.ok(Math.abs(there - 100 * set.heldOut!.kept) < 0.1, said);

    await Deno.writeTextFile(prompts, `${lines[0]}\n{"text": 1}\n`);
    const wrong: [string[], number, RegExp][] = [
      [["--prompts", prompts], 1, /^error: Line 2 of .*prompts\.jsonl: There is neither prompt nor ids: give one/],
      [["--prompts", `${directory}/a.xyz`], 2, /^error: how is ".*a\.xyz" written\? Give a file ending with \.csv/],
      [["--prompts", `${directory}/none.csv`], 1, /none\.csv/],
      [["--prompts", prompts, "--by", "feature-position"], 2, /^error: --by feature-position is of one prompt/],
    ];
    const silent = `${directory}/silent.jsonl`;
    await Deno.writeTextFile(silent, [PROMPT, ""].map((prompt) => JSON.stringify({ prompt, pos_id: 1656 })).join("\n"));
    const { code: failed, stderr: why } = await runCli(["select", "--prompts", silent, "--held-out", "0"]);
    assert.equal(failed, 1);
    assert.match(why, /together change the metric of "<\|endoftext\|>" by 0, of .*: there is nothing to keep\n$/);
    for (const [args, exit, message] of wrong) {
      const { code, stdout, stderr } = await runCli(["select", ...args, ...ON_MODEL]);
      assert.deepEqual([code, stdout, stderr.trim().split("\n").length], [exit, "", 1], stderr);
      assert.match(stderr, message);
    }
  });
});

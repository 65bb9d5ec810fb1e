/** `interactions` as a user runs it, beside `ablate`. */
import assert from "node:assert/strict";
import { parse } from "../../../lib/deps/csv_parse.ts";
import { parseRequest } from "../../../lib/cli/commands/trust/interactions.ts";
import { ON_MODEL, PROMPT, runCli } from "../run_cli.ts";

const SHARED = [PROMPT, "--pos-id", "364", "--neg-id", "296", ...ON_MODEL];

async function succeed(args: readonly string[]): Promise<{ rows: Record<string, string>[]; said: string }> {
  const { code, stdout, stderr } = await runCli(args);
  assert.equal(code, 0, stderr);
  return { rows: parse(stdout, { columns: true }) as Record<string, string>[], said: stderr.replace(/\s+/g, " ") };
}

Deno.test("joint and single effects are those of ablate --features", async () => {
  const { rows, said } = await succeed(["interactions", ...SHARED, "--top", "4"]);
  assert.deepEqual(Object.keys(rows[0]), ["feature_a", "feature_b", "effect_a", "effect_b", "joint", "interaction"]);
  assert.equal(rows.length, 6);
  assert.match(said, /Pairs 6 pairs of 4 features, each removed by a run/);
  for (const row of rows.slice(0, 2)) {
    const both = ["--table", "features", "--features", `${row.feature_a},${row.feature_b}`];
    const ablated = await succeed(["ablate", ...SHARED, ...both]);
    const effect = (feature: string): number => Number(ablated.rows.find((one) => one.feature === feature)!.effect);
    const together = Number(/removing 2 features at once takes (\S+) from the metric/.exec(ablated.said)![1]);
    const alone = [effect(row.feature_a), effect(row.feature_b)];
    assert.ok(Math.abs(Number(row.effect_a) - alone[0]) < 1e-5 && Math.abs(Number(row.effect_b) - alone[1]) < 1e-5);
    const printed = 10 ** (Math.floor(Math.log10(Math.abs(together))) - 3); // of four digits
    assert.ok(Math.abs(Number(row.joint) - together) < printed, `${row.joint} and ${together}`);
    assert.ok(Math.abs(Number(row.interaction) - (together - alone[0] - alone[1])) < printed);
  }
});

Deno.test("Shapley values: a row for each feature and each pair, which add up", async () => {
  const by = ["--by", "feature-position"];
  const { rows, said } = await succeed(["interactions", ...SHARED, "--top", "3", "--shapley", ...by]);
  const names = ["position_a", "feature_a", "position_b", "feature_b", "shapley", "faith_shapley"];
  assert.deepEqual(Object.keys(rows[0]), names);
  assert.deepEqual(rows.map(({ feature_b, shapley }) => [feature_b !== "", shapley !== ""]), [
    ...new Array(3).fill([false, true]),
    ...new Array(3).fill([true, false]),
  ]);
  const sum = (name: string): number => rows.reduce((total, row) => total + Number(row[name]), 0);
  assert.ok(Math.abs(sum("shapley") - sum("faith_shapley")) < 1e-5);
  const [, whole, without] = /with these 3 features (\S+), without them (\S+); all 8/.exec(said)!.map(Number);
  assert.ok(Math.abs(sum("shapley") - (whole - without)) < 2e-3);
});

Deno.test("what is refused before the work", async () => {
  assert.equal(parseRequest([" golf"]).by, "feature");
  const wrong: [string[], number, RegExp][] = [
    [["--seed", "1"], 2, /^error: --seed means nothing without --shapley: add it\n$/],
    [["--top", "0"], 2, /^error: --top is "0": give a whole number, at least 1 and at most 1000\n$/],
    [["--by", "row"], 2, /^error: --by is "row": choose feature or feature-position\n$/],
    [["--features", "0,1,2,3,4,5,6,7,8", "--quiet"], 1, /^error: Feature \d is not active in this prompt at /],
  ];
  for (const [args, exit, message] of wrong) {
    const { code, stdout, stderr } = await runCli(["interactions", ...SHARED, ...args]);
    assert.deepEqual([code, stdout], [exit, ""], stderr);
    assert.match(stderr, message);
  }
});

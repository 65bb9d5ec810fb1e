/** Changed features and sets over the API: the command line's numbers, refusals, and other ways to compute them. */
import assert from "node:assert/strict";
import {
  ablateJointly,
  calculateFeatureAttribution,
  loadModel,
  loadSae,
  logitDiff,
  selectFeatures,
} from "../../mod.ts";
import { activationsOf } from "../../lib/attribution/run/contributions.ts";
import { measureSet } from "../../lib/attribution/sets/measure_set.ts";
import { readSelect } from "../../lib/web/change/requests.ts";
import { Engine } from "../../lib/web/engine.ts";
import type { JobEvent, SetAnswer, SteerAnswer } from "../../lib/web/jobs.ts";
import { runCli } from "../cli/run_cli.ts";
import { EXAMPLE, post, PROMPT, refusal, SAE, startServer } from "./ask.ts";

const ARGS = [PROMPT, "--pos-token", " golf", "--neg-token", " tennis", "--threads", "1", "--quiet"];
const HOOK = "blocks.3.hook_resid_pre";
const FEATURE = 189;

/** The rows of a command. */
async function rowsOf(...args: readonly string[]): Promise<Record<string, string>[]> {
  const { code, stdout, stderr } = await runCli([...args, "--format", "json"]);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

async function answer<T>(response: Response): Promise<T> {
  const body = await response.json();
  assert.equal(response.status, 200, JSON.stringify(body));
  return body;
}

/** Each of some pairs within float32's rounding of the largest. */
function assertClose(found: readonly number[], expected: readonly number[]): void {
  assert.equal(found.length, expected.length);
  const largest = Math.max(...expected.map(Math.abs));
  found.forEach((x, i) => assert.ok(Math.abs(x - expected[i]) <= 1e-5 * largest, `${found} is not ${expected}`));
}

Deno.test("a feature that is removed over the API takes what ablate takes, and says what steer says", async () => {
  await using server = await startServer();
  const interventions = [{ feature: FEATURE, position: "all", how: "set", value: 0 }];
  const { metric, changes, predictions, position } = await answer<SteerAnswer>(
    await post(server, "/api/steer", { ...EXAMPLE, interventions, top: 5 }),
  );
  const [row] = await rowsOf("ablate", ...ARGS, "--table", "features", "--features", String(FEATURE));
  assertClose([metric.before! - metric.after!], [Number(row.effect)]);
  const rows = await rowsOf("steer", ...ARGS, "--set", `${FEATURE}@*=0`, "--top", "5");
  assert.ok(rows.length >= 5);
  assert.deepEqual(
    predictions.map(({ id, rank }) => [id, rank.before, rank.after]),
    rows.map((row) => [
      ...[row.id, row.rank_before, row.rank_after].map(Number),
    ]),
  );
  assertClose(
    predictions.map(({ probability }) => probability.after),
    rows.map((row) => Number(row.probability_after)),
  );
  assert.equal(position, 6);
  const changed = changes.filter(({ before, after }) => before !== after);
  assert.ok(changed.length > 0 && changed.every((one) => one.after === 0 && one.feature === FEATURE));
});

Deno.test("doubling and setting are steer's, at one position or several", async () => {
  await using server = await startServer();
  const cases = [
    [[{ feature: FEATURE, position: "all", how: "scale", value: 2 }], ["--scale", `${FEATURE}@*=2`]],
    [
      [{ feature: FEATURE, position: 6, how: "set", value: 3.5 }, { feature: 7, position: -2, how: "add", value: 1 }],
      ["--set", `${FEATURE}@6=3.5`, "--add", "7@-2=1"],
    ],
  ] as const;
  for (const [interventions, args] of cases) {
    const { predictions } = await answer<SteerAnswer>(
      await post(server, "/api/steer", { ...EXAMPLE, interventions, top: 4 }),
    );
    const rows = await rowsOf("steer", ...ARGS, ...args, "--top", "4");
    assert.deepEqual(predictions.map(({ id }) => id), rows.map(({ id }) => Number(id)));
    assertClose(predictions.map(({ logit }) => logit.after), rows.map((row) => Number(row.logit_after)));
  }
});

Deno.test("a set over the API is select's; changed by hand it is measured as ablateJointly does", async () => {
  await using server = await startServer();
  const found = await answer<SetAnswer>(await post(server, "/api/select", { ...EXAMPLE, size: 4 }));
  await using model = await loadModel("tiny-facts", { threads: 1 });
  await using sae = await loadSae(SAE);
  const metric = logitDiff(" golf", " tennis");
  const result = await calculateFeatureAttribution(model, PROMPT, metric, { saes: [sae], diagnose: false });
  const expected = await selectFeatures(result, HOOK, { size: 4 });
  assert.deepEqual(found, JSON.parse(JSON.stringify(expected)));
  const set = found.features.slice(1).map(({ position, feature }) => ({ position, feature }));
  const measured = await answer<SetAnswer>(await post(server, "/api/select", { ...EXAMPLE, set }));
  assert.deepEqual(measured.features, found.features.slice(1));
  const { run } = result.parts.saes.get(HOOK)!;
  const { rows, offsets, features } = run.encoded.activations;
  const all = Array.from(
    { length: rows },
    (_, position) =>
      [...features.subarray(offsets[position], offsets[position + 1])].map((feature) => ({ position, feature })),
  ).flat();
  const activation = activationsOf(run);
  assert.ok(all.every((at) => activation(at) !== 0));
  const isIn = (at: { position: number; feature: number }): boolean =>
    set.some(({ position, feature }) => position === at.position && feature === at.feature);
  const [none, kept, without] = await ablateJointly(result, HOOK, [
    all,
    all.filter((at) => !isIn(at)),
    all.filter(isIn),
  ]);
  assertClose(
    [measured.metric, measured.metricNone, measured.metricKept, measured.metricWithout],
    [result.metric, result.metric - none, result.metric - kept, result.metric - without],
  );
  assert.ok(Math.abs(measured.kept - (none - kept) / none) < 1e-4);
});

Deno.test("a set that was found has, measured anew, the same figures", async () => {
  await using model = await loadModel("tiny-facts", { threads: 1 });
  await using sae = await loadSae(SAE);
  const metric = logitDiff(" golf", " tennis");
  const result = await calculateFeatureAttribution(model, PROMPT, metric, { saes: [sae], diagnose: false });
  for (const by of ["feature-position", "feature"] as const) {
    for (const ablation of ["zero", "mean"] as const) {
      const { features, kept, left, metricNone } = await selectFeatures(result, HOOK, {
        size: 3,
        steps: 5,
        by,
        ablation,
      });
      const again = await measureSet(result, HOOK, features.toReversed().concat(features), { by, ablation });
      assert.deepEqual(again.features.map(({ feature }) => feature), features.map(({ feature }) => feature));
      assertClose([again.kept, again.left, again.metricNone], [kept, left, metricNone]);
      assertClose(again.features.map((one) => one.attribution), features.map((one) => one.attribution));
    }
  }
});

Deno.test("the search tells how far it is, and ends when nobody waits", async () => {
  await using server = await startServer();
  const headers = { accept: "application/x-ndjson" };
  const response = await post(server, "/api/select", EXAMPLE, { headers });
  const events = (await response.text()).trimEnd().split("\n").map((line) => JSON.parse(line));
  const runs = events.filter(({ type }) => type === "searching").map(({ runs }) => runs);
  assert.ok(runs.length > 5 && runs.every((n, i) => i === 0 || n >= runs[i - 1]));
  assert.equal(events.at(-1).type, "set");
  assert.equal(events.at(-1).set.reached, true);
  await using engine = new Engine({ device: "auto", threads: 1 });
  const job = readSelect(EXAMPLE, { model: "tiny-facts", saes: () => [{ source: SAE }] });
  let heard = 0;
  const stop = ({ type }: JobEvent): void => {
    if (type === "searching" && ++heard === 3) throw new RangeError("stopped");
  };
  await assert.rejects(engine.perform(job, stop), /^RangeError: stopped$/);
  assert.equal(heard, 3);
  const whole = await engine.perform(job, () => {});
  assert.deepEqual(JSON.parse(JSON.stringify(whole)), events.at(-1));
});

Deno.test("changes and sets that cannot be are refused in one line, and nothing large is read", async () => {
  await using server = await startServer();
  const one = { feature: 1, position: 2, how: "set", value: 0 };
  const huge = '{"prompt":"a","interventions":[{"feature":1,"position":2,"how":"set","value":1e999}]}';
  const steering: [unknown, RegExp][] = [
    [{}, /^400 There must be one prompt/],
    [EXAMPLE, /^400 Nothing is to be changed: give "interventions", each with /],
    [huge, /^400 "interventions\[0\]\.value" is Infinity: give a finite number$/],
    ...([
      [[], /^400 "interventions" is .*: give at least one object$/],
      ["x", /^400 "interventions" is "x": give a list of objects$/],
      [[3], /^400 "interventions" is .*: give a list of objects$/],
      [Array(1001).fill(one), /^400 "interventions" is .*: give at most 1000$/],
      [[{ ...one, feature: -1 }], /^400 "interventions\[0\]\.feature" is -1: give a whole number from 0$/],
      [[{ ...one, feature: 1e9 }], /^400 There is no feature 1000000000: the SAE has \d+, from 0$/],
      [[{ ...one, position: 99 }], /^400 .*99/],
      [[{ ...one, position: "every" }], /^400 .*position" is "every": give a whole number, or "all"$/],
      [[{ ...one, how: "cut" }], /^400 .*how" is "cut": give one of set, add, scale$/],
      [[{ ...one, value: "0" }], /^400 .*value" is "0": give a number$/],
      [[{ ...one, value: undefined }], /^400 "interventions\[0\]\.value" is missing$/],
      [[{ ...one, hook: "blocks.0.hook_z" }], /^400 .*names the hook blocks\.0\.hook_z, where no SAE writes/],
      [[{ ...one, more: 1 }], /^400 Unknown field "interventions\[0\]\.more"/],
    ] as const).map(([interventions, words]): [unknown, RegExp] => [{ ...EXAMPLE, interventions }, words]),
    [{ ...EXAMPLE, interventions: [one], top: 0 }, /^400 "top" is 0/],
    [{ ...EXAMPLE, interventions: [one], method: "relp" }, /^400 "method" is not taken here: .* belongs to attribute$/],
    [{ ...EXAMPLE, interventions: [one], saes: ["/etc"] }, /^403 "\/etc" is a path or URL/],
    [{ ...EXAMPLE, interventions: [one], saes: [] }, /^400 No SAE for "tiny-facts": name one in "saes"$/],
  ];
  const selecting: [unknown, RegExp][] = [
    [{ ...EXAMPLE, keep: 0.5, size: 2 }, /^400 "keep" and "size" are both there/],
    [{ ...EXAMPLE, keep: 1.5 }, /^400 "keep" is 1\.5: give a number above 0, to 1$/],
    [{ ...EXAMPLE, size: 0 }, /^400 "size" is 0/],
    [{ ...EXAMPLE, hook: "x" }, /^400 No SAE writes at "x": give "hook", one of blocks\.3\.hook_resid_pre$/],
    [{ ...EXAMPLE, set: [] }, /^400 "set" is .*: give at least one object$/],
    [{ ...EXAMPLE, set: [{ feature: 3 }] }, /^400 "set\[0\]\.position" is missing$/],
    [{ ...EXAMPLE, set: [{ feature: 3, position: 77 }] }, /^400 There is no position 77: the prompt has \d+ tokens/],
    [{ ...EXAMPLE, set: [{ feature: 1e8, position: 2 }] }, /^400 There is no feature 100000000/],
    [
      { ...EXAMPLE, set: [{ feature: 3, position: 1 }], keep: 0.5 },
      /^400 "keep" is of a search, and "set" is measured/,
    ],
    [{ ...EXAMPLE, set: Array(4097).fill({ feature: 3, position: 1 }) }, /^400 "set" is .*: give at most 4096$/],
    [{ ...EXAMPLE, baseline: "mean" }, /^400 "baseline" is not taken here/],
  ];
  for (const [path, cases] of [["/api/steer", steering], ["/api/select", selecting]] as const) {
    for (const [body, words] of cases) {
      const message = await refusal(await post(server, path, body));
      assert.match(message, words);
      assert.ok(!message.includes("\n") && message.length < 400, message);
    }
  }
  const far = [{ feature: FEATURE, position: "all", how: "set", value: 1e38 }];
  const { metric } = await answer<SteerAnswer>(await post(server, "/api/steer", { ...EXAMPLE, interventions: far }));
  assert.ok(metric.after === null || Number.isFinite(metric.after));
});

/** The scheduled run: its handler directly, and what it answers over HTTP. */
import assert from "node:assert/strict";
import { calculateFeatureAttribution } from "../../lib/attribution/attribution.ts";
import { logitDiff } from "../../lib/attribution/metric/metrics.ts";
import { readConfig } from "../../lib/deploy/config.ts";
import { attributeOnSchedule, describeRun } from "../../lib/deploy/cron.ts";
import { driftFrom } from "../../lib/deploy/drift.ts";
import { directoryResults, type Results, type ScheduledRun } from "../../lib/deploy/results.ts";
import { runScheduled } from "../../lib/deploy/scheduled_run.ts";
import { answer } from "../../lib/deploy/serve.ts";
import { loadModel } from "../../lib/model/model.ts";
import { loadSae } from "../../lib/sae/load.ts";
import { fromFileUrl } from "../../lib/weights/files/places.ts";
import { inDirectory } from "../cli/run_cli.ts";
import { sendRaw } from "../web/ask.ts";
import { madeUpPrompt, madeUpRun } from "./runs.ts";

const GOLF = { id: "golf", prompt: " Tiger Woods plays the sport of", pos_token: " golf", neg_token: " tennis" };
const PARIS = { id: "paris", prompt: " The capital of France is", pos_token: " Paris", neg_token: " Rome" };
const CONFIG = { schedule: "0 6 * * *", prompts: [GOLF, PARIS], top: 20 };

Deno.test("the handler attributes, keeps, and finds no drift in the same model", async () => {
  await inDirectory(async (directory) => {
    const results = directoryResults(`${directory}/results`);
    const config = readConfig({ ...CONFIG, prompts: [GOLF, PARIS, { ids: [4_000_000], id: "bad" }] });
    const first = await runScheduled(config, results);
    assert.equal(first.drift, null);
    assert.deepEqual(first.errors.map(({ prompt_id }) => prompt_id), ["bad"]);
    assert.match(describeRun(first), /: 2 prompts, 1 failed, 40 rows in [\d.]+ s; the first run$/);

    await using model = await loadModel("tiny-facts", { threads: 1 });
    await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
    const metric = logitDiff(GOLF.pos_token, GOLF.neg_token);
    const result = await calculateFeatureAttribution(model, GOLF.prompt, metric, { saes: [sae] });
    const [{ prompt_id, metric: value, token_ids, positive, negative }] = first.prompts;
    assert.deepEqual([prompt_id, value], ["golf", result.metric]);
    assert.deepEqual(token_ids, result.tokens.map(({ id }) => id));
    assert.deepEqual([positive, negative].map(([{ token }]) => token), [" golf", " tennis"]);
    const [best] = result.rows(sae.hookOut);
    const row = Object.fromEntries(first.columns.map((name, i) => [name, first.rows[0][i]]));
    assert.deepEqual([row.position, row.feature, row.attribution], [best.position, best.feature, best.attribution]);

    const second = await runScheduled(config, results);
    assert.deepEqual(second.rows, first.rows);
    assert.deepEqual(second.drift, {
      since: first.started,
      files: null,
      metric: { max_abs_change: 0, prompt_id: null },
      attribution: {
        ...second.drift!.attribution,
        max_abs_change: 0,
        relative: 0,
        rows: 40,
        appeared: 0,
        disappeared: 0,
      },
      prompts_changed: [],
    });
    assert.ok(Math.abs(second.drift!.attribution.cosine! - 1) < 1e-12);
    assert.equal((await results.latest())?.started, second.started);

    const other = await runScheduled(readConfig({ ...CONFIG, saes: ["tiny-facts/blocks.2.hook_resid_pre"] }), results);
    assert.match(other.drift!.files!, /^saes\.0\.source was "tiny-facts\/blocks\.3\.hook_resid_pre" and is now/);
    assert.deepEqual([other.drift!.attribution.rows, other.drift!.prompts_changed], [0, []]);
  });
});

Deno.test("drift is what changed", () => {
  const before = madeUpRun("2026-01-01T00:00:00.000Z", [["a", "h", 0, 1, 3], ["a", "h", 0, 2, -4], [
    "a",
    "h",
    1,
    1,
    1,
  ]]);
  const now = madeUpRun(
    "2026-01-02T00:00:00.000Z",
    [["a", "h", 0, 1, 4], ["a", "h", 0, 2, -4], ["a", "h", 1, 9, 2]],
    1.5,
  );
  assert.deepEqual(driftFrom(before, now), {
    since: "2026-01-01T00:00:00.000Z",
    files: null,
    metric: { max_abs_change: 0.5, prompt_id: "a" },
    attribution: {
      max_abs_change: 1,
      relative: 0.25,
      cosine: 28 / Math.sqrt(25 * 32),
      rows: 2,
      appeared: 1,
      disappeared: 1,
    },
    prompts_changed: [],
  });
  const newer = { ...now, versions: { "sae-attribution": "2" }, prompts: [madeUpPrompt("b", 1)] };
  const drift = driftFrom(before, newer);
  assert.equal(drift.files, 'versions.sae-attribution was "1" and is now "2"');
  assert.deepEqual(drift.prompts_changed, ["a", "b"]);
  // Another question under the same id is none that changed its answer.
  const asked = driftFrom(before, { ...now, prompts: [madeUpPrompt("a", 1.5, "logits[-1, 2]")] });
  assert.deepEqual([asked.prompts_changed, asked.metric.max_abs_change, asked.attribution.rows], [["a"], 0, 0]);
  const settings = { ...now.settings, method: "relp" as const };
  assert.equal(driftFrom(before, { ...now, settings }).files, 'settings.method was "gradient" and is now "relp"');
});

Deno.test("the latest run over HTTP", async () => {
  const run = madeUpRun("2026-01-01T00:00:00.000Z", [["=1+1", "h", 0, 1, 0.5]]);
  const runs: ScheduledRun[] = [];
  const results: Results = { place: "", latest: () => Promise.resolve(runs[0]), add: () => Promise.resolve() };
  const get = (path: string, method = "GET"): Promise<Response> =>
    answer(new Request(`http://x${path}`, { method }), results);
  assert.equal((await get("/latest.csv")).status, 503);
  runs.push(run);
  assert.equal(
    await (await get("/latest.csv")).text(),
    "prompt_id,hook,position,feature,attribution\n=1+1,h,0,1,0.5\n",
  );
  assert.equal((await get("/latest.csv")).headers.get("content-type"), "text/csv; charset=utf-8");
  assert.deepEqual(await (await get("/latest.json")).json(), run);
  assert.equal((await (await get("/")).json()).rows, 1);
  assert.equal(await (await get("/drift.json")).json(), null);
  assert.deepEqual([(await get("/", "POST")).status, (await get("/no")).status], [405, 404]);
  for (const path of ["/", "/latest.json", "/latest.csv", "/drift.json", "/no"]) {
    const [whole, head] = [await get(path), await get(path, "HEAD")];
    assert.equal(await head.text(), "");
    assert.deepEqual([head.status, [...head.headers]], [whole.status, [...whole.headers]]);
    assert.equal(Number(head.headers.get("content-length")), (await whole.bytes()).length);
  }
  const failing: Results = { ...results, latest: () => Promise.reject(new Error("Cannot read /srv/cron/results")) };
  const failed = await answer(new Request("http://x/"), failing);
  assert.deepEqual([failed.status, await failed.text()], [500, "Cannot read …/results\n"]);
});

Deno.test("on schedule it serves its own names only, answers HEAD, and outlives a damaged result", async () => {
  const entry = fromFileUrl(new URL("../../lib/deploy/cron.ts", import.meta.url));
  await inDirectory(async (directory) => {
    const results = `${directory}/results`;
    const run = madeUpRun("2026-01-01T00:00:00.000Z", [["a", "h", 0, 1, 0.5]]);
    await directoryResults(results).add(run);
    await Deno.writeTextFile(`${results}/run-000009-2026-01-02T00-00-00.000Z.json`, "{");
    const config = { ...CONFIG, schedule: "0 0 1 1 *", results, allow_hosts: ["lab.example.org"] };
    await Deno.writeTextFile(`${directory}/cron.json`, JSON.stringify(config));
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--unstable-cron", entry, `${directory}/cron.json`],
      env: { PORT: "0" },
      stdout: "piped",
      stderr: "null",
    }).spawn();
    try {
      const port = await portOf(child.stdout);
      const ask = (method: string, path: string, headers: string): Promise<string> =>
        sendRaw({ port }, `${method} ${path} HTTP/1.1\r\n${headers}Connection: close\r\n\r\n`);
      const own = `Host: 127.0.0.1:${port}\r\n`;
      const whole = await ask("GET", "/latest.json", own);
      assert.match(whole, /^HTTP\/1\.1 200 /);
      const [, body] = whole.split("\r\n\r\n");
      assert.deepEqual(JSON.parse(body), run);
      const head = await ask("HEAD", "/latest.json", own);
      assert.match(head, new RegExp(`^HTTP/1\\.1 200 [^]*content-length: ${body.length}\r\n[^]*\r\n\r\n$`, "i"));
      assert.match(await ask("GET", "/latest.json", "Host: lab.example.org\r\n"), /^HTTP\/1\.1 200 /);
      for (const host of ["evil.example", `evil.example:${port}`, "127.0.0.1.evil.example"]) {
        assert.match(await ask("GET", "/latest.json", `Host: ${host}\r\n`), /^HTTP\/1\.1 421 /);
      }
      assert.match(await ask("GET", "/latest.json", `${own}Origin: http://evil.example\r\n`), /^HTTP\/1\.1 403 /);
    } finally {
      child.kill();
      await child.output().catch(() => {});
    }
  });
});

/** The port in what a server prints. */
async function portOf(stdout: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<number> {
  let text = "";
  for await (const part of stdout.pipeThrough(new TextDecoderStream())) {
    text += part;
    const found = /http:\/\/127\.0\.0\.1:(\d+)\//.exec(text);
    if (found) return Number(found[1]);
  }
  throw new Error(`It says ${text}`);
}

Deno.test("a configuration that is wrong says where", () => {
  const cases: [unknown, RegExp][] = [
    [[], /it is \[\]: give an object/],
    [{ ...CONFIG, promps: [] }, /Unknown field "promps": the nearest is "prompts"/],
    [{ ...CONFIG, zzzz: [] }, /Unknown field "zzzz": there are .*schedule, .*prompts/],
    [{ prompts: [GOLF] }, /schedule is missing/],
    [{ ...CONFIG, schedule: "hourly" }, /schedule is "hourly": give five fields/],
    [{ ...CONFIG, prompts: [] }, /prompts is missing or empty/],
    [{ ...CONFIG, prompts: [GOLF, {}] }, /prompt 2: There is neither prompt nor ids/],
    [{ ...CONFIG, prompts: [GOLF, GOLF] }, /two prompts have the id "golf"/],
    [
      { ...CONFIG, model: "gpt2" },
      /no SAE for gpt2: give "saes" with the name, directory or URL of one; saes gpt2 lists/,
    ],
    [{ ...CONFIG, saes: [1] }, /"saes" is \[1\]: give a list of SAEs, each a name or an object with source/],
    [{ ...CONFIG, metric: "logits" }, /"metric" is "logits": give one of logit-diff/],
    [{ ...CONFIG, top: 0 }, /"top" is 0: give a whole number from 1$/],
    [{ ...CONFIG, allow_hosts: ["http://a"] }, /"allow_hosts" is \["http:\/\/a"\]: give a list of names/],
    [{ ...CONFIG, saes: [] }, /"saes" is \[\]: give /],
    [{ ...CONFIG, steps: 3 }, /"steps" belongs to "method": "integrated-gradients": add that, or leave it out$/],
    [{ ...CONFIG, baseline: "mean:f.txt" }, /"baseline" is a mean over a file/],
    [{ ...CONFIG, metric: "kl", pos_token: " a" }, /"metric": "kl" takes no tokens: leave out "pos_token"$/],
    [{ ...CONFIG, error_term: "no" }, /"error_term" is "no": give true or false/],
  ];
  for (const [config, pattern] of cases) assert.throws(() => readConfig(config), pattern);
});

Deno.test("without Deno.cron it says what to do; once and now works without", async () => {
  await assert.rejects(attributeOnSchedule(CONFIG), /There is no Deno\.cron here: run with --unstable-cron/);
  const entry = fromFileUrl(new URL("../../lib/deploy/cron.ts", import.meta.url));
  await inDirectory(async (directory) => {
    await Deno.writeTextFile(`${directory}/cron.json`, JSON.stringify({ ...CONFIG, results: `${directory}/results` }));
    const run = async (...args: string[]): Promise<[number, string, string]> => {
      const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", entry, ...args],
      }).output();
      return [code, ...[stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)) as [string, string]];
    };
    const [code, stdout, stderr] = await run(`${directory}/cron.json`, "--once");
    assert.equal(code, 0, stderr);
    assert.match(stdout, /: 2 prompts, 40 rows in [\d.]+ s; the first run\n$/);
    assert.match((await run(`${directory}/cron.json`, "--once"))[1], /metric ±0\.0, attribution ±0\.0 since /);
    const [wrongCode, , wrongText] = await run("no.json");
    assert.deepEqual([wrongCode, wrongText], [1, "error: Cannot read no.json: there is no such file\n"]);
  });
});

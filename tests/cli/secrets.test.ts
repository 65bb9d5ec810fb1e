/** What is secret in an address is sent, and stands in nothing that is printed, written or answered. */
import assert from "node:assert/strict";
import { servePage } from "../../lib/web/serve.ts";
import { answerRange, withServer } from "../weights/fixtures.ts";
import { HOOK, inDirectory, MODEL, PROMPT, runCli, SAE } from "./run_cli.ts";

const SECRETS = /passw0rd|s1gnature|us3rname|tempor4ry/;

/** A model and an SAE behind a server that wants credentials, and a signature with every request. */
async function withSecretServer(test: (model: string, sae: string, shown: string) => Promise<void>): Promise<void> {
  const handler = async (request: Request): Promise<Response> => {
    const { pathname, searchParams } = new URL(request.url);
    const isIn = request.headers.get("authorization") === `Basic ${btoa("us3rname:passw0rd")}` &&
      searchParams.get("sig") === "s1gnature";
    if (!isIn) return new Response(null, { status: 403 });
    const [, directory, file] = /^\/(model|sae)\/([\w.]+)$/.exec(pathname) ?? [];
    try {
      return answerRange(request, await Deno.readFile(`${directory === "model" ? MODEL : SAE}/${file}`));
    } catch {
      return new Response(null, { status: 404 });
    }
  };
  await withServer(handler, async (base) => {
    const secret = (path: string): string =>
      `${base.replace("//", "//us3rname:passw0rd@")}/${path}?sig=s1gnature#tempor4ry`;
    await test(secret("model"), secret("sae"), base);
  });
}

/** Everything below a directory that holds a secret. */
async function filesWithSecrets(directory: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    const path = `${directory}/${name}`;
    if (isDirectory) found.push(...await filesWithSecrets(path));
    else if (SECRETS.test(new TextDecoder("latin1").decode(await Deno.readFile(path)))) found.push(path);
  }
  return found;
}

const METRIC = ["--pos-id", "5", "--neg-id", "6"];

Deno.test("no command prints or writes what is secret in an address", async (t) => {
  await withSecretServer((model, sae, shown) =>
    inDirectory(async (directory) => {
      const on = ["--model", model, "--sae", `${sae}@${HOOK}`, "--threads", "1"];
      const run = async (args: string[], code = 0): Promise<string> => {
        const outcome = await runCli(args, { env: { SAE_ATTRIBUTION_DEBUG: "1" } });
        assert.equal(outcome.code, code, outcome.stderr);
        const text = outcome.stdout + outcome.stderr;
        assert.doesNotMatch(text, SECRETS);
        return text;
      };
      await t.step("attribute", async () => {
        const files = ["summary.json", "tensors.safetensors", "run.py"].map((name) => `${directory}/${name}`);
        const [summary, tensors, python] = files;
        const to = ["--summary", summary, "--save-tensors", tensors, "--emit-python", python, "--check"];
        assert.ok((await run(["attribute", PROMPT, ...METRIC, ...on, ...to])).includes(`${shown}/model`));
        assert.equal(JSON.parse(await Deno.readTextFile(summary)).model.name, `${shown}/model`);
      });
      await t.step("report, predict and ablate", async () => {
        const page = `${directory}/report.html`;
        await run(["report", PROMPT, ...METRIC, ...on, "--output", page]);
        assert.ok((await Deno.readTextFile(page)).includes(`--model ${shown}/model`));
        await run(["predict", PROMPT, "--model", model, "--threads", "1"]);
        await run(["ablate", PROMPT, ...METRIC, ...on]);
      });
      await t.step("batch, in one thread and in two, and resumed", async () => {
        const input = `${directory}/prompts.jsonl`;
        const record = { prompt: PROMPT, pos_id: 5, neg_id: 6 };
        await Deno.writeTextFile(input, Array.from({ length: 4 }, () => `${JSON.stringify(record)}\n`).join(""));
        const args = (workers: string): string[] => {
          const output = `${directory}/run${workers}`;
          return ["batch", input, ...on, ...METRIC, "--output", output, "--workers", workers, "--shard-size", "2"];
        };
        for (const workers of ["1", "2"]) await run(args(workers));
        await run(args("1"));
        const { settings } = JSON.parse(await Deno.readTextFile(`${directory}/run1/manifest.json`));
        assert.deepEqual([settings.model, settings.saes[0].source], [`${shown}/model`, `${shown}/sae`]);
        const queued = await run(
          [...args("3"), "--queue", "redis://us3rname:passw0rd@127.0.0.1:1/0"].filter((word) =>
            word !== "--workers" && word !== "3"
          ),
          2,
        );
        assert.match(queued, /credentials or a query, which are not written down for the workers of a queue/);
      });
      await t.step("failures", async () => {
        const bad = model.replace("s1gnature", "s1gnature2");
        assert.match(await run(["predict", PROMPT, "--model", bad], 1), /HTTP 403 Forbidden: the server wants other/);
        assert.match(await run(["predict", PROMPT, "--model", model.replace("/model", "/none")], 1), /no config\.json/);
        const gone = model.replace(/:\d+\//, ":1/");
        assert.match(
          await run(["predict", PROMPT, "--model", gone], 1),
          /Cannot read http:\/\/127\.0\.0\.1:1\/model\//,
        );
        const broken = "http://us3rname:passw0rd@[/x?sig=s1gnature";
        assert.match(await run(["predict", PROMPT, "--model", broken], 1), /Cannot open http:\/\/…: it is not a URL/);
        for (const mistyped of ["https//us3rname:passw0rd@host/gpt2", "http:/us3rname:passw0rd@host/gpt2"]) {
          await run(["predict", PROMPT, "--model", mistyped], 1);
          await run(["attribute", PROMPT, "--sae", mistyped], 1);
        }
        assert.match(
          await run(["predict", PROMPT, "--model", model, "--revision", "v1"], 1),
          /A revision is for models/,
        );
        await run(["attribute", PROMPT, ...on, "--sae", "http://us3rname:passw0rd@127.0.0.1"], 1);
        await run(["attribute", PROMPT, "--sae", `${sae}@`], 2);
        for (const command of [["batch", "status"], ["worker"]]) {
          const text = await run([...command, "--queue", "redis://us3rname:passw0rd@127.0.0.1:1/0"], 1);
          assert.match(text, /Cannot reach Redis at redis:\/\/127\.0\.0\.1:1: /);
        }
        await run(["worker", "--queue", "us3rname:passw0rd@127.0.0.1:1"], 2);
      });
      assert.deepEqual(await filesWithSecrets(directory), []);
    })
  );
});

Deno.test("the page's server tells no secret of the addresses that it was started with, and opens them", async () => {
  await withSecretServer(async (model, sae, shown) => {
    const offered = { model, saes: [`${sae}@${HOOK}`], hub: false };
    await using server = await servePage({ offered, worker: { device: "auto", threads: 1 } });
    const base = `http://127.0.0.1:${server.port}`;
    const texts: string[] = [];
    const ask = async (path: string, body?: unknown, accept = "application/json"): Promise<string> => {
      const headers = { "content-type": "application/json", accept };
      const init = body === undefined ? {} : { method: "POST", headers, body: JSON.stringify(body) };
      const text = await (await fetch(`${base}${path}`, init)).text();
      texts.push(text);
      return text;
    };
    const status = JSON.parse(await ask("/api/status"));
    assert.deepEqual([status.model, status.saes], [`${shown}/model`, [`${shown}/sae@${HOOK}`]]);
    await ask("/api/models");
    await ask(`/api/saes?model=${encodeURIComponent(status.model)}`);
    const metric = { positive: [5], negative: [6] };
    const question = { prompt: PROMPT, model: status.model, saes: status.saes };
    const report = JSON.parse(await ask("/api/attribute", { ...question, metric }));
    assert.equal(report.model.name, `${shown}/model`);
    assert.ok(report.command.includes(`--model ${shown}/model`), report.command);
    const stream = await ask("/api/attribute", { ...question, metric, cards: 2 }, "application/x-ndjson");
    assert.match(stream, /"type":"report"/);
    assert.equal(JSON.parse(await ask("/api/predict", question)).model.name, `${shown}/model`);
    // Nobody but who started it may name another place.
    assert.match(await ask("/api/predict", { ...question, model: `${model}x` }), /"status":403/);
    for (const text of texts) assert.doesNotMatch(text, SECRETS);
    const two = { model, saes: [sae, sae.replace("s1gnature", "other")], hub: false };
    await assert.rejects(servePage({ offered: two }), (error: Error) => {
      return error.message.startsWith("Two addresses that are offered differ") && !SECRETS.test(error.message);
    });
  });
});

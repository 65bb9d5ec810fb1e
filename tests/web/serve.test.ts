import assert from "node:assert/strict";
import {
  type Attribution,
  calculateFeatureAttribution,
  loadModel,
  loadSae,
  logitDiff,
  longTable,
  testPrompt,
  toCsv,
  toJson,
  toJsonLines,
} from "../../mod.ts";
import { reportData } from "../../lib/report/data.ts";
import { tableWriter } from "../../lib/table/formats.ts";
import { EXAMPLE, post, PROMPT, refusal, SAE, startServer } from "./ask.ts";

/** The same run without a server. */
async function directly(use: (result: Attribution) => Promise<void>, position = -1): Promise<void> {
  await using model = await loadModel("tiny-facts", { threads: 1 });
  await using sae = await loadSae(SAE);
  const metric = logitDiff(" golf", " tennis", { position });
  await use(await calculateFeatureAttribution(model, PROMPT, metric, { saes: [sae] }));
}

const TYPES = { csv: "text/csv; charset=utf-8", json: "application/json", jsonl: "application/x-ndjson" };

Deno.test("an attribution over HTTP is the library's, in every format", async (t) => {
  await using server = await startServer();
  await directly(async (result) => {
    const writers = { csv: toCsv, json: toJson, jsonl: toJsonLines };
    for (const [format, write] of Object.entries(writers)) {
      await t.step(format, async () => {
        const response = await post(server, "/api/attribute", { ...EXAMPLE, format });
        assert.equal(response.headers.get("content-type"), TYPES[format as keyof typeof TYPES]);
        assert.equal(await response.text(), write(await longTable(result)));
      });
    }
    await t.step("parquet", async () => {
      const response = await post(server, "/api/attribute", { ...EXAMPLE, format: "parquet" });
      assert.equal(response.headers.get("content-type"), "application/vnd.apache.parquet");
      const chunks = [...(await tableWriter("parquet"))(await longTable(result))] as BlobPart[];
      assert.deepEqual(await response.bytes(), await new Blob(chunks).bytes());
      const lines = { headers: { accept: "application/x-ndjson" } };
      const refused = await refusal(await post(server, "/api/attribute", { ...EXAMPLE, format: "parquet" }, lines));
      assert.match(refused, /^400 "format": "parquet" is not lines of JSON: ask without Accept/);
    });
    await t.step("a report without next tokens", async () => {
      const [whole, without] = await Promise.all(
        [10, 0].map(async (predictions) =>
          await (await post(server, "/api/attribute", { ...EXAMPLE, predictions })).json()
        ),
      );
      assert.ok(whole.predictions.length >= 10);
      assert.deepEqual(without, { ...whole, predictions: [] });
    });
    await t.step("rows and columns as asked for", async () => {
      const columns = ["position", "token", "feature", "attribution", "label"] as const;
      const rows = { ...EXAMPLE, format: "csv", top: 5, columns, include_error: true };
      const text = await (await post(server, "/api/attribute", rows)).text();
      assert.equal(text, toCsv(await longTable(result, { top: 5, columns, includeError: true })));
    });
    await t.step("report", async () => {
      const report = await (await post(server, "/api/attribute", { ...EXAMPLE, cards: 5 })).json();
      const expected = await reportData(result, { cards: 5, command: report.command });
      assert.deepEqual(report, JSON.parse(JSON.stringify(expected)));
      assert.equal(
        report.command,
        `deno run -A cli.ts attribute '${PROMPT}' --pos-token ' golf' --neg-token ' tennis'`,
      );
    });
  });
});

Deno.test("the stream tells how far it is, and has the report before its cards", async () => {
  await using server = await startServer();
  const headers = { accept: "application/x-ndjson" };
  const response = await post(server, "/api/attribute", { ...EXAMPLE, cards: 3 }, { headers });
  assert.equal(response.headers.get("content-type"), "application/x-ndjson");
  const events = (await response.text()).trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(events.map(({ type }) => type), ["waiting", "opening", "opening", "running", "report", "report"]);
  const [first, second] = events.slice(-2).map(({ report }) => report);
  assert.equal(Object.keys(first.saes[0].cards).length, 0);
  assert.equal(Object.keys(second.saes[0].cards).length, 3);
  assert.deepEqual(second.saes[0].rows, first.saes[0].rows);
  const failed = await post(server, "/api/predict", { prompt: PROMPT, answer: " golfing" }, { headers });
  const last = JSON.parse((await failed.text()).trimEnd().split("\n").at(-1)!);
  assert.equal(last.type, "error");
  assert.equal(last.status, 400);
  assert.match(last.message, /" golfing" is \d tokens/);
});

Deno.test("a prediction over HTTP is the library's, at the end and in the middle", async () => {
  await using server = await startServer();
  await using model = await loadModel("tiny-facts", { threads: 1 });
  await using sae = await loadSae(SAE);
  const answer = " tennis";
  for (const position of [-1, 6, 2]) {
    const found = await (await post(server, "/api/predict", { prompt: PROMPT, top: 4, position, answer })).json();
    const ids = await model.toTokens(PROMPT);
    const upTo = position === -1 ? ids : ids.slice(0, position + 1);
    const expected = await testPrompt(model, upTo, { topK: 4, saes: [sae], answer });
    assert.equal(found.position, upTo.length - 1);
    assert.deepEqual(found.tokens.map(({ id }: { id: number }) => id), ids);
    assert.deepEqual(
      found.predictions,
      expected.predictions.map(({ isAnswer: _, ...row }) => row),
    );
    assert.equal(found.answer.rank, expected.answer!.rank);
  }
});

Deno.test("what the model reads at a position in the middle is what a prediction there shows", async () => {
  await using server = await startServer();
  const metric = { positive: [" golf"], negative: [" tennis"], position: 2 };
  const report = await (await post(server, "/api/attribute", { prompt: PROMPT, metric })).json();
  const golf = report.predictions.find(({ token }: { token: string }) => token === " golf");
  const { answer } = await (await post(server, "/api/predict", { prompt: PROMPT, position: 2, answer: " golf" }))
    .json();
  assert.equal(answer.rank, golf.rank);
  assert.ok(Math.abs(answer.logit - golf.logit) <= 1e-5 * Math.abs(golf.logit));
});

Deno.test("one wrong field, one line that says which", async (t) => {
  await using server = await startServer();
  const cases: readonly [string, Record<string, unknown>, RegExp][] = [
    ["/api/predict", {}, /^400 There must be one prompt: give "prompt", a text, or "token_ids"$/],
    ["/api/predict", { prompt: 3 }, /^400 "prompt" is 3: give a text$/],
    ["/api/predict", { prompt: "a", token_ids: [1] }, /^400 There must be one prompt/],
    ["/api/predict", { token_ids: [99999999] }, /^400 /],
    ["/api/predict", { prompt: "a", top: 0 }, /^400 "top" is 0: give a whole number from 1 to 1000$/],
    ["/api/predict", { prompt: "a", position: 99 }, /^400 The position 99 is not in a prompt of \d tokens$/],
    ["/api/predict", { prompt: "a", promt: "b" }, /^400 Unknown field "promt": the nearest is "prompt"$/],
    ["/api/predict", { prompt: "a", answer: " golf", answer_id: 1 }, /^400 "answer" and "answer_id" name the same/],
    [
      "/api/attribute",
      { prompt: "a b", metric: { negative: [" golf"] } },
      /^400 "neg_token" without "pos_token": give/,
    ],
    [
      "/api/attribute",
      { prompt: "a b", metric: { name: "logit" } },
      /^400 "metric": "logit" needs a token: give "pos_token" or "pos_id"$/,
    ],
    [
      "/api/attribute",
      { prompt: "a b", metric: { name: "loss", positive: [1] } },
      /^400 "metric": "loss" takes no tokens: leave out "pos_id"$/,
    ],
    ["/api/attribute", { prompt: "a b", metric: { positive: [" golfing"] } }, /^400 " golfing" is \d tokens/],
    [
      "/api/attribute",
      { prompt: "a b", metric: { position: 1.5 } },
      /^400 "metric.position" is 1.5: give a whole number$/,
    ],
    [
      "/api/attribute",
      { prompt: "a b", metric: { text: "c", name: "prob" } },
      /^400 "target_text" is a metric of its own: leave out "metric"$/,
    ],
    [
      "/api/attribute",
      { prompt: "a b", columns: ["nothing"], format: "csv" },
      /^400 "columns" has no column "nothing": the nearest is/,
    ],
    [
      "/api/attribute",
      { prompt: "a b", top: 3 },
      /^400 "top" is for rows: give "format": "csv", "json", "jsonl" or "parquet"$/,
    ],
    ["/api/attribute", { prompt: "a b", metric: { name: "target-text" } }, /^400 "metric.text" is missing$/],
    [
      "/api/attribute",
      { prompt: "a b", metric: { name: "top-two", positive: [0] } },
      /^400 "metric.name" is "top-two": give another, or no tokens and no text$/,
    ],
    [
      "/api/attribute",
      { prompt: "a b", pos_id: 3, metric: { positive: [" golf"] } },
      /^400 "pos_id" is \[3\]: give it once, here or in metric$/,
    ],
    ["/api/attribute", { prompt: "a b", metric: "kl" }, /^400 .*"error_term": false/],
    ["/api/attribute", { prompt: "a b", steps: 3 }, /^400 "steps" belongs to "method": "integrated-gradients": add/],
    ["/api/attribute", { prompt: "a b", device: "wasm" }, /^400 "device" is not taken here: the server decides/],
    ["/api/attribute", { prompt: "a b", baseline: "mean:/etc/passwd" }, /^400 "baseline" is "mean:\/etc\/passwd": a /],
    [
      "/api/attribute",
      { prompt: "a b", saes: [{ source: "x", explanations: "/etc/passwd" }] },
      /^400 "expl.* files of/,
    ],
    ["/api/attribute", { prompt: "a b", saes: Array(9).fill(SAE) }, /^400 "saes" names 9: give at most 8$/],
    ["/api/attribute", { prompt: "a b", model: "m".repeat(1001) }, /^400 "model" is "m+…": give a text$/],
    [
      "/api/predict",
      { prompt: "a b", method: "relp" },
      /^400 "method" is not taken here: a prediction explains nothing/,
    ],
    ["/api/attribute", { prompt: "a b", saes: [] }, /^400 No SAE for "tiny-facts"/],
    ["/api/attribute", { prompt: "a b", saes: ["tiny-fact/blocks.3"] }, /^400 Unknown SAE "tiny-fact\/blocks.3"/],
    ["/api/predict", { prompt: "a b", model: "gtp2" }, /^400 Unknown model "gtp2": the nearest are/],
  ];
  for (const [path, body, expected] of cases) {
    await t.step(`${path} ${JSON.stringify(body)}`, async () => {
      const message = await refusal(await post(server, path, body));
      assert.match(message, expected);
      assert.ok(!message.includes("\n"));
    });
  }
});

Deno.test("what there is to choose from", async () => {
  await using server = await startServer();
  const get = async (path: string) => await (await fetch(`http://127.0.0.1:${server.port}${path}`)).json();
  const { saes } = await get("/api/saes?model=tiny-facts");
  assert.deepEqual(saes.map(({ name }: { name: string }) => name), [
    SAE,
    "tiny-facts/blocks.2.hook_resid_pre",
    "tiny-facts/blocks.2.hook_mlp_out",
  ]);
  const { saes: found } = await get("/api/saes?model=gpt2&search=res-jb+10&limit=1");
  assert.deepEqual(found.map(({ name }: { name: string }) => name), ["gpt2-small-res-jb/blocks.10.hook_resid_pre"]);
  const { models } = await get("/api/models?search=gemma-2-2b&limit=1");
  assert.deepEqual(models.map(({ name }: { name: string }) => name), ["google/gemma-2-2b"]);
  const { model, waiting, busy } = await get("/api/status");
  assert.deepEqual([model, waiting, busy], ["tiny-facts", 0, false]);
});

Deno.test("a request without a model is about the one that the server was started with, and its SAEs", async () => {
  const [model, sae] = ["models/gpt2/", "saes/g-std-pre2/"].map((path) =>
    new URL(`../data/${path}`, import.meta.url).href
  );
  await using server = await startServer({ offered: { model, saes: [sae], hub: false } });
  const answers = async (fields: Record<string, unknown>): Promise<unknown[]> => {
    const predicted = await (await post(server, "/api/predict", { prompt: PROMPT, top: 3, ...fields })).json();
    const rows = await post(server, "/api/attribute", { prompt: PROMPT, format: "csv", top: 5, ...fields });
    return [predicted, await rows.text()];
  };
  const [[predicted, rows], named, bundled] = [
    await answers({}),
    await answers({ model, saes: [sae] }),
    await answers({ model: "tiny-facts" }),
  ];
  assert.deepEqual([predicted, rows], named);
  assert.equal((predicted as { model: { family: string } }).model.family, "gpt2");
  assert.notEqual(rows, bundled[1]);
});

Deno.test("with --no-hub only what is here is offered", async () => {
  await using server = await startServer({ offered: { model: "tiny-facts", saes: [], hub: false } });
  const response = await fetch(`http://127.0.0.1:${server.port}/api/models`);
  assert.equal((await response.json()).models.length, 1);
  const message = await refusal(await post(server, "/api/predict", { prompt: "a", model: "gpt2" }));
  assert.match(message, /^403 "gpt2" is not offered/);
});

Deno.test("where files' server does not answer, the answer is 502, not a fault of this server", async () => {
  const model = "http://127.0.0.1:1/model";
  await using server = await startServer({ offered: { model, saes: [], hub: false } });
  const said = await refusal(await post(server, "/api/predict", { prompt: PROMPT, model }));
  assert.match(said, /^502 Cannot read http:\/\/127\.0\.0\.1:1\/model\/config\.json: /);
});

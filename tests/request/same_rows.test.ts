/** A request gives the same rows whoever is asked. */
import assert from "node:assert/strict";
import { readConfig } from "../../lib/deploy/config.ts";
import { runScheduled } from "../../lib/deploy/scheduled_run.ts";
import { requestArgs } from "../../lib/request/command.ts";
import type { FrontEnd } from "../../lib/request/field.ts";
import { REFUSED } from "../../lib/request/refused.ts";
import type { SaeRequest } from "../../lib/request/saes.ts";
import { toCsv } from "../../lib/table/csv.ts";
import { type PageServer, servePage } from "../../lib/web/serve.ts";
import { fromFileUrl } from "../../lib/weights/files/places.ts";
import { runCli } from "../cli/run_cli.ts";
import { type Asked, body, makeChatModel, PROMPT } from "./asked.ts";

const ROOT = fromFileUrl(new URL("../../", import.meta.url));
const SAE = "tiny-facts/blocks.3.hook_resid_pre";
const EARLIER = "tiny-facts/blocks.2.hook_resid_pre";

/** Requests that between them say most of what can be said. */
const REQUESTS: Readonly<Record<string, Asked>> = {
  "nothing but a prompt": {},
  "two sides at a position, some rows": {
    values: {
      posToken: [" golf"],
      posId: [20],
      negToken: [" tennis"],
      metricPosition: [-2],
      top: 9,
      features: Array.from({ length: 512 }, (_, i) => 2 * i),
    },
  },
  "columns, bias and error": {
    values: {
      posToken: [" golf"],
      negToken: [" tennis"],
      includeError: true,
      columns: "kind,position,token,feature,activation,gradient,attribution,label",
    },
  },
  "weights of tokens, added up over positions": {
    values: {
      tokenWeight: [" golf=1", " tennis=-0.5"],
      idWeight: ["7=0.25"],
      metricPosition: [-2, -1],
      positions: "1:-1",
    },
  },
  "a continuation": { values: { targetText: " golf.", top: 20 } },
  "log-probability by RelP": { values: { metric: "logprob", posToken: [" golf"], method: "relp" } },
  "divergence without the error term": {
    values: { metric: "kl", includeErrorTerm: false, excludeSpecialTokens: false, top: 30 },
  },
  "loss of the model as it is, without BOS": {
    values: { metric: "loss", processing: "none", prependBos: false, truncate: true, top: 30 },
  },
  "probability in a form of one's own": {
    values: {
      metric: "prob",
      posToken: [" golf"],
      foldLn: false,
      centerWritingWeights: false,
      centerUnembed: true,
      foldValueBiases: false,
      excludeTokenIds: [5],
    },
  },
  "integrated gradients from the mean": {
    values: {
      method: "integrated-gradients",
      steps: 4,
      baseline: "mean",
      posToken: [" golf"],
      negToken: [" tennis"],
      top: 30,
    },
  },
  "integrated gradients to a tolerance": {
    values: { method: "integrated-gradients", tolerance: 0.2, posToken: [" golf"], negToken: [" tennis"] },
  },
  "another prompt and the direct effect": {
    values: {
      baseline: "prompt: Babe Ruth plays the sport of",
      method: "frozen-pattern",
      directEffect: true,
      columns: "position,feature,attribution,direct_effect",
    },
  },
  "a chat": {
    values: {
      chat: true,
      system: "Be brief.",
      assistantPrefix: " It is",
      chatVariable: ["shout=true"],
      posToken: [" golf"],
      negToken: [" tennis"],
    },
    prompt: "Which sport?",
  },
  "sums by feature of token ids": { values: { tokenIds: [1, 30, 40, 50], table: "features", top: 12 } },
  "sums by position": { values: { posToken: [" golf"], table: "positions", positions: "-3:" } },
  "two SAEs, one at a hook that is said": {
    saes: [
      { source: EARLIER },
      { source: SAE, hook: "blocks.3.hook_resid_pre" },
    ],
    values: { posToken: [" golf"], negToken: [" tennis"], top: 30 },
  },
};

/** Rows by the command `attribute`. */
async function byCommand({ values, saes, prompt = PROMPT }: Asked): Promise<string> {
  const args = requestArgs({ values: values!, saes, prompt: values!.tokenIds === undefined ? prompt : undefined });
  const { code, stdout, stderr } = await runCli(["attribute", ...args, "--threads", "1", "--format", "csv", "--quiet"]);
  assert.equal(code, 0, stderr);
  return stdout;
}

/** Rows by the command `batch`, less the column that tells prompts apart. */
async function byBatch({ values, saes, prompt = PROMPT }: Asked, directory: string): Promise<string> {
  const [input, output] = [`${directory}/prompts.jsonl`, `${directory}/rows.csv`];
  await Deno.writeTextFile(input, `${JSON.stringify({ id: "p", prompt })}\n`);
  const args = requestArgs({ values: values!, saes, prompt: input });
  const { code, stderr } = await runCli(["batch", ...args, "--output", output, "--weights", "streamed", "--quiet"]);
  assert.equal(code, 0, stderr);
  const lines = (await Deno.readTextFile(output)).trimEnd().split("\n");
  assert.match(lines[0], /^prompt_id,/);
  return lines.map((line, i) => `${line.replace(i === 0 ? /^prompt_id,/ : /^p,/, "")}\n`).join("");
}

/** Rows of a schedule, of whose columns some are asked for. */
async function bySchedule(asked: Asked, header: string): Promise<string> {
  const { prompt, ...properties } = body(asked);
  const config = readConfig({ schedule: "0 6 * * *", prompts: [{ prompt }], top: 100_000, ...properties });
  const nowhere = { place: "", latest: () => Promise.resolve(undefined), add: () => Promise.resolve() };
  const { columns, rows, errors } = await runScheduled(config, nowhere);
  assert.deepEqual(errors, []);
  const names = header.split(",");
  const cells = rows.map((row) => names.map((name) => row[columns.indexOf(name)]));
  return toCsv({ columns: names, rows: cells });
}

/** Rows by the API. */
async function byApi(asked: Asked, { port }: PageServer): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/api/attribute`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ...body(asked), format: "csv" }),
  });
  const text = await response.text();
  assert.equal(response.status, 200, text);
  return text;
}

const isTakenBy = (frontEnd: FrontEnd, { values = {} }: Asked): boolean =>
  Object.keys(values).every((name) => !Object.hasOwn(REFUSED[frontEnd], name));

async function inDirectory(test: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await test(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** The rows of all front ends that take the request; a further one has its place here. */
async function assertSameRows(asked: Asked, server: PageServer): Promise<void> {
  const rows = await byCommand(asked);
  assert.ok(rows.split("\n").length > 3, `there are no rows to compare: ${rows}`);
  assert.equal(await byApi(asked, server), rows, "the API");
  if (isTakenBy("schedule", asked)) assert.equal(await bySchedule(asked, rows.split("\n")[0]), rows, "a schedule");
  if (!isTakenBy("batch", asked)) return;
  await inDirectory(async (directory) => assert.equal(await byBatch(asked, directory), rows, "batch"));
}

Deno.test("a request gives the same rows by attribute, batch, a schedule and the API", async (t) => {
  await inDirectory(async (directory) => {
    const model = await makeChatModel(directory);
    const offered = { model, saes: [SAE], hub: false };
    await using server = await servePage({ worker: { device: "auto", threads: 1 }, offered });
    for (const [name, { values, saes = [{ source: SAE }], ...rest }] of Object.entries(REQUESTS)) {
      const asked = { values: { ...values, model }, saes, ...rest };
      await t.step(name, () => assertSameRows(asked, server));
    }
  });
});

Deno.test("SAEs of several layers by one name, and what is said of an SAE, are the same everywhere", async (t) => {
  await inDirectory(async (directory) => {
    const data = `${ROOT}tests/data`;
    for (let layer = 0; layer < 4; layer++) {
      const place = `${directory}/layer_${layer}`;
      await Deno.mkdir(place);
      await Deno.copyFile(`${data}/saes/g-std-pre2/sae_weights.safetensors`, `${place}/sae_weights.safetensors`);
      const config = await Deno.readTextFile(`${data}/saes/g-std-pre2/cfg.json`);
      await Deno.writeTextFile(`${place}/cfg.json`, config.replaceAll("blocks.2.", `blocks.${layer}.`));
    }
    const saes: Readonly<Record<string, SaeRequest>> = {
      "a cross-layer transcoder": { source: `${data}/cross_layer/clt-relu` },
      "one SAE for every layer": { source: `${directory}/layer_{layer}` },
      "a scaling factor": { source: `${data}/saes/g-avg-pre1`, normScalingFactor: 2 },
      "a transcoder's hooks": {
        source: `${data}/saes/g-tc-mlp2`,
        hook: "blocks.1.hook_mlp_out",
        hookIn: "blocks.1.ln2.hook_normalized",
      },
      "a hook": { source: `${data}/saes/g-std-pre2`, hook: "blocks.1.hook_resid_pre" },
    };
    const model = `${data}/models/gpt2`;
    const offered = { model, saes: Object.values(saes).map(({ source }) => source), hub: false };
    await using server = await servePage({ worker: { device: "auto", threads: 1 }, offered });
    const values = { model, posToken: [" golf"], negToken: [" tennis"], top: 40 };
    for (const [name, sae] of Object.entries(saes)) {
      await t.step(name, () => assertSameRows({ values, saes: [sae] }, server));
    }
  });
});

/** Whatever one front end can be asked, all can; or one table says why not. And all answer the same. */
import assert from "node:assert/strict";
import { parseRequest as parseAblate } from "../../lib/cli/commands/change/ablate.ts";
import { parseRequest as parseAttribute } from "../../lib/cli/commands/explain/attribute.ts";
import { parseRequest as parseBatch } from "../../lib/cli/commands/many/batch.ts";
import { parseRequest as parseEvaluate } from "../../lib/cli/commands/trust/evaluate.ts";
import { parseRequest as parsePredict } from "../../lib/cli/commands/explain/predict.ts";
import { parseRequest as parseReport } from "../../lib/cli/commands/explain/report.ts";
import { type Asked, body, PROMPT } from "./asked.ts";
import { readConfig } from "../../lib/deploy/config.ts";
import { requestArgs } from "../../lib/request/command.ts";
import { parseFigures } from "../../lib/request/figures.ts";
import { type Field, flagOf, jsonNameOf } from "../../lib/request/field.ts";
import { REQUEST_FIELDS, ROW_FIELDS } from "../../lib/request/fields.ts";
import type { FieldName } from "../../lib/request/json.ts";
import type { FrontEnd } from "../../lib/request/field.ts";
import { REFUSED } from "../../lib/request/refused.ts";
import { inWords, sayFlag, sayProperty } from "../../lib/request/request_error.ts";
import { readSelect, readSteer } from "../../lib/web/change/requests.ts";
import { readAttribute, readPredict } from "../../lib/web/job_requests.ts";

const SAE = "tiny-facts/blocks.3.hook_resid_pre";
const DEFAULTS = { model: "tiny-facts", saes: () => [{ source: SAE }] };

/** By field, a request that says it, and the same without it where that needs other fields. */
const EXAMPLES: Readonly<Record<FieldName, readonly [given: Asked, without?: Asked]>> = {
  posToken: [{ values: { posToken: [" golf"] } }],
  negToken: [{ values: { posToken: [" golf"], negToken: [" tennis"] } }, { values: { posToken: [" golf"] } }],
  posId: [{ values: { posId: [3] } }],
  negId: [{ values: { posId: [3], negId: [4] } }, { values: { posId: [3] } }],
  tokenWeight: [{ values: { tokenWeight: [" golf=0.5"] } }],
  idWeight: [{ values: { idWeight: ["3=-2"] } }],
  targetText: [{ values: { targetText: " golf" } }],
  answerText: [{ values: { answerText: " golf" } }],
  generate: [{ values: { generate: 3 } }],
  answerPositions: [{ values: { answerText: " golf", answerPositions: "0" } }, { values: { answerText: " golf" } }],
  metric: [{ values: { metric: "loss" } }],
  metricPosition: [{ values: { metricPosition: [-2] } }],
  method: [{ values: { method: "relp" } }],
  steps: [{ values: { method: "integrated-gradients", steps: 4 } }, { values: { method: "integrated-gradients" } }],
  tolerance: [{ values: { method: "integrated-gradients", tolerance: 0.5 } }, {
    values: { method: "integrated-gradients" },
  }],
  rows: [{ values: { method: "ablation", rows: 5 } }, { values: { method: "ablation" } }],
  budget: [{ values: { method: "ablation", budget: "30s" } }, { values: { method: "ablation" } }],
  refine: [{ values: { refine: 3 } }],
  curvature: [{ values: { curvature: 4 } }],
  baseline: [{ values: { baseline: "mean" } }],
  directEffect: [{ values: { directEffect: true } }],
  tokenIds: [{ values: { tokenIds: [1, 2] } }],
  model: [{ values: { model: "gpt2" }, saes: [{ source: "a" }] }, { saes: [{ source: "a" }] }],
  revision: [{ values: { revision: "main" } }],
  sae: [{ saes: [{ source: "tiny-facts/blocks.2.hook_resid_pre" }] }],
  hookIn: [{ saes: [{ source: "a", hookIn: "blocks.1.hook_mlp_in" }] }, { saes: [{ source: "a" }] }],
  normScalingFactor: [{ saes: [{ source: "a", normScalingFactor: 2 }] }, { saes: [{ source: "a" }] }],
  explanations: [{ saes: [{ source: "a", explanations: ["labels.json"] }] }, { saes: [{ source: "a" }] }],
  chat: [{ values: { chat: true } }],
  messages: [{ values: { messages: "chat.json" } }],
  thinking: [{ values: { chat: true, thinking: false } }, { values: { chat: true } }],
  system: [{ values: { chat: true, system: "Be brief." } }, { values: { chat: true } }],
  assistantPrefix: [{ values: { chat: true, assistantPrefix: "I" } }, { values: { chat: true } }],
  chatVariable: [{ values: { chat: true, chatVariable: ["deep=false"] } }, { values: { chat: true } }],
  prependBos: [{ values: { prependBos: false } }],
  truncate: [{ values: { truncate: true } }],
  processing: [{ values: { processing: "none" } }],
  foldLn: [{ values: { foldLn: false } }],
  centerWritingWeights: [{ values: { centerWritingWeights: false } }],
  centerUnembed: [{ values: { centerUnembed: false } }],
  foldValueBiases: [{ values: { foldValueBiases: false } }],
  excludeSpecialTokens: [{ values: { excludeSpecialTokens: false } }, { values: { excludeSpecialTokens: true } }],
  excludeTokenIds: [{ values: { excludeTokenIds: [5] } }],
  includeErrorTerm: [{ values: { includeErrorTerm: false } }],
  table: [{ values: { table: "features" } }],
  positions: [{ values: { positions: "1:-1" } }],
  features: [{ values: { features: [3] } }],
  top: [{ values: { top: 7 } }],
  includeError: [{ values: { includeError: true } }],
  columns: [{ values: { columns: "feature,attribution" } }],
  device: [{ values: { device: "wasm" } }],
  threads: [{ values: { threads: 3 } }],
  weights: [{ values: { weights: "resident" } }],
  memoryLimit: [{ values: { memoryLimit: 2 } }],
};

const isOneOf = (name: string, names: Readonly<Record<string, unknown>>): boolean => Object.hasOwn(names, name);
const isOfRows = (name: string): boolean => isOneOf(name, ROW_FIELDS);

type Parse = (args: readonly string[], isTerminal?: boolean) => unknown;

/** A command that reads a prompt as its argument, or something else. */
function byArgs(parse: Parse, more: readonly string[] = [], first?: string): (asked: Asked) => unknown {
  return ({ values = {}, saes }) => {
    const isElsewhere = values.tokenIds !== undefined || values.messages !== undefined;
    const prompt = first ?? (isElsewhere ? undefined : PROMPT);
    const { args: _, ...request } = parse([...requestArgs({ values, saes, prompt }), ...more], false) as {
      args?: unknown;
    };
    return request;
  };
}

const CHANGE = { interventions: [{ feature: 3, position: "all", how: "set", value: 0 }] };

/** The API; the fields as they were given are part of a job, and are no proof that they do something. */
function byBody(
  read: typeof readAttribute | typeof readPredict | typeof readSteer | typeof readSelect,
): (asked: Asked) => unknown {
  return (asked) => {
    const isRows = Object.keys(asked.values ?? {}).some((name) => isOfRows(name));
    const more = read === readSteer ? CHANGE : isRows && read === readAttribute ? { format: "csv" } : {};
    const { values: _, ...job } = read({ ...body(asked), ...more }, DEFAULTS);
    return { ...job, format: undefined };
  };
}

const READERS: Readonly<Record<FrontEnd, (asked: Asked) => unknown>> = {
  attribute: byArgs(parseAttribute),
  report: byArgs(parseReport),
  ablate: byArgs(parseAblate),
  evaluate: byArgs(parseEvaluate),
  batch: byArgs(parseBatch, ["--output", "run"], "prompts.csv"),
  predict: byArgs(parsePredict),
  schedule: (asked) => {
    const { prompt, ...properties } = body(asked);
    return readConfig({ schedule: "0 6 * * *", prompts: [{ prompt: prompt ?? PROMPT }], ...properties });
  },
  verify: (asked) => {
    const { metric, ...properties } = body(asked);
    return parseFigures({ model: "tiny-facts", ...properties, metric_name: metric }, "figures.json");
  },
  "/api/attribute": byBody(readAttribute),
  "/api/predict": byBody(readPredict),
  "/api/steer": byBody(readSteer),
  "/api/select": byBody(readSelect),
};

/** What `evaluate` has besides, and reasons name. */
const OF_EVALUATE = { ablation: { kind: "string", help: "" }, counts: { kind: "integers", help: "" } } as const;

for (const [name, read] of Object.entries(READERS)) {
  const refusals = REFUSED[name as FrontEnd];
  Deno.test(`every field of a request is taken by ${name}, or refused with the table's reason`, async (t) => {
    for (
      const [field, [given, without = {}]] of Object.entries(EXAMPLES) as [FieldName, typeof EXAMPLES[FieldName]][]
    ) {
      await t.step(field, () => {
        if (!isOneOf(field, refusals)) {
          assert.notDeepEqual(JSON.stringify(read(given)), JSON.stringify(read(without)), "it changes nothing");
          return;
        }
        const table: Field = REQUEST_FIELDS[field];
        const isJson = name.startsWith("/") || name === "schedule" || name === "verify";
        const reason = inWords(refusals[field]!, { ...REQUEST_FIELDS, ...OF_EVALUATE }, isJson ? sayProperty : sayFlag);
        const shown = isJson
          ? `"${jsonNameOf(field, table)}" is not taken here: `
          : `${name} has no --${table.negatable ? "no-" : ""}${flagOf(field, table)}: `;
        assert.throws(() => read(given), (error: Error) => {
          // Of several that are refused the first is named.
          const first = Object.keys(given.values ?? {}).find((one) => isOneOf(one, refusals));
          if (first !== undefined && first !== field) return / is not taken here: | has no --/.test(error.message);
          assert.ok(error.message.endsWith(shown + reason), error.message);
          return true;
        });
      });
    }
  });
}

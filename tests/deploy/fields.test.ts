/** Every field of a request in a schedule: read as the command line reads it, or refused with the reason of the table. */
import assert from "node:assert/strict";
import { parseRequest } from "../../lib/cli/commands/many/batch.ts";
import { readConfig } from "../../lib/deploy/config.ts";
import { type Field, flagOf, jsonNameOf } from "../../lib/request/field.ts";
import { REQUEST_FIELDS } from "../../lib/request/fields.ts";
import type { FieldName } from "../../lib/request/json.ts";
import { REFUSED } from "../../lib/request/refused.ts";

const PROMPT = " Tiger Woods plays the sport of";
const SAE = "tiny-facts/blocks.3.hook_resid_pre";
const COLUMNS = ["hook", "position", "feature", "attribution"];
/** What a schedule has where nothing is said. */
const DEFAULTS = { top: "100", threads: "1", weights: "streamed", columns: COLUMNS.join() };

interface Sample {
  readonly json: unknown;
  readonly args: readonly string[];
  /** What it needs beside it. */
  readonly with?: Readonly<Record<string, unknown>>;
  readonly withArgs?: readonly string[];
}

/** A value on the command line alone stands for itself. */
const text = (value: string, more: Partial<Sample> = {}): Sample => ({ json: value, args: [value], ...more });
const number = (value: number, more: Partial<Sample> = {}): Sample => ({ json: value, args: [String(value)], ...more });
const ids: Sample = { json: [1, 2], args: ["1,2"] };
const CHAT = { with: { chat: true }, withArgs: ["--chat"] };
const ABLATION = { with: { method: "ablation" }, withArgs: ["--method", "ablation"] };
const INTEGRATED = {
  with: { method: "integrated-gradients" },
  withArgs: ["--method", "integrated-gradients"],
};

const SAMPLES = {
  posToken: text(" golf"),
  negToken: text(" tennis"),
  posId: { json: [3, 4], args: ["3", "4"] },
  negId: number(5),
  tokenWeight: { json: [" golf=2", " tennis=-1"], args: [" golf=2", " tennis=-1"] },
  idWeight: text("3=0.5"),
  targetText: text(" golf."),
  answerText: text(" golf."),
  generate: number(3),
  answerPositions: text("0"),
  metric: text("logprob"),
  metricPosition: { json: [-2, -1], args: ["-2,-1"] },
  method: text("relp"),
  steps: number(8, INTEGRATED),
  tolerance: number(0.5, INTEGRATED),
  rows: number(5, ABLATION),
  budget: text("30s", ABLATION),
  refine: number(3),
  curvature: number(4),
  baseline: text("prompt: Babe Ruth plays the sport of"),
  directEffect: { json: true, args: [] },
  tokenIds: ids,
  model: text("tiny-facts"),
  revision: text("main"),
  sae: { json: [`${SAE}@blocks.2.hook_resid_pre`], args: [`${SAE}@blocks.2.hook_resid_pre`] },
  hookIn: text("blocks.2.hook_resid_pre"),
  normScalingFactor: number(2),
  explanations: text("labels.json"),
  chat: { json: true, args: [] },
  messages: text("chat.json"),
  thinking: { json: true, args: [], ...CHAT },
  system: text("Be brief.", CHAT),
  assistantPrefix: text("It is", CHAT),
  chatVariable: { json: ["a=1", "b=x"], args: ["a=1", "b=x"], ...CHAT },
  prependBos: { json: true, args: [] },
  truncate: { json: true, args: [] },
  processing: text("none"),
  foldLn: { json: true, args: [] },
  centerWritingWeights: { json: true, args: [] },
  centerUnembed: { json: true, args: [] },
  foldValueBiases: { json: true, args: [] },
  excludeSpecialTokens: { json: true, args: [] },
  excludeTokenIds: ids,
  includeErrorTerm: { json: false, args: [] },
  device: text("wasm"),
  threads: number(2),
  weights: text("resident"),
  memoryLimit: number(2, { withArgs: ["--weights", "auto"] }),
  table: text("features"),
  positions: text("1:-1"),
  features: ids,
  top: number(7),
  includeError: { json: true, args: [] },
  columns: { json: ["token", ...COLUMNS], args: [["token", ...COLUMNS].join()] },
} as const satisfies Record<FieldName, Sample>;

const FIELDS: Readonly<Record<FieldName, Field>> = REQUEST_FIELDS;

const OF_AN_SAE: readonly FieldName[] = ["hookIn", "normScalingFactor", "explanations"];

/** A configuration with one field, and what it needs. */
function configWith(name: FieldName, { json, with: others = {} }: Sample): Record<string, unknown> {
  const property = jsonNameOf(name, FIELDS[name]);
  const value = OF_AN_SAE.includes(name) ? { saes: [{ source: SAE, [property]: json }] } : { [property]: json };
  const columns = name === "columns" ? {} : { columns: COLUMNS };
  return { schedule: "0 6 * * *", prompts: [{ prompt: PROMPT }], ...columns, ...others, ...value };
}

/** The same as arguments of `batch`. */
function argsWith(name: FieldName, { args, withArgs = [] }: Sample): string[] {
  const flag = `--${flagOf(name, FIELDS[name])}`;
  const given = [
    ...(OF_AN_SAE.includes(name) ? ["--sae", SAE] : []),
    ...(args.length === 0 ? [flag] : args.flatMap((value) => [`${flag}=${value}`])),
    ...withArgs,
  ];
  const defaults = Object.entries(DEFAULTS).filter(([other]) =>
    !given.some((arg) => arg.split("=")[0] === `--${other}`)
  );
  return ["prompts.csv", "--output", "out", ...given, ...defaults.flatMap(([other, value]) => [`--${other}`, value])];
}

Deno.test("every field of a request is read in a schedule as on the command line, or refused with its reason", () => {
  for (const [name, sample] of Object.entries(SAMPLES) as [FieldName, Sample][]) {
    const config = configWith(name, sample);
    const reason = REFUSED.schedule[name];
    if (reason !== undefined) {
      const property = jsonNameOf(name, FIELDS[name]);
      assert.throws(
        () => readConfig(config),
        (e: Error) => e.message.endsWith(`"${property}" is not taken here: ${reason}`),
      );
    } else {
      const { format: _, shardSize: __, ...settings } = readConfig(config).settings;
      const { format: ___, shardSize: ____, ...asked } = parseRequest(argsWith(name, sample)).asked;
      const columns = settings.rows.columns;
      assert.deepEqual(settings, { ...asked, rows: { ...asked.rows, columns } }, name);
      assert.deepEqual(columns.slice(0, asked.rows.columns!.length), asked.rows.columns, name);
    }
  }
});

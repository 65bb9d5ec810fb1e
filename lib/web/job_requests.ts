/**
 * From the JSON of a request to a job: every field checked, defaults filled in.
 *
 * @module
 */
import { quote } from "../quote.ts";
import { LONG_COLUMNS, type LongColumn } from "../attribution/result/long_table.ts";
import { PROCESSING_CHOICES } from "../attribution/run/processing.ts";
import type { MetricChoice } from "../attribution/metric/make_metric.ts";
import { ApiError } from "./api_error.ts";
import { Fields } from "../weights/json/fields.ts";
import { type AttributeJob, METRICS, type PredictJob, RESULT_FORMATS, type RunChoice, type SaeChoice } from "./jobs.ts";

/** Longer prompts are refused before they are cut into tokens. */
const MOST_CHARACTERS = 100_000;
const MOST_TOKENS = 10_000;
const MOST_SAES = 8;
const MOST_CARDS = 500;

/** What is wrong with a request. */
const refuse = (message: string): ApiError => new ApiError(400, message);

/** A parsed body. */
export type Body = Readonly<Record<string, unknown>>;

/** What a request asks about where it does not say. */
export interface RunDefaults {
  readonly model: string;
  /** A model's SAEs. */
  saes(model: string): readonly SaeChoice[];
}

/**
 * What the model predicts.
 *
 * @throws {ApiError} 400 if a field is wrong
 */
export function readPredict(body: Body, defaults: RunDefaults): PredictJob {
  const fields = new Fields(body, refuse);
  const job: PredictJob = {
    kind: "predict",
    ...readRun(fields, defaults),
    position: fields.integer("position") ?? -1,
    top: fields.integer("top", { min: 1, max: 1000 }) ?? 10,
    answer: readAnswer(fields),
  };
  fields.end();
  return job;
}

function readAnswer(fields: Fields): string | number | undefined {
  const [text, id] = [fields.text("answer"), fields.integer("answer_id", { min: 0 })];
  if (text !== undefined && id !== undefined) {
    throw new ApiError(400, '"answer" and "answer_id" name the same token: give one of them');
  }
  return text ?? id;
}

/**
 * An attribution.
 *
 * @throws {ApiError} 400 if a field is wrong
 */
export function readAttribute(body: Body, defaults: RunDefaults): AttributeJob {
  const fields = new Fields(body, refuse);
  const job: AttributeJob = {
    kind: "attribute",
    ...readRun(fields, defaults),
    metric: readMetric(fields.object("metric") ?? new Fields({}, refuse)),
    includeErrorTerm: fields.flag("error_term") ?? true,
    excludeSpecialTokens: fields.flag("exclude_special_tokens"),
    format: fields.choice("format", RESULT_FORMATS) ?? "report",
    cards: fields.integer("cards", { min: 0, max: MOST_CARDS }) ?? 0,
    top: fields.integer("top", { min: 1 }),
    columns: readColumns(fields),
    includeError: fields.flag("include_error") ?? false,
  };
  fields.end();
  if (job.saes.length === 0) {
    throw new ApiError(400, `No SAE for ${quote(job.model)}: name one in "saes"`);
  }
  if (job.format !== "report" && job.cards > 0) throw new ApiError(400, '"cards" are for reports: leave out "format"');
  const hasRows = job.top !== undefined || job.columns !== undefined || job.includeError;
  if (job.format === "report" && hasRows) {
    throw new ApiError(
      400,
      '"top", "columns" and "include_error" are for rows: give "format": "csv", "json" or "jsonl"',
    );
  }
  return job;
}

function readColumns(fields: Fields): readonly LongColumn[] | undefined {
  const names = LONG_COLUMNS as readonly unknown[];
  const isColumn = (item: unknown): item is LongColumn => names.includes(item);
  const columns = fields.list("columns", isColumn, { what: LONG_COLUMNS.join(", ") });
  if (columns && (columns.length === 0 || new Set(columns).size < columns.length)) {
    throw new ApiError(400, '"columns" is empty or names one twice: name each once');
  }
  return columns;
}

/** Which tokens each metric takes: positive ones, negative ones. */
const TAKES: Readonly<Record<typeof METRICS[number], readonly [positive: number, negative: number]>> = {
  "top-two": [0, 0],
  "logit-diff": [100, 100],
  "logit": [1, 0],
  "logprob": [1, 0],
  "prob": [1, 0],
  "loss": [0, 0],
  "target-text": [0, 0],
};

function readMetric(fields: Fields): MetricChoice {
  const isToken = (item: unknown): item is string | number =>
    (typeof item === "string" && item !== "" && item.length <= 1000) ||
    (Number.isSafeInteger(item) && Number(item) >= 0);
  const what = "tokens, each as a text or an id";
  const positive = fields.list("positive", isToken, { what }) ?? [];
  const negative = fields.list("negative", isToken, { what }) ?? [];
  const given = fields.choice("name", METRICS);
  const text = fields.text("text");
  const name = given ??
    (text !== undefined
      ? "target-text"
      : positive.length === 0 && negative.length === 0
      ? "top-two"
      : negative.length === 0 && positive.length === 1
      ? "logit"
      : "logit-diff");
  const position = fields.integer("position");
  fields.end();
  checkTokens(name, positive.length, negative.length);
  if ((name === "target-text") !== (text !== undefined && text !== "")) {
    throw new ApiError(400, '"metric.text" is the continuation of the metric "target-text": give both or neither');
  }
  if (position !== undefined && (name === "loss" || name === "target-text")) {
    throw new ApiError(400, `"metric.position" means nothing for ${name}: leave it out`);
  }
  return { kind: name, positive, negative, positions: [position ?? -1], text };
}

function checkTokens(name: typeof METRICS[number], positive: number, negative: number): void {
  const [mostPositive, mostNegative] = TAKES[name];
  if (name === "logit-diff" && (positive === 0 || negative === 0)) {
    throw new ApiError(400, '"metric" compares tokens: give "positive" and "negative"');
  }
  if (mostPositive === 1 && positive === 0) throw new ApiError(400, `The metric ${name} needs a token in "positive"`);
  if (positive > mostPositive || negative > mostNegative) {
    const takes = mostPositive === 0 ? "no tokens" : "one positive token and no negative one";
    throw new ApiError(400, `The metric ${name} takes ${takes}: leave out the others, or choose logit-diff`);
  }
}

function readRun(fields: Fields, defaults: RunDefaults): RunChoice {
  const model = fields.text("model") ?? defaults.model;
  const isText = (item: unknown): item is string => typeof item === "string" && item !== "" && item.length <= 1000;
  const saes = fields.list("saes", isText, { what: "names of SAEs", max: MOST_SAES });
  return {
    model,
    saes: saes?.map(parseSae) ?? defaults.saes(model),
    prompt: readPrompt(fields),
    prependBos: fields.flag("prepend_bos"),
    truncate: fields.flag("truncate") ?? false,
    processing: fields.choice("processing", PROCESSING_CHOICES) ?? "sae",
  };
}

function readPrompt(fields: Fields): string | readonly number[] {
  const isId = (item: unknown): item is number => Number.isSafeInteger(item) && Number(item) >= 0;
  const text = fields.text("prompt", { max: MOST_CHARACTERS });
  const ids = fields.list("token_ids", isId, { what: "token ids", max: MOST_TOKENS });
  if ((text === undefined) === (ids === undefined)) {
    throw new ApiError(400, 'There must be one prompt: give "prompt", a text, or "token_ids"');
  }
  return text ?? ids!;
}

/**
 * An SAE by its name, with another hook after an @, as on the command line.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseSae } from "./job_requests.ts";
 *
 * assert.deepEqual(parseSae("runs/a@blocks.3.hook_resid_pre"), { source: "runs/a", hook: "blocks.3.hook_resid_pre" });
 * ```
 */
export function parseSae(text: string): SaeChoice {
  const [, source, hook] = /^(.+)@([A-Za-z_][\w.]*)$/s.exec(text) ?? [];
  // In an address without a path an @ ends the credentials.
  const isHook = source !== undefined && !/^[a-z][a-z0-9+.-]+:\/\/[^/]*$/i.test(source);
  return isHook ? { source, hook } : { source: text };
}

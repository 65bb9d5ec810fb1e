/**
 * From the JSON of a request to a job: every field checked, defaults filled in.
 *
 * @module
 */
import { quote } from "../quote.ts";
import { NO_FILES } from "../request/field.ts";
import { MODEL_FIELDS, REQUEST_FIELDS, type RequestValues, ROW_FIELDS } from "../request/fields.ts";
import { type FieldName, type JsonLimits, readJsonValues } from "../request/json.ts";
import { refuseFields } from "../request/refused.ts";
import { inWords, RequestError, sayProperty } from "../request/request_error.ts";
import { checkSum } from "../request/read_answer.ts";
import { readModel, readRunRequest } from "../request/request.ts";
import { readSaes, type SaeRequest } from "../request/saes.ts";
import { Fields } from "../weights/json/fields.ts";
import { ApiError } from "./api_error.ts";
import { type AttributeJob, type MessageWords, type PredictJob, RESULT_FORMATS, type RunJob } from "./jobs.ts";

/** Longer prompts are refused before they are cut into tokens. */
const LIMITS: JsonLimits = { characters: 100_000, items: 10_000 };
const NAME_LIMITS: JsonLimits = { characters: 1000, items: 1 };
/** As many as stay open. */
const MOST_SAES = 8;
/** Of a report. */
export const MOST_CARDS = 500;
/** Of a prediction. */
export const MOST_PREDICTIONS = 1000;

/** The fields of the one table that are looked for, those that are refused among them. */
export const REQUEST_NAMES = {
  attribute: Object.keys(REQUEST_FIELDS) as FieldName[],
  /** Its `top` is one of its own. */
  predict: (Object.keys(REQUEST_FIELDS) as FieldName[]).filter((name) => name !== "top"),
  steer: (Object.keys(REQUEST_FIELDS) as FieldName[]).filter((name) => name !== "top"),
  select: Object.keys(REQUEST_FIELDS) as FieldName[],
} as const;

/** A parsed body. */
export type Body = Readonly<Record<string, unknown>>;

/** What a request asks about where it does not say. */
export interface RunDefaults {
  readonly model: string;
  /** A model's SAEs. */
  saes(model: string): readonly SaeRequest[];
}

/** What makes a job of a body. */
export type ReadJob<Job> = (body: Body, defaults: RunDefaults, words: MessageWords) => Job;

/**
 * What the model predicts.
 *
 * @throws {ApiError} 400 if a field is wrong
 */
export function readPredict(body: Body, defaults: RunDefaults, words: MessageWords = "properties"): PredictJob {
  return inFields(words, () => {
    const fields = openFields(body);
    const run = { ...readRun(fields, "predict", defaults), words };
    const job: PredictJob = {
      kind: "predict",
      ...readModel(run.values),
      ...run,
      position: fields.integer("position") ?? -1,
      top: fields.integer("top", { min: 1, max: MOST_PREDICTIONS }) ?? 10,
      answer: readAnswer(fields),
    };
    fields.end();
    return job;
  });
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
export function readAttribute(body: Body, defaults: RunDefaults, words: MessageWords = "properties"): AttributeJob {
  return inFields(words, () => {
    const fields = openFields(body);
    const run = { ...readRun(fields, "attribute", defaults), words };
    const job: AttributeJob = {
      kind: "attribute",
      ...readRunRequest(run.values, run.saes),
      ...run,
      format: fields.choice("format", RESULT_FORMATS) ?? "report",
      cards: fields.integer("cards", { min: 0, max: MOST_CARDS }) ?? 0,
      predictions: fields.integer("predictions", { min: 0, max: MOST_PREDICTIONS }) ?? 10,
    };
    fields.end();
    checkJob(job);
    return job;
  });
}

function checkJob({ model, saes, answer, baseline, format, cards, values }: AttributeJob): void {
  checkSaes(model, saes);
  if (typeof baseline !== "string" && "meanFile" in baseline) {
    throw new RequestError(`\`baseline\` is ${quote(values.baseline)}: ${NO_FILES}`);
  }
  if (format === "report") checkSum({ answer, baseline });
  if (format !== "report" && cards > 0) throw new ApiError(400, '"cards" are for reports: leave out "format"');
  const ofRows = (Object.keys(ROW_FIELDS) as FieldName[]).find((name) => (values[name] ?? false) !== false);
  if (format === "report" && ofRows !== undefined) {
    throw new RequestError(`\`${ofRows}\` is for rows: give "format": "csv", "json", "jsonl" or "parquet"`);
  }
}

/** @throws {ApiError} if there is none */
export function checkSaes(model: string, saes: readonly SaeRequest[]): void {
  if (saes.length === 0) throw new ApiError(400, `No SAE for ${quote(model)}: name one in "saes"`);
}

/** The fields of a body; what is wrong with one is a refusal. */
export function openFields(body: Body): Fields {
  return new Fields(body, (message) => new ApiError(400, message));
}

/** Messages of the library name its options: to a client of the API they are properties. */
export function inFields<T>(words: MessageWords, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof RequestError ? new ApiError(400, fieldWords(words)(error.message)) : error;
  }
}

/** A message with the fields of requests named as properties. */
export function propertyWords(message: string): string {
  return inWords(message, REQUEST_FIELDS, sayProperty);
}

/** What puts a message into these words. */
export function fieldWords(words: MessageWords): (message: string) => string {
  return words === "properties" ? propertyWords : (message) => message;
}

/** What a request is about: the fields of the one table, and the prompt. */
export function readRun(
  fields: Fields,
  kind: keyof typeof REQUEST_NAMES,
  defaults: RunDefaults,
): Omit<RunJob, "words"> {
  const names = REQUEST_NAMES[kind];
  const isName = (name: FieldName): boolean => Object.hasOwn(MODEL_FIELDS, name) && name !== "tokenIds";
  const named = readJsonValues(fields, names.filter(isName), NAME_LIMITS);
  const read = readJsonValues(fields, names.filter((name) => !isName(name)), LIMITS);
  const given: RequestValues = { ...named.values, ...read.values };
  refuseFields({ values: given, order: read.order }, `/api/${kind}`);
  const values = { ...given, model: given.model ?? defaults.model };
  const isChosen = fields.value("saes", Array.isArray, "a list") !== undefined;
  const saes = readSaes(read.order, isChosen ? [] : defaults.saes(values.model));
  if (saes.length > MOST_SAES) throw new RequestError(`\`sae\` names ${saes.length}: give at most ${MOST_SAES}`);
  return { values, saes, prompt: readPrompt(fields, values.tokenIds) };
}

function readPrompt(fields: Fields, ids: readonly number[] | undefined): string | readonly number[] {
  const text = fields.text("prompt", { max: LIMITS.characters });
  if ((text === undefined) === (ids === undefined)) {
    throw new ApiError(400, 'There must be one prompt: give "prompt", a text, or "token_ids"');
  }
  return text ?? ids!;
}

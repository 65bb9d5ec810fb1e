/**
 * What a scheduled run does, as a small JSON file says it.
 *
 * @module
 */
import { addedColumns, type LongColumn } from "../attribution/result/long_table.ts";
import { type InputRecord, toRecord } from "../batch/input/record.ts";
import { type BatchSettings, readDataSetRequest } from "../batch/settings.ts";
import { DEFAULT_MODEL } from "../bundled.ts";
import { quote } from "../quote.ts";
import { REQUEST_FIELDS } from "../request/fields.ts";
import { type FieldName, readJsonValues } from "../request/json.ts";
import { REFUSED, refuseFields } from "../request/refused.ts";
import { inWords, RequestError, sayProperty } from "../request/request_error.ts";
import { neededSaes } from "../request/saes.ts";
import { Fields } from "../weights/json/fields.ts";
import { isRecord } from "../weights/json/json.ts";

/** A configuration that was read. */
export interface CronConfig {
  /** Tells several schedules in one place apart. */
  readonly name: string;
  /** As cron writes it, in UTC: minute, hour, day, month, weekday. */
  readonly schedule: string;
  /** What to attribute. */
  readonly prompts: readonly InputRecord[];
  /** How; what is for data sets only has no effect. */
  readonly settings: BatchSettings;
  /** A directory for the results; undefined: Deno KV where there is one, else `./results`. */
  readonly results: string | undefined;
  /** Names besides this machine's own under which the latest run may be asked for, as behind a proxy. */
  readonly allowedHosts: readonly string[];
}

/** All are attributed one after another, each time. */
const MOST_PROMPTS = 100_000;
/** Rows of each prompt, unless the configuration says otherwise. */
const DEFAULT_TOP = 100;
/** By which runs are compared. */
const COMPARED: readonly LongColumn[] = ["hook", "position", "feature", "attribution"];

/**
 * Reads a configuration: `schedule` and `prompts` (objects as in a data set: `prompt` or `ids`, `id`, `pos_token`,
 * `neg_token`), perhaps `name`, `results` (a directory) and `allow_hosts` (names of this server), and every property of a
 * request that means something for several prompts, such as `model`, `saes`, `metric`, `method`, `chat` or `top` (rows of
 * each prompt, 100). Of `columns`, those by which runs are compared are added.
 *
 * @throws {SyntaxError} naming the first thing that is wrong
 *
 * @example
 * ```ts
 * import { readConfig } from "./config.ts";
 *
 * const { settings } = readConfig({
 *   schedule: "0 6 * * *",
 *   prompts: [{ prompt: " The capital of France is", pos_token: " Paris", neg_token: " Rome" }],
 *   method: "relp",
 * });
 * console.assert(settings.model === "tiny-facts");
 * ```
 */
export function readConfig(value: unknown): CronConfig {
  const fields = new Fields(value, wrong);
  const schedule = text(fields, "schedule");
  if (schedule === undefined) throw wrong('schedule is missing: give one such as "0 6 * * *"');
  if (schedule.trim().split(/\s+/).length !== 5) {
    throw wrong(`schedule is ${quote(schedule)}: give five fields (minute, hour, day, month, weekday)`);
  }
  const config = {
    name: text(fields, "name") ?? "default",
    schedule,
    prompts: readPrompts(fields),
    settings: readSettings(fields),
    results: text(fields, "results"),
    allowedHosts: fields.list("allow_hosts", isHost, { what: 'names such as "lab.example.org"' }) ?? [],
  };
  fields.end();
  return config;
}

function wrong(what: string): SyntaxError {
  return new SyntaxError(`Cannot use the configuration: ${what}`);
}

function text(fields: Fields, name: string): string | undefined {
  return fields.value(name, isText, "a text");
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function isHost(value: unknown): value is string {
  return typeof value === "string" && /^[\w.-]+$/.test(value);
}

function readPrompts(fields: Fields): InputRecord[] {
  const prompts = fields.list("prompts", isRecord, { what: "objects", max: MOST_PROMPTS }) ?? [];
  if (prompts.length === 0) throw wrong("prompts is missing or empty: give some");
  const ids = new Set<string>();
  return prompts.map((prompt, i): InputRecord => {
    const record = toRecord(prompt, i + 1, i + 1);
    if ("error" in record) throw wrong(`prompt ${i + 1}: ${record.error}`);
    if (record.answerText !== undefined) {
      throw wrong(`prompt ${i + 1}: answer_text is not taken here: ${REFUSED.schedule.answerText}`);
    }
    if (ids.has(record.id)) throw wrong(`two prompts have the id ${quote(record.id)}`);
    ids.add(record.id);
    return record;
  });
}

function readSettings(fields: Fields): BatchSettings {
  const isSome = (saes: unknown): saes is unknown => !Array.isArray(saes) || saes.length > 0;
  fields.value("saes", isSome, "some, or leave it out");
  const read = readJsonValues(fields, Object.keys(REQUEST_FIELDS) as FieldName[]);
  const { values, order } = read;
  const { model = DEFAULT_MODEL, top = DEFAULT_TOP, threads = 1, memoryLimit } = values;
  const { weights = memoryLimit === undefined ? "streamed" : "auto" } = values;
  try {
    refuseFields(read, "schedule");
    const saes = neededSaes(order, model);
    const request = readDataSetRequest({ ...values, model, top, threads, weights }, saes);
    return { ...request, rows: { ...request.rows, columns: columnsOf(request) }, format: "csv", shardSize: 1 };
  } catch (error) {
    throw error instanceof RequestError ? wrong(inWords(error.message, REQUEST_FIELDS, sayProperty)) : error;
  }
}

function columnsOf(
  { rows, directEffect, ...method }: Pick<BatchSettings, "directEffect" | "method" | "exact"> & {
    rows: Partial<BatchSettings["rows"]>;
  },
) {
  const kind = rows.includeError ? ["kind"] as const : [];
  const asked = rows.columns ?? [
    ...["hook", ...kind, "position", "token", "feature", "activation", "attribution"] as const,
    ...addedColumns(method, directEffect),
    "label",
  ];
  return [...new Set([...asked, ...COMPARED, ...kind])];
}

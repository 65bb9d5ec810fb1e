/**
 * What a scheduled run does, as a small JSON file says it.
 *
 * @module
 */
import { quote } from "../quote.ts";
import { type InputRecord, toRecord } from "../batch/input/record.ts";
import type { BatchSettings, SaeSettings } from "../batch/settings.ts";
import { DEFAULT_MODEL, findBundledModel } from "../bundled.ts";
import { Fields } from "../weights/json/fields.ts";
import { isRecord } from "../weights/json/json.ts";
import { METRIC_NAMES } from "../attribution/metric/names.ts";

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

/**
 * Reads a configuration: `schedule` and `prompts` (objects as in a data set: `prompt` or `ids`, `id`, `pos_token`,
 * `neg_token`), and perhaps `name`, `model`, `revision`, `saes`, `metric`, `pos_token` and `neg_token` for prompts without their
 * own, `error_term`, `top` (rows of each prompt, 100), `results` (a directory) and `allow_hosts` (names of this server).
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
    if (ids.has(record.id)) throw wrong(`two prompts have the id ${quote(record.id)}`);
    ids.add(record.id);
    return record;
  });
}

function readSettings(fields: Fields): BatchSettings {
  const top = fields.integer("top", { min: 1 }) ?? DEFAULT_TOP;
  const [positive, negative] = (["pos_token", "neg_token"] as const).map((key) => text(fields, key));
  const model = text(fields, "model") ?? DEFAULT_MODEL;
  return {
    model,
    revision: text(fields, "revision"),
    saes: readSaes(fields, model),
    metric: {
      kind: fields.choice("metric", METRIC_NAMES),
      positive: positive === undefined ? [] : [positive],
      negative: negative === undefined ? [] : [negative],
      positions: [-1],
    },
    method: "gradient",
    includeErrorTerm: fields.flag("error_term") ?? true,
    truncate: false,
    processing: "sae",
    processingFlags: {},
    rows: { top, columns: ["hook", "position", "token", "feature", "activation", "attribution", "label"] },
    format: "csv",
    shardSize: 1,
    device: "auto",
    threads: 1,
    weights: "streamed",
  };
}

function readSaes(fields: Fields, model: string): SaeSettings[] {
  const saes = fields.list("saes", isText, { what: "names, directories or URLs" });
  if (saes?.length === 0) throw wrong("saes is empty: give some, or leave it out");
  if (saes !== undefined) return saes.map((source) => ({ source }));
  const bundled = findBundledModel(model);
  if (bundled === undefined) throw wrong(`saes is missing: there is none that goes with ${model}`);
  return [{ source: bundled.default_sae }];
}

/**
 * What a scheduled run does, as a small JSON file says it.
 *
 * @module
 */
import { quote } from "../quote.ts";
import { type InputRecord, toRecord } from "../batch/record.ts";
import type { BatchSettings, MetricKind, SaeSettings } from "../batch/settings.ts";
import { DEFAULT_MODEL, findBundledModel } from "../bundled.ts";
import { isRecord } from "../weights/json.ts";
import { nearestNames } from "../weights/nearest_names.ts";

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

const KEYS = [
  "name",
  "schedule",
  "prompts",
  "model",
  "revision",
  "saes",
  "metric",
  "pos_token",
  "neg_token",
  "error_term",
  "top",
  "results",
  "allow_hosts",
] as const;

type Raw = Readonly<Partial<Record<typeof KEYS[number], unknown>>>;

const METRICS: readonly MetricKind[] = ["logit-diff", "logit", "logprob", "prob", "loss", "kl"];
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
  if (!isRecord(value)) throw wrong("it is no JSON object");
  const unknown = Object.keys(value).find((key) => !(KEYS as readonly string[]).includes(key));
  if (unknown !== undefined) {
    throw wrong(`there is no ${quote(unknown)}, the nearest is ${nearestNames(unknown, KEYS, 1)[0]}`);
  }
  const raw: Raw = value;
  const schedule = text(raw, "schedule");
  if (schedule === undefined) throw wrong('schedule is missing: give one such as "0 6 * * *"');
  if (schedule.trim().split(/\s+/).length !== 5) {
    throw wrong(`schedule is ${quote(schedule)}: give five fields (minute, hour, day, month, weekday)`);
  }
  return {
    name: text(raw, "name") ?? "default",
    schedule,
    prompts: readPrompts(raw.prompts),
    settings: readSettings(raw),
    results: text(raw, "results"),
    allowedHosts: readHosts(raw.allow_hosts),
  };
}

function readHosts(hosts: unknown = []): readonly string[] {
  const isName = (name: unknown): name is string => typeof name === "string" && /^[\w.-]+$/.test(name);
  if (Array.isArray(hosts) && hosts.every(isName)) return hosts;
  throw wrong(`allow_hosts is ${quote(hosts)}: give a list of names such as "lab.example.org"`);
}

function wrong(what: string): SyntaxError {
  return new SyntaxError(`Cannot use the configuration: ${what}`);
}

function text(raw: Raw, key: typeof KEYS[number]): string | undefined {
  const value = raw[key];
  if (value === undefined || (typeof value === "string" && value !== "")) return value;
  throw wrong(`${key} is ${quote(value)}: give a text`);
}

function readPrompts(prompts: unknown): InputRecord[] {
  if (!Array.isArray(prompts) || prompts.length === 0) throw wrong("prompts is no list: give some");
  const records = prompts.map((prompt, i): InputRecord => {
    if (!isRecord(prompt)) throw wrong(`prompt ${i + 1} is no object`);
    const record = toRecord(prompt, i + 1, i + 1);
    if ("error" in record) throw wrong(`prompt ${i + 1}: ${record.error}`);
    return record;
  });
  const ids = records.map(({ id }) => id);
  const twice = ids.find((id, i) => ids.indexOf(id) !== i);
  if (twice !== undefined) throw wrong(`two prompts have the id ${quote(twice)}`);
  return records;
}

function readSettings(raw: Raw): BatchSettings {
  const { error_term: errorTerm = true, top = DEFAULT_TOP } = raw;
  if (typeof errorTerm !== "boolean") throw wrong(`error_term is ${quote(errorTerm)}: give true or false`);
  if (!Number.isSafeInteger(top) || Number(top) < 1) throw wrong(`top is ${quote(top)}: give a whole number`);
  const kind = text(raw, "metric") as MetricKind | undefined;
  if (kind !== undefined && !METRICS.includes(kind)) {
    throw wrong(`metric is ${quote(kind)}: choose ${METRICS.join(", ")}`);
  }
  const [positive, negative] = (["pos_token", "neg_token"] as const).map((key) => text(raw, key));
  const model = text(raw, "model") ?? DEFAULT_MODEL;
  return {
    model,
    revision: text(raw, "revision"),
    saes: readSaes(raw.saes, model),
    metric: {
      kind,
      positive: positive === undefined ? [] : [positive],
      negative: negative === undefined ? [] : [negative],
      positions: [-1],
    },
    method: "gradient",
    includeErrorTerm: errorTerm,
    truncate: false,
    processing: "sae",
    processingFlags: {},
    rows: { top: Number(top), columns: ["hook", "position", "token", "feature", "activation", "attribution", "label"] },
    format: "csv",
    shardSize: 1,
    device: "auto",
    threads: 1,
    weights: "streamed",
  };
}

function readSaes(saes: unknown, model: string): SaeSettings[] {
  if (saes === undefined) {
    const bundled = findBundledModel(model);
    if (bundled === undefined) throw wrong(`saes is missing: there is none that goes with ${model}`);
    return [{ source: bundled.default_sae }];
  }
  if (!Array.isArray(saes) || saes.length === 0) throw wrong("saes is no list: give names, directories or URLs");
  return saes.map((source, i) => {
    if (typeof source !== "string") throw wrong(`SAE ${i + 1} is ${quote(source)}: give a text`);
    return { source };
  });
}

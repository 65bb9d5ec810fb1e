/**
 * From the JSON of a request to a job that changes features: every field checked, defaults filled in.
 *
 * @module
 */
import { ABLATIONS } from "../../attribution/change/ablated.ts";
import { DOWNSTREAM_ERRORS } from "../../attribution/change/downstream_error.ts";
import { INTERVENTION_KINDS } from "../../attribution/change/intervention_kinds.ts";
import type { Intervention } from "../../attribution/change/interventions.ts";
import type { SetFeature } from "../../attribution/sets/candidates.ts";
import { SET_DIRECTIONS, SET_UNITS, type SetUnit } from "../../attribution/sets/names.ts";
import type { SelectOptions } from "../../attribution/sets/select.ts";
import { withoutUndefined } from "../../options.ts";
import { readRunRequest } from "../../request/request.ts";
import type { Fields } from "../../weights/json/fields.ts";
import { isRecord } from "../../weights/json/json.ts";
import { ApiError } from "../api_error.ts";
import {
  type Body,
  checkSaes,
  inFields,
  MOST_PREDICTIONS,
  openFields,
  readRun,
  type RunDefaults,
} from "../job_requests.ts";
import type { MessageWords, SelectJob, SteerJob } from "../jobs.ts";

/** Of a request. */
export const MOST_INTERVENTIONS = 1000;
/** Of a set that is measured. */
export const MOST_IN_SET = 4096;
/**
 * What the model says with other activations.
 *
 * @throws {ApiError} 400 if a field is wrong
 */
export function readSteer(body: Body, defaults: RunDefaults, words: MessageWords = "properties"): SteerJob {
  return inFields(words, () => {
    const fields = openFields(body);
    const run = { ...readRun(fields, "steer", defaults), words };
    const job: SteerJob = {
      kind: "steer",
      ...readRunRequest(run.values, run.saes),
      ...run,
      interventions: readList(fields, "interventions", MOST_INTERVENTIONS, readIntervention) ?? [],
      position: fields.integer("position") ?? -1,
      top: fields.integer("top", { min: 1, max: MOST_PREDICTIONS }) ?? 10,
      downstreamError: fields.choice("downstream_error", DOWNSTREAM_ERRORS) ?? DOWNSTREAM_ERRORS[0],
    };
    fields.end();
    checkSaes(job.model, job.saes);
    if (job.interventions.length === 0) {
      throw new ApiError(
        400,
        'Nothing is to be changed: give "interventions", each with feature, position, how and value',
      );
    }
    return job;
  });
}

function readIntervention(fields: Fields): Intervention {
  const hook = fields.text("hook");
  const value = fields.need("value", fields.number("value"));
  if (!Number.isFinite(value)) throw fields.wrong("value", value, "a finite number");
  const isPosition = (given: unknown): given is number | "all" => given === "all" || Number.isSafeInteger(given);
  const intervention: Intervention = {
    ...(hook === undefined ? {} : { hook }),
    feature: fields.need("feature", fields.integer("feature", { min: 0 })),
    position: fields.need("position", fields.value("position", isPosition, 'a whole number, or "all"')),
    how: fields.need("how", fields.choice("how", INTERVENTION_KINDS)),
    value,
  };
  fields.end();
  return intervention;
}

/**
 * A set of features.
 *
 * @throws {ApiError} 400 if a field is wrong
 */
export function readSelect(body: Body, defaults: RunDefaults, words: MessageWords = "properties"): SelectJob {
  return inFields(words, () => {
    const fields = openFields(body);
    const run = { ...readRun(fields, "select", defaults), words };
    const by = fields.choice("by", SET_UNITS) ?? SET_UNITS[0];
    const job: SelectJob = {
      kind: "select",
      ...readRunRequest(run.values, run.saes),
      ...run,
      hook: fields.text("hook"),
      set: readList(fields, "set", MOST_IN_SET, (one) => readMember(one, by)),
      options: { by, ...readOptions(fields) },
    };
    fields.end();
    checkSaes(job.model, job.saes);
    checkSelect(job);
    return job;
  });
}

function readMember(fields: Fields, by: SetUnit): Omit<SetFeature, "attribution"> {
  const feature = fields.need("feature", fields.integer("feature", { min: 0 }));
  const position = by === "feature" ? undefined : fields.need("position", fields.integer("position", { min: 0 }));
  fields.end();
  return position === undefined ? { feature } : { position, feature };
}

function readOptions(fields: Fields): Omit<SelectOptions, "by" | "onProgress"> {
  const keep = fields.number("keep");
  if (keep !== undefined && !(keep > 0 && keep <= 1)) throw fields.wrong("keep", keep, "a number above 0, to 1");
  return withoutUndefined({
    keep,
    size: fields.integer("size", { min: 1, max: MOST_IN_SET }),
    direction: fields.choice("direction", SET_DIRECTIONS),
    ablation: fields.choice("ablation", ABLATIONS),
    seed: fields.integer("seed", { min: 0 }),
    downstreamError: fields.choice("downstream_error", DOWNSTREAM_ERRORS),
  });
}

/** What decides a search. */
const OF_A_SEARCH = ["keep", "size", "direction", "seed"] as const;

function checkSelect({ options, set }: SelectJob): void {
  if (options.keep !== undefined && options.size !== undefined) {
    throw new ApiError(400, '"keep" and "size" are both there: give one of them');
  }
  const ofSearch = set === undefined ? undefined : OF_A_SEARCH.find((name) => options[name] !== undefined);
  if (ofSearch !== undefined) {
    throw new ApiError(400, `"${ofSearch}" is of a search, and "set" is measured as it is: leave one of them out`);
  }
}

/** A list of objects, each read; at least one, and no more than that. */
function readList<T>(fields: Fields, name: string, max: number, read: (fields: Fields) => T): T[] | undefined {
  const list = fields.list(name, isRecord, { what: "objects", max });
  if (list === undefined) return undefined;
  if (list.length === 0) throw fields.wrong(name, list, "at least one object");
  return fields.objects(name, read);
}

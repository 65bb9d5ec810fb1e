/**
 * What each front end does not take of a request, and why: everything else it takes.
 *
 * @module
 */
import { ANSWER_FIELDS } from "./answer_fields.ts";
import { EXACT_FIELDS } from "./exact_fields.ts";
import { type Field, flagOf, FRONT_ENDS, type FrontEnd } from "./field.ts";
import {
  BASELINE_FIELDS,
  DEVICE_FIELDS,
  ERROR_FIELDS,
  EXCLUDE_FIELDS,
  type Fields,
  FLAG_FIELDS,
  METHOD_FIELDS,
  METRIC_FIELDS,
  REQUEST_FIELDS,
  ROW_FIELDS,
} from "./fields.ts";
import type { FieldName, JsonValues } from "./json.ts";
import { inWords, RequestError, sayFlag } from "./request_error.ts";

/** Fields with the reason why they are not taken. */
export type Refusals = Readonly<Partial<Record<FieldName, string>>>;

const NOTHING_EXPLAINED: Refusals = {
  ...because("a prediction explains nothing: it belongs to attribute", {
    ...METRIC_FIELDS,
    ...ANSWER_FIELDS,
    ...METHOD_FIELDS,
    ...EXACT_FIELDS,
    ...BASELINE_FIELDS,
    ...EXCLUDE_FIELDS,
    ...ERROR_FIELDS,
  }),
  ...because("the predictions are those of every form of the model: leave it out", FLAG_FIELDS),
  ...because("the rows are the next tokens, of which top says how many: leave it out", ROW_FIELDS),
};
/** `top` is how many next tokens. */
const { top: _, ...NO_PREDICTION } = NOTHING_EXPLAINED;
/** Of what changes features and runs again; how features are ranked is no part of that. */
const NOTHING_ATTRIBUTED: Refusals = because("features are changed and the model runs again: it belongs to attribute", {
  ...ANSWER_FIELDS,
  ...METHOD_FIELDS,
  ...EXACT_FIELDS,
  ...BASELINE_FIELDS,
  ...ROW_FIELDS,
});
/** `top` is how many next tokens. */
const { top: __, ...NO_STEERING } = NOTHING_ATTRIBUTED;
const OF_THE_SERVER = because(
  "the server decides it for all requests, when it is started: leave it out",
  DEVICE_FIELDS,
);

/** By front end, groups of fields that it does not take; a field of its own says it in its row. */
const GROUPS: Readonly<Partial<Record<FrontEnd, Refusals>>> = {
  report: because("a report has all rows, and they are chosen in it: leave it out", ROW_FIELDS),
  evaluate: because(
    "the rows are points of curves over all features, of which `counts` says how many: leave it out",
    ROW_FIELDS,
  ),
  predict: NO_PREDICTION,
  verify: {
    ...because("the figures say which rows: leave it out", ROW_FIELDS),
    ...because("where figures are computed again is not part of them: leave it out", DEVICE_FIELDS),
  },
  "/api/attribute": OF_THE_SERVER,
  "/api/predict": { ...NO_PREDICTION, ...OF_THE_SERVER },
  "/api/steer": { ...NO_STEERING, ...OF_THE_SERVER },
  "/api/select": { ...NOTHING_ATTRIBUTED, ...OF_THE_SERVER },
};

/** By front end, what it does not take. */
export const REFUSED = Object.fromEntries(FRONT_ENDS.map((name) => [name, refusedBy(name)])) as Readonly<
  Record<FrontEnd, Refusals>
>;

function refusedBy(frontEnd: FrontEnd): Refusals {
  const own = Object.entries<Field>(REQUEST_FIELDS).flatMap(([name, { refused }]) => {
    const reason = refused?.[frontEnd];
    return reason === undefined ? [] : [[name, reason]];
  });
  return { ...GROUPS[frontEnd], ...Object.fromEntries(own) };
}

function because(reason: string, fields: Readonly<Record<string, unknown>>): Refusals {
  return Object.fromEntries(Object.keys(fields).map((name) => [name, reason]));
}

/**
 * Refuses fields that were given and are not taken.
 *
 * @throws {RequestError} naming the first, and why
 */
export function refuseFields({ values, order }: JsonValues, frontEnd: FrontEnd): void {
  for (const name of [...Object.keys(values), ...order.map(([name]) => name)] as FieldName[]) {
    const reason = REFUSED[frontEnd][name];
    if (reason !== undefined) throw new RequestError(`\`${name}\` is not taken here: ${reason}`);
  }
}

/**
 * Why a command has no option for a field of a request.
 *
 * @param flag as it was written, with its dashes
 * @param options those that the command has besides
 */
export function whyNoOption(command: string, flag: string, options: Fields = {}): string | undefined {
  if (!Object.hasOwn(REFUSED, command)) return undefined;
  const found = Object.entries(REFUSED[command as FrontEnd]).find(([name]) => {
    const field: Field = REQUEST_FIELDS[name as FieldName];
    const known = flagOf(name, field);
    return flag === `--${known}` || (field.negatable === true && flag === `--no-${known}`);
  });
  return found === undefined ? undefined : inWords(found[1], { ...REQUEST_FIELDS, ...options }, sayFlag);
}

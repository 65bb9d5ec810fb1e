/**
 * What each front end does not take of a request, and why: everything else it takes.
 *
 * @module
 */
import { type Field, flagOf } from "./field.ts";
import {
  BASELINE_FIELDS,
  DEVICE_FIELDS,
  ERROR_FIELDS,
  EXCLUDE_FIELDS,
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

/** The commands that run a request, schedules, files of figures, and the requests of the local page's server. */
export type FrontEnd =
  | "attribute"
  | "report"
  | "ablate"
  | "evaluate"
  | "batch"
  | "predict"
  | "schedule"
  | "verify"
  | "/api/attribute"
  | "/api/predict";

/** Why a file that a request names is not opened. */
export const NO_FILES = "a request cannot name files of the server's machine: leave it out";

const WHOLE_EFFECT = "the exact effect is the whole one, on every way to the metric: leave it out";

const NOTHING_EXPLAINED: Refusals = {
  ...because("a prediction explains nothing: it belongs to attribute", {
    ...METRIC_FIELDS,
    ...METHOD_FIELDS,
    ...BASELINE_FIELDS,
    ...EXCLUDE_FIELDS,
    ...ERROR_FIELDS,
  }),
  ...because("the predictions are those of every form of the model: leave it out", FLAG_FIELDS),
  ...because("the rows are the next tokens, of which top says how many: leave it out", ROW_FIELDS),
  explanations: "a prediction has no features: leave it out",
};
/** `top` is how many next tokens. */
const { top: _, ...NO_PREDICTION } = NOTHING_EXPLAINED;
const OF_THE_SERVER: Refusals = {
  explanations: NO_FILES,
  ...because("the server decides it for all requests, when it is started: leave it out", DEVICE_FIELDS),
};

/** By front end, what it does not take. */
export const REFUSED: Readonly<Record<FrontEnd, Refusals>> = {
  attribute: {},
  report: because("a report has all rows, and they are chosen in it: leave it out", ROW_FIELDS),
  ablate: {
    baseline: "a removed feature is 0, and that is what attributions are compared with: leave it out",
    directEffect: WHOLE_EFFECT,
    includeError: "only features are removed: leave it out",
    columns: "attributions and effects stand side by side in columns of their own: leave it out",
  },
  evaluate: {
    baseline: "--ablation says what takes an activation's place",
    directEffect: WHOLE_EFFECT,
    ...because(
      "the rows are points of curves over all features, of which --counts says how many: leave it out",
      ROW_FIELDS,
    ),
  },
  batch: {
    tokenIds: "the prompts come from the input: give them there, in a column ids",
    table: "rows, sums by feature and prompts are written all three, each in files of its own: leave it out",
  },
  predict: {
    ...NO_PREDICTION,
    hookIn: "the hook decides nothing about a prediction: leave it out",
    normScalingFactor: "the factor decides nothing about a prediction: leave it out",
  },
  schedule: {
    tokenIds: "every prompt has its own: give them there, as ids",
    table: "runs are compared row by row: leave it out",
    explanations: "runs are compared by their numbers, and labels are those that come with the SAE: leave it out",
  },
  verify: {
    ...because("the figures say which rows: leave it out", ROW_FIELDS),
    ...because("where figures are computed again is not part of them: leave it out", DEVICE_FIELDS),
    directEffect: "no figure is about it: leave it out",
    explanations: "no figure is about them: leave them out",
  },
  "/api/attribute": OF_THE_SERVER,
  "/api/predict": { ...NO_PREDICTION, ...OF_THE_SERVER },
};

function because(reason: string, fields: Readonly<Record<string, unknown>>): Refusals {
  return Object.fromEntries(Object.keys(fields).map((name) => [name, reason]));
}

/**
 * Refuses fields that were given and are not taken.
 *
 * @throws {RequestError} naming the first, and why
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { refuseFields } from "./refused.ts";
 *
 * assert.throws(() => refuseFields({ values: { table: "features" }, order: [] }, "schedule"), /`table` is not taken here/);
 * ```
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
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { whyNoOption } from "./refused.ts";
 *
 * assert.match(whyNoOption("report", "--top")!, /^a report has all rows/);
 * assert.equal(whyNoOption("report", "--tpo"), undefined);
 * ```
 */
export function whyNoOption(command: string, flag: string): string | undefined {
  if (!Object.hasOwn(REFUSED, command)) return undefined;
  const found = Object.entries(REFUSED[command as FrontEnd]).find(([name]) => {
    const field: Field = REQUEST_FIELDS[name as FieldName];
    const known = flagOf(name, field);
    return flag === `--${known}` || (field.negatable === true && flag === `--no-${known}`);
  });
  return found === undefined ? undefined : inWords(found[1], REQUEST_FIELDS, sayFlag);
}

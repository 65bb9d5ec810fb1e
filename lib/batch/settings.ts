/**
 * What a run over a data set is asked for: plain data, so that another process or machine can work on the same run.
 *
 * @module
 */
import { addedColumns, type LongColumn } from "../attribution/result/long_table.ts";
import { METRIC_FIELDS, type RequestValues } from "../request/fields.ts";
import { readMetric, sidesReadBy } from "../request/metric.ts";
import { checkKl, readPlainRequest, type RunRequest } from "../request/request.ts";
import { checkAnswer, checkSum, readAnswer } from "../request/read_answer.ts";
import { RequestError } from "../request/request_error.ts";
import { REFUSED } from "../request/refused.ts";
import type { RowsRequest } from "../request/rows.ts";
import type { SaeRequest } from "../request/saes.ts";
import type { DataFormat } from "../table/formats.ts";
import { shownName } from "../weights/files/places.ts";

/** The fields of a metric that a run was given; the others may come with its prompts. */
export type MetricValues = Pick<RequestValues, keyof typeof METRIC_FIELDS>;

/** Which rows of each prompt are written, and what is added up by feature; of `top`, that counts all. */
export type RowSettings = Omit<RowsRequest, "table">;

/** A run request without what comes with each prompt. */
export interface DataSetRequest extends Omit<RunRequest, "metric" | "rows"> {
  /** What is explained, as far as the prompts' own tokens do not decide it. */
  readonly metric: MetricValues;
  readonly rows: RowSettings;
}

/** What decides what comes out, as far as it is known before anything is opened. */
export interface AskedSettings extends DataSetRequest {
  /** How tables are written. */
  readonly format: DataFormat;
  /** Prompts of a shard. */
  readonly shardSize: number;
}

/** Everything that decides what comes out, and nothing else. */
export interface BatchSettings extends AskedSettings {
  /** Which rows are written, and their columns after `prompt_id`. */
  readonly rows: RowSettings & { readonly columns: readonly LongColumn[] };
}

/**
 * What fields ask for of every prompt of a data set.
 *
 * @throws {RequestError} if fields contradict each other, or mean nothing for many prompts
 */
export function readDataSetRequest(values: RequestValues, saes: readonly SaeRequest[]): DataSetRequest {
  const { rows: { table, ...rows }, ...request } = readPlainRequest(values, saes);
  if (table !== "rows") throw new RequestError(`\`table: "${table}"\`: ${REFUSED.batch.table}`);
  if (typeof request.baseline === "object" && "meanFile" in request.baseline) {
    throw new RequestError(
      "`baseline` is a mean over a file, which would run again for every prompt: give zero, mean, prompt:TEXT or ids:1,2,3",
    );
  }
  const answer = readAnswer(values);
  if (answer !== undefined) checkAnswer(request);
  checkSum({ answer, baseline: request.baseline });
  const metric = readMetricValues(values);
  if (metric.metric === "kl") checkKl(request);
  return { ...request, rows, metric, answer };
}

/** Tokens may come with the prompts, so that what is missing is not wrong yet; what is too much is. */
function readMetricValues(values: RequestValues): MetricValues {
  const names = Object.keys(METRIC_FIELDS) as (keyof MetricValues)[];
  const given = names.filter((name) => values[name] !== undefined && [values[name]].flat().length > 0);
  const metric: MetricValues = Object.fromEntries(given.map((name) => [name, values[name]]));
  const reads = sidesReadBy(metric.metric);
  const isOfItsOwn = (metric.tokenWeight ?? metric.idWeight ?? metric.targetText) !== undefined;
  const hasItsToken = !reads.negative && (metric.posToken ?? metric.posId) !== undefined;
  if (isOfItsOwn || !reads.positive || hasItsToken) readMetric(metric);
  return metric;
}

/**
 * The settings as JSON has them when they are written down: models and SAEs by the names that are shown, without secrets of addresses.
 */
export function shownSettings(settings: BatchSettings): BatchSettings {
  const saes = settings.saes.map((sae) => ({ ...sae, source: shownName(sae.source) }));
  return JSON.parse(JSON.stringify({ ...settings, model: shownName(settings.model), saes }));
}

/** The columns of the rows after `prompt_id`: those asked for, else as of a single run with so many SAEs. */
export function rowColumns(
  { rows, directEffect, ...method }: Pick<DataSetRequest, "rows" | "directEffect" | "method" | "exact">,
  saes: number,
): readonly LongColumn[] {
  return rows.columns ?? [
    ...(saes > 1 ? ["hook"] as const : []),
    ...(rows.includeError ? ["kind"] as const : []),
    "position",
    "feature",
    "attribution",
    ...addedColumns(method, directEffect),
  ];
}

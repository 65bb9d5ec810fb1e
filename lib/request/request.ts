/**
 * What a run is asked for, whoever asks: a command line, the page, a program, a schedule, a data set.
 *
 * @module
 */
import type { AttributionOptions } from "../attribution/run/attribution_options.ts";
import type { IntegrationOptions } from "../attribution/methods/integrated_gradients.ts";
import type { ExactOptions } from "../attribution/methods/ablation.ts";
import { EXACT_METHODS, type MethodName } from "../attribution/methods/names.ts";
import { PROCESSING_FLAGS } from "../attribution/run/processing.ts";
import { quote } from "../quote.ts";
import { type ChatRequest, readChat } from "./chat.ts";
import { type ValuesOf, valuesOf } from "./field.ts";
import {
  BASELINE_FIELDS,
  DEVICE_FIELDS,
  ERROR_FIELDS,
  METHOD_FIELDS,
  MODEL_FIELDS,
  type RequestValues,
  RUN_FIELDS,
} from "./fields.ts";
import { answerAsMetric, type AnswerRequest, checkAnswer, readAnswer } from "./read_answer.ts";
import { readExact } from "./exact.ts";
import { type MetricRequest, readMetric } from "./metric.ts";
import { RequestError } from "./request_error.ts";
import { readRows, type RowsRequest } from "./rows.ts";
import type { SaeRequest } from "./saes.ts";

/** Flags of the model's form by their names in the program. */
export type ProcessingFlags = NonNullable<AttributionOptions["processingFlags"]>;

/** Where a model runs. */
export interface DeviceRequest extends ValuesOf<typeof DEVICE_FIELDS> {
  /** Bytes; the field is in gigabytes. */
  readonly memoryLimit: number | undefined;
}

/** Which model runs, in which form, and where. */
export interface ModelRequest
  extends DeviceRequest, Omit<ValuesOf<typeof MODEL_FIELDS>, "tokenIds">, ValuesOf<typeof RUN_FIELDS> {
  /** Single flags over what `processing` gives. */
  readonly processingFlags: ProcessingFlags;
  /** Undefined: as the SAEs were trained. */
  readonly excludeSpecialTokens: boolean | readonly number[] | undefined;
  /** Undefined: the prompt is plain text. */
  readonly chat: ChatRequest | undefined;
}

/** A baseline as asked for; a file is still to be read. */
export type BaselineRequest =
  | "zero"
  | "mean"
  | { readonly meanFile: string }
  | { readonly prompt: string | readonly number[] };

/** How attributions are made. */
export interface MethodRequest {
  readonly method: MethodName;
  /** Of integrated gradients. */
  readonly integration: IntegrationOptions | undefined;
  /** Which rows are exact, and of how many the curvature is wanted. */
  readonly exact: ExactOptions | undefined;
}

/** A whole request but for its prompt, which may come from elsewhere. It is plain data. */
export interface RunRequest
  extends
    ModelRequest,
    MethodRequest,
    Omit<ValuesOf<typeof BASELINE_FIELDS>, "baseline">,
    ValuesOf<typeof ERROR_FIELDS> {
  readonly saes: readonly SaeRequest[];
  /** Of an answer, its log-probability. */
  readonly metric: MetricRequest;
  /** An answer each of whose tokens is explained. */
  readonly answer: AnswerRequest | undefined;
  readonly baseline: BaselineRequest;
  readonly rows: RowsRequest;
}

/**
 * The request that fields ask for; what is not given has its default.
 *
 * @throws {RequestError} if fields contradict each other or one is not understood
 */
export function readRunRequest(values: RequestValues, saes: readonly SaeRequest[]): RunRequest {
  const request = readPlainRequest(values, saes);
  const answer = readAnswer(values);
  if (answer !== undefined) checkAnswer(request);
  const metric = answer === undefined ? readMetric(values) : answerAsMetric(answer);
  if (metric.kind === "kl") checkKl(request);
  return { ...request, metric, answer };
}

/**
 * Refuses `kl` where it says nothing.
 *
 * @throws {RequestError} if it is always 0
 */
export function checkKl({ includeErrorTerm }: Pick<RunRequest, "includeErrorTerm">): void {
  if (!includeErrorTerm) return;
  throw new RequestError('`metric: "kl"` is always 0 with the error term: add `includeErrorTerm: false`');
}

/**
 * The same without the metric.
 *
 * @throws {RequestError} if fields contradict each other or one is not understood
 */
export function readPlainRequest(
  values: RequestValues,
  saes: readonly SaeRequest[],
): Omit<RunRequest, "metric" | "answer"> {
  const { baseline, ...compared } = valuesOf(BASELINE_FIELDS, values);
  return {
    ...readModel(values),
    saes,
    ...readMethod(values),
    baseline: readBaseline(baseline),
    ...compared,
    ...valuesOf(ERROR_FIELDS, values),
    rows: readTable(values),
  };
}

/** @throws {RequestError} if a table adds up what the method's attributions are not */
function readTable(values: RequestValues): RowsRequest {
  const { method = "gradient", table } = values;
  if (EXACT_METHODS.includes(method) && table === "positions") {
    throw new RequestError(
      `\`table: "positions"\` adds up activation × gradient, and \`method\` is ${method}: choose another of the two`,
    );
  }
  return readRows(values);
}

/**
 * The model, its form and where it runs.
 *
 * @throws {RequestError} if fields contradict each other
 */
export function readModel(values: RequestValues): ModelRequest {
  const { tokenIds: _, ...model } = valuesOf(MODEL_FIELDS, values);
  return {
    ...model,
    ...readDevice(values),
    ...valuesOf(RUN_FIELDS, values),
    processingFlags: readFlags(values),
    excludeSpecialTokens: readExcluded(values),
    chat: readChat(values),
  };
}

/**
 * Where it runs.
 *
 * @throws {RequestError} if a memory limit has nothing to decide
 */
function readDevice(values: RequestValues): DeviceRequest {
  const { memoryLimit: gigabytes, ...where } = valuesOf(DEVICE_FIELDS, values);
  if (gigabytes !== undefined && where.weights !== "auto") {
    throw new RequestError(
      `\`memoryLimit\` decides for \`weights: "auto"\`, and \`weights\` is ${where.weights}: leave out one of them`,
    );
  }
  return { ...where, memoryLimit: gigabytes === undefined ? undefined : gigabytes * 1e9 };
}

function readFlags(values: RequestValues): ProcessingFlags {
  const names = Object.keys(PROCESSING_FLAGS) as (keyof ProcessingFlags)[];
  return Object.fromEntries(names.filter((name) => values[name] !== undefined).map((name) => [name, values[name]]));
}

function readExcluded(
  { excludeSpecialTokens: special, excludeTokenIds: ids }: RequestValues,
): boolean | readonly number[] | undefined {
  if (special !== undefined && ids !== undefined) {
    throw new RequestError(
      `\`excludeSpecialTokens: ${special}\` and \`excludeTokenIds\` exclude each other: give one of them`,
    );
  }
  return ids ?? special;
}

/**
 * The method.
 *
 * @throws {RequestError} if the method has no use for a field
 */
function readMethod(values: RequestValues): MethodRequest {
  const { method, ...integration } = valuesOf(METHOD_FIELDS, values);
  const exact = readExact(method, values);
  if (method === "integrated-gradients") return { method, integration, exact };
  const useless = Object.entries(integration).find(([, value]) => value !== undefined);
  if (useless !== undefined) {
    throw new RequestError(
      `\`${useless[0]}\` belongs to \`method: "integrated-gradients"\`: add that, or leave it out`,
    );
  }
  return { method, integration: undefined, exact };
}

/**
 * A baseline.
 *
 * @throws {RequestError} if it is none
 */
export function readBaseline(text: string): BaselineRequest {
  if (text === "zero" || text === "mean") return text;
  const [, kind, rest] = /^(mean|prompt|ids):(.+)$/s.exec(text) ?? [];
  if (kind === "mean") return { meanFile: rest };
  if (kind === "prompt") return { prompt: rest };
  if (kind === undefined) {
    throw new RequestError(
      `\`baseline\` is ${
        quote(text)
      }: write zero, mean, mean:FILE, prompt:TEXT (the text as it is, spaces too) or ids:1,2,3`,
    );
  }
  const ids = rest.split(",").map((part) => /^\s*\+?\d+\s*$/.test(part) ? Number(part) : NaN);
  if (ids.every(Number.isSafeInteger)) return { prompt: ids };
  throw new RequestError(`\`baseline\` is ${quote(rest)}: give whole numbers with commas between, at least 0`);
}

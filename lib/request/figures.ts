/**
 * Published figures and the run that they are of: read from a file, computed again and compared.
 *
 * @module
 */
import { METRIC_NAMES } from "../attribution/metric/names.ts";
import { testPrompt } from "../attribution/run/predict.ts";
import { type PublishedFigures, readFigures } from "../attribution/trust/figures.ts";
import { compareFigures, type FigureComparison } from "../attribution/trust/published.ts";
import type { Model } from "../model/model.ts";
import type { Sae } from "../sae/sae.ts";
import { Fields } from "../weights/json/fields.ts";
import { isRecord } from "../weights/json/json.ts";
import { attributeRequest } from "./attribute.ts";
import { inChat } from "./chat.ts";
import { REQUEST_FIELDS, type RequestValues } from "./fields.ts";
import { type FieldName, type JsonValues, readJsonValues } from "./json.ts";
import { refuseFields } from "./refused.ts";
import { readRunRequest, type RunRequest } from "./request.ts";
import { inWords, RequestError, sayProperty } from "./request_error.ts";
import { neededSaes } from "./saes.ts";

/** Figures, and the run that they are of. */
export interface FiguresFile {
  readonly run: RunRequest;
  readonly prompt: string | readonly number[];
  readonly figures: PublishedFigures;
}

/** Of a file, `metric` is a figure: the metric's name is `metric_name`. */
const NAMES = (Object.keys(REQUEST_FIELDS) as FieldName[]).filter((name) => name !== "metric");

/**
 * Reads a file of figures: the properties of a request, with `metric_name` for its metric, and what was published.
 *
 * @param file what error messages call it
 * @throws {SyntaxError} if something is missing, unknown or of the wrong kind
 */
export function parseFigures(value: unknown, file: string): FiguresFile {
  const wrong = (message: string): SyntaxError => new SyntaxError(`${file}: ${message}`);
  const properties = new Fields(withNewNames(value, wrong), wrong);
  const name = properties.choice("metric_name", METRIC_NAMES);
  const read = readJsonValues(properties, NAMES);
  const prompt = readPrompt(properties, read.values, wrong);
  const figures = readFigures(properties, file);
  properties.end();
  try {
    return { run: readRun(read, properties.need("model", read.values.model), name), prompt, figures };
  } catch (error) {
    throw error instanceof RequestError ? wrong(inWords(error.message, REQUEST_FIELDS, sayProperty)) : error;
  }
}

function readRun(read: JsonValues, model: string, metric: RequestValues["metric"]): RunRequest {
  refuseFields(read, "verify");
  const saes = neededSaes(read.order, model);
  const { excludeTokenIds, excludeSpecialTokens = excludeTokenIds === undefined ? false : undefined } = read.values;
  // As in the notebook, which knows no such option.
  return readRunRequest({ ...read.values, excludeSpecialTokens, metric }, saes);
}

function readPrompt(
  properties: Fields,
  { tokenIds }: RequestValues,
  wrong: (message: string) => SyntaxError,
): string | readonly number[] {
  const text = properties.text("prompt", { max: 100_000 });
  if (text !== undefined && tokenIds !== undefined) throw wrong('"prompt" and "token_ids" are both there: give one');
  return tokenIds ?? properties.need("prompt", text);
}

/** Files have been written with `sae`, `include_error_term`, and ids as `pos_token`. */
function withNewNames(value: unknown, wrong: (message: string) => SyntaxError): unknown {
  if (!isRecord(value)) return value;
  const { sae, include_error_term, ...rest } = value;
  const renamed: [string, string, unknown][] = [];
  if (sae !== undefined) renamed.push(["sae", "saes", [sae]]);
  if (include_error_term !== undefined) renamed.push(["include_error_term", "error_term", include_error_term]);
  for (const side of ["pos", "neg"]) {
    const token = rest[`${side}_token`];
    if (!Number.isSafeInteger(token)) continue;
    delete rest[`${side}_token`];
    renamed.push([`${side}_token`, `${side}_id`, token]);
  }
  const twice = renamed.find(([, name]) => rest[name] !== undefined);
  if (twice !== undefined) throw wrong(`"${twice[0]}" and "${twice[1]}" say the same: give one of them`);
  return { ...rest, ...Object.fromEntries(renamed.map(([, name, given]) => [name, given])) };
}

/**
 * Computes figures again and compares them.
 *
 * @throws {RangeError} if the model has no such token, or an SAE does not fit it
 */
export async function verifyFigures(
  { model, saes }: { readonly model: Model; readonly saes: readonly Sae[] },
  { run, prompt, figures }: FiguresFile,
): Promise<FigureComparison[]> {
  const { prependBos, truncate, processing, chat } = run; // the predictions are those of every form of the model
  const options = { saes, prependBos, truncate, processing };
  const topK = Math.max(1, figures.nextTokens.length);
  const { predictions } = await testPrompt(model, await inChat(model, prompt, chat), { ...options, topK });
  const result = await attributeRequest({ model, saes, prompt }, run, { diagnose: false });
  return compareFigures(figures, result, predictions);
}

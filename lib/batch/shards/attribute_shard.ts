/**
 * From prompts to attributions: the one place where the model runs.
 *
 * @module
 */
import type { AnswerAttribution } from "../../attribution/answer/answer.ts";
import { answerTotal } from "../../attribution/answer/answer_total.ts";
import { calculateFeatureAttributions } from "../../attribution/attribution.ts";
import { placesOf, positionsIn } from "../../attribution/positions.ts";
import type { AttributionOptions } from "../../attribution/run/attribution_options.ts";
import type { Question } from "../../attribution/run/question.ts";
import { preparePrompt } from "../../attribution/run/prompt.ts";
import type { Attribution } from "../../attribution/result/result.ts";
import { runOptionsOf } from "../../attribution/run/run_options.ts";
import type { Model } from "../../model/model.ts";
import type { Sae } from "../../sae/sae.ts";
import { baselineInChat } from "../../request/attribute.ts";
import { written } from "../../request/chat.ts";
import { REQUEST_FIELDS } from "../../request/fields.ts";
import type { AnswerRequest } from "../../request/read_answer.ts";
import { attributeAnswer } from "../../request/answer.ts";
import { inWords, sayColumn, sayFlag } from "../../request/request_error.ts";
import { answerOf, COLUMN_FIELDS, metricOf } from "../metric.ts";
import type { InputRecord, PromptRecord } from "../input/record.ts";
import type { BatchSettings } from "../settings.ts";

/** A prompt, and what came of it. */
export type Outcome =
  | {
    readonly record: PromptRecord;
    /** Of an answer, the sum over its tokens. */
    readonly result: Attribution;
    /** Each token by itself. */
    readonly answer?: AnswerAttribution;
  }
  | { readonly record: InputRecord; readonly error: string };

/** The most tokens of prompts whose results are in memory at once … */
const TOKENS = 4096;
/** … and the most prompts. */
const PROMPTS = 256;

/**
 * The attributions of a shard's prompts in their order; a prompt that cannot be attributed has an error instead. Prompts of
 * similar lengths run together; which do depends on the shard alone.
 *
 * @throws {Error} what is no fault of a prompt: of the disk, the network, the runtime
 */
export async function* attributeShard(
  model: Model,
  saes: readonly Sae[],
  records: readonly InputRecord[],
  settings: BatchSettings,
): AsyncGenerator<Outcome> {
  const options = await attributionOptions(model, saes, settings);
  let batch: Asked[] = [];
  let tokens = 0;
  for (const record of records) {
    const asked = await ask(model, record, settings, options);
    if ("answer" in asked) {
      yield* attributeBatch(model, batch, options, settings.rows);
      [batch, tokens] = [[], 0];
      yield await attributeOne(model, saes, asked, settings);
      continue;
    }
    const more = "error" in asked ? 0 : asked.question.prompt.length;
    if (batch.length === PROMPTS || (batch.length > 0 && tokens + more > TOKENS)) {
      yield* attributeBatch(model, batch, options, settings.rows);
      [batch, tokens] = [[], 0];
    }
    batch.push(asked);
    tokens += more;
  }
  yield* attributeBatch(model, batch, options, settings.rows);
}

/** A prompt with its tokens and metric, or why it has none. */
type Asked =
  | { readonly record: PromptRecord; readonly question: Question & { readonly prompt: readonly number[] } }
  | { readonly record: InputRecord; readonly error: string };

/** A prompt with its answer, which has a pass of its own. */
interface AskedAnswer {
  readonly record: PromptRecord;
  readonly answer: AnswerRequest;
}

/** Each token of an answer. */
async function attributeOne(
  model: Model,
  saes: readonly Sae[],
  { record, answer: asked }: AskedAnswer,
  settings: BatchSettings,
): Promise<Outcome> {
  const { prompt } = record;
  try {
    const answer = await attributeAnswer({ model, saes, prompt }, { ...settings, answer: asked }, { diagnose: false });
    positionsIn(settings.rows.positions ?? {}, placesOf(answer));
    return { record, result: await answerTotal(answer), answer };
  } catch (error) {
    return { record, error: messageOf(error) };
  }
}

async function ask(
  model: Model,
  record: InputRecord,
  settings: BatchSettings,
  options: AttributionOptions,
): Promise<Asked | AskedAnswer> {
  if ("error" in record) return { record, error: record.error };
  try {
    const answer = answerOf(settings, record);
    if (answer !== undefined) return { record, answer };
    const { prompt: text, turns } = await written(model, record.prompt, settings.chat);
    const { tokens: prompt } = await preparePrompt(model, text, options.saes ?? [], options);
    return { record, question: { prompt, metric: metricOf(settings.metric, record), turns } };
  } catch (error) {
    return { record, error: messageOf(error) };
  }
}

async function* attributeBatch(
  model: Model,
  batch: readonly Asked[],
  options: AttributionOptions,
  { positions = {} }: BatchSettings["rows"],
): AsyncGenerator<Outcome> {
  const questions = batch.flatMap((asked) => "error" in asked ? [] : [asked.question]);
  const results = await calculateFeatureAttributions(model, questions, options);
  let next = 0;
  for (const asked of batch) {
    if ("error" in asked) {
      yield asked;
      continue;
    }
    const { record } = asked;
    const outcome = results[next++];
    try {
      if (outcome.status === "rejected") throw outcome.reason;
      positionsIn(positions, placesOf(outcome.value)); // in a message that this chat may not have
    } catch (error) {
      yield { record, error: messageOf(error) };
      continue;
    }
    yield { record, result: outcome.value };
  }
}

/** Names a record's fields as columns and the run's options as flags. @throws {Error} what is not the prompt's fault */
function messageOf(error: unknown): string {
  const isPrompts = error instanceof RangeError || error instanceof TypeError || error instanceof SyntaxError;
  if (!isPrompts) throw error;
  return inWords(inWords(error.message, COLUMN_FIELDS, sayColumn), REQUEST_FIELDS, sayFlag);
}

/** The options of every prompt of a run. */
async function attributionOptions(
  model: Model,
  saes: readonly Sae[],
  { method, integration, exact, baseline, directEffect, chat, ...settings }: BatchSettings,
): Promise<AttributionOptions> {
  if (typeof baseline === "object" && "meanFile" in baseline) {
    throw new TypeError("A mean over a file is of one prompt's run: readDataSetRequest refuses it");
  }
  return {
    saes,
    method,
    integration,
    exact,
    baseline: await baselineInChat(model, baseline, [], chat),
    directEffect,
    ...runOptionsOf(settings),
    diagnose: false,
  };
}

/**
 * The next-token table: the notebook's `test_prompt_pandas`.
 *
 * @module
 */
import { checkOptions, type OptionKinds } from "../../options.ts";
import type { Model } from "../../model/model.ts";
import { type FloatTensor, logSumExp } from "../../runtime/tensor.ts";
import type { ProcessingChoice } from "./processing.ts";
import { preparePrompt } from "./prompt.ts";
import type { TokenRef } from "../metric/metric.ts";
import { topIndices } from "../metric/metric_parts.ts";
import type { LazyLogits } from "../metric/value.ts";
import type { Sae } from "../../sae/sae.ts";
import type { Token } from "../../model/model.ts";
import { answerWarnings, promptWarnings } from "./prompt_warnings.ts";
import { PROMPT_RUN_OPTIONS } from "./run_options.ts";

/** A next token as the model sees it. */
export interface Prediction {
  /** Its token id. */
  readonly id: number;
  /** Its text, decoded alone. */
  readonly token: string;
  /** 0 is the most probable. */
  readonly rank: number;
  /** Logit minus the vocabulary mean. */
  readonly logit: number;
  /** Softmax over the vocabulary. */
  readonly probability: number;
  /** It is the answer that was asked for. */
  readonly isAnswer: boolean;
}

/** Options of {@linkcode testPrompt}. */
export interface TestPromptOptions {
  /** How many predictions. Default 10. */
  readonly topK?: number;
  /** A token whose rank and probability are wanted wherever it stands. */
  readonly answer?: TokenRef;
  /** Default: the SAEs' setting, else the family's. */
  readonly prependBos?: boolean;
  /** Cut a prompt that is too long on the right. */
  readonly truncate?: boolean;
  /** SAEs with which the prompt will be attributed: they may decide about BOS. */
  readonly saes?: readonly Sae[];
  /** Default `sae`: the form of the model that the SAEs were trained on. */
  readonly processing?: ProcessingChoice;
}

const TEST_OPTIONS: OptionKinds<TestPromptOptions> = {
  topK: "count",
  answer: "any",
  prependBos: "flag",
  truncate: "flag",
  saes: "list",
  processing: PROMPT_RUN_OPTIONS.processing,
};

/** What {@linkcode testPrompt} returns. */
export interface PromptTest {
  /** The prompt's tokens. */
  readonly tokens: readonly Token[];
  /** The most probable next tokens, best first. */
  readonly predictions: readonly Prediction[];
  /** The answer's place, if one was asked for. */
  readonly answer?: Prediction;
  /** What the prompt or the answer has that may not have been meant, such as a space too many. */
  readonly warnings: readonly string[];
}

/**
 * What the model predicts after a prompt.
 *
 * @throws {RangeError} on a bad prompt, or an answer that is not one token
 *
 * @example
 * ```ts
 * import { loadModel } from "../../model/model.ts";
 * import { testPrompt } from "./predict.ts";
 *
 * await using model = await loadModel("tiny-facts", { threads: 1 });
 * const { predictions } = await testPrompt(model, " The capital of France is", { topK: 3 });
 * console.assert(predictions.length === 3);
 * ```
 */
export async function testPrompt(
  model: Model,
  prompt: string | readonly number[],
  options: TestPromptOptions = {},
): Promise<PromptTest> {
  checkOptions("testPrompt", options, TEST_OPTIONS);
  const { topK = 10, saes = [] } = options;
  const { tokens, processing } = await preparePrompt(model, prompt, saes, options);
  const answer = options.answer === undefined ? undefined : await answerId(model, options.answer);
  const state = await model.chain.forward({
    prompts: [tokens],
    processing,
    rows: [[tokens.length - 1]],
  });
  const logits = await model.unembedding.logits(state.final);
  const predictions = await predictionsAt(model, logits, 0, topK, answer);
  const warnings = await promptWarnings(model, prompt, tokens);
  if (typeof options.answer === "string") {
    const before = (await model.requireTokenizer()).tokenText(tokens[tokens.length - 1]);
    const place = (id: number): Promise<Prediction> => predictionOf(model, logits, 0, id);
    warnings.push(...await answerWarnings(model, { text: options.answer, before, place }));
  }
  return {
    tokens: await model.describeTokens(tokens),
    predictions,
    answer: answer === undefined ? undefined : await predictionOf(model, logits, 0, answer),
    warnings,
  };
}

async function answerId(model: Model, answer: TokenRef): Promise<number> {
  if (typeof answer === "string") return (await model.requireTokenizer()).singleToken(answer, "`answerId`");
  const { dVocab } = model.architecture.config;
  if (!Number.isInteger(answer) || answer < 0 || answer >= dVocab) {
    throw new RangeError(`Token id ${answer} is not in the vocabulary of ${dVocab}`);
  }
  return answer;
}

/** The most probable tokens of one row of logits. */
export async function predictionsAt(
  model: Model,
  { dims: [, dVocab], data }: FloatTensor,
  row: number,
  topK: number,
  answer?: number,
): Promise<Prediction[]> {
  const logits = data.subarray(row * dVocab, (row + 1) * dVocab);
  const logSum = logSumExp(logits);
  const top = topIndices(logits, Math.min(topK, dVocab));
  const tokens = await model.describeTokens(top);
  return top.map((id, rank) => ({
    id,
    token: tokens[rank].text,
    rank,
    logit: logits[id],
    probability: Math.exp(logits[id] - logSum),
    isAnswer: id === answer,
  }));
}

/** One token's place among all. */
export async function predictionOf(
  model: Model,
  { dims: [, dVocab], data }: FloatTensor,
  row: number,
  id: number,
): Promise<Prediction> {
  const logits = data.subarray(row * dVocab, (row + 1) * dVocab);
  let rank = 0;
  for (let i = 0; i < dVocab; i++) if (logits[i] > logits[id] || (logits[i] === logits[id] && i < id)) rank++;
  const [{ text: token }] = await model.describeTokens([id]);
  return { id, token, rank, logit: logits[id], probability: Math.exp(logits[id] - logSumExp(logits)), isAnswer: true };
}

/** What of a run's rows decides about next-token tables. */
interface ReadRows {
  readonly tokens: readonly number[];
  /** Positions whose logits the metric reads. */
  readonly rows: readonly number[];
  /** How many of the tokens, at the end, the metric appended. */
  readonly appended: number;
}

/** The row of a run's next-token table: that after the prompt, where the metric reads it, else the metric's last. */
export function predictionRow({ tokens, rows, appended }: ReadRows): number {
  const afterPrompt = appended === 0 ? -1 : rows.indexOf(tokens.length - appended - 1);
  return afterPrompt < 0 ? rows.length - 1 : afterPrompt;
}

/** The tokens that a metric added to the prompt, each among the predictions after those before it. */
export async function continuationPredictions(
  model: Model,
  grads: ReadRows & { readonly modelOutput: LazyLogits },
): Promise<Prediction[]> {
  const { tokens, rows, appended, modelOutput } = grads;
  const predictions: Prediction[] = [];
  for (let position = tokens.length - appended; position < tokens.length; position++) {
    const row = rows.indexOf(position - 1);
    if (row >= 0) predictions.push(await predictionOf(model, await modelOutput(), row, tokens[position]));
  }
  return predictions;
}

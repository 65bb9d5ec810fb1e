/**
 * Attribution along an answer: why each of its tokens, given the text before it.
 *
 * @module
 */
import { quote } from "../../quote.ts";
import { checkOptions } from "../../options.ts";
import type { ChatTurn } from "../../model/chat/chat_types.ts";
import type { Model, Token } from "../../model/model.ts";
import { Attribution } from "../result/result.ts";
import { checkPositions, fromToken, type Positions, positionsIn, turnsOf } from "../positions.ts";
import { analyseSaes } from "../run/analyse_saes.ts";
import type { AttributionGrads } from "../run/attribution_grads.ts";
import { ATTRIBUTION_OPTIONS, type AttributionOptions, checkAttributionOptions } from "../run/attribution_options.ts";
import { findMethod } from "../methods/mod.ts";
import { runBaseline } from "../run/baseline.ts";
import { type Prediction, predictionOf } from "../run/predict.ts";
import { preparePrompt } from "../run/prompt.ts";
import { promptWarnings } from "../run/prompt_warnings.ts";
import { resultWarnings } from "../run/warnings.ts";
import { answerGrads, type TokenizedAnswer } from "./answer_grads.ts";
import { ANSWER_METRICS, type AnswerMetric } from "./answer_metrics.ts";

/** Options of {@linkcode calculateAnswerAttribution}: those of an attribution that many tokens can share. */
export interface AnswerOptions
  extends Omit<AttributionOptions, "integration" | "exact" | "onProgress" | "trackHookPoints" | "topPredictions"> {
  /** The number that is explained for each token. Default `logprob`; `logit-diff` is against the strongest other token. */
  readonly metric?: AnswerMetric;
  /** Which tokens of the answer, 0 the first, from the end when negative. Default: all. */
  readonly answerPositions?: Positions;
}

/** One token of an answer. */
export interface AnswerTarget {
  /** Its position in prompt and answer. */
  readonly position: number;
  /** What it is. */
  readonly token: Token;
  /** Its place among the predictions after the text before it. */
  readonly prediction: Prediction;
  /**
   * Why it: what an attribution of its metric after the text so far gives. Nothing can go on from its pass (ablation and the
   * like need an attribution of that text alone).
   */
  readonly attribution: Attribution;
}

/** What {@linkcode calculateAnswerAttribution} returns. */
export interface AnswerAttribution {
  /** Prompt and answer. */
  readonly tokens: readonly Token[];
  /** Of a chat, its messages in the tokens; the answer goes on with the assistant's last. */
  readonly turns: readonly ChatTurn[];
  /** How many of them the prompt has. */
  readonly promptLength: number;
  /** The name of the metric. */
  readonly metric: AnswerMetric;
  /** The tokens of the answer that are explained, in order. */
  readonly targets: readonly AnswerTarget[];
  /** The hooks of the SAEs, in the order in which they run. */
  readonly hooks: readonly string[];
  /** What the user should look at. */
  readonly warnings: readonly string[];
  /** Milliseconds from the prompt to the last row. */
  readonly milliseconds: number;
}

/**
 * For each token of an answer its own attribution, all from one forward pass and as few backward passes as memory allows.
 * Each has the rows that {@linkcode calculateFeatureAttribution} gives for the text before the token, but for rounding.
 *
 * @param prompt text, or token ids used exactly as given
 * @param answer its continuation: text, or token ids
 * @throws {RangeError} on a bad prompt, an empty answer, or positions that it has not; SAEs that do not fit the model or
 * each other; a method or baseline that takes passes of its own for each token
 *
 * @example Which features speak for each token?
 * ```ts
 * import { loadModel } from "../../model/model.ts";
 * import { loadSae } from "../../sae/load.ts";
 * import { calculateAnswerAttribution } from "./answer.ts";
 *
 * await using model = await loadModel("tiny-facts", { threads: 1 });
 * await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
 * const { targets } = await calculateAnswerAttribution(model, " Tiger Woods plays the sport", " of golf", { saes: [sae] });
 * console.assert(targets.map(({ token }) => token.text).join() === " of, golf");
 * console.assert(targets[1].attribution.rows(sae.hookOut)[0].attribution > 0);
 * ```
 */
export async function calculateAnswerAttribution(
  model: Model,
  prompt: string | readonly number[],
  answer: string | readonly number[],
  options: AnswerOptions = {},
): Promise<AnswerAttribution> {
  const started = performance.now();
  checkAnswerOptions(options);
  const { metric = "logprob", answerPositions: _, ...plain } = options;
  const tokenized = await tokenizeAnswer(model, prompt, answer, options);
  const tokens = await model.describeTokens(tokenized.tokens);
  const targets: AnswerTarget[] = [];
  for await (const grads of answerGrads(model, tokenized, plain)) {
    for (const [i, attribution] of (await attributionsOf(model, grads, plain)).entries()) {
      const position = grads[i].tokens.length;
      const prediction = await predictionOf(model, await grads[i].modelOutput(), 0, tokens[position].id);
      targets.push({ position, token: tokens[position], prediction, attribution });
    }
  }
  const promptLength = tokens.length - tokenized.appended;
  const { attribution: last } = targets[targets.length - 1];
  const { diagnose = true } = options;
  return {
    tokens,
    turns: tokenized.turns ?? [],
    promptLength,
    metric,
    targets,
    hooks: last.hooks,
    warnings: [
      ...last.warnings,
      ...(diagnose ? await promptWarnings(model, prompt, tokenized.tokens.slice(0, promptLength)) : []),
      ...await resultWarnings(model, last.parts.grads, last.parts.saes, options),
    ],
    milliseconds: performance.now() - started,
  };
}

function checkAnswerOptions(options: AnswerOptions): void {
  const { metric: _, answerPositions: __, ...plain } = options;
  const of = "calculateAnswerAttribution";
  const { integration: ___, exact: ____, onProgress: _____, ...shared } = ATTRIBUTION_OPTIONS;
  const { trackHookPoints: ______, topPredictions: _______, ...kinds } = shared;
  checkOptions<AnswerOptions>(of, options, { ...kinds, metric: ANSWER_METRICS, answerPositions: "any" });
  checkAttributionOptions(of, plain);
  const { method, baseline } = options;
  if (method !== undefined && (findMethod(method).integrate || findMethod(method).exact)) {
    throw new RangeError(
      `The method ${method} takes many passes for each token of an answer: choose another \`method\``,
    );
  }
  if (typeof baseline === "object") {
    throw new RangeError(
      "Along an answer activations are compared with zero, or with the mean over the text so far: leave out the prompts",
    );
  }
}

/** @throws {RangeError} if the answer is empty, or has not the positions */
async function tokenizeAnswer(
  model: Model,
  prompt: string | readonly number[],
  answer: string | readonly number[],
  options: AnswerOptions,
): Promise<TokenizedAnswer> {
  const { saes = [], metric = "logprob", answerPositions = {} } = options;
  if (typeof answer !== "string" && !Array.isArray(answer)) {
    throw new TypeError(`The answer is ${quote(answer)}: give a text or a list of token ids`);
  }
  const append = async ({ encode }: { encode(text: string): Promise<number[]> }): Promise<number[]> =>
    typeof answer === "string" ? await encode(answer) : [...answer];
  const prepared = await preparePrompt(model, prompt, saes, options, { append });
  const { tokens, appended } = prepared;
  if (appended === 0) throw new RangeError("The answer has no tokens: give some text (`answerText`)");
  const first = tokens.length - appended;
  const turns = turnsOf(options.turns ?? [], tokens.length);
  const inAnswer = { length: appended, turns: fromToken(turns, first) };
  checkPositions(answerPositions, inAnswer, "an answer");
  return { ...prepared, metric, turns, targets: positionsIn(answerPositions, inAnswer).map((at) => first + at) };
}

/** From gradients to attributions, decoder rows being read once for all. */
async function attributionsOf(
  model: Model,
  all: readonly AttributionGrads[],
  options: AttributionOptions,
): Promise<Attribution[]> {
  const { method = "gradient", includeErrorTerm = true } = options;
  const started = performance.now();
  const runs = [];
  for (const grads of all) {
    const compared = await runBaseline(model, options, grads);
    runs.push({ parts: { model, grads, includeErrorTerm }, compared });
  }
  const saes = await analyseSaes(runs, options);
  const attribution = performance.now() - started;
  return await Promise.all(runs.map(({ parts, compared }, i) =>
    Attribution.create({
      ...parts,
      metricName: parts.grads.resolvedMetric.name,
      method,
      baseline: compared,
      saes: saes[i],
      trackHookPoints: [],
      topPredictions: 0,
      warnings: [],
      timings: { ...parts.grads.timings, attribution },
    })
  ));
}

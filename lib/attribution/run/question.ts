/**
 * A prompt and what is asked of it, as tokens.
 *
 * @module
 */
import type { ChatTurn } from "../../model/chat/chat_types.ts";
import type { Model } from "../../model/model.ts";
import { checkMetric, type Metric } from "../metric/metric.ts";
import { turnsOf } from "../positions.ts";
import type { AttributionOptions } from "./attribution_options.ts";
import { type PreparedPrompt, preparePrompt } from "./prompt.ts";
import { promptWarnings } from "./prompt_warnings.ts";

/** A prompt, and what is asked of it. */
export interface Question {
  /** Text, or token ids used exactly as given. */
  readonly prompt: string | readonly number[];
  /** The number to explain. */
  readonly metric: Metric;
  /** Of a prompt that is a chat, its messages. */
  readonly turns?: readonly ChatTurn[];
}

/** A question whose prompt is tokens. */
export interface TokenizedQuestion extends PreparedPrompt {
  readonly metric: Metric;
  /** Positions whose logits the metric reads. */
  readonly rows: readonly number[];
  /** A chat's messages in the tokens. */
  readonly turns?: readonly ChatTurn[];
  /** What the prompt has that may not have been meant. */
  readonly warnings: readonly string[];
  /** The prompt that this one is compared with. */
  readonly baselineTokens?: readonly number[];
}

/** Two prompts whose positions cannot be compared. */
export class UnalignedPromptsError extends RangeError {
  /** Tells it apart. */
  override name = "UnalignedPromptsError";
  /** The token ids, the prompt's and the baseline's. */
  readonly tokens: readonly [prompt: readonly number[], baseline: readonly number[]];

  /** From the token ids, the prompt's and the baseline's. */
  constructor(prompt: readonly number[], baseline: readonly number[]) {
    super(
      `The prompt has ${prompt.length} tokens, the baseline ${baseline.length}: their positions are compared one by one, ` +
        `so write a baseline of ${prompt.length}`,
    );
    this.tokens = [prompt, baseline];
  }
}

/**
 * A question's tokens, and the positions that it is about.
 *
 * @throws {RangeError} on a bad prompt, token or position; a baseline of another length
 */
export async function tokenizeQuestion(
  model: Model,
  { prompt, metric, turns }: Question,
  options: AttributionOptions,
): Promise<TokenizedQuestion> {
  checkMetric("an attribution", metric);
  const { saes = [], baseline, diagnose = true } = options;
  const prepared = await preparePrompt(model, prompt, saes, options, metric);
  const { tokens, appended } = prepared;
  const promptTokens = withoutAppended(prepared);
  const compared = typeof baseline === "object" && "prompt" in baseline
    ? await preparePrompt(model, baseline.prompt, saes, options, metric)
    : undefined;
  if (compared && compared.tokens.length !== tokens.length) {
    throw new UnalignedPromptsError(promptTokens, withoutAppended(compared));
  }
  return {
    ...prepared,
    excluded: new Set([...prepared.excluded, ...compared?.excluded ?? []]), // where either prompt has a special token
    rows: metric.rows(tokens.length, appended),
    metric,
    ...(turns === undefined ? {} : { turns: turnsOf(turns, tokens.length) }),
    warnings: diagnose ? await promptWarnings(model, prompt, promptTokens) : [],
    baselineTokens: compared?.tokens,
  };
}

function withoutAppended({ tokens, appended }: PreparedPrompt): readonly number[] {
  return tokens.slice(0, tokens.length - appended);
}

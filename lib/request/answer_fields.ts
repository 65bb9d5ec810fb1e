/**
 * The fields of a request that are about an answer.
 *
 * @module
 */
import type { Field } from "./field.ts";

const ONE_METRIC = "it is about one metric, and each token of an answer has its own: leave it out";
const ONE_AT_A_TIME = {
  ablate: ONE_METRIC,
  evaluate: ONE_METRIC,
  schedule: "runs are compared by one metric, and each token of an answer has its own: leave it out",
  verify: "the figures are of one metric, and each token of an answer has its own: leave it out",
};

/** An answer, of which each token is explained. */
export const ANSWER_FIELDS = {
  answerText: {
    kind: "string",
    placeholder: "TEXT",
    help: "explain each token of this continuation of the prompt by itself, in rows with target_position and " +
      "target_token; `metric` is logprob, or logit-diff: against the strongest other token",
    refused: { ...ONE_AT_A_TIME, batch: "each prompt has an answer of its own, in a column answer_text: leave it out" },
  },
  generate: {
    kind: "integer",
    placeholder: "N",
    min: 1,
    max: 4096,
    help: "explain each of the N tokens that the model says next (the most probable each time) instead of `answerText`",
    refused: ONE_AT_A_TIME,
  },
  answerPositions: {
    kind: "string",
    placeholder: "LIST",
    help: "of the answer, explain these tokens: 0 is its first; with commas between, A:B, from the end when negative",
    refused: { ...ONE_AT_A_TIME, batch: "all tokens of every prompt's answer are explained: leave it out" },
  },
} as const satisfies Readonly<Record<string, Field>>;

/**
 * Schemas of answers.
 *
 * @module
 */
import { described, FLAG, list, named, NUMBER, object, orNull, type Schema, TEXT, WHOLE } from "./schema.ts";

/** By name. */
export const ANSWER_SCHEMAS: Readonly<Record<string, Schema>> = {
  Error: object({
    error: object({ status: WHOLE, message: described(TEXT, "One line: what was wrong, and what to do.") }),
  }),
  Status: object({
    program: TEXT,
    model: TEXT,
    bundled: described(list(TEXT), "Models that come with the program."),
    saes: list(TEXT),
    hub: described(FLAG, "Public models and SAEs may be chosen."),
    busy: FLAG,
    waiting: WHOLE,
    local: described(
      list(TEXT),
      "Models and SAEs that come with the program or were named when the server was started.",
    ),
  }),
  Choice: object({
    name: TEXT,
    description: TEXT,
    local: described(FLAG, "It is here; others are downloaded when they are first used."),
  }),
  Token: object({ id: WHOLE, text: TEXT, special: FLAG }),
  PredictedToken: object({
    id: WHOLE,
    token: TEXT,
    rank: described(WHOLE, "0 is the most probable."),
    logit: described(NUMBER, "Minus the vocabulary's mean."),
    probability: NUMBER,
  }),
  Prediction: object({
    model: object({ name: TEXT, description: TEXT, family: TEXT }),
    saes: list(object({ source: TEXT, hook: TEXT, d_sae: WHOLE })),
    settings: object({ prepend_bos: orNull(FLAG), truncate: FLAG, processing: TEXT }),
    tokens: list(named("Token")),
    position: WHOLE,
    predictions: list(named("PredictedToken")),
    answer: orNull(named("PredictedToken")),
    warnings: described(
      list(TEXT),
      "What the prompt or the answer has that may not have been meant, such as a space too many.",
    ),
  }),
  Report: object({
    version: { const: 1 },
    model: object({ name: TEXT, description: TEXT, family: TEXT, revision: orNull(TEXT), processing: TEXT }),
    tokens: list(named("Token")),
    metric: object({
      name: TEXT,
      words: TEXT,
      positive: TEXT,
      negative: TEXT,
      place: TEXT,
      formula: TEXT,
      value: orNull(NUMBER),
      odds: orNull(TEXT),
      positions: list(WHOLE),
      positiveTokens: list(object({ id: WHOLE, text: TEXT })),
      negativeTokens: list(object({ id: WHOLE, text: TEXT })),
    }),
    predictions: list(named("PredictedToken")),
    predictionsPosition: described(
      WHOLE,
      "After which token: the prompt's last where a continuation is explained, else the metric's last.",
    ),
    continuation: described(
      list(named("PredictedToken")),
      "The tokens of a continuation that is explained, each among the predictions after those before it.",
    ),
    method: object({ words: TEXT, title: TEXT, hasBaseline: FLAG }),
    errorTerm: FLAG,
    saes: list(named("ReportSae")),
    warnings: list(TEXT),
    command: orNull(TEXT),
    program: TEXT,
  }),
  ReportSae: object({
    hook: TEXT,
    hookIn: TEXT,
    source: TEXT,
    architecture: TEXT,
    dSae: WHOLE,
    neuronpediaId: orNull(TEXT),
    rows: described(
      object({
        position: list(WHOLE),
        feature: list(WHOLE),
        activation: list(NUMBER),
        gradient: list(NUMBER),
        attribution: list(NUMBER),
      }),
      "By column; largest attribution first.",
    ),
    rowsLeftOut: WHOLE,
    decomposition: described(
      object({ features: list(NUMBER), bias: list(NUMBER), error: list(NUMBER), total: list(NUMBER) }),
      "Per position: features + bias + error = total.",
    ),
    errorShare: list(NUMBER),
    activeFeatures: list(WHOLE),
    labels: { type: "object", additionalProperties: TEXT },
    cards: { type: "object" },
    noLogits: orNull(TEXT),
  }),
  Event: {
    type: "object",
    required: ["type"],
    properties: {
      type: {
        "type": "string",
        "enum": ["waiting", "opening", "downloading", "running", "prediction", "report", "rows", "error"],
      },
      ahead: described(WHOLE, "waiting: jobs before it."),
      name: described(TEXT, "opening: what."),
      path: described(TEXT, "downloading: which file."),
      done: described(WHOLE, "downloading: bytes."),
      total: orNull(WHOLE),
      prediction: named("Prediction"),
      report: named("Report"),
      text: described(TEXT, "rows: the file's text."),
      status: described(WHOLE, "error: as an HTTP status."),
      message: described(TEXT, "error: one line."),
    },
  },
};

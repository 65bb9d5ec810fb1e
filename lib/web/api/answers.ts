/**
 * Schemas of answers.
 *
 * @module
 */
import { ABLATIONS } from "../../attribution/change/ablated.ts";
import { SET_DIRECTIONS, SET_UNITS } from "../../attribution/sets/names.ts";
import { described, FLAG, list, named, NUMBER, object, orNull, type Schema, TEXT, WHOLE } from "./schema.ts";

const BEFORE_AND_AFTER = { before: orNull(NUMBER), after: orNull(NUMBER) };

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
    featured: described(
      list(object({ model: TEXT, sae: TEXT, description: TEXT, prompt: TEXT, isHere: FLAG })),
      "Models to begin with; those that are not here are downloaded.",
    ),
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
    tokens: list(
      object({
        id: WHOLE,
        text: TEXT,
        special: described(FLAG, "BOS, EOS, padding and the like."),
        excluded: described(FLAG, "The SAEs were left out here."),
      }),
    ),
    metric: object({
      name: described(TEXT, "The library's name, such as logit_diff."),
      words: described(TEXT, "In words, such as: logit of ·golf - logit of ·tennis."),
      positive: described(TEXT, "What a positive attribution speaks for."),
      negative: described(TEXT, "What a negative one speaks for."),
      place: described(TEXT, "Where it reads, in words."),
      formula: described(TEXT, "As NumPy would write it."),
      value: described(orNull(NUMBER), "Null where it is not finite."),
      odds: described(orNull(TEXT), "A logit difference as odds, in words."),
      positions: described(list(WHOLE), "Whose logits it reads."),
      positiveTokens: list(object({ id: WHOLE, text: TEXT })),
      negativeTokens: list(object({ id: WHOLE, text: TEXT })),
    }),
    predictions: list(named("ReportPrediction")),
    predictionsPosition: described(
      WHOLE,
      "After which token: the prompt's last where a continuation is explained, else the metric's last.",
    ),
    continuation: described(
      list(named("ReportPrediction")),
      "The tokens of a continuation that is explained, each among the predictions after those before it.",
    ),
    method: object({
      words: described(TEXT, "In words, and what activations are compared with."),
      title: described(TEXT, "What one attribution is: activation × gradient."),
      hasBaseline: described(FLAG, "Activations are compared with a baseline."),
    }),
    errorTerm: described(FLAG, "What the SAEs do not explain stays, so that they change nothing."),
    saes: list(named("ReportSae")),
    warnings: list(TEXT),
    command: described(orNull(TEXT), "The command line that makes the same run; null where none does."),
    changeCommands: described(
      orNull(object({ steer: TEXT, select: TEXT })),
      "The command lines that ask on: steer, to which --set F@P=V is added, and select.",
    ),
    program: TEXT,
  }),
  ReportPrediction: object({
    id: WHOLE,
    token: TEXT,
    rank: described(WHOLE, "0 is the most probable."),
    logit: described(orNull(NUMBER), "Minus the vocabulary's mean; null where it is not finite."),
    probability: NUMBER,
    side: described(orNull({ enum: ["positive", "negative"] }), "On which side of the metric it stands."),
  }),
  ReportSae: object({
    hook: described(TEXT, "Where it writes."),
    hookIn: described(TEXT, "Where it reads; another hook for a transcoder."),
    source: described(TEXT, "What it was opened by."),
    architecture: described(TEXT, "SAELens's name."),
    dSae: described(WHOLE, "How many features it has."),
    neuronpediaId: described(orNull(TEXT), "model/sae on Neuronpedia."),
    rows: described(
      object({
        position: list(WHOLE),
        feature: list(WHOLE),
        activation: list(NUMBER),
        gradient: described(list(NUMBER), "∂metric/∂activation."),
        attribution: described(list(NUMBER), "(Activation − baseline) × gradient, never 0."),
      }, {
        baseline: described(list(NUMBER), "What the activation is compared with; where there is a baseline."),
        directEffect: described(list(NUMBER), "What of it goes straight to the metric; where that was asked for."),
      }),
      "By column; largest attribution first.",
    ),
    rowsLeftOut: described(WHOLE, "Rows with a smaller |attribution| that are not in rows."),
    decomposition: described(
      object({ features: list(NUMBER), bias: list(NUMBER), error: list(NUMBER), total: list(NUMBER) }),
      "Per position: features + bias + error = total.",
    ),
    errorShare: described(list(NUMBER), "|g·e| / (|Σ attribution| + |g·bias| + |g·e|) per position."),
    activeFeatures: described(list(WHOLE), "Per position."),
    words: described(
      object({ addsUp: TEXT, fit: TEXT, error: TEXT }),
      "The account in words: what adds up to what, how well the SAE fits, what its error has of the attribution.",
    ),
    labels: described(
      { type: "object", additionalProperties: TEXT },
      "What features stand for, by feature; of those in rows that have a label.",
    ),
    cards: described(
      { type: "object", additionalProperties: named("FeatureCard") },
      "What is known of the strongest features, by feature.",
    ),
    noLogits: described(orNull(TEXT), "Why the cards have no logits; null where they have."),
  }),
  FeatureCard: object({}, {
    raised: described(
      list(named("NamedLogit")),
      "The tokens whose logits it raises most per unit of its activation; largest first.",
    ),
    lowered: described(list(named("NamedLogit")), "The tokens whose logits it lowers most; the lowest first."),
    density: described(NUMBER, "The share of tokens at which it is active, in the texts that its contexts are from."),
    largest: described(NUMBER, "Its largest activation in those texts."),
    histogram: described(list(WHOLE), "How many activations lie in each of equal parts from 0 to largest."),
    contexts: described(
      list(object({
        tokens: list(TEXT),
        levels: described(list(NUMBER), "Per token, in hundredths of largest; the last zeros may be missing."),
        activation: NUMBER,
      })),
      "Where it is most active; strongest first.",
    ),
  }),
  NamedLogit: { type: "array", prefixItems: [TEXT, NUMBER], minItems: 2, maxItems: 2 },
  Steered: object({
    position: described(WHOLE, "Whose next token it is, counted from 0."),
    metric: object({ name: TEXT, ...BEFORE_AND_AFTER }),
    changes: described(
      list(object({ hook: TEXT, position: WHOLE, feature: WHOLE, before: NUMBER, after: NUMBER })),
      "What was changed, in the order of hooks, positions and features.",
    ),
    predictions: described(
      list(object({
        id: WHOLE,
        token: TEXT,
        rank: object({ before: WHOLE, after: WHOLE }),
        logit: object(BEFORE_AND_AFTER),
        probability: object(BEFORE_AND_AFTER),
      })),
      "The most probable next tokens before and after, those after first.",
    ),
  }),
  Set: object({
    hook: described(TEXT, "Where the SAE writes."),
    by: described({ enum: SET_UNITS }, "Whether its features are at one position each."),
    ablation: described({ enum: ABLATIONS }, "What takes the place of activations."),
    features: described(
      list(object({ feature: WHOLE, attribution: NUMBER }, { position: WHOLE })),
      "Largest |attribution| first.",
    ),
    metric: described(NUMBER, "With all features."),
    metricNone: described(NUMBER, "With all features ablated."),
    metricKept: described(NUMBER, "With all others ablated."),
    metricWithout: described(NUMBER, "With the set ablated."),
    kept: described(NUMBER, "(metricKept − metricNone) / (metric − metricNone)"),
    left: described(NUMBER, "(metricWithout − metricNone) / (metric − metricNone)"),
  }, {
    direction: described({ enum: SET_DIRECTIONS }, "What was searched for."),
    keep: NUMBER,
    seed: WHOLE,
    candidates: described(WHOLE, "How many there were to choose from."),
    reached: described(FLAG, "It has what was asked for."),
  }),
  Event: {
    type: "object",
    required: ["type"],
    properties: {
      type: {
        "type": "string",
        "enum": [
          ...["waiting", "opening", "downloading", "running", "searching"],
          ...["prediction", "report", "rows", "steered", "set", "error"],
        ],
      },
      ahead: described(WHOLE, "waiting: jobs before it."),
      name: described(TEXT, "opening: what."),
      path: described(TEXT, "downloading: which file."),
      done: described(WHOLE, "downloading: bytes."),
      total: orNull(WHOLE),
      bytes_per_second: orNull(NUMBER),
      seconds_left: orNull(NUMBER),
      prediction: named("Prediction"),
      report: named("Report"),
      text: described(TEXT, "rows: the file's text."),
      runs: described(WHOLE, "searching: runs from the SAE upwards so far."),
      steered: named("Steered"),
      set: named("Set"),
      status: described(WHOLE, "error: as an HTTP status."),
      message: described(TEXT, "error: one line."),
    },
  },
};

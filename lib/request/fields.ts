/**
 * The fields of a request, each defined once: options of the command line, properties of JSON, the description of the
 * API, and the command that makes a run again are made of these tables.
 *
 * @module
 */
import { METHOD_NAMES } from "../attribution/methods/names.ts";
import { METRIC_NAMES } from "../attribution/metric/names.ts";
import { LONG_COLUMNS } from "../attribution/result/long_table.ts";
import { PROCESSING_CHOICES } from "../attribution/run/processing.ts";
import { DEFAULT_MODEL } from "../bundled.ts";
import { WEIGHT_CHOICES } from "../model/stages/binding.ts";
import { DEVICES } from "../runtime/runtime.ts";
import { ANSWER_FIELDS } from "./answer_fields.ts";
import { CHAT_FIELDS } from "./chat_fields.ts";
import { EXACT_FIELDS } from "./exact_fields.ts";
import { type Field, NO_FILES_OVER_HTTP, type ValuesOf } from "./field.ts";

export { CHAT_FIELDS } from "./chat_fields.ts";

const WHOLE_EFFECT = "the exact effect is the whole one, on every way to the metric: leave it out";

/** Fields by their names. */
export type Fields = Readonly<Record<string, Field>>;

/** The number to explain. */
export const METRIC_FIELDS = {
  posToken: {
    kind: "string",
    multiple: true,
    placeholder: "T",
    help: 'the answer to explain: a single token as text, usually with a leading space (" golf"); ' +
      "of several, the mean is meant",
  },
  negToken: {
    kind: "string",
    multiple: true,
    placeholder: "T",
    help: "the answer that it is compared with; without both, the top prediction against the second",
  },
  posId: { kind: "integer", multiple: true, placeholder: "N", min: 0, help: "the same as `posToken`, by token id" },
  negId: { kind: "integer", multiple: true, placeholder: "N", min: 0, help: "the same as `negToken`, by token id" },
  tokenWeight: {
    kind: "string",
    multiple: true,
    placeholder: "T=W",
    help: 'explain a sum of logits times weights: a single token as text and its weight (" golf=0.5"); ' +
      "of what is before the last =, spaces count",
  },
  idWeight: {
    kind: "string",
    multiple: true,
    placeholder: "N=W",
    help: "the same as `tokenWeight`, by token id",
  },
  targetText: {
    kind: "string",
    placeholder: "TEXT",
    help: "explain the log-probability of this continuation of the prompt, all its tokens added up",
  },
  metric: {
    kind: "string",
    choices: METRIC_NAMES,
    placeholder: "NAME",
    help: "the number to explain; by default logit-diff, or logit where only the positive token is given; " +
      "kl is the divergence from the predictions without SAEs and needs `includeErrorTerm: false`",
  },
  metricPosition: {
    kind: "integers",
    placeholder: "P",
    help: "position whose next token is meant, from the end when negative; by default -1, the last; " +
      "of several (-2,-1), the sum is meant",
  },
} as const satisfies Fields;

/** The method alone. */
export const METHOD_FIELDS = {
  method: {
    kind: "string",
    choices: METHOD_NAMES,
    placeholder: "NAME",
    default: METHOD_NAMES[0],
    help:
      "what activations are multiplied by: the plain gradient, that with attention patterns frozen, RelP's relevance, that " +
      "without its AH-rule (as its authors' code has it), the gradient's mean on the way from the baseline, that " +
      "with norms frozen, or by GIM's rules; ablation: the exact effect of removing each feature",
  },
  steps: {
    kind: "integer",
    placeholder: "N",
    min: 1,
    max: 65_536,
    help: "steps of integrated gradients; by default doubled until they have converged, 512 at most",
  },
  tolerance: {
    kind: "number",
    placeholder: "X",
    min: 0,
    help: "converged: what integrated gradients miss of the joint effect of all features is at most this part of it; " +
      "by default 0.01",
  },
} as const satisfies Fields;

/** What features are compared with, and what goes straight to the metric. */
export const BASELINE_FIELDS = {
  baseline: {
    kind: "string",
    placeholder: "B",
    default: "zero",
    reads: /^mean:(.+)$/s,
    help: "what activations are compared with: zero, mean (over this prompt's positions after the first), mean:FILE " +
      "(over prompts, one per line), prompt:TEXT (of as many tokens), or ids:1,2,3",
    refused: {
      ablate: "a removed feature is 0, and that is what attributions are compared with: leave it out",
      evaluate: "`ablation` says what takes an activation's place",
    },
  },
  directEffect: {
    kind: "boolean",
    help: "another column: what features of the residual stream add straight to the metric, past all later blocks",
    refused: { ablate: WHOLE_EFFECT, evaluate: WHOLE_EFFECT, verify: "no figure is about it: leave it out" },
  },
} as const satisfies Fields;

/** Which prompt, which model. */
export const MODEL_FIELDS = {
  tokenIds: {
    kind: "integers",
    placeholder: "1,2,3",
    min: 0,
    help: "token ids instead of PROMPT, used exactly as given",
    refused: {
      batch: "the prompts come from the input: give them there, in a column ids",
      schedule: "every prompt has its own: give them there, as ids",
    },
  },
  model: {
    kind: "string",
    placeholder: "M",
    default: DEFAULT_MODEL,
    help: "a bundled model, a public name (gpt2, google/gemma-2-2b), or the directory or URL of a Hugging Face model",
  },
  revision: { kind: "string", placeholder: "R", help: "branch, tag or commit of a model from the hub" },
} as const satisfies Fields;

/** The SAEs. */
export const SAE_FIELDS = {
  sae: {
    kind: "string",
    multiple: true,
    placeholder: "S[@HOOK]",
    reads: /^(.+?)(?:@[^@/\\]*)?$/s,
    json: "saes",
    help:
      "a bundled SAE (default: the bundled model's), or the directory, file or URL of one; @HOOK overrides its hook",
  },
  hookIn: {
    kind: "string",
    multiple: true,
    placeholder: "HOOK",
    help: "the hook that the `sae` before it reads, for a transcoder (@HOOK is where it writes)",
    refused: { predict: "the hook decides nothing about a prediction: leave it out" },
  },
  normScalingFactor: {
    kind: "number",
    multiple: true,
    placeholder: "X",
    above: 0,
    help: "activation norm scaling factor of the `sae` before it",
    refused: { predict: "the factor decides nothing about a prediction: leave it out" },
  },
  explanations: {
    kind: "string",
    reads: true,
    multiple: true,
    placeholder: "FILE",
    help: "what the features of the `sae` before it (or of the only SAE) stand for: JSON, JSON lines or CSV with a " +
      "feature or index and a label, description or explanation, as Neuronpedia exports them",
    refused: {
      predict: "a prediction has no features: leave it out",
      schedule: "runs are compared by their numbers, and labels are those that come with the SAE: leave it out",
      verify: "no figure is about them: leave them out",
      ...NO_FILES_OVER_HTTP,
    },
  },
} as const satisfies Fields;

/** How the prompt becomes tokens, and in which form the model runs. */
export const RUN_FIELDS = {
  prependBos: {
    kind: "boolean",
    negatable: true,
    help: "put the BOS token first, or do not; by default as the SAE was trained, else as is usual for the model",
  },
  truncate: { kind: "boolean", help: "cut a prompt that is too long for the model, on the right" },
  processing: {
    kind: "string",
    choices: PROCESSING_CHOICES,
    placeholder: "FORM",
    default: "sae",
    help: "form of the model: as the SAE was trained, TransformerLens's default, or as it is",
  },
} as const satisfies Fields;

/** Single flags of the model's form, over what `processing` gives. */
export const FLAG_FIELDS = {
  foldLn: {
    kind: "boolean",
    negatable: true,
    help: "normalised values before the norm's weights and bias, or after",
  },
  centerWritingWeights: {
    kind: "boolean",
    negatable: true,
    help: "what is written to the residual stream minus its mean, or as it is",
  },
  centerUnembed: { kind: "boolean", negatable: true, help: "logits minus their mean, or as they are" },
  foldValueBiases: { kind: "boolean", negatable: true, help: "attention values without their bias, or with it" },
} as const satisfies Fields;

/** Where the SAEs are left out. */
export const EXCLUDE_FIELDS = {
  excludeSpecialTokens: {
    kind: "boolean",
    negatable: true,
    help: "leave the SAEs out at BOS and other special tokens, or do not; by default as they were trained",
  },
  excludeTokenIds: {
    kind: "integers",
    placeholder: "1,2",
    min: 0,
    help: "leave the SAEs out at these tokens instead",
  },
} as const satisfies Fields;

/** Whether what the SAEs do not explain stays. */
export const ERROR_FIELDS = {
  includeErrorTerm: {
    kind: "boolean",
    default: "true",
    negates: true,
    flag: "no-error-term",
    json: "error_term",
    help: "let the SAE replace the activation, without what it does not explain",
  },
} as const satisfies Fields;

/** Where it runs. */
export const DEVICE_FIELDS = {
  device: { kind: "string", choices: DEVICES, placeholder: "D", default: "auto", help: "where the model runs" },
  threads: { kind: "integer", placeholder: "N", min: 1, max: 64, help: "processor threads to use" },
  weights: {
    kind: "string",
    choices: WEIGHT_CHOICES,
    placeholder: "W",
    default: "auto",
    help: "read the weights for every prompt (streamed) or keep them in memory (resident); " +
      "auto: resident for many prompts, where memory allows",
  },
  memoryLimit: {
    kind: "number",
    placeholder: "GB",
    above: 0,
    help: 'memory that weights may take with `weights: "auto"`',
  },
} as const satisfies Fields;

/** The tables: the long table, one row per position, one row per feature. */
export const TABLE_NAMES = ["rows", "positions", "features"] as const;

/** Which table of an attribution, and which of its rows and columns. */
export const ROW_FIELDS = {
  table: {
    kind: "string",
    choices: TABLE_NAMES,
    placeholder: "NAME",
    default: "rows",
    help: "a row per position and feature, or the sums by position or by feature",
    refused: {
      batch: "rows, sums by feature and prompts are written all three, each in files of its own: leave it out",
      schedule: "runs are compared row by row: leave it out",
    },
  },
  positions: {
    kind: "string",
    placeholder: "LIST",
    help:
      "rows of these positions, with commas between: P, or A:B for A to B - 1; from the end when negative, A or B " +
      "left out (-3: is the last three); of a chat's message, its role before them (user:3; user.0:3 of the first of several)",
  },
  features: {
    kind: "integers",
    placeholder: "1,2",
    min: 0,
    tables: ["rows", "features"],
    help: "rows of these features",
  },
  top: {
    kind: "integer",
    placeholder: "K",
    min: 1,
    tables: ["rows", "features"],
    help: "the K rows with the largest |attribution|",
  },
  includeError: {
    kind: "boolean",
    tables: ["rows"],
    help: "rows of the SAE's bias and error too, one each per position; the column kind tells them apart",
    refused: { ablate: "only features are removed: leave it out" },
  },
  columns: {
    kind: "string",
    placeholder: "LIST",
    tables: ["rows"],
    refused: { ablate: "attributions and effects stand side by side in columns of their own: leave it out" },
    help: `columns, with commas between, of ${LONG_COLUMNS.join(", ")}; ` +
      "by default position,feature,attribution, after hook and kind where there are several",
  },
} as const satisfies Fields;

/** What becomes of a prompt that is explained, but for its rows and where it runs. */
export const EXPLAIN_FIELDS = {
  ...METRIC_FIELDS,
  ...MODEL_FIELDS,
  ...SAE_FIELDS,
  ...CHAT_FIELDS,
  ...RUN_FIELDS,
  ...FLAG_FIELDS,
  ...EXCLUDE_FIELDS,
  ...ERROR_FIELDS,
} as const satisfies Fields;

/** The same with how it is attributed. */
export const ATTRIBUTION_FIELDS = {
  ...METRIC_FIELDS,
  ...ANSWER_FIELDS,
  ...METHOD_FIELDS,
  ...EXACT_FIELDS,
  ...BASELINE_FIELDS,
  ...EXPLAIN_FIELDS,
} as const satisfies Fields;

/** All fields of a request. */
export const REQUEST_FIELDS = {
  ...ATTRIBUTION_FIELDS,
  ...ROW_FIELDS,
  ...DEVICE_FIELDS,
} as const satisfies Fields;

/** What the fields of a request may be: those of them that a front end has read. */
export type RequestValues = Partial<ValuesOf<typeof REQUEST_FIELDS>>;

/** The fields by what they are about, as help shows them. */
export const FIELD_GROUPS: readonly (readonly [title: string, fields: Fields])[] = [
  ["What is explained", { ...METRIC_FIELDS, ...ANSWER_FIELDS }],
  ["How", { ...METHOD_FIELDS, ...EXACT_FIELDS, ...BASELINE_FIELDS }],
  ["Prompt and model", { ...MODEL_FIELDS, ...CHAT_FIELDS, ...RUN_FIELDS, ...FLAG_FIELDS }],
  ["SAEs", { ...SAE_FIELDS, ...EXCLUDE_FIELDS, ...ERROR_FIELDS }],
  ["Rows", ROW_FIELDS],
  ["Where it runs", DEVICE_FIELDS],
];

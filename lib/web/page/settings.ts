/**
 * What the page calls the fields of a request: one setting for each field that its server takes and that has no control
 * of its own, so that whatever the table of fields has can be chosen here.
 *
 * @module
 */
import { type Field, flagOf, jsonNameOf } from "../../request/field.ts";
import { type DEVICE_FIELDS, FIELD_GROUPS, REQUEST_FIELDS, ROW_FIELDS } from "../../request/fields.ts";
import type { FieldName } from "../../request/json.ts";
import { REFUSED } from "../../request/refused.ts";
import { inWords, type SayField } from "../../request/request_error.ts";

/** Fields that are chosen by a click, or have a place of their own on the page. */
const OWN_PLACES = {
  model: "Model",
  sae: "SAEs",
  posToken: "+ for",
  negToken: "− against",
  posId: "+ for",
  negId: "− against",
  metricPosition: "After which token?",
  hookIn: "SAEs",
  normScalingFactor: "SAEs",
  top: "Top K",
} as const satisfies Partial<Record<FieldName, string>>;

/** A field that is a setting. */
type SettingField = Exclude<
  FieldName,
  keyof typeof OWN_PLACES | keyof typeof ROW_FIELDS | keyof typeof DEVICE_FIELDS | "explanations"
>;

/** Which settings there are; the prompt of a baseline is a part of the field `baseline`. */
export type SettingKey = SettingField | "baselinePrompt";

/** What the page says of a setting, beside what the table of fields says. */
interface Words {
  /** Default: the name. */
  readonly label?: string;
  /** In addresses; default: the command line's option. */
  readonly id?: string;
  /** Choices by their values in addresses, `""` being the usual; default: those of the field, as they are. */
  readonly choices?: Readonly<Record<string, string>>;
  /** It means something only where another setting has this value. */
  readonly of?: readonly [other: SettingKey, choice: string];
  /** Of a choice between yes and no, that yes is false. */
  readonly isOpposite?: boolean;
}

/** Better words than the table of fields has. */
const WORDS: Readonly<Partial<Record<SettingKey, Words>>> = {
  metric: {
    label: "What is explained",
    choices: {
      "": "the answers' logits (difference, or one alone)",
      "logprob": "log-probability of the answer",
      "prob": "probability of the answer",
      "target-text": "log-probability of a continuation",
      "answer": "each token of an answer: its log-probability",
      "generate": "each token of what the model says: its log-probability",
      "weights": "a sum of logits times weights",
      "loss": "loss of the whole prompt",
      "kl": "divergence from the run without SAEs (no SAE error)",
    },
  },
  targetText: { label: "Continuation", of: ["metric", "target-text"] },
  answerText: { label: "Answer", of: ["metric", "answer"] },
  generate: { label: "How many tokens of it", of: ["metric", "generate"] },
  answerPositions: { label: "Its tokens, such as 0,2:5 (all)", of: ["metric", "answer"] },
  tokenWeight: { label: "Tokens with weights, one a line", of: ["metric", "weights"] },
  idWeight: { label: "Token ids with weights, one a line", of: ["metric", "weights"] },
  method: {
    label: "Method: activations times",
    choices: {
      "": "the gradient",
      "frozen-pattern": "the gradient with attention patterns frozen",
      "relp": "RelP's relevance",
      "relp-no-ah-rule": "RelP's relevance without its AH-rule",
      "integrated-gradients": "the mean gradient on the way from the baseline",
      "frozen-norms": "the gradient with norms frozen",
      "gim": "the gradient by GIM's rules",
      "ablation": "nothing: the exact effect of removing each feature",
    },
  },
  steps: { label: "Steps on the way", of: ["method", "integrated-gradients"] },
  tolerance: { label: "Tolerance", of: ["method", "integrated-gradients"] },
  rows: { label: "Exact rows, the strongest by gradient", of: ["method", "ablation"] },
  budget: { label: "Time for exact rows (30s, 2m)", of: ["method", "ablation"] },
  refine: { label: "Strongest and least reliable rows to make exact" },
  curvature: { label: "Strongest rows whose curvature is wanted" },
  baseline: {
    label: "Baseline: activations compared with",
    choices: { "": "zero", "mean": "their mean over this prompt", "prompt": "those of another prompt" },
  },
  baselinePrompt: { label: "Prompt to compare with, of as many tokens", of: ["baseline", "prompt"] },
  directEffect: { label: "Direct effect", choices: { "": "not computed", "yes": "a column of the CSV file" } },
  tokenIds: { label: "Token ids instead of the prompt" },
  revision: { label: "Revision of the model" },
  chat: {
    label: "The prompt is",
    choices: { "": "plain text", "yes": "what a user says, in the model's chat template" },
  },
  system: { label: "System message", of: ["chat", "yes"] },
  assistantPrefix: { label: "Beginning of the answer", of: ["chat", "yes"] },
  thinking: { label: "Thinking before the answer", of: ["chat", "yes"] },
  chatVariable: { label: "Variables of the template, NAME=VALUE, one a line", of: ["chat", "yes"] },
  prependBos: {
    label: "BOS token first",
    id: "bos",
    choices: { "": "as the SAE was trained", "yes": "yes", "no": "no" },
  },
  truncate: { label: "A prompt that is too long", choices: { "": "is refused", "yes": "is cut on the right" } },
  processing: {
    label: "Form of the model",
    choices: { "": "as the SAE was trained", "default": "TransformerLens's default", "none": "as it is" },
  },
  foldLn: { label: "Normalised values in this form", choices: ofForm("before the norm's weights", "after them") },
  centerWritingWeights: {
    label: "What is written to the residual stream in this form",
    choices: ofForm("minus its mean", "as it is"),
  },
  centerUnembed: { label: "Logits in this form", choices: ofForm("minus their mean", "as they are") },
  foldValueBiases: { label: "Attention values in this form", choices: ofForm("without their bias", "with it") },
  excludeSpecialTokens: {
    label: "SAEs at special tokens",
    id: "special",
    choices: { "": "as they were trained", "no": "left out", "yes": "put in" },
    isOpposite: true,
  },
  excludeTokenIds: { label: "SAEs left out at these token ids instead" },
  includeErrorTerm: {
    label: "SAE error",
    id: "error-term",
    choices: {
      "": "kept: the output stays the model's",
      "no": "left out: the SAEs replace the activations",
    },
  },
};

function ofForm(yes: string, no: string): Readonly<Record<string, string>> {
  return { "": "as the form has it", "yes": yes, "no": no };
}

/** One setting. Its value is a text; `""`: as usual. */
export interface Setting extends Words {
  readonly label: string;
  readonly id: string;
  /** Its values; undefined: any text. */
  readonly values: readonly string[] | undefined;
  /** What the table of fields says. */
  readonly field: Field;
  /** Predictions are about it, too. */
  readonly isOfRun: boolean;
}

/** The settings in groups, as help on the command line has them. */
export const SETTING_GROUPS: readonly (readonly [title: string, keys: readonly SettingKey[]])[] = FIELD_GROUPS
  .map(([title, fields]) => [title, Object.keys(fields).flatMap(keysOf)] as const)
  .filter(([, keys]) => keys.length > 0);

/** A baseline's prompt stands after the baseline. */
function keysOf(name: string): SettingKey[] {
  const isElsewhere = Object.hasOwn(OWN_PLACES, name) || Object.hasOwn(ROW_FIELDS, name);
  if (isElsewhere || REFUSED["/api/attribute"][name as FieldName] !== undefined) return [];
  return name === "baseline" ? ["baseline", "baselinePrompt"] : [name as SettingField];
}

/** Every setting. */
export const SETTINGS = Object.fromEntries(
  SETTING_GROUPS.flatMap(([, keys]) => keys).map((key) => [key, settingOf(key)]),
) as Readonly<Record<SettingKey, Setting>>;

function settingOf(key: SettingKey): Setting {
  const name = key === "baselinePrompt" ? "baseline" : key;
  const field: Field = REQUEST_FIELDS[name];
  const words: Words = WORDS[key] ?? {};
  const choices = words.choices ?? choicesOf(field);
  return {
    ...words,
    label: words.label ?? sentence(key),
    id: words.id ?? flagOf(key),
    choices,
    values: choices === undefined ? undefined : Object.keys(choices).filter((value) => value !== ""),
    field,
    isOfRun: REFUSED["/api/predict"][name] === undefined,
  };
}

/** `foldLn` as `Fold ln`. */
function sentence(name: string): string {
  const words = flagOf(name).replaceAll("-", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function choicesOf({ kind, choices, default: usual = "as usual", negatable, negates }: Field): Words["choices"] {
  if (kind === "boolean") {
    return negates === true
      ? { "": "yes", "no": "no" }
      : { "": negatable === true ? "as usual" : "no", "yes": "yes", ...(negatable === true ? { "no": "no" } : {}) };
  }
  if (choices === undefined) return undefined;
  return {
    "": usual,
    ...Object.fromEntries(choices.filter((choice) => choice !== usual).map((choice) => [choice, choice])),
  };
}

/** The property and the value that a setting becomes in a request. */
export function propertyOf(key: SettingKey, text: string): readonly [name: string, value: unknown] {
  const { field, isOpposite = false } = SETTINGS[key];
  return [jsonNameOf(key, field), valueOf(field, text, isOpposite)];
}

function valueOf({ kind, multiple }: Field, text: string, isOpposite: boolean): unknown {
  if (multiple === true) return text.split("\n").filter((line) => line !== "");
  switch (kind) {
    case "boolean":
      return (text === "yes") !== isOpposite;
    case "integers":
      return text.split(/[\s,]+/).filter((part) => part !== "").map(Number);
    case "integer":
    case "number":
      return Number(text);
    case "string":
      return text;
  }
}

/** What is wrong with the text of a setting; undefined: nothing. */
export function settingProblem(key: SettingKey, text: string): string | undefined {
  const { field: { kind, min = -Infinity, above = -Infinity, max = Infinity }, values } = SETTINGS[key];
  if (values !== undefined || kind === "string" || kind === "boolean") return undefined;
  const whole = kind !== "number";
  const numbers = [propertyOf(key, text)[1]].flat() as number[];
  const isGood = (x: number): boolean =>
    (whole ? Number.isSafeInteger(x) : Number.isFinite(x)) && x >= min && x > above && x <= max;
  if (numbers.length > 0 && numbers.every(isGood)) return undefined;
  const range = [
    ...(min > -Infinity ? [`from ${min.toLocaleString("en-US")}`] : []),
    ...(max < Infinity ? [`to ${max.toLocaleString("en-US")}`] : []),
  ].join(" ");
  const what = kind === "integers" ? "whole numbers with commas between" : whole ? "a whole number" : "a number";
  return `“${SETTINGS[key].label}” is “${text}”: give ${what}${range === "" ? "" : ` ${range}`}`;
}

/** As the page calls a field, by its label, and its values by theirs. */
const sayLabel: SayField = (name: string, field: Field, value: string | undefined): string => {
  const own: string | undefined = OWN_PLACES[name as keyof typeof OWN_PLACES];
  const words: Setting | undefined = SETTINGS[name as SettingKey];
  const label = own ?? words?.label.split(":", 1)[0] ?? sentence(name);
  if (value === undefined) return `“${label}”`;
  const isYes = (value === "true") !== (words?.isOpposite ?? false);
  const choice = field.kind !== "boolean" ? value === field.default ? "" : value : isYes ? "yes" : "no";
  return `“${label}: ${words?.choices?.[choice] ?? words?.choices?.[""] ?? value}”`;
};

/** A message of the library in the words of the page. */
export function labelWords(message: string): string {
  return inWords(message, REQUEST_FIELDS, sayLabel);
}

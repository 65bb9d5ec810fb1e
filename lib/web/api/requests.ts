/**
 * Schemas of requests, made of the table of fields.
 *
 * @module
 */
import { ABLATIONS } from "../../attribution/change/ablated.ts";
import { DOWNSTREAM_ERRORS } from "../../attribution/change/downstream_error.ts";
import { INTERVENTION_KINDS } from "../../attribution/change/intervention_kinds.ts";
import { LONG_COLUMNS } from "../../attribution/result/long_table.ts";
import { SET_DIRECTIONS, SET_UNITS } from "../../attribution/sets/names.ts";
import { type Field, jsonNameOf, NO_FILES } from "../../request/field.ts";
import { REQUEST_FIELDS } from "../../request/fields.ts";
import { type FieldName, METRIC_OBJECT_NAMES, OF_AN_SAE } from "../../request/json.ts";
import { REFUSED } from "../../request/refused.ts";
import { MOST_IN_SET, MOST_INTERVENTIONS } from "../change/requests.ts";
import { MOST_CARDS, MOST_PREDICTIONS, propertyWords, REQUEST_NAMES } from "../job_requests.ts";
import { RESULT_FORMATS } from "../jobs.ts";
import { described, either, list, named, NUMBER, request, type Schema, TEXT, WHOLE } from "./schema.ts";

const ID: Schema = { type: "integer", minimum: 0 };

/** What the server offers decides more than what a command line may name. */
const OWN_WORDS: Readonly<Partial<Record<FieldName, string>>> = {
  model: "A bundled model, a public name, or what the server was started with, which is the default.",
  sae: "SAEs by name, NAME or NAME@HOOK, or each an object; default: the model's own. They decide about BOS and the " +
    "model's form, too. One may be a cross-layer transcoder, and {layer} in a name means one for every layer.",
  hookIn: "The hook that it reads, for a transcoder; hook is where that writes.",
  normScalingFactor: "Its activation norm scaling factor.",
  tokenIds: "Instead of the prompt: token ids, used exactly as given.",
};

const DOWNSTREAM = described(
  { ...TEXT, enum: DOWNSTREAM_ERRORS },
  "What the errors of SAEs further up become: what those SAEs miss then (default), or what they were.",
);

/** The schemas of requests and of what they are made of. */
export const REQUEST_SCHEMAS: Readonly<Record<string, Schema>> = {
  PredictRequest: request({
    prompt: described(TEXT, "The text; leading and trailing spaces count."),
    ...fieldSchemas("predict"),
    position: described(WHOLE, "After which token, from the end when negative. Default -1."),
    top: described({ ...WHOLE, minimum: 1, maximum: MOST_PREDICTIONS }, "Default 10."),
    answer: described(TEXT, "A single token whose place is wanted wherever it is."),
    answer_id: described(ID, "The same by token id."),
  }),
  AttributeRequest: request({
    prompt: described(TEXT, "The text; leading and trailing spaces count."),
    ...fieldSchemas("attribute"),
    format: described(
      { ...TEXT, enum: RESULT_FORMATS },
      "The report (default), or the rows as the command line writes them, which the fields from table to columns are for.",
    ),
    predictions: described(
      { ...WHOLE, minimum: 0, maximum: MOST_PREDICTIONS },
      "Of a report: how many next tokens. 0: none, and the logits of all tokens are not computed. Default 10.",
    ),
    cards: described(
      { ...WHOLE, minimum: 0, maximum: MOST_CARDS },
      "Of a report: how many features per SAE get the tokens that they raise and lower, and contexts. In a stream a report " +
        "without cards comes first. Default 0.",
    ),
  }),
  SteerRequest: request({
    prompt: described(TEXT, "The text; leading and trailing spaces count."),
    ...fieldSchemas("steer"),
    interventions: described(
      { ...list(named("Intervention")), minItems: 1, maxItems: MOST_INTERVENTIONS },
      "Applied in their order.",
    ),
    position: described(WHOLE, "Whose next token is looked at, from the end when negative. Default -1."),
    top: described({ ...WHOLE, minimum: 1, maximum: MOST_PREDICTIONS }, "Next tokens of each side. Default 10."),
    downstream_error: DOWNSTREAM,
  }),
  Intervention: {
    ...request({
      feature: { ...ID, description: "Its index in the SAE; it need not be active." },
      position: described(
        either(WHOLE, { const: "all" }),
        "From the end when negative; all: wherever the SAE is not left out.",
      ),
      how: described(
        { ...TEXT, enum: INTERVENTION_KINDS },
        "The new activation is the value, the old one plus the value, or the old one times the value.",
      ),
      value: NUMBER,
      hook: described(TEXT, "Where its SAE writes; needed where there are several."),
    }),
    required: ["feature", "position", "how", "value"],
  },
  SelectRequest: request({
    prompt: described(TEXT, "The text; leading and trailing spaces count."),
    ...fieldSchemas("select"),
    hook: described(TEXT, "Where its SAE writes; needed where there are several."),
    keep: described(
      { type: "number", exclusiveMinimum: 0, maximum: 1 },
      "The part of what all features do that is to be kept (or to go): at least this. Default 0.9.",
    ),
    size: described({ ...WHOLE, minimum: 1, maximum: MOST_IN_SET }, "Instead: the best so many that are found."),
    direction: described(
      { ...TEXT, enum: SET_DIRECTIONS },
      "All others are ablated and the set keeps the answer (default), or the set is and the answer goes, or both.",
    ),
    by: described({ ...TEXT, enum: SET_UNITS }, "Features at one position each (default), or at all positions."),
    ablation: described({ ...TEXT, enum: ABLATIONS }, "What takes an activation's place. Default zero."),
    seed: described(ID, "Decides which sizes are tried in learning. Default 0."),
    set: described(
      {
        ...list({ ...request({ feature: ID, position: ID }), required: ["feature"] }),
        minItems: 1,
        maxItems: MOST_IN_SET,
      },
      "Nothing is searched for: this set is measured. A feature at one position has the position, counted from 0.",
    ),
    downstream_error: DOWNSTREAM,
  }),
  Metric: request({
    name: described(
      { ...TEXT, enum: METRIC_OBJECT_NAMES },
      "Default: top-two without tokens, logit with one positive one, target-text with a text, else logit-diff.",
    ),
    positive: described(list(either(TEXT, ID)), "Tokens as text or id; of several, the mean is meant."),
    negative: list(either(TEXT, ID)),
    position: described(WHOLE, "Where the logits are read, from the end when negative. Default -1."),
    text: described(TEXT, "The continuation of target-text."),
  }),
  Sae: {
    ...request({
      source: described(TEXT, "Its name."),
      hook: described(TEXT, "Overrides its hook."),
      ...Object.fromEntries(
        OF_AN_SAE.filter((name) => REFUSED["/api/attribute"][name] === undefined).map((name) => {
          const field: Field = REQUEST_FIELDS[name];
          return [jsonNameOf(name, field), described(valueSchema(field), OWN_WORDS[name] ?? wordsOf(name, field))];
        }),
      ),
    }),
    required: ["source"],
  },
};

function fieldSchemas(kind: keyof typeof REQUEST_NAMES): Readonly<Record<string, Schema>> {
  const names = REQUEST_NAMES[kind].filter((name) =>
    REFUSED[`/api/${kind}`][name] === undefined && !(OF_AN_SAE as readonly string[]).includes(name)
  );
  return Object.fromEntries(names.map((name) => {
    const field: Field = REQUEST_FIELDS[name];
    return [jsonNameOf(name, field), described(fieldSchema(name, field), OWN_WORDS[name] ?? wordsOf(name, field))];
  }));
}

function wordsOf(name: FieldName, field: Field): string {
  // What is true unless it is said stands in the help as what saying it does.
  if (field.negates === true) return `False: ${propertyWords(field.help)}. Default true.`;
  const given = field.default === undefined ? "" : ` Default ${field.default}.`;
  const files = name === "baseline" ? ` Not mean:FILE: ${NO_FILES.split(":", 1)[0]}.` : "";
  return `${sentence(propertyWords(field.help))}${given}${files}`;
}

function sentence(words: string): string {
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}.`;
}

function fieldSchema(name: FieldName, field: Field): Schema {
  if (name === "metric") return either(valueSchema(field), named("Metric"));
  if (name === "sae") return list(either(TEXT, named("Sae")));
  if (name === "columns") return either(TEXT, list({ ...TEXT, enum: LONG_COLUMNS }));
  if (name === "positions") return either(TEXT, WHOLE, list(either(TEXT, WHOLE)));
  const value = valueSchema(field);
  if (field.multiple === true) return either(value, list(value));
  return field.kind === "integers" ? either(value, { ...list(value), minItems: 1 }) : value;
}

/** Of one value; of a list, of each in it. */
function valueSchema({ kind, choices, min, above, max }: Field): Schema {
  return {
    type: kind === "integers" ? "integer" : kind,
    ...(choices === undefined ? {} : { enum: choices }),
    ...(min === undefined ? {} : { minimum: min }),
    ...(above === undefined ? {} : { exclusiveMinimum: above }),
    ...(max === undefined ? {} : { maximum: max }),
  };
}

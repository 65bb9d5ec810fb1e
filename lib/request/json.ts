/**
 * Requests as JSON: the properties of the one table of fields.
 *
 * @module
 */
import { METRIC_NAMES } from "../attribution/metric/names.ts";
import type { Fields as Properties } from "../weights/json/fields.ts";
import { type Field, type FieldValue, jsonNameOf } from "./field.ts";
import { REQUEST_FIELDS, type RequestValues } from "./fields.ts";

/** A field of {@linkcode REQUEST_FIELDS}. */
export type FieldName = keyof typeof REQUEST_FIELDS;

/** Names of metrics in an object, where those that tokens decide have names too. */
export const METRIC_OBJECT_NAMES = [...METRIC_NAMES, "top-two", "target-text"] as const;

/** How much of anything a request may have. */
export interface JsonLimits {
  /** Of a text. */
  readonly characters: number;
  /** Of a list. */
  readonly items: number;
}

/** Fields that JSON gave: as a command line's parser gives them. */
export interface JsonValues {
  readonly values: RequestValues;
  /** SAEs with what belongs to each. */
  readonly order: readonly (readonly [name: string, value: FieldValue])[];
}

/** What belongs to one SAE stands in that SAE's object. */
export const OF_AN_SAE = ["hookIn", "normScalingFactor", "explanations"] as const satisfies readonly FieldName[];

/** Lists that the command line writes as a text. */
const LISTS: readonly FieldName[] = ["columns", "positions", "answerPositions"];

/**
 * Reads the properties of some fields; other properties are the caller's.
 *
 * A `multiple` field may be one value or a list, `columns` and positions a list or the command line's text. `metric`
 * is a name, or an object with `name`, `positive`, `negative` (texts and ids), `position` and `text`. An SAE is a text
 * with its hook after an @, or an object with `source`, `hook` and what belongs to it.
 *
 * @throws what the properties throw, naming the first that is wrong
 */
export function readJsonValues(
  properties: Properties,
  names: readonly FieldName[],
  limits: JsonLimits = { characters: 100_000, items: 10_000 },
): JsonValues {
  const values: Record<string, unknown> = {};
  const wanted = (name: FieldName): boolean => names.includes(name);
  const own = names.filter((name) => name !== "sae" && !(OF_AN_SAE as readonly string[]).includes(name));
  // The metric first: what its object says must not be said again.
  for (const name of own.sort((a, b) => Number(b === "metric") - Number(a === "metric"))) {
    const value = name === "metric" ? readMetric(properties, values, limits) : readValue(properties, name, limits);
    if (value === undefined) continue;
    if (values[name] === undefined) values[name] = value;
    else throw properties.wrong(jsonNameOf(name, REQUEST_FIELDS[name] as Field), value, "it once, here or in metric");
  }
  return { values: values as RequestValues, order: wanted("sae") ? readSaes(properties, names, limits) : [] };
}

function readValue(properties: Properties, name: FieldName, limits: JsonLimits): FieldValue | FieldValue[] | undefined {
  const field: Field = REQUEST_FIELDS[name];
  const property = jsonNameOf(name, field);
  if (LISTS.includes(name)) return readListText(properties, property, limits);
  const isOne = (value: unknown): value is FieldValue => isOf(field, value, limits);
  const what = wordsFor(field);
  if (field.multiple === true) {
    const isSome = (value: unknown): value is FieldValue | FieldValue[] =>
      isOne(value) || (Array.isArray(value) && value.length <= limits.items && value.every(isOne));
    const given = properties.value(property, isSome, `${what}, or a list of such`);
    return given === undefined ? undefined : [given].flat() as FieldValue[];
  }
  if (field.kind !== "integers") return properties.value(property, isOne, what);
  const given = properties.value(
    property,
    (value): value is number | number[] => isOne(Array.isArray(value) ? value : [value]),
    what,
  );
  return given === undefined ? undefined : [given].flat();
}

function isOf(field: Field, value: unknown, limits: JsonLimits): boolean {
  const { choices, min = -Infinity, above = -Infinity, max = Infinity } = field;
  const isIn = (number: unknown): boolean => Number(number) >= min && Number(number) > above && Number(number) <= max;
  switch (field.kind) {
    case "string":
      return typeof value === "string" && value.length <= limits.characters && (choices?.includes(value) ?? true);
    case "boolean":
      return typeof value === "boolean";
    case "integer":
      return Number.isSafeInteger(value) && isIn(value);
    case "number":
      return Number.isFinite(value) && isIn(value);
    case "integers":
      return Array.isArray(value) && value.length > 0 && value.length <= limits.items &&
        value.every((item) => Number.isSafeInteger(item) && isIn(item));
  }
}

function wordsFor({ kind, choices, min, above, max }: Field): string {
  if (choices !== undefined) return `one of ${choices.join(", ")}`;
  const range = [
    ...(min === undefined ? [] : [`from ${min}`]),
    ...(above === undefined ? [] : [`above ${above}`]),
    ...(max === undefined ? [] : [`to ${max}`]),
  ].join(" ");
  const words = {
    string: "a text",
    boolean: "true or false",
    integer: "a whole number",
    number: "a number",
    integers: "a list of whole numbers",
  };
  return `${words[kind]}${range === "" ? "" : ` ${range}`}`;
}

/** A list of names or numbers, or the text that the command line has for it. */
function readListText(properties: Properties, property: string, { characters, items }: JsonLimits): string | undefined {
  const isItem = (item: unknown): boolean => typeof item === "string" || Number.isSafeInteger(item);
  const given = properties.value(
    property,
    (value): value is string | number | (string | number)[] =>
      isItem(value) || (Array.isArray(value) && value.length > 0 && value.length <= items && value.every(isItem)),
    "a text, or a list",
  );
  return given === undefined ? undefined : [given].flat().join(",").slice(0, characters);
}

/** The metric's name; of an object, what else it says becomes values of the other fields. */
function readMetric(
  properties: Properties,
  values: Record<string, unknown>,
  limits: JsonLimits,
): FieldValue | undefined {
  const isName = (value: unknown): value is string => isOf(REQUEST_FIELDS.metric, value, limits);
  const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object";
  const given = properties.value(
    "metric",
    (value): value is string | Record<string, unknown> => isName(value) || isObject(value),
    `one of ${REQUEST_FIELDS.metric.choices.join(", ")}, or an object`,
  );
  if (given === undefined || typeof given === "string") return given;
  const metric = properties.object("metric")!;
  const isToken = (item: unknown): item is string | number =>
    (typeof item === "string" && item !== "" && item.length <= 1000) ||
    (Number.isSafeInteger(item) && Number(item) >= 0);
  for (const [side, text, id] of [["positive", "posToken", "posId"], ["negative", "negToken", "negId"]] as const) {
    const tokens = metric.list(side, isToken, { what: "tokens, each as a text or an id", max: limits.items });
    if (tokens === undefined) continue;
    values[text] = tokens.filter((token) => typeof token === "string");
    values[id] = tokens.filter((token) => typeof token === "number");
  }
  const text = metric.text("text", { max: limits.characters });
  if (text !== undefined) values.targetText = text;
  const position = metric.integer("position");
  if (position !== undefined) values.metricPosition = [position];
  const name = metric.choice("name", METRIC_OBJECT_NAMES);
  metric.end();
  if (name === "target-text") metric.need("text", text);
  const { posToken, posId, negToken, negId, targetText } = values;
  if (
    name === "top-two" && [posToken, posId, negToken, negId, targetText].flat().some((given) => given !== undefined)
  ) {
    throw metric.wrong("name", name, "another, or no tokens and no text");
  }
  return name === "top-two" || name === "target-text" ? undefined : name;
}

function readSaes(
  properties: Properties,
  names: readonly FieldName[],
  limits: JsonLimits,
): (readonly [name: string, value: FieldValue])[] {
  const isText = (value: unknown): value is string => typeof value === "string" && value !== "" && value.length <= 1000;
  const property = jsonNameOf("sae", REQUEST_FIELDS.sae);
  const list = properties.value(
    property,
    (value): value is unknown[] =>
      Array.isArray(value) && value.length <= limits.items &&
      value.every((item) => isText(item) || (typeof item === "object" && item !== null && !Array.isArray(item))),
    "a list of SAEs, each a name or an object with source",
  );
  return (list ?? []).flatMap((item, i): (readonly [string, FieldValue])[] => {
    if (isText(item)) return [["sae", item]];
    const sae = properties.item(property, i);
    const source = sae.need("source", sae.value("source", isText, "a name"));
    const hook = sae.value("hook", isText, "a hook's name");
    const details = OF_AN_SAE.filter((name) => names.includes(name)).flatMap((name) => {
      const field: Field = REQUEST_FIELDS[name];
      const value = sae.value(
        jsonNameOf(name, field),
        (value): value is FieldValue => isOf(field, value, limits),
        wordsFor(field),
      );
      return value === undefined ? [] : [[name, value] as const];
    });
    sae.end();
    return [["sae", hook === undefined ? source : `${source}@${hook}`], ...details];
  });
}

/**
 * JSON Schema, written briefly.
 *
 * @module
 */

/** A schema. */
export type Schema = Readonly<Record<string, unknown>>;

/** A text, perhaps one of some. */
export const TEXT: Schema = { type: "string" };
/** A whole number. */
export const WHOLE: Schema = { type: "integer" };
/** Any number. */
export const NUMBER: Schema = { type: "number" };
/** True or false. */
export const FLAG: Schema = { type: "boolean" };

/** The same with what it means. */
export function described(schema: Schema, description: string): Schema {
  return { ...schema, description };
}

/** A list. */
export function list(items: Schema): Schema {
  return { type: "array", items };
}

/** One of several. */
export function either(...schemas: readonly Schema[]): Schema {
  return { anyOf: schemas };
}

/** It, or nothing. */
export function orNull(schema: Schema): Schema {
  return either(schema, { type: "null" });
}

/** A schema of the document by its name. */
export function named(name: string): Schema {
  return { $ref: `#/components/schemas/${name}` };
}

/** An object that has all of these, and may have some more. */
export function object(
  properties: Readonly<Record<string, Schema>>,
  more: Readonly<Record<string, Schema>> = {},
): Schema {
  return { type: "object", properties: { ...properties, ...more }, required: Object.keys(properties) };
}

/** An object that may have these, and nothing else. */
export function request(properties: Readonly<Record<string, Schema>>): Schema {
  return { type: "object", properties, additionalProperties: false };
}

/**
 * Errors about what is asked for, and how each front end says them.
 *
 * Messages of the library name options in its own words, in backquotes: `includeErrorTerm: false`. A command line says
 * `--no-error-term` there, JSON `"error_term": false`.
 *
 * @module
 */
import { type Field, flagOf, jsonNameOf } from "./field.ts";

/** A request that cannot be understood: one line that ends with what to do. */
export class RequestError extends RangeError {
  /** Tells it apart in messages. */
  override name = "RequestError";
}

/** How a front end names a field, with a value or without. */
export type SayField = (name: string, field: Field, value: string | undefined) => string;

const MENTION = /`([A-Za-z]\w*)(?:: (?:"([^"`]*)"|([\w.+-]+)))?`/g;

/** A message with its fields named as a front end names them; what is in backquotes and no field stays. */
export function inWords(message: string, fields: Readonly<Record<string, Field>>, say: SayField): string {
  return message.replace(MENTION, (all, name: string, text: string | undefined, value: string | undefined) => {
    return Object.hasOwn(fields, name) ? say(name, fields[name], text ?? value) : all;
  });
}

/** As an option of the command line. */
export const sayFlag: SayField = (name: string, field: Field, value: string | undefined): string => {
  const flag = flagOf(name, field);
  if (field.kind !== "boolean") return value === undefined ? `--${flag}` : `--${flag} ${value}`;
  return value === "false" && field.negates !== true ? `--no-${flag}` : `--${flag}`;
};

/** As a column of a table. */
export const sayColumn: SayField = (name: string, field: Field): string => jsonNameOf(name, field);

/** As a property of JSON. */
export const sayProperty: SayField = (name: string, field: Field, value: string | undefined): string => {
  const property = `"${jsonNameOf(name, field)}"`;
  if (value === undefined) return property;
  return `${property}: ${field.kind === "string" ? JSON.stringify(value) : value}`;
};

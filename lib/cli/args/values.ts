/**
 * Option values: from the text on the command line to what a command works with.
 *
 * @module
 */
import { quote } from "../../quote.ts";
import type { Field, FieldValue } from "../../request/field.ts";

export { quote } from "../../quote.ts";

/** A command line that cannot be understood: one line that ends with what to do. The program exits with code 2. */
export class UsageError extends Error {
  override name = "UsageError";
}

const INTEGER = /^[+-]?\d+$/;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** The value that an option's text stands for; a text that does not fit is a {@linkcode UsageError}. */
export function convert(flag: string, option: Field, text: string): FieldValue {
  const { choices } = option;
  if (choices !== undefined && !choices.includes(text)) {
    throw new UsageError(`--${flag} is ${quote(text)}: choose ${listed(choices)}`);
  }
  if (option.kind === "integer") return toNumber(flag, option, text, INTEGER, "a whole number");
  if (option.kind === "number") return toNumber(flag, option, text, NUMBER, "a number");
  if (option.kind !== "integers") return text;
  return text.split(",").map((part) =>
    toNumber(flag, option, part, INTEGER, "whole numbers with commas between", text)
  );
}

function toNumber(
  flag: string,
  { min = -Infinity, above = -Infinity, max = Infinity }: Field,
  part: string,
  pattern: RegExp,
  what: string,
  text: string = part,
): number {
  const value = pattern.test(part.trim()) ? Number(part) : NaN;
  const tooBig = pattern === INTEGER ? !Number.isSafeInteger(value) : !Number.isFinite(value);
  if (!tooBig && value >= min && value > above && value <= max) return value;
  const range = [
    min > -Infinity ? `at least ${min}` : "",
    above > -Infinity ? `above ${above}` : "",
    max < Infinity ? `at most ${max}` : "",
  ].filter(Boolean);
  const bounds = range.length === 0 ? "" : `, ${range.join(" and ")}`;
  throw new UsageError(`--${flag} is ${quote(text)}: give ${what}${bounds}`);
}

/** `a, b or c` */
export function listed(choices: readonly string[]): string {
  return choices.length < 2 ? choices.join("") : `${choices.slice(0, -1).join(", ")} or ${choices.at(-1)}`;
}

/**
 * One prompt of a data set.
 *
 * @module
 */
import { quote } from "../../quote.ts";
import type { TokenRef } from "../../attribution/metric/metrics.ts";
import type { OwnTokens } from "../metric.ts";

/** A prompt to attribute. */
export interface PromptRecord extends OwnTokens {
  /** Where it stands in the input, from 1: its first line; in Parquet, its row. */
  readonly line: number;
  /** What the rows are marked with: its own id, else its number among the prompts, from 1. */
  readonly id: string;
  /** Text, or token ids used exactly as given. */
  readonly prompt: string | readonly number[];
}

/** What should have been a prompt. */
export interface BrokenRecord {
  /** Where it stands in the input, from 1. */
  readonly line: number;
  /** Its own id where it has one, else its number among the prompts. */
  readonly id: string;
  /** What is wrong with it. */
  readonly error: string;
}

/** A prompt, or what should have been one. */
export type InputRecord = PromptRecord | BrokenRecord;

/** The names that are read; other ones are left alone. */
export const FIELDS = [
  "prompt",
  "ids",
  "id",
  "prompt_id",
  "pos_token",
  "neg_token",
  "pos_id",
  "neg_id",
  "target_text",
  "answer_text",
] as const;

type Field = typeof FIELDS[number];

/** Values by {@linkcode FIELDS}, as their file has them. */
export type Fields = Readonly<Partial<Record<Field, unknown>>>;

/**
 * Where the fields stand among the names of columns. `Prompt` and `Pos Token` are understood too, where there is no
 * column with the very name.
 *
 * @returns an error that goes on after the name of what has these columns if one field has several
 */
export function fieldColumns(names: readonly string[]): ReadonlyMap<Field, number> | SyntaxError {
  const columns = new Map<Field, number>();
  for (const [i, name] of names.entries()) {
    const field = name.trim().toLowerCase().replace(/[\s-]+/g, "_") as Field;
    if (!FIELDS.includes(field)) continue;
    const before = columns.get(field);
    if (before === undefined) columns.set(field, i);
    else if ((name === field) === (names[before] === field)) {
      const spelt = name === names[before] ? "" : ` (${names[before].trim()} and ${name.trim()})`;
      return new SyntaxError(`names ${field} twice${spelt}`);
    } else if (name === field) columns.set(field, i);
  }
  return columns;
}

/** Longer prompts would keep the tokenizer busy for minutes, and fit no model. */
const MOST_CHARACTERS = 2 ** 20;
const MOST_ID_CHARACTERS = 1000;

/**
 * Makes a record of a line's fields; what is wrong with them becomes a {@linkcode BrokenRecord}.
 *
 * @param line where it stands, from 1
 * @param number which prompt it is, from 1
 */
export function toRecord(fields: Fields, line: number, number: number): InputRecord {
  let id = String(number);
  try {
    id = readId(fields) ?? id;
    const positive = readTokens(fields, "pos_token", "pos_id");
    const negative = readTokens(fields, "neg_token", "neg_id");
    const targetText = readContinuation(fields, "target_text");
    const answerText = readContinuation(fields, "answer_text");
    return {
      line,
      id,
      prompt: readPrompt(fields),
      ...(positive === undefined ? {} : { positive }),
      ...(negative === undefined ? {} : { negative }),
      ...(targetText === undefined ? {} : { targetText }),
      ...(answerText === undefined ? {} : { answerText }),
    };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return { line, id, error: error.message };
  }
}

function isAbsent(value: unknown): boolean {
  return value === undefined || value === null;
}

function readId({ id: own, prompt_id: other }: Fields): string | undefined {
  const id = isAbsent(own) ? other : own;
  if (isAbsent(id)) return undefined;
  if (typeof id !== "string" && typeof id !== "number" && typeof id !== "bigint") {
    throw new RangeError(`id is ${quote(id)}: give a text or a number`);
  }
  const text = String(id);
  if (text.length > MOST_ID_CHARACTERS) {
    throw new RangeError(`id has ${text.length} characters: give at most ${MOST_ID_CHARACTERS}`);
  }
  return text;
}

function readPrompt({ prompt, ids }: Fields): string | readonly number[] {
  if (isAbsent(prompt) && isAbsent(ids)) throw new RangeError("There is neither prompt nor ids: give one of them");
  if (!isAbsent(prompt) && !isAbsent(ids)) throw new RangeError("There are both prompt and ids: give one of them");
  if (!isAbsent(ids)) return readIds(ids);
  if (typeof prompt !== "string") throw new RangeError(`prompt is ${quote(prompt)}: give a text`);
  if (prompt.length > MOST_CHARACTERS) {
    throw new RangeError(`prompt has ${prompt.length} characters: give at most ${MOST_CHARACTERS}`);
  }
  return prompt;
}

function readContinuation(fields: Fields, name: "target_text" | "answer_text"): string | undefined {
  const text = fields[name];
  if (isAbsent(text)) return undefined;
  if (typeof text === "string" && text.length <= MOST_CHARACTERS) return text;
  throw new RangeError(`${name} is ${quote(text)}: give a text of at most ${MOST_CHARACTERS} characters`);
}

function readIds(ids: unknown): readonly number[] {
  const list = typeof ids === "string" ? splitIds(ids) : Array.isArray(ids) ? ids : isView(ids) ? [...ids] : [];
  const numbers = list.map((id) => typeof id === "bigint" ? Number(id) : id);
  if (numbers.length > 0 && numbers.every(isTokenId)) return numbers;
  throw new RangeError(`ids is ${quote(ids)}: give token ids, as in [1, 2, 3]`);
}

/** In a cell of text: `[1, 2, 3]`, `1,2,3` or `1 2 3`; pandas writes `1.0` where a cell of the column is empty. */
function splitIds(text: string): number[] {
  const inside = /^\s*\[(.*)\]\s*$/.exec(text)?.[1] ?? text;
  return inside.trim().split(/[\s,]+/).map((part) => /^\d+(\.0+)?$/.test(part) ? Number(part) : NaN);
}

function isView(value: unknown): value is Int32Array | BigInt64Array {
  return ArrayBuffer.isView(value) && !(value instanceof DataView);
}

function isTokenId(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function readTokens(fields: Fields, text: "pos_token" | "neg_token", id: "pos_id" | "neg_id"): TokenRef[] | undefined {
  const texts = isAbsent(fields[text]) ? [] : [fields[text]].flat();
  const wrong = texts.find((token) => typeof token !== "string");
  if (wrong !== undefined) throw new RangeError(`${text} is ${quote(wrong)}: give a text, or a number as ${id}`);
  const ids = isAbsent(fields[id]) ? [] : readIds(typeof fields[id] === "string" ? fields[id] : [fields[id]].flat());
  const tokens = [...texts as string[], ...ids];
  return tokens.length === 0 ? undefined : tokens;
}

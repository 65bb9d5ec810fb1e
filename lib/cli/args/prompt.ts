/**
 * The prompt: text, token ids, or standard input; and files of prompts.
 *
 * @module
 */
import { readText, readTextFile } from "../../platform/read_text.ts";
import { quote, UsageError } from "./values.ts";
import { parseJson } from "../../weights/json/json.ts";

/** Text or ids, or the word that it is still to be read. */
export type PromptSource = string | readonly number[] | typeof STDIN;

/** The prompt comes from standard input. */
export const STDIN: unique symbol = Symbol("standard input");

/**
 * Where the prompt comes from.
 *
 * @throws {UsageError} unless it is given in exactly one way
 */
export function readPromptSource(
  [text]: readonly string[],
  ids: readonly number[] | undefined,
  messages?: string,
): PromptSource {
  if (messages !== undefined) {
    if (text === undefined) return ""; // a chat is read where it is written
    throw new UsageError(`the prompt is given twice, as ${quote(text)} and as --messages: give one of them`);
  }
  if (text !== undefined && ids !== undefined) {
    throw new UsageError(`the prompt is given twice, as ${quote(text)} and as --token-ids: give one of them`);
  }
  if (ids !== undefined) return ids;
  if (text === undefined) {
    throw new UsageError('PROMPT is missing: write the text in quotes, "-" for standard input, or --token-ids 1,2,3');
  }
  return text === "-" ? STDIN : text;
}

/** Prompts rarely have fewer characters per token. */
const CHARACTERS_PER_TOKEN = 3;

/** About how many tokens a prompt has; 0 if it is still to be read. */
export function expectedTokens(source: PromptSource): number {
  if (source === STDIN) return 0;
  return typeof source === "string" ? Math.ceil(source.length / CHARACTERS_PER_TOKEN) : source.length;
}

/** The prompt itself. A newline at the end of standard input is the shell's, not the prompt's. */
export async function readPrompt(source: PromptSource): Promise<string | readonly number[]> {
  if (source !== STDIN) return source;
  return (await readText(Deno.stdin.readable, "standard input")).replace(/\r?\n$/, "");
}

/** All are held. */
const MOST_LINES = 2 ** 20;

/** What is a table by its name is not a prompt a line. */
const TABLE = /\.(csv|tsv|parquet|xlsx?)$/i;

/** One line of the file. */
export interface FilePrompt {
  /** From 1. */
  readonly line: number;
  readonly prompt: string | readonly number[];
}

/**
 * The prompts of a file, one a line: text, or a JSON array of token ids.
 *
 * @throws {RangeError | SyntaxError} if there is none, it is a table, or a line is no prompt; the message names file and
 * line
 */
export async function readPromptFile(file: string | typeof STDIN): Promise<FilePrompt[]> {
  if (file !== STDIN && TABLE.test(file)) {
    throw new RangeError(
      `${file} is a table by its ending, which batch reads: give a text file with one prompt a line`,
    );
  }
  const text = file === STDIN ? String(await readPrompt(file)) : await readTextFile(file, "prompts from");
  return readLines(file === STDIN ? "standard input" : file, text);
}

/** The lines that are not empty. */
function readLines(name: string, text: string): FilePrompt[] {
  const all = text.split("\n", MOST_LINES + 1);
  if (all.length > MOST_LINES) throw new RangeError(`${name} has more than ${MOST_LINES} lines: batch takes as many`);
  const lines = all.map((line) => line.endsWith("\r") ? line.slice(0, -1) : line).map((text, i) => ({
    text,
    line: i + 1,
  })).filter(({ text }) => text !== "");
  if (lines.length === 0) throw new RangeError(`There are no prompts in ${name}: write one a line`);
  return lines.map(({ text, line }) => ({ line, prompt: text.startsWith("[") ? readIds(name, line, text) : text }));
}

function readIds(name: string, line: number, text: string): readonly number[] {
  let ids: unknown;
  try {
    ids = parseJson(text, "it");
  } catch {
    // reported below
  }
  if (Array.isArray(ids) && ids.length > 0 && ids.every((id) => Number.isSafeInteger(id) && id >= 0)) return ids;
  throw new SyntaxError(
    `Line ${line} of ${name} is ${quote(text)}: a line that begins with [ is an array of token ids, as in [1, 2, 3]`,
  );
}

/**
 * A file of prompts.
 *
 * @module
 */
import { readTextFile } from "../../platform/read_text.ts";
import { parseJson } from "../../weights/json/json.ts";
import { quote } from "../args/values.ts";
import { readPrompt, STDIN } from "../args/prompt.ts";

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

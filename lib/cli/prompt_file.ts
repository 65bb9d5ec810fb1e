/**
 * A file of prompts.
 *
 * @module
 */
import { fileError } from "../platform/file_error.ts";
import { parseJson } from "../weights/json.ts";
import { quote } from "./args_values.ts";
import { readPrompt, STDIN } from "./prompt.ts";

/** One line of the file. */
export interface FilePrompt {
  /** From 1. */
  readonly line: number;
  readonly prompt: string | readonly number[];
}

/**
 * The prompts of a file, one a line: text, or a JSON array of token ids.
 *
 * @throws {RangeError | SyntaxError} if there is none, or a line is no prompt; the message names file and line
 */
export async function readPromptFile(file: string | typeof STDIN): Promise<FilePrompt[]> {
  return readLines(file === STDIN ? "standard input" : file, await readText(file));
}

async function readText(file: string | typeof STDIN): Promise<string> {
  if (file === STDIN) return String(await readPrompt(file));
  const bytes = await Deno.readFile(file).catch((error) => {
    throw fileError("read", file, error, "prompts from");
  });
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new SyntaxError(`Cannot read prompts from ${file}: it is no text in UTF-8`);
  }
}

/** The lines that are not empty. */
function readLines(name: string, text: string): FilePrompt[] {
  const lines = text.split(/\r?\n/).map((text, i) => ({ text, line: i + 1 })).filter(({ text }) => text !== "");
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

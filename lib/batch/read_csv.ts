/**
 * Prompts from CSV, record by record: what is broken is reported with its line, and reading goes on after it.
 *
 * @module
 */
import { parse } from "../deps/csv_parse.ts";
import { type Line, MOST_LINE_BYTES, withoutReturn } from "./lines.ts";
import { FIELDS, type Fields, type InputRecord, toRecord } from "./record.ts";

const WRONG_QUOTES = "The quotes are wrong: quote the whole cell, close it, and write quotes inside it twice";

/** Cells of one record, or why there are none. */
interface Cells {
  /** Of its first line. */
  readonly line: number;
  readonly cells: readonly string[];
  readonly problem?: string;
}

/**
 * The records of a CSV with a header; an empty cell is an absent value.
 *
 * A record whose quotes are wrong is reported with the line that it begins in, and the line after that one is a new
 * record: a forgotten quote does not swallow the rest of the file.
 *
 * @throws {SyntaxError} if the header names neither `prompt` nor `ids`, or one name twice
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { readLines } from "./lines.ts";
 * import { readCsv } from "./read_csv.ts";
 *
 * const lines = readLines([new TextEncoder().encode('id,prompt\na," golf, ""the"" sport"\n')]);
 * assert.deepEqual(await Array.fromAsync(readCsv(lines)), [{ line: 2, id: "a", prompt: ' golf, "the" sport' }]);
 * ```
 */
export async function* readCsv(lines: AsyncIterable<Line>): AsyncGenerator<InputRecord> {
  let names: readonly string[] | undefined;
  let number = 0;
  for await (const { line, cells, problem } of readCells(lines)) {
    if (names === undefined) {
      if (problem !== undefined) throw new SyntaxError(`its header, line ${line}, cannot be read: ${problem}`);
      names = checkHeader(cells);
      continue;
    }
    number++;
    const wrong = problem ??
      (cells.length === names.length
        ? undefined
        : `The record has ${cells.length} cells and the header ${names.length}: quote what contains commas`);
    if (wrong !== undefined) yield { line, id: String(number), error: wrong };
    else yield toRecord(toFields(names, cells), line, number);
  }
}

function checkHeader(names: readonly string[]): readonly string[] {
  const twice = names.find((name, i) => (FIELDS as readonly string[]).includes(name) && names.indexOf(name) !== i);
  if (twice !== undefined) throw new SyntaxError(`its header names ${twice} twice`);
  if (names.includes("prompt") || names.includes("ids")) return names;
  throw new SyntaxError(`its header has no column prompt or ids, but ${names.slice(0, 10).join(", ")}`);
}

function toFields(names: readonly string[], cells: readonly string[]): Fields {
  return Object.fromEntries(FIELDS.flatMap((name) => {
    const cell = cells[names.indexOf(name)];
    return cell === undefined || cell === "" ? [] : [[name, cell]];
  }));
}

async function* readCells(lines: AsyncIterable<Line>): AsyncGenerator<Cells> {
  const iterator = lines[Symbol.asyncIterator]();
  const again: Line[] = []; // lines to read once more, the next one last
  const next = async (): Promise<Line | undefined> => {
    if (again.length > 0) return again.pop();
    const { value, done } = await iterator.next();
    return done ? undefined : value;
  };
  for (let line = await next(); line !== undefined; line = await next()) {
    if (line.problem !== undefined) yield { line: line.number, cells: [], problem: line.problem };
    else if (withoutReturn(line.text) !== "") {
      const { followers, ...cells } = await readRecord(line, next);
      yield cells;
      if (cells.problem !== undefined) again.push(...followers.reverse());
    }
  }
}

/** The record that begins in a line; inside quotes it goes on in those that follow. */
async function readRecord(
  first: Line,
  next: () => Promise<Line | undefined>,
): Promise<Cells & { followers: Line[] }> {
  const followers: Line[] = [];
  const texts = [first.text];
  let length = first.text.length;
  let isOpen = hasOddQuotes(first.text);
  while (isOpen && length <= MOST_LINE_BYTES) {
    const line = await next();
    if (line === undefined) break;
    followers.push(line);
    if (line.problem !== undefined) break;
    texts.push(line.text);
    length += line.text.length + 1;
    if (hasOddQuotes(line.text)) isOpen = false;
  }
  const broken = (problem: string) => ({ line: first.number, cells: [], problem, followers });
  if (isOpen) return broken(WRONG_QUOTES);
  const text = withoutReturn(texts.join("\n"));
  if (!text.includes('"')) return { line: first.number, cells: text.split(","), followers };
  try {
    const [cells] = parse(text, { record_delimiter: "\n", relax_column_count: true, max_record_size: 0 });
    return { line: first.number, cells, followers };
  } catch {
    return broken(WRONG_QUOTES);
  }
}

function hasOddQuotes(text: string): boolean {
  let isOdd = false;
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at + 1)) isOdd = !isOdd;
  return isOdd;
}

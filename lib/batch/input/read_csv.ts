/**
 * Prompts from CSV, record by record: what is broken is reported with its line, and reading goes on after it.
 *
 * @module
 */
import { excerpt, quote } from "../../quote.ts";
import { type Line, MOST_LINE_BYTES, withoutReturn } from "./lines.ts";
import { fieldColumns, type Fields, type InputRecord, toRecord } from "./record.ts";

const WRONG_QUOTES = "The quotes are wrong: quote the whole cell, close it, and write quotes inside it twice";

/** Of a record: no prompt has so many. */
const MOST_LINES = 2 ** 16;

/** What may stand between cells where neither the format nor a first line `sep=` says it, and how it is called. */
const DELIMITERS: Readonly<Record<string, string>> = { ",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars" };

/** Cells of one record, or why there are none. */
interface Cells {
  /** Of its first line. */
  readonly line: number;
  readonly cells: readonly string[];
  readonly problem?: string;
}

/** What stands between cells, known once the header has been seen. */
interface Dialect {
  delimiter: string | undefined;
}

/**
 * The records of a CSV with a header; an empty cell is an absent value.
 *
 * A record whose quotes are wrong is reported with the line that it begins in, and the line after that one is a new
 * record: a forgotten quote does not swallow the rest of the file.
 *
 * @param delimiter undefined: what Excel's first line `sep=;` says, else that at which the header falls into names known
 * @throws {SyntaxError} if the header names neither `prompt` nor `ids`, or one name twice
 */
export async function* readCsv(lines: AsyncIterable<Line>, delimiter?: string): AsyncGenerator<InputRecord> {
  const dialect: Dialect = { delimiter };
  let columns: ReadonlyMap<string, number> | undefined;
  let width = 0;
  let number = 0;
  for await (const { line, cells, problem } of readCells(lines, dialect)) {
    if (columns === undefined) {
      if (problem !== undefined) throw new SyntaxError(`its header, line ${line}, cannot be read: ${problem}`);
      columns = checkHeader(cells);
      width = cells.length;
      continue;
    }
    number++;
    const between = DELIMITERS[dialect.delimiter!] ?? quote(dialect.delimiter);
    const wrong = problem ??
      (cells.length === width
        ? undefined
        : `The record has ${cells.length} cells and the header ${width}: quote what contains ${between}`);
    if (wrong !== undefined) yield { line, id: String(number), error: wrong };
    else yield toRecord(toFields(columns, cells), line, number);
  }
}

function checkHeader(names: readonly string[]): ReadonlyMap<string, number> {
  const columns = fieldColumns(names);
  if (columns instanceof SyntaxError) throw new SyntaxError(`its header ${columns.message}`);
  if (columns.has("prompt") || columns.has("ids")) return columns;
  throw new SyntaxError(`its header has no column prompt or ids, but ${excerpt(names.join(", "))}`);
}

function toFields(columns: ReadonlyMap<string, number>, cells: readonly string[]): Fields {
  return Object.fromEntries([...columns].filter(([, i]) => cells[i] !== "").map(([name, i]) => [name, cells[i]]));
}

async function* readCells(lines: AsyncIterable<Line>, dialect: Dialect): AsyncGenerator<Cells> {
  const iterator = lines[Symbol.asyncIterator]();
  const again: Line[] = []; // lines to read once more, the next one last
  const next = async (): Promise<Line | undefined> => {
    if (again.length > 0) return again.pop();
    const { value, done } = await iterator.next();
    return done ? undefined : value;
  };
  for (let line = await next(); line !== undefined; line = await next()) {
    const separator = line.number === 1 ? /^"?sep=(.)"?\r?$/i.exec(line.text)?.[1] : undefined;
    if (separator !== undefined) dialect.delimiter = separator;
    else if (line.problem !== undefined) yield { line: line.number, cells: [], problem: line.problem };
    else if (withoutReturn(line.text) !== "") {
      const { followers, ...cells } = await readRecord(line, next, dialect);
      yield cells;
      if (cells.problem !== undefined) again.push(...followers.reverse());
    }
  }
}

/** The record that begins in a line; inside quotes it goes on in those that follow. */
async function readRecord(
  first: Line,
  next: () => Promise<Line | undefined>,
  dialect: Dialect,
): Promise<Cells & { followers: Line[] }> {
  const followers: Line[] = [];
  const texts = [first.text];
  let length = first.text.length;
  let isOpen = hasOddQuotes(first.text);
  while (isOpen && length <= MOST_LINE_BYTES && texts.length < MOST_LINES) {
    const line = await next();
    if (line === undefined) break;
    followers.push(line);
    if (line.problem !== undefined) break;
    texts.push(line.text);
    length += line.text.length + 1;
    if (hasOddQuotes(line.text)) isOpen = false;
  }
  const text = withoutReturn(texts.join("\n"));
  const cells = isOpen ? undefined : splitCells(text, dialect.delimiter ??= findDelimiter(text));
  return { line: first.number, cells: cells ?? [], problem: cells === undefined ? WRONG_QUOTES : undefined, followers };
}

/** Undefined if the quotes are wrong. */
function splitCells(text: string, delimiter: string): readonly string[] | undefined {
  if (!text.includes('"')) return text.split(delimiter);
  const cells: string[] = [];
  for (let at = 0;; at += delimiter.length) {
    const quoted = text[at] === '"' ? quotedCell(text, at) : undefined;
    if (quoted === undefined) {
      const end = text.indexOf(delimiter, at);
      const cell = text.slice(at, end < 0 ? undefined : end);
      if (cell.includes('"')) return undefined;
      cells.push(cell);
      at += cell.length;
    } else {
      cells.push(quoted.cell);
      at = quoted.end;
    }
    if (at === text.length) return cells;
    if (!text.startsWith(delimiter, at)) return undefined;
  }
}

/** The cell whose first quote is at `start`, in which two quotes are one; undefined if it is not closed. */
function quotedCell(text: string, start: number): { cell: string; end: number } | undefined {
  let cell = "";
  for (let at = start + 1;;) {
    const quote = text.indexOf('"', at);
    if (quote < 0) return undefined;
    cell += text.slice(at, quote);
    if (text[quote + 1] !== '"') return { cell, end: quote + 1 };
    cell += '"';
    at = quote + 2;
  }
}

/** The one at which a header falls into names that are known; a comma where there is none. */
function findDelimiter(header: string): string {
  const fitting = Object.keys(DELIMITERS).filter((delimiter) => {
    const columns = header.includes(delimiter) ? fieldColumns(splitCells(header, delimiter) ?? []) : new Map();
    return columns instanceof SyntaxError || columns.has("prompt") || columns.has("ids");
  });
  if (fitting.length <= 1) return fitting[0] ?? ",";
  const [one, other] = fitting.map((delimiter) => DELIMITERS[delimiter]);
  throw new SyntaxError(
    `its header can be split at ${one} and at ${other}: say which in a first line, such as sep=${fitting[0]}`,
  );
}

function hasOddQuotes(text: string): boolean {
  let isOdd = false;
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at + 1)) isOdd = !isOdd;
  return isOdd;
}
